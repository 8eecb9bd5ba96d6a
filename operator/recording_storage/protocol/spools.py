"""Which spools there are, and whose: what their uploaders say of themselves, and what the operator has made of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from recording_storage.protocol.base import Message, Sid
from recording_storage.protocol.sync import SpoolPlace, SpoolReport


class AssignSpool(Message, frozen=True, kw_only=True):
    """`PUT /internal/v1/spools/{spool_id}`: whose recordings are on the spool, while it is where it was found."""

    namespace_uid: Annotated[str, Meta(pattern=r"^[0-9A-Za-z-]{1,64}(?!\n)$")]
    claim: Annotated[str, Meta(min_length=1, max_length=253)]
    sub_path: Annotated[str, Meta(max_length=1024)] = ""
    account_sids: Annotated[list[Sid], Meta(min_length=1, max_length=65)]
    """Plans go out for these alone; recordings that name none belong to the first."""
    label: Annotated[str, Meta(max_length=255)] = ""
    """Of the resource that says so, for people: `namespace/name`."""


class SpoolStanding(StrEnum):
    """How the place where a spool was found stands to its assignment."""

    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    ELSEWHERE = "elsewhere"
    """The spool of that id is assigned to another place: one of the two is a copy."""


class SpoolInfo(Message, frozen=True, kw_only=True):
    """A spool at a place. A copied volume has its original's id, so an id may stand here more than once."""

    spool_id: str
    namespace_uid: str
    """As the token that its uploader authenticated with says, like namespace, pod and pod_uid."""
    namespace: str
    pod: str
    pod_uid: str
    place: SpoolPlace
    """As the uploader's environment says."""
    standing: SpoolStanding
    account_sids: list[Sid] = field(default_factory=list)
    """Of its assignment; none while it has none here."""
    label: str = ""
    first_seen: datetime
    last_seen: datetime
    live: bool
    report: SpoolReport | None = None
    """The last one since it was assigned."""


class Spools(Message, frozen=True, kw_only=True):
    """`GET /internal/v1/spools?since=N`."""

    revision: int
    """Grows with each change of a spool; the next question's `since`. What is only heard of again is no change."""
    server_time: datetime
    """By the clock that last_seen is of."""
    spools: list[SpoolInfo]
