"""What a worker is given, and what it brings back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recording_storage.domain.failures import S3Failure
    from recording_storage.uploader.core.recording import Reason, Recording, StoredFacts
    from recording_storage.uploader.journal.records import Attempt

SINGLE_UP_TO = 8 << 20
"""Bytes: larger files go in parts."""


class FileProblemError(Exception):
    """The file itself is not as it was found; `reason` says how."""

    def __init__(self, reason: Reason, message: str, *, left_object: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.left_object = left_object
        """What the file was before is at the destination now, under the recording's key."""


class StoppedError(Exception):
    """The uploader stops, or the destination was held, before the recording was stored."""


@dataclass(slots=True)
class Task:
    """One attempt to upload a recording."""

    recording: Recording
    """In state `uploading`."""
    key: str
    attempt_id: int | None
    """Of the attempt under way; an upload in parts enters its own once it has an upload id."""
    earlier: Sequence[Attempt] = ()
    """Earlier attempts that may have left something at the destination."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the object says of itself."""
    carries: str | None = None
    """What the attempt of a single request carries, as it is journalled; see `Attempt.carried`."""
    in_parts: bool = False
    """It goes so although it is small."""

    @property
    def is_multipart(self) -> bool:
        return self.in_parts or self.recording.identity.size > SINGLE_UP_TO


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended; exactly one of the last three says more, none of them: it was not tried."""

    task: Task
    credential: object = field(default=None, repr=False)
    """What it was tried with."""
    stored: StoredFacts | None = None
    failure: S3Failure | None = None
    problem: FileProblemError | None = None
