"""What a worker is given, and what it brings back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from recording_storage.uploader.core.recording import StoredFacts

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from recording_storage.domain.bucket_url import BucketLocation
    from recording_storage.domain.failures import S3Failure
    from recording_storage.s3.types import StoredObject
    from recording_storage.uploader.core.ports import Clock, ObjectStore
    from recording_storage.uploader.core.recording import Reason, Recording
    from recording_storage.uploader.journal.database import Journal
    from recording_storage.uploader.journal.records import Attempt
    from recording_storage.uploader.spool.folder import Spool
    from recording_storage.uploader.transfer.checksum_trust import ChecksumTrust
    from recording_storage.uploader.transfer.part_pool import PartShare

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


class PartLimitError(Exception):
    """The server refuses a part for its number, it seems: it takes `most`."""

    def __init__(self, failure: S3Failure, *, most: int) -> None:
        super().__init__(most)
        self.failure = failure
        self.most = most


@dataclass(frozen=True)
class Surroundings:
    """What every upload needs besides its task."""

    spool: Spool
    journal: Journal
    clock: Clock
    stop: threading.Event
    """Set when the uploader has no time left."""
    progressed: Callable[[str, int, int], None] = lambda _sid, _done, _size: None
    """Told sid, bytes that are done, and all bytes."""
    is_reopened: Callable[[str, int], bool] = lambda _path, _fd: False
    """Whether somebody else has opened again what was found by a path and is open here: asked without a lease."""


class Route(NamedTuple):
    """The destination, as its uploads reach it."""

    store: ObjectStore
    location: BucketLocation
    trust: ChecksumTrust
    share: PartShare


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


def facts(task: Task, stored: StoredObject, *, location: BucketLocation, sha256: str, clock: Clock) -> StoredFacts:
    return StoredFacts(
        media_url=location.object_url(task.key),
        etag=stored.etag,
        checksum=stored.checksum,
        version_id=stored.version_id,
        sha256=sha256,
        size=task.recording.identity.size,
        stored_at=clock.now(),
    )
