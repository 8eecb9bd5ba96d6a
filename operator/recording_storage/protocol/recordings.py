"""Registering recordings and reporting their states, many in one call."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, field
from msgspec.structs import force_setattr

from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.base import Message, Sid

Key = Annotated[str, Meta(max_length=1024)]
Etag = Annotated[str, Meta(max_length=255)]
Size = Annotated[int, Meta(ge=0)]
"""Bytes."""


class EncryptionDetails(Message, frozen=True, kw_only=True):
    """How to open an encrypted object; all values base64 but the type and the sid."""

    type: str = "rsa-aes"
    public_key_sid: str
    encrypted_cek: str
    iv: str


class RecordingError(Message, frozen=True, kw_only=True):
    kind: str
    """The class of failure, e.g. `transient`, `hold`, `fatal`."""
    code: str
    """E.g. `AccessDenied`, `NoSuchBucket`, `NoPlan`, `ChangedAfterUpload`."""
    message: str


class ObjectChecksum(Message, frozen=True, kw_only=True):
    algorithm: Annotated[str, Meta(max_length=32)]
    """As S3 names it: `SHA256`, `CRC64NVME`, `MD5`."""
    value: Annotated[str, Meta(max_length=255)]
    """Base64, of the bytes that were sent."""


class StoredObject(Message, frozen=True, kw_only=True):
    """An object that a recording has become."""

    destination: Annotated[str, Meta(max_length=32)]
    """The destination's id."""
    key: Key
    """The full key, folder included."""
    version_id: Annotated[str, Meta(max_length=1024)] | None = None
    """None where the bucket keeps no versions, or the server's answer was lost."""
    checksum: ObjectChecksum | None = None
    """None where the server has none."""
    url: str
    etag: Etag | None = None
    size: Size | None = None
    """Bytes."""


class RecordingReport(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One recording as its uploader knows it; idempotent by (account, sid), ordered by `seq`."""

    v: Annotated[int, Meta(ge=1)] = 1
    account_sid: Sid
    sid: Sid
    seq: Annotated[int, Meta(ge=1)]
    """Grows with each change of this recording; an older one changes nothing."""
    product: Product
    state: RecordingState
    file: str
    """Relative to the spool."""
    size: Size
    content_type: str = "application/octet-stream"
    found_at: datetime
    started_at: datetime | None = None
    duration: float | None = None
    """Seconds."""
    channels: int | None = None
    type: str = ""
    """audio or video."""
    call_sid: str = ""
    conference_sid: str = ""
    room_sid: str = ""
    source_sid: str = ""
    participant_sid: str = ""
    track_name: str = ""
    status_callback: str = ""
    status_callback_method: str = ""
    custom: dict[str, Any] = field(default_factory=dict)
    """What the recorder said beyond these, as it said it; bounded, see `domain.custom_fields`."""
    attempts: int = 0
    retry_at: datetime | None = None
    destination_id: str | None = None
    """None: the store's own media storage, or not known yet."""
    objects: Annotated[list[StoredObject], Meta(max_length=1000)] = field(default_factory=list)
    """At the destination, once stored; none of what is in the store's own storage."""
    media_url: str = ""
    """Where the recording is, once stored."""
    sha256: str = ""
    """Hex, of the recording as the recorder left it."""
    stored_size: int | None = None
    """Bytes of the object; differs from `size` when encrypted."""
    stored_at: datetime | None = None
    encryption_details: EncryptionDetails | None = None
    error: RecordingError | None = None

    object_key: Key = ""
    etag: Etag | None = ""
    """These two are of a report from before `objects`, which knew of one."""

    def __post_init__(self) -> None:
        if not self.objects and self.object_key and self.media_url and self.destination_id:
            one = StoredObject(
                destination=self.destination_id,
                key=self.object_key,
                url=self.media_url,
                etag=self.etag or None,
                size=self.stored_size,
            )
            force_setattr(self, "objects", [one])


class BatchRequest(Message, frozen=True, kw_only=True):
    spool_id: str
    recordings: Annotated[list[RecordingReport], Meta(max_length=1000)]


class BatchResult(Message, frozen=True, kw_only=True):
    account_sid: Sid
    sid: Sid
    status: int
    """200 taken or known; 403 account not bound to the caller; 409 the sid is another spool's; 422 refused."""
    seq: int = 0
    """The newest that the store has."""
    message: str = ""


class BatchResponse(Message, frozen=True, kw_only=True):
    results: list[BatchResult]


class MediaComplete(Message, frozen=True, kw_only=True):
    size: Size
    sha256: str
    """Hex; compared with what arrived."""


class MediaCompleted(Message, frozen=True, kw_only=True):
    media_url: str
    size: int
    sha256: str
