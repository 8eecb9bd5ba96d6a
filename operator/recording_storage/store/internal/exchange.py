"""`sync`: takes a spool's report, and answers as soon as there is something new for it."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from fastapi import Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from recording_storage.protocol.plan import AccountPlan
from recording_storage.protocol.sync import (
    AssignmentState,
    Command,
    SpoolAssignment,
    SpoolReport,
    SyncRequest,
    SyncResponse,
)
from recording_storage.store.changes import Changes, Known
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import Spool
from recording_storage.store.internal.commands import acknowledge, waiting_commands
from recording_storage.store.internal.identity import Caller, all_permitted, permitted
from recording_storage.store.internal.metrics import WAITING
from recording_storage.store.internal.plans import complete_plans, draft_plans, etag_of
from recording_storage.store.internal.problems import conflict, invalid
from recording_storage.store.internal.spools import assigned, note_place, require_same_namespace
from recording_storage.store.internal.upsert import insert_into

MAX_SPOOLS = 10_000
"""Of an account: each has its report here, and whoever holds a token could name new ones without end."""


@dataclass(frozen=True)
class State:
    """What a spool may know at a moment."""

    known: Known
    """Taken before the rest was read."""
    etag: str
    plans: dict[str, AccountPlan] | None
    """None: as the uploader already knows them."""
    assignment: SpoolAssignment | None
    commands: list[Command]

    @property
    def is_news(self) -> bool:
        return self.plans is not None or bool(self.commands)


def take_report(store: Store, caller: Caller, *, spool_id: str, sync: SyncRequest) -> None:
    """Note the spool's report for each of its accounts, and what it acknowledges."""
    with store.database.write() as session:
        if caller.service_account is not None:
            require_same_namespace(session, caller, spool_id=spool_id)
            if sync.place is not None:
                note_place(session, caller, spool_id=spool_id, sync=sync)
        accounts, _ = _accounts(session, caller, spool_id=spool_id, sync=sync)
        acknowledge(session, spool_id=spool_id, accounts=accounts, ids=sync.acknowledged, retried=sync.retried)
        if not accounts:
            return
        _require_room(session, accounts, spool_id=spool_id)
        moment = now()
        insert = insert_into(session, Spool)
        columns = ["pod", "report", "last_seen"]
        if caller.service_account is not None:  # a token of ours says nothing of a namespace, and changes none
            columns += ["namespace", "namespace_uid"]
        insert = insert.on_conflict_do_update(
            index_elements=[Spool.id, Spool.account_sid], set_={name: insert.excluded[name] for name in columns}
        )
        session.execute(
            insert,
            [
                {
                    "id": spool_id,
                    "account_sid": account_sid,
                    "namespace": caller.namespace,
                    "namespace_uid": caller.namespace_uid,
                    "pod": caller.pod,
                    "report": _for_account(sync.report, account_sid).to_values(),
                    "last_seen": moment,
                }
                for account_sid in sorted(accounts)
            ],
        )


def look(store: Store, caller: Caller, *, spool_id: str, sync: SyncRequest) -> State:
    """Read what there is for the spool now. Raises SealedSecretError."""
    topics: frozenset[str] = frozenset()
    while True:
        known = store.changes.known(topics)
        with store.database.read() as session:
            accounts, assignment = _accounts(session, caller, spool_id=spool_id, sync=sync)
            # Bindings may change which accounts there are: what is waited for must have been noted before reading it.
            needed = accounts | frozenset(sync.accounts) | ({caller.namespace_uid} - {""})
            needed |= {spool_id} if assignment is not None else set()
            if not needed <= topics:
                topics = needed
                continue
            drafts = draft_plans(session, accounts, spool_id=spool_id, named=sync.report.needed_destinations)
            etag = etag_of(drafts, assignment=assignment)
            plans = None if etag == sync.known else complete_plans(session, drafts, box=store.box)
            commands = waiting_commands(session, spool_id=spool_id, accounts=accounts)
        return State(known=known, etag=etag, plans=plans, assignment=assignment, commands=commands)


