"""PublicKey: the customer's RSA key for which recordings are encrypted."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from recording_storage.resources.common import (
    ATOMIC,
    Column,
    CredentialSid,
    DataKey,
    Names,
    ObjectName,
    Part,
    Resource,
    Status,
    StoredItemSpec,
    Union,
)
from recording_storage.resources.rules import Reason, immutable, rule, rules


class KeySourceType(StrEnum):
    INLINE = "Inline"
    CONFIG_MAP = "ConfigMap"


# Rules and not a pattern, and Forbidden: then the API server doesn't repeat the value, which may be a private key.
PEM = rules(
    rule(
        "!self.contains('PRIVATE KEY')",
        message="this is a private key: treat it as disclosed, make a new pair, and give only the public half here "
        "(openssl pkey -in key.pem -pubout)",
        reason=Reason.FORBIDDEN,
    ),
    rule(
        r"self.contains('PRIVATE KEY') || self.matches('^\\s*-----BEGIN PUBLIC KEY-----\\s[A-Za-z0-9+/=\\s]+'"
        r" + '-----END PUBLIC KEY-----\\s*$')",
        message="must be one PEM block that begins with -----BEGIN PUBLIC KEY----- (openssl pkey -in key.pem -pubout)",
        reason=Reason.FORBIDDEN,
    ),
)


class ConfigMapKeyRef(Part):
    """A key of a ConfigMap in the same namespace."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName
    """Name of the ConfigMap."""
    key: DataKey = "public.pem"
    """The ConfigMap's key that holds the PEM; public.pem if not given."""


class KeySource(Union):
    """Where the public key comes from."""

    members: ClassVar[Mapping[str, str | None]] = {
        KeySourceType.INLINE: "inline",
        KeySourceType.CONFIG_MAP: "configMap",
    }

    type: KeySourceType
    """Inline: the PEM stands here. ConfigMap: in a ConfigMap of this namespace."""
    inline: Annotated[str, Field(min_length=1, max_length=16384, json_schema_extra=PEM)] | None = None
    """RSA public key of at least 2048 bits as PEM; required when type is Inline."""
    config_map: ConfigMapKeyRef | None = None
    """ConfigMap that holds the PEM; required when type is ConfigMap."""


class PublicKeySpec(StoredItemSpec):
    """The public key that is wanted."""

    source: Annotated[
        KeySource,
        Field(
            json_schema_extra=rules(
                immutable("source", remedy="rotate with a new PublicKey and refer to that one in RecordingSettings")
            )
        ),
    ]
    """Where the public key comes from. Immutable: recordings name the key that they are encrypted for."""


class PublicKeyStatus(Status):
    """The public key as it is."""

    sid: CredentialSid | None = None
    """Sid of the key at the store."""
    fingerprint: Annotated[str, Field(max_length=128)] | None = None
    """SHA-256 of the key's DER form, as openssl prints it: tells which private key will decrypt."""


class PublicKey(Resource):
    """An RSA public key for which recordings are encrypted; the private half never leaves the customer."""

    names: ClassVar[Names] = Names(plural="publickeys", singular="publickey", short="recpubkey")
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="Account", path=".spec.accountRef.name", description="RecordingAccount that owns it"),
        Column(name="Sid", path=".status.sid", description="Sid of the key at the store"),
        Column(name="Fingerprint", path=".status.fingerprint", description="SHA-256 of the key", priority=1),
    )
    selectable: ClassVar[tuple[str, ...]] = (
        ".spec.accountRef.name",
        ".spec.accountRef.namespace",
        ".spec.source.configMap.name",
    )

    kind: Literal["PublicKey"] = "PublicKey"
    spec: PublicKeySpec
    """The public key that is wanted."""
    status: PublicKeyStatus = PublicKeyStatus()
    """The public key as it is."""
