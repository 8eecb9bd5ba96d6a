"""The plan: what an uploader must know, by account."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import Meta, field

from recording_storage.domain.bucket_url import Addressing, BucketLocation
from recording_storage.domain.object_key import DEFAULT_TEMPLATE
from recording_storage.domain.policy import ObjectMetadata, ServerSideEncryption, UploadPolicy
from recording_storage.domain.states import Product
from recording_storage.protocol.base import Message, Secret, Sid

STATIC_KEYS = "StaticKeys"


class CredentialPlan(Message, frozen=True, kw_only=True):
    """The present credential of a destination. Never journalled, never logged."""

    type: str = STATIC_KEYS
    """A key pair; with a session token and an end where it is a temporary one. A newer store may know other kinds:
    this version can't use them, and says so."""
    sid: Sid
    access_key_id: str = ""
    secret_access_key: Secret = field(default_factory=Secret)
    session_token: Secret | None = None
    expiration: Annotated[datetime, Meta(tz=True)] | None = None
    """From then on it counts as refused."""

    @property
    def is_usable(self) -> bool:
        """By this version."""
        return self.type == STATIC_KEYS


class EncryptionPlan(Message, frozen=True, kw_only=True):
    scheme: str = "rsa-aes"
    public_key_sid: Sid
    public_key: str
    """PEM."""


class DestinationPlan(Message, frozen=True, kw_only=True):
    """Where objects go and how they are stored there.

    Immutable under its id, but for the options and the credential, which may change at any time.
    """

    id: str
    endpoint: str
    """`https://host[:port]`, without the bucket."""
    bucket: str
    prefix: str
    """Empty, or ends in `/`."""
    region: str = ""
    addressing: Addressing = Addressing.PATH
    allow_http: bool = False
    allow_private: bool = False
    """The store's operator has allowed this endpoint, whatever address it resolves to."""
    key_template: str = DEFAULT_TEMPLATE
    ca_bundle: str = ""
    """PEM; empty: the system's."""
    expected_bucket_owner: str = ""
    storage_class: str = ""
    server_side_encryption: ServerSideEncryption = ServerSideEncryption.NONE
    kms_key_id: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    object_metadata: ObjectMetadata = ObjectMetadata.SIDS
    trust_unverified: bool = False
    """Used although its server vouches for nothing of what it stores."""
    encryption: EncryptionPlan | None = None
    """None: objects are stored in clear."""
    proven: bool = False
    """It has worked before: verified when it was enabled, or an object was stored there."""
    credential: CredentialPlan | None = None
    """None: it was deleted; the destination is held until there is one."""

    @property
    def keys(self) -> CredentialPlan | None:
        """The credential, if this version can use it."""
        return self.credential if self.credential is not None and self.credential.is_usable else None

    @property
    def location(self) -> BucketLocation:
        return BucketLocation(
            endpoint=self.endpoint,
            bucket=self.bucket,
            prefix=self.prefix,
            region=self.region,
            style=self.addressing,
            allow_http=self.allow_http,
        )


@dataclass(frozen=True, kw_only=True)
class ProductPlan(UploadPolicy):
    """What happens to a new recording of the product."""

    destination_id: str | None = None
    """None: external storage is off, recordings go to the store's own media storage."""


class AccountPlan(Message, frozen=True, kw_only=True):
    account_sid: Sid
    revision: int
    """Grows with every change of the account's settings."""
    products: dict[Product, ProductPlan]
    """One that is missing waits: external storage is off for it, and own storage withheld. Uploaders of every version
    keep its recordings on the spool then, as they do without a plan."""
    destinations: dict[str, DestinationPlan]
    """By id: each that is still needed, not only today's."""
