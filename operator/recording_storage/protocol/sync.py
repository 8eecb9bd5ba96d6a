"""One exchange between an uploader and the store: report, plan, commands."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.base import PROTOCOL_VERSION, Message, Sid
from recording_storage.protocol.plan import AccountPlan


class Tally(Message, frozen=True, kw_only=True):
    count: int = 0
    size: int = 0
    """Bytes."""


class ParkedSample(Message, frozen=True, kw_only=True):
    sid: Sid
    file: str
    """Relative to the spool."""
    state: RecordingState
    error: str
    since: datetime


class SpoolReport(Message, frozen=True, kw_only=True):
    """How a spool stands."""

    uploader_version: str
    hostname: str = ""
    namespace: str = ""
    claim: str = ""
    started_at: datetime
    states: dict[RecordingState, Tally] = field(default_factory=dict)
    """Of the unfinished ones; released and deleted are not counted."""
    oldest: datetime | None = None
    """When the oldest unfinished recording was found."""
    unproven: int = 0
    """Files that are not taken although they have not changed for long: nothing proves that they are finished."""
    oldest_unproven: datetime | None = None
    """When the oldest of them last changed."""
    free_bytes: int | None = None
    total_bytes: int | None = None
    applied_revisions: dict[Sid, int] = field(default_factory=dict)
    """By account: the revision of the plan that is in force in the uploader."""
    needed_destinations: dict[Sid, list[str]] = field(default_factory=dict)
    """By account: destinations that unfinished recordings are pinned to."""
    without_settings: dict[Sid, dict[Product, int]] = field(default_factory=dict)
    """By account: recordings that wait because their product is missing in the plan."""
    credentials_in_use: list[Sid] = field(default_factory=list)
    last_error: str = ""
    parked: Annotated[list[ParkedSample], Meta(max_length=20)] = field(default_factory=list)


class SpoolPlace(Message, frozen=True, kw_only=True):
    """Where the spool is, as injection has written it into the uploader's environment; the operator checks it."""

    claim: Annotated[str, Meta(min_length=1, max_length=253)]
    """Name of the PersistentVolumeClaim."""
    sub_path: Annotated[str, Meta(max_length=1024)] = ""
    volume: Annotated[str, Meta(max_length=253)] = ""
    """Its name in the pod."""
    account: Annotated[str, Meta(max_length=507)] = ""
    """`name` or `namespace/name` of the RecordingAccount that the pod asks for; empty: nothing is asked for."""


class AssignmentState(StrEnum):
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    """Nobody has said yet whose recordings are there."""


class SpoolAssignment(Message, frozen=True, kw_only=True):
    state: AssignmentState
    account_sid: Sid | None = None
    """Of recordings that name none."""


class SyncRequest(Message, frozen=True, kw_only=True):
    protocol: str = PROTOCOL_VERSION
    report: SpoolReport
    place: SpoolPlace | None = None
    """With it a pod gets plans only once the operator has assigned the spool; without, those of its namespace."""
    accounts: Annotated[list[Sid], Meta(max_length=1000)] = field(default_factory=list)
    """Plans wanted; empty: of every account that the caller's namespace is bound to."""
    known: str = ""
    """`etag` of the last answer; the store waits until something differs from it."""
    wait_seconds: Annotated[float, Meta(ge=0, le=60)] = 0.0
    acknowledged: Annotated[list[str], Meta(max_length=1000)] = field(default_factory=list)
    """Commands that are journalled; they are not sent again."""
    retried: Annotated[dict[str, int], Meta(max_length=1000)] = field(default_factory=dict)
    """Of acknowledged ones: how many recordings each has moved."""


class CommandKind(StrEnum):
    RETRY_ALL = "retry_all"
    RETRY_ONE = "retry_one"


class Command(Message, frozen=True, kw_only=True):
    id: str
    kind: CommandKind
    account_sid: Sid
    recording_sid: Sid | None = None


class SyncResponse(Message, frozen=True, kw_only=True):
    protocol: str = PROTOCOL_VERSION
    etag: str
    server_time: datetime
    plans: dict[Sid, AccountPlan] | None = None
    """None: nothing differs from `known`."""
    assignment: SpoolAssignment | None = None
    """Beside plans; None: the caller has named no place, or its token is an assignment in itself."""
    commands: list[Command] = field(default_factory=list)
