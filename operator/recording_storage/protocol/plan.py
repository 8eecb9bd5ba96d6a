"""The plan: what an uploader must know, by account."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Discriminator, Field, SecretStr, Tag

from recording_storage.domain.policy import (
    DEFAULT_DENIAL_GRACE,
    DEFAULT_RETRY_WINDOW,
    FatalErrorPolicy,
    ObjectMetadata,
    ServerSideEncryption,
)
from recording_storage.domain.states import Product
from recording_storage.protocol.base import Message, Sid


class StaticKeys(Message):
    """A key pair; with a session token and an end where it is a temporary one. Never journalled, never logged."""

    type: Literal["StaticKeys"] = "StaticKeys"
    sid: Sid
    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr | None = None
    expiration: AwareDatetime | None = None
    """From then on it counts as refused."""


class OtherCredential(Message):
    """Of a kind that a newer store knows; this version can't use it, and says so."""

    type: str
    sid: Sid


def _kind_of(raw: Any) -> str:
    kind = raw.get("type", "StaticKeys") if isinstance(raw, dict) else raw.type
    return "StaticKeys" if kind == "StaticKeys" else "other"


CredentialPlan = Annotated[
    Annotated[StaticKeys, Tag("StaticKeys")] | Annotated[OtherCredential, Tag("other")], Discriminator(_kind_of)
]
"""The present credential of a destination, by its `type`; a message from before there were types is of StaticKeys."""


class EncryptionPlan(Message):
    scheme: str = "rsa-aes"
    public_key_sid: Sid
    public_key: str
    """PEM."""


class DestinationPlan(Message):
    """Where objects go. Immutable under its id; the credential is not part of it and may change at any time."""

    id: str
    endpoint: str
    """`https://host[:port]`, without the bucket."""
    bucket: str
    prefix: str
    """Empty, or ends in `/`."""
    region: str = ""
    addressing: str = "path"
    """`path` or `virtual`."""
    allow_http: bool = False
    allow_private: bool = False
    """The store's operator has allowed this endpoint, whatever address it resolves to."""
    key_template: str = "{recording_sid}{ext}"
    ca_bundle: str = ""
    """PEM; empty: the system's."""
    expected_bucket_owner: str = ""
    storage_class: str = ""
    server_side_encryption: ServerSideEncryption = ServerSideEncryption.NONE
    kms_key_id: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    object_metadata: ObjectMetadata = ObjectMetadata.SIDS
    trust_unverified: bool = False
    """Used although its server vouches for nothing of what it stores."""
    encryption: EncryptionPlan | None = None
    proven: bool = False
    """It has worked before: verified when it was enabled, or an object was stored there."""
    credential: CredentialPlan | None = None
    """None: it was deleted; the destination is held until there is one."""


class ProductPlan(Message):
    """What happens to a new recording of the product."""

    destination_id: str | None = None
    """None: external storage is off, recordings go to the store's own media storage."""
    retry_window: float = DEFAULT_RETRY_WINDOW
    """Seconds."""
    fatal_error_policy: FatalErrorPolicy = FatalErrorPolicy.RETAIN
    denial_grace: float = DEFAULT_DENIAL_GRACE
    """Seconds that a denial must last before it ends anything; 0: at once."""


class AccountPlan(Message):
    account_sid: Sid
    revision: int
    """Grows with every change of the account's settings."""
    products: dict[Product, ProductPlan]
    """One that is missing waits: external storage is off for it, and own storage withheld. Uploaders of every version
    keep its recordings on the spool then, as they do without a plan."""
    destinations: dict[str, DestinationPlan]
    """By id: each that is still needed, not only today's."""
