"""Names of objects: what is reconciled, and what is referred to."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kinds that the operator reads; the first five it also reconciles."""

    ACCOUNT = "RecordingAccount"
    CREDENTIAL = "AwsCredential"
    PUBLIC_KEY = "PublicKey"
    SETTINGS = "RecordingSettings"
    SPOOL = "RecordingSpool"
    SECRET = "Secret"  # noqa: S105 - a kind
    CONFIG_MAP = "ConfigMap"
    NAMESPACE = "Namespace"
    CLAIM = "PersistentVolumeClaim"


@dataclass(frozen=True, order=True)
class Key:
    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


ANY_NAMESPACE = Key(Kind.NAMESPACE, "", "*")
"""Referred to by what depends on the labels of namespaces."""
