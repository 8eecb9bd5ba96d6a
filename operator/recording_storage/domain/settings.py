"""Recording settings: one default for each account and product.

Pure: keeping what a POST omits, and deciding what a change means; its parameters are read by `settings_parameters`.
Whether a bucket lets us in is found out elsewhere (`needs_verification` says when).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from recording_storage.domain.bucket_url import BucketLocation
from recording_storage.domain.durations import parse_duration
from recording_storage.domain.object_key import DEFAULT_TEMPLATE
from recording_storage.domain.policy import FatalErrorPolicy, ObjectMetadata, ServerSideEncryption
from recording_storage.domain.settings_parameters import (
    DEFAULT_GRACE,
    DEFAULT_STORAGE_CLASS,
    DEFAULT_WINDOW,
    PARAMETERS,
    SettingsError,
)
from recording_storage.domain.states import Product


@dataclass(frozen=True, kw_only=True)
class RecordingSettings:
    """As the API answers them; empty text means unset."""

    friendly_name: str = ""
    aws_credentials_sid: str = ""
    aws_s3_url: str = ""
    aws_storage_enabled: bool = False
    encryption_key_sid: str = ""
    encryption_enabled: bool = False
    region: str = ""
    """Where the URL names none."""
    ca_bundle: str = ""
    """PEM; empty: the system's."""
    expected_bucket_owner: str = ""
    retry_window: str = DEFAULT_WINDOW
    """As written, e.g. `2h`; see `retry_seconds`."""
    fatal_error_policy: FatalErrorPolicy = FatalErrorPolicy.RETAIN
    denial_grace: str = DEFAULT_GRACE
    """As written, e.g. `10m`; see `grace_seconds`."""
    key_template: str = DEFAULT_TEMPLATE
    storage_class: str = DEFAULT_STORAGE_CLASS
    server_side_encryption: ServerSideEncryption = ServerSideEncryption.NONE
    kms_key_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    object_metadata: ObjectMetadata = ObjectMetadata.SIDS
    trust_unverified: bool = False
    """A server that vouches for nothing of what it stores is used all the same."""
    status_callback: str = ""
    status_callback_method: str = "POST"

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_values` gave, of this version or another."""
        known = {name: values[name] for name in _FIELD_NAMES if name in values}
        if "fatal_error_policy" in known:
            known["fatal_error_policy"] = FatalErrorPolicy(known["fatal_error_policy"])
        if "server_side_encryption" in known:
            known["server_side_encryption"] = ServerSideEncryption(known["server_side_encryption"])
        if "object_metadata" in known:
            known["object_metadata"] = ObjectMetadata(known["object_metadata"])
        return cls(**known)

    def to_values(self) -> dict[str, Any]:
        """A form for JSON."""
        return asdict(self)

    @property
    def retry_seconds(self) -> float:
        return parse_duration(self.retry_window)

    @property
    def grace_seconds(self) -> float:
        return parse_duration(self.denial_grace)

    @property
    def effective_key_sid(self) -> str:
        """The public key that recordings are encrypted for; empty when they aren't."""
        return self.encryption_key_sid if self.encryption_enabled else ""

    def updated(self, parameters: Mapping[str, str]) -> Self:
        """These settings with the parameters of a POST; one that is omitted keeps its value, an empty one unsets it.

        Unknown parameters are ignored, as the hosted service does. Raises SettingsError.
        """
        changes = {
            PARAMETERS[name][0]: PARAMETERS[name][1](name, text)
            for name, text in parameters.items()
            if name in PARAMETERS
        }
        after = replace(self, **changes)
        if not after.friendly_name or "FriendlyName" not in parameters:
            raise SettingsError("FriendlyName", "it is required")
        if (after.server_side_encryption is ServerSideEncryption.KMS) != bool(after.kms_key_id):
            raise SettingsError("KmsKeyId", "it goes with ServerSideEncryption=KMS, and that needs it")
        return after

    def needs_verification(self, before: "RecordingSettings") -> bool:
        """Whether the bucket has to be tried before these replace `before`."""
        if not self.aws_storage_enabled:
            return False
        return not before.aws_storage_enabled or any(getattr(self, name) != getattr(before, name) for name in _REACHING)


def destination_id(location: BucketLocation, settings: RecordingSettings, *, product: Product) -> str:
    """Name a destination by what makes it: the same product, place, keys and encryption have the same id everywhere.

    The credential is not part of it, nor is anything else that may change without objects going elsewhere; it follows
    the product's newest settings. The product is, since voice and video may share a folder with other tags each.
    """
    parts = (
        product.value,
        location.endpoint,
        location.bucket,
        location.prefix,
        location.region,
        settings.key_template,
        settings.effective_key_sid,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


_FIELD_NAMES = frozenset(item.name for item in fields(RecordingSettings))
_REACHING = (
    "aws_credentials_sid",
    "aws_s3_url",
    "region",
    "ca_bundle",
    "expected_bucket_owner",
    "storage_class",
    "server_side_encryption",
    "kms_key_id",
    "tags",
    "trust_unverified",
)
"""What decides whether the bucket lets a recording in; the rest may change without a new proof."""