async def exchange(store: Store, caller: Caller, *, request: Request, spool_id: str, sync: SyncRequest) -> SyncResponse:
    """Take the report; answer at once or when something is new, at the latest after `wait_seconds`.

    A caller that hangs up, or the end of the server, ends the waiting, too.
    """
    if caller.admin and not sync.accounts:
        raise invalid("an admin token has to name the accounts whose plans it wants")
    await run_in_threadpool(take_report, store, caller, spool_id=spool_id, sync=sync)
    loop = asyncio.get_running_loop()
    end = loop.time() + sync.wait_seconds
    stop = _Stop(request)
    try:
        while True:
            state = await run_in_threadpool(look, store, caller, spool_id=spool_id, sync=sync)
            left = end - loop.time()
            if state.is_news or left <= 0 or not await stop.or_change(store.changes, state.known, seconds=left):
                break
    finally:
        await stop.close()
    return SyncResponse(
        etag=state.etag,
        server_time=now(),
        plans=state.plans,
        assignment=state.assignment if state.plans is not None else None,
        commands=state.commands,
    )


class _Stop:
    """What ends a waiting early: the caller has gone, or the server is about to end."""

    def __init__(self, request: Request) -> None:
        self._ends = (
            asyncio.create_task(_gone(request)),
            asyncio.create_task(request.app.state.stopping.wait()),
        )

    async def or_change(self, changes: Changes, known: Known, *, seconds: float) -> bool:
        """Wait; False when there is no use in going on."""
        change = asyncio.create_task(changes.wait(known, timeout=seconds))
        with WAITING.track_inprogress():
            await asyncio.wait((change, *self._ends), return_when=asyncio.FIRST_COMPLETED)
        stopped = any(task.done() for task in self._ends)
        if stopped and not change.done():
            await _cancelled(change)
        return not stopped

    async def close(self) -> None:
        await _cancelled(*self._ends)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _cancelled(*tasks: "asyncio.Task[object]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _accounts(
    session: Session, caller: Caller, *, spool_id: str, sync: SyncRequest
) -> tuple[frozenset[str], SpoolAssignment | None]:
    """What the spool may have; and, of a pod that names its spool's place, how it is assigned."""
    found = permitted(session, caller, sync.accounts) if sync.accounts else all_permitted(session, caller)
    if caller.service_account is None or sync.place is None:
        return found, None
    sids = assigned(session, caller, spool_id=spool_id, place=sync.place)
    if not sids:
        return frozenset(), SpoolAssignment(state=AssignmentState.UNASSIGNED)
    return found & frozenset(sids), SpoolAssignment(state=AssignmentState.ASSIGNED, account_sid=sids[0])


def _require_room(session: Session, accounts: Collection[str], *, spool_id: str) -> None:
    """Raise ProblemError (409) for one spool more than an account may have; those that it has go on reporting."""
    known = set(session.scalars(sa.select(Spool.account_sid).where(Spool.id == spool_id)))
    for account_sid in sorted(set(accounts) - known):
        count = session.execute(sa.select(sa.func.count()).where(Spool.account_sid == account_sid)).scalar_one()
        if count >= MAX_SPOOLS:
            raise conflict(f"the account has {count} spools already; a spool keeps its id on its volume, is that lost?")


def _for_account(report: SpoolReport, account_sid: str) -> SpoolReport:
    """The report without what it says of other accounts: a spool may serve several, whose owners are strangers."""
    return report.replace(
        applied_revisions={sid: n for sid, n in report.applied_revisions.items() if sid == account_sid},
        without_settings={sid: n for sid, n in report.without_settings.items() if sid == account_sid},
        needed_destinations={sid: ids for sid, ids in report.needed_destinations.items() if sid == account_sid},
    )
