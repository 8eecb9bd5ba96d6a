"""The values that go into the S3 client and come out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

from recording_storage.domain.bucket_url import BucketLocation
from recording_storage.domain.checksum import Checksum
from recording_storage.domain.policy import ServerSideEncryption
from recording_storage.domain.proof import Voucher


@dataclass(frozen=True)
class Credential:
    """A key pair, with the session token and the end where it is a temporary one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expiration: float | None = None
    """POSIX time from which on it is no longer used; None: it has no end."""


class StorageOptions(Protocol):
    """What settings and plans say alike of a bucket's objects; see `Destination`."""

    @property
    def ca_bundle(self) -> str: ...
    @property
    def expected_bucket_owner(self) -> str: ...
    @property
    def storage_class(self) -> str: ...
    @property
    def server_side_encryption(self) -> str: ...
    @property
    def kms_key_id(self) -> str: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
    @property
    def trust_unverified(self) -> bool: ...


@dataclass(frozen=True)
class Destination:
    """How to reach a bucket, and what every object in it is stored with."""

    location: BucketLocation
    ca_bundle: str | None = None
    """PEM certificates to trust besides the system's authorities."""
    expected_bucket_owner: str = ""
    storage_class: str = ""
    """`""` or `STANDARD` sends no header."""
    sse: str = ServerSideEncryption.NONE
    """A `ServerSideEncryption`, or its value."""
    kms_key_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    trust_unverified: bool = False
    """A server that vouches for nothing is used all the same."""

    @classmethod
    def of(cls, location: BucketLocation, options: StorageOptions) -> Self:
        """The bucket with what settings, or a plan, say of it."""
        return cls(
            location,
            ca_bundle=options.ca_bundle or None,
            expected_bucket_owner=options.expected_bucket_owner,
            storage_class=options.storage_class,
            sse=options.server_side_encryption,
            kms_key_id=options.kms_key_id,
            tags=options.tags,
            trust_unverified=options.trust_unverified,
        )


class StoredObject(NamedTuple):
    """What the server says of an object that it has taken."""

    etag: str
    """Without its quotes."""
    checksum: Checksum | None
    """SHA-256 of one request's body, CRC64NVME of parts; ours, confirmed where the server knows how."""
    version_id: str = ""
    voucher: Voucher | None = None
    """What the request carried; see `Part`."""
    told: bool = False
    """The answer names our checksum."""


class Part(NamedTuple):
    """A part of a multipart upload."""

    number: int
    """From 1."""
    size: int
    etag: str
    checksum: str = ""
    """CRC64NVME, base64; "" when the upload is made without checksums."""
    voucher: Voucher | None = None
    """What the request carried, or what its answer holds (`ETAG`); whether that proves anything is the caller's to
    know."""
    told: bool = False
    """The answer names our checksum."""


class OpenUpload(NamedTuple):
    """A multipart upload that is neither completed nor aborted."""

    key: str
    upload_id: str
    initiated: float | None
    """POSIX time stamp; None when the server's date can't be read."""
