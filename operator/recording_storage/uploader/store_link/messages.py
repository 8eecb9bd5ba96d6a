"""A row of the journal as the store is told of it."""

from datetime import UTC, datetime
from typing import Any

from recording_storage.protocol.recordings import RecordingReport
from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.core.stored_objects import objects_of
from recording_storage.uploader.spool.sidecar_file import CUSTOM

_FROM_METADATA = (
    "type",
    "call_sid",
    "conference_sid",
    "room_sid",
    "source_sid",
    "participant_sid",
    "track_name",
    "channels",
    "started_at",
    "duration",
    "status_callback",
    "status_callback_method",
    CUSTOM,
)


def report_of(recording: Recording) -> RecordingReport:
    """All that the store is to know of it. Raises MalformedError: there is something that can't be told."""
    said, stored = recording.metadata, recording.stored
    fields: dict[str, Any] = {name: value for name in _FROM_METADATA if (value := said.get(name)) is not None}
    if stored is not None:
        fields |= {
            "objects": objects_of(recording),
            "media_url": stored.media_url,
            "sha256": stored.sha256,
            "stored_size": stored.size,
            "stored_at": _time(stored.stored_at),
            "encryption_details": stored.encryption_details,
        }
    return RecordingReport.from_values(
        fields
        | {
            "account_sid": recording.account_sid,
            "sid": recording.sid,
            "seq": recording.seq,
            "product": recording.product,
            "state": recording.state,
            "file": recording.path,
            "size": recording.identity.size,
            "content_type": recording.content_type,
            "found_at": _time(recording.found_at),
            "attempts": recording.attempts,
            "retry_at": None if recording.retry_at is None else _time(recording.retry_at),
            "destination_id": recording.destination_id,
            "error": recording.error and recording.error._asdict(),
        }
    )


def _time(posix: float) -> datetime:
    return datetime.fromtimestamp(posix, UTC)
