"""How an upload is to be tried, named and given up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from recording_storage.domain.states import Product

DEFAULT_RETRY_WINDOW = 2 * 3600.0
"""Seconds; the two hours that the hosted service retries."""
DEFAULT_DENIAL_GRACE = 600.0
"""Seconds; longer than rights take to spread through a provider, or a slip of a policy to be noticed and mended."""
MAX_RETRY_WINDOW = 365 * 86400.0
MAX_DENIAL_GRACE = MAX_RETRY_WINDOW
"""Seconds; more is a mistake."""


class FatalErrorPolicy(StrEnum):
    RETAIN = "Retain"
    """Park the recording as `rejected`; nothing is lost."""
    DELETE = "Delete"
    """Delete what was itself denied, once the denial has lasted; only on a destination that has worked before."""


class OwnStorage(StrEnum):
    """Whether the store may keep recordings of a product itself while external storage is off for it."""

    ALLOWED = "allowed"
    WITHHELD = "withheld"
    """They wait on their spools, until settings say where they go."""


class ServerSideEncryption(StrEnum):
    NONE = "None"
    S3 = "S3"
    KMS = "KMS"


class ObjectMetadata(StrEnum):
    """What an object's user metadata says of its recording."""

    NONE = "None"
    SIDS = "Sids"
    """Sids, times, channels and type."""
    ALL = "All"
    """Everything that the recorder said, but where changes are told."""


@dataclass(frozen=True)
class UploadPolicy:
    retry_window: float = DEFAULT_RETRY_WINDOW
    """Seconds of uploader running time from the first failure until a recording is parked."""
    fatal_error_policy: FatalErrorPolicy = FatalErrorPolicy.RETAIN
    denial_grace: float = DEFAULT_DENIAL_GRACE
    """Seconds that a destination must have denied access without a break before that ends anything; 0: at once."""

    def grace(self, product: Product) -> float:
        """The same for a product: video's faults of the settings last for the whole retry window."""
        return max(self.retry_window, self.denial_grace) if product is Product.VIDEO else self.denial_grace


@dataclass(frozen=True)
class ObjectOptions:
    """What each object is stored with; empty means the bucket's own default."""

    storage_class: str = ""
    server_side_encryption: ServerSideEncryption = ServerSideEncryption.NONE
    kms_key_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    expected_bucket_owner: str = ""
