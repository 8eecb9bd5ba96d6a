"""How an uploader stands, as its views tell it: the spool at a glance, its destinations, and why recordings wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recording_storage.domain.states import RecordingState
    from recording_storage.protocol.sync import Tally
    from recording_storage.uploader.core.recording import EntryError


class BlockedReason(StrEnum):
    """Why an uploader can't begin to work on its spool, and waits until that is mended."""

    CONFIGURATION = "Configuration"
    """What it was told can't be used."""
    SPOOL = "Spool"
    """The folder is not there, or can't be used: read-only, full, somebody else's."""
    JOURNAL = "Journal"
    """The journal can't be opened, or takes no change."""
    NEWER_JOURNAL = "NewerJournal"
    """A newer version wrote it, and this one would spoil it."""
    DEFECT = "Defect"
    """It came to an end by itself, and begins anew."""


@dataclass(frozen=True, kw_only=True)
class StateReason:
    """What some recordings of one state have in common."""

    state: RecordingState
    error: EntryError
    """The latest of them."""
    count: int
    retry_at: float | None
    """POSIX time of the first try that is due."""


@dataclass(frozen=True, kw_only=True)
class DestinationStatus:
    """How a destination stands."""

    account_sid: str
    destination_id: str | None
    url: str
    state: str
    """A `LaneState`; `throttled` when it works, and fewer uploads at a time are made there."""
    concurrency: int
    error: str = ""
    probe_at: float | None = None
    """POSIX time of the next probe."""
    vouches_by: str | None = None
    """A `Voucher`, "nothing"; None: it was not asked yet."""


@dataclass(frozen=True, slots=True)
class UnprovenFile:
    """A file that has not changed for a long time and is not taken: nothing proves that it is finished."""

    path: str
    size: int
    """Bytes."""
    since: float
    """POSIX time of its last change."""
    why: str
    """For a person, with the remedy."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """The spool at a glance."""

    spool: str
    spool_id: str
    started_at: float
    standby: bool = False
    """Another uploader holds the spool; this one takes over when it is gone."""
    states: Mapping[RecordingState, Tally] = field(default_factory=dict)
    oldest: float | None = None
    """POSIX time of the finding of the oldest unfinished recording."""
    unfinished: int = 0
    """Files that are there and not finished by their recorder yet."""
    unproven: Sequence[UnprovenFile] = ()
    """Those of them that may be finished for long, the oldest first. Nobody looks while no uploader runs."""
    free_bytes: int | None = None
    total_bytes: int | None = None
    intake_stopped: str = ""
    """Why nothing new is taken (journal full, …); empty when all is well."""
    destinations: Sequence[DestinationStatus] = ()
    applied_revisions: Mapping[str, int] = field(default_factory=dict)
    last_error: str = ""
    """Empty once an upload or a probe has worked again: what is still in trouble says so itself (`reasons`)."""
    counters: Mapping[str, float] = field(default_factory=dict)
    """Since the start: stored, stored_bytes, released, failures, retries, parked, rejected, deleted, scans."""
    last_error_at: float | None = None
    """POSIX time."""
