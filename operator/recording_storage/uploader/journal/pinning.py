"""Pinning: a recording is given the destination that is in force when it is found, or as soon as one is.

Finding never waits for that. A plan that was kept from before the start may be outdated, so nothing is pinned to it:
once it has to serve, its destination is only noted (`pinned` is 0 beside it), and the plan in force replaces it.
"""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, NamedTuple

from recording_storage.domain.amounts import counted
from recording_storage.domain.durations import format_duration
from recording_storage.domain.failures import FailureClass
from recording_storage.domain.states import Product
from recording_storage.uploader.core.plans import Standing
from recording_storage.uploader.core.recording import WAITS_FOR_PLAN, EntryError, Reason
from recording_storage.uploader.journal import records

if TYPE_CHECKING:
    import sqlite3

    from recording_storage.protocol.plan import AccountPlan
    from recording_storage.uploader.core.plans import InForce, PlanBook
    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.journal.database import Journal

log = logging.getLogger(__name__)

STALE_PLAN_AFTER = 300.0
"""Seconds from the start after which a plan from the journal serves, while the store does not answer."""
_CODES = ",".join(f"'{code}'" for code in sorted(WAITS_FOR_PLAN))
WAITS_SQL = f"{records.OPEN_SQL} AND state='waiting' AND pinned=0 AND error_code IN ({_CODES})"
"""Recordings that are found and not pinned."""


class Pin(NamedTuple):
    """Whose a recording is, where it goes, or what it waits for."""

    account_sid: str
    destination_id: str | None = None
    """None and pinned: the store's own media storage."""
    error: EntryError | None = None

    @property
    def pinned(self) -> bool:
        """Otherwise a destination is only what an outdated plan said."""
        return self.error is None


def pin(plans: InForce, account_sid: str, product: Product) -> Pin:
    """Decide it for a recording of a product; the account is empty where nothing says whose it is."""
    named, only = account_sid or plans.own_account, account_sid or plans.only_account()
    plan = plans.plan(only)
    match plans.standing:
        case Standing.AWAITED:
            message = "the settings store has not answered since the start; it waits for what is in force now"
            return Pin(account_sid=named, error=_waits(Reason.NO_PLAN, message))
        case Standing.JOURNALLED:
            noted = _destination_of(plan, product)
            return Pin(account_sid=named, destination_id=noted, error=_waits(Reason.NO_PLAN, _outdated(plan)))
        case Standing.IN_FORCE:
            return _in_force(plan, only, product) if plans.assigned else Pin(account_sid=named, error=_UNASSIGNED)


def _in_force(plan: AccountPlan | None, account: str, product: Product) -> Pin:
    if plan is None:
        message = "nothing is known of the account's settings yet; it waits for them"
        return Pin(account_sid=account, error=_waits(Reason.NO_PLAN, message))
    terms = plan.products.get(product)
    if terms is None:
        message = (
            f"no settings have been applied for the {product} recordings of {account}, and the store's own storage is"
            " withheld until they say so; it waits for them"
        )
        return Pin(account_sid=account, error=_waits(Reason.NO_SETTINGS, message))
    return Pin(account_sid=account, destination_id=terms.destination_id)


def _destination_of(plan: AccountPlan | None, product: Product) -> str | None:
    terms = plan.products.get(product) if plan is not None else None
    return terms.destination_id if terms is not None else None


def _outdated(plan: AccountPlan | None) -> str:
    kept = f"; revision {plan.revision} of its plan serves, kept from before," if plan is not None else ", and"
    return f"the settings store has not answered since the start{kept} until it says what is in force now"


def _waits(code: Reason, message: str) -> EntryError:
    return EntryError(FailureClass.HOLD.value, code.value, message)


_UNASSIGNED = _waits(
    Reason.NO_SPOOL_CONFIG,
    "the spool is assigned to no account yet; it waits for that. The RecordingSpool of its claim says why",
)


class Pinning:
    """Pins what waits for it. Used by the scheduler's thread."""

    def __init__(self, *, journal: Journal, plans: PlanBook, clock: Clock, stale_after: float) -> None:
        """The start is now; `stale_after` in seconds, infinite: a plan from the journal never serves."""
        self._journal = journal
        self._plans = plans
        self._clock = clock
        self._stale_after = stale_after
        self._stale_at = None if math.isinf(stale_after) else clock.monotonic() + stale_after
        self.taken = -1
        """The generation of the plans that everything was pinned by."""

    @property
    def due_at(self) -> float | None:
        """Monotonic: when time alone makes the journal's plans serve."""
        return self._stale_at if self._plans.now.standing is Standing.AWAITED else None

    def run(self) -> None:
        """Have the journal's plans serve when that is due. Raises JournalError."""
        if self.due_at is None or self._clock.monotonic() < self.due_at:
            return
        self._stale_at = None
        if self._plans.serve_journalled():
            log.warning(
                "the settings store has not answered for %s since the start: the plans of before serve until it does",
                format_duration(self._stale_after),
            )
            self.take()

    def take(self) -> int:
        """Pin what waits, by the plans of now; how many. Raises JournalError."""
        plans = self._plans.now
        count = self._journal.run(lambda connection: _take(connection, plans, now=self._clock.now()))
        self.taken = plans.generation
        if count:
            log.info("%s pinned to what is in force", counted(count, "recording"))
        return count


def _take(connection: sqlite3.Connection, plans: InForce, *, now: float) -> int:
    groups = connection.execute(f"SELECT DISTINCT account_sid, product FROM recordings WHERE {WAITS_SQL}").fetchall()
    pins = [(group, pin(plans, group[0], Product(group[1]))) for group in groups]
    return sum(_take_group(connection, group, by, now=now) for group, by in pins)


def _take_group(connection: sqlite3.Connection, group: tuple[str, str], by: Pin, *, now: float) -> int:
    """Pin those of an account and product, or tell them what they wait for; how many are pinned."""
    chosen = f"account_sid=? AND product=? AND {WAITS_SQL}"
    if by.error is None:
        return connection.execute(
            "UPDATE recordings SET state='found', seq=seq+1, changed_at=?, account_sid=?, pinned=1, destination_id=?,"
            f" error_kind=NULL, error_code=NULL, error_message=NULL WHERE {chosen}",
            (now, by.account_sid, by.destination_id, *group),
        ).rowcount
    connection.execute(
        "UPDATE recordings SET seq=seq+1, changed_at=?, account_sid=?, destination_id=?, error_kind=?, error_code=?,"
        f" error_message=? WHERE {chosen} AND (account_sid<>? OR destination_id IS NOT ? OR error_message<>?)",
        (
            *(now, by.account_sid, by.destination_id, *by.error, *group),
            *(by.account_sid, by.destination_id, by.error.message),
        ),
    )
    return 0
