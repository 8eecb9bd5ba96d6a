"""Registering recordings and reporting their states, many in one call."""

from datetime import datetime
from typing import Any

from pydantic import Field, model_validator

from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.base import Message, Sid


class EncryptionDetails(Message):
    """How to open an encrypted object; all values base64 but the type and the sid."""

    type: str = "rsa-aes"
    public_key_sid: str
    encrypted_cek: str
    iv: str


class RecordingError(Message):
    kind: str
    """The class of failure, e.g. `transient`, `hold`, `fatal`."""
    code: str
    """E.g. `AccessDenied`, `NoSuchBucket`, `NoPlan`, `ChangedAfterUpload`."""
    message: str


class ObjectChecksum(Message):
    algorithm: str = Field(max_length=32)
    """As S3 names it: `SHA256`, `CRC64NVME`, `MD5`."""
    value: str = Field(max_length=255)
    """Base64, of the bytes that were sent."""


class StoredObject(Message):
    """An object that a recording has become."""

    destination: str = Field(max_length=32)
    """The destination's id."""
    key: str = Field(max_length=1024)
    """The full key, folder included."""
    version_id: str | None = Field(default=None, max_length=1024)
    """None where the bucket keeps no versions, or the server's answer was lost."""
    checksum: ObjectChecksum | None = None
    """None where the server has none."""
    url: str
    etag: str | None = Field(default=None, max_length=255)
    size: int | None = Field(default=None, ge=0)
    """Bytes."""


class RecordingReport(Message):
    """One recording as its uploader knows it; idempotent by (account, sid), ordered by `seq`."""

    v: int = Field(default=1, ge=1)
    account_sid: Sid
    sid: Sid
    seq: int = Field(ge=1)
    """Grows with each change of this recording; an older one changes nothing."""
    product: Product
    state: RecordingState
    file: str
    """Relative to the spool."""
    size: int = Field(ge=0)
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
    custom: dict[str, Any] = Field(default_factory=dict)
    """What the recorder said beyond these, as it said it; bounded, see `domain.custom_fields`."""
    attempts: int = 0
    retry_at: datetime | None = None
    destination_id: str | None = None
    """None: the store's own media storage, or not known yet."""
    objects: list[StoredObject] = Field(default_factory=list, max_length=1000)
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

    @model_validator(mode="before")
    @classmethod
    def _read_earlier(cls, raw: Any) -> Any:
        """A report from before `objects` names one key and ETag."""
        if not isinstance(raw, dict) or "object_key" not in raw or "objects" in raw:
            return raw
        if not (raw.get("media_url") and raw.get("destination_id") and raw["object_key"]):
            return raw
        one = {
            "destination": raw["destination_id"],
            "key": raw["object_key"],
            "url": raw["media_url"],
            "etag": raw.get("etag") or None,
            "size": raw.get("stored_size"),
        }
        return {**raw, "objects": [one]}


class BatchRequest(Message):
    spool_id: str
    recordings: list[RecordingReport] = Field(max_length=1000)


class BatchResult(Message):
    account_sid: Sid
    sid: Sid
    status: int
    """200 taken or known; 403 account not bound to the caller; 409 the sid is another spool's; 422 refused."""
    seq: int = 0
    """The newest that the store has."""
    message: str = ""


class BatchResponse(Message):
    results: list[BatchResult]


class MediaComplete(Message):
    size: int = Field(ge=0)
    sha256: str
    """Hex; compared with what arrived."""


class MediaCompleted(Message):
    media_url: str
    size: int
    sha256: str
