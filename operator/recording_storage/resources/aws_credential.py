"""AwsCredential: a key pair for the customer's bucket, kept in a Secret."""

from collections.abc import Mapping
from datetime import datetime
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
    map_list,
)


class CredentialSourceType(StrEnum):
    STATIC_KEYS = "StaticKeys"


class KeyPairSecretRef(Part):
    """A Secret in the same namespace that holds both halves of the key pair: two Secrets would rotate apart."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName
    """Name of the Secret."""
    access_key_id_key: DataKey = "accessKeyId"
    """The Secret's key that holds the access key id; accessKeyId if not given."""
    secret_access_key_key: DataKey = "secretAccessKey"  # noqa: S105 - the name of a key, not its value
    """The Secret's key that holds the secret access key; secretAccessKey if not given."""


class StaticKeys(Part):
    """A long-lived access key id and its secret."""

    secret_ref: KeyPairSecretRef
    """The Secret that holds the key pair. A change of it is a rotation and reaches the store at once."""


class CredentialSource(Union):
    """Where the credential comes from."""

    members: ClassVar[Mapping[str, str | None]] = {CredentialSourceType.STATIC_KEYS: "staticKeys"}

    type: CredentialSourceType
    """StaticKeys: a key pair in a Secret."""
    static_keys: StaticKeys | None = None
    """The key pair; required when type is StaticKeys."""


class AwsCredentialSpec(StoredItemSpec):
    """The credential that is wanted."""

    source: CredentialSource
    """Where the credential comes from."""


class RetiringCredential(Part):
    """A predecessor at the store."""

    sid: CredentialSid
    """Its sid."""
    since: datetime
    """When its successor took over. It is deleted when no live uploader uses it, after an hour at the latest."""


class AwsCredentialStatus(Status):
    """The credential as it is."""

    sid: CredentialSid | None = None
    """Sid of the credential in use."""
    pending_sid: CredentialSid | None = None
    """Sid of the successor, while the settings verify it and switch."""
    retiring: Annotated[list[RetiringCredential], Field(max_length=32, json_schema_extra=map_list("sid"))] | None = None
    """Predecessors that an uploader may still use."""
    access_key_id_hint: Annotated[str, Field(max_length=4)] | None = None
    """The last four characters of the access key id."""
    secret_version: Annotated[str, Field(max_length=128)] | None = None
    """Keyed hash of the key pair that sid stands for: tells a rotation, tells nothing about the keys."""
    pending_secret_version: Annotated[str, Field(max_length=128)] | None = None
    """The same for pendingSid."""


class AwsCredential(Resource):
    """A key pair for the customer's bucket: the Secret is its source, the store has a copy under a sid."""

    names: ClassVar[Names] = Names(plural="awscredentials", singular="awscredential", short="awscred")
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="Account", path=".spec.accountRef.name", description="RecordingAccount that owns it"),
        Column(name="Sid", path=".status.sid", description="Sid of the credential at the store"),
        Column(name="Pending", path=".status.pendingSid", description="Sid of its successor, until it is in use"),
        Column(name="Key", path=".status.accessKeyIdHint", description="End of the access key id", priority=1),
    )
    selectable: ClassVar[tuple[str, ...]] = (
        ".spec.accountRef.name",
        ".spec.accountRef.namespace",
        ".spec.source.staticKeys.secretRef.name",
    )

    kind: Literal["AwsCredential"] = "AwsCredential"
    spec: AwsCredentialSpec
    """The credential that is wanted."""
    status: AwsCredentialStatus = AwsCredentialStatus()
    """The credential as it is."""
