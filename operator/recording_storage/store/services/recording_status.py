"""What the public API says of a recording's state; an uploader knows it in finer steps."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from recording_storage.domain.states import RecordingState
from recording_storage.store.database.models import Recording


class VideoStatus(StrEnum):
    PROCESSING = "processing"
    COMPLETED = "completed"
    DELETED = "deleted"
    FAILED = "failed"


class VoiceStatus(StrEnum):
    PROCESSING = "processing"
    COMPLETED = "completed"
    ABSENT = "absent"


_S = RecordingState

VIDEO: Mapping[RecordingState, VideoStatus] = MappingProxyType(
    {
        _S.FOUND: VideoStatus.PROCESSING,
        _S.UPLOADING: VideoStatus.PROCESSING,
        _S.WAITING: VideoStatus.PROCESSING,
        _S.HELD: VideoStatus.PROCESSING,
        _S.PARKED: VideoStatus.PROCESSING,  # kept, and stored as soon as somebody asks for a retry
        _S.REJECTED: VideoStatus.FAILED,
        _S.STORED: VideoStatus.COMPLETED,
        _S.REPORTED: VideoStatus.COMPLETED,
        _S.RELEASED: VideoStatus.COMPLETED,
        _S.DELETED: VideoStatus.DELETED,
    }
)

_TO_VOICE = {
    VideoStatus.PROCESSING: VoiceStatus.PROCESSING,
    VideoStatus.COMPLETED: VoiceStatus.COMPLETED,
    VideoStatus.DELETED: VoiceStatus.ABSENT,
    VideoStatus.FAILED: VoiceStatus.ABSENT,
}


def video_status(row: Recording) -> VideoStatus:
    return VIDEO[RecordingState(row.state)]


def voice_status(row: Recording) -> VoiceStatus:
    return _TO_VOICE[video_status(row)]


def states_of(status: VideoStatus) -> list[str]:
    """The states that the API calls so."""
    return [state.value for state, name in VIDEO.items() if name is status]
