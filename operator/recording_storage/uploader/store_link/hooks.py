"""What the line to the store calls: plans and commands come in here, reports go out. Imported with a store alone."""

from __future__ import annotations

import logging
import os
import socket
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from recording_storage import __version__
from recording_storage.domain.amounts import counted
from recording_storage.domain.states import RecordingState
from recording_storage.protocol.sync import AssignmentState, Command, CommandKind, ParkedSample, SpoolReport
from recording_storage.uploader.journal import destinations, meta, queries
from recording_storage.uploader.journal.plans import journal_plans
from recording_storage.uploader.store_link.place import CLAIM

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from recording_storage.protocol.plan import AccountPlan
    from recording_storage.protocol.sync import SpoolAssignment
    from recording_storage.uploader.core.recording import Recording
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.status.running import RunningView

log = logging.getLogger(__name__)
_SAMPLE = 20
_ENDED = (RecordingState.PARKED, RecordingState.REJECTED)


class StoreHooks:
    """The port `SourceHooks`."""

    def __init__(self, parts: Parts, *, view: RunningView, plans_changed: Callable[[], None]) -> None:
        self._parts = parts
        self._view = view
        self._plans_changed = plans_changed

    def plans(self, plans: Mapping[str, AccountPlan], *, assignment: SpoolAssignment | None) -> None:
        """See the port."""
        own = assignment.account_sid if assignment is not None else None

        def keep(connection: sqlite3.Connection) -> None:
            journal_plans(connection, plans)
            if own is not None:
                meta.set_assigned_account(connection, own)

        self._parts.journal.run(keep)
        unassigned = assignment is not None and assignment.state is AssignmentState.UNASSIGNED
        self._parts.plans.replace(plans, assigned=not unassigned, account_sid=own)
        self._plans_changed()
        if unassigned:
            log.warning("the spool is assigned to no account yet: new recordings wait for that")
            return
        log.info(
            "plans in force: %s", ", ".join(f"{plan.account_sid} revision {plan.revision}" for plan in plans.values())
        )

    def commands(self, commands: Sequence[Command]) -> Mapping[str, int | None]:
        """See the port."""
        return {command.id: self._command(command) for command in commands}

    def _command(self, command: Command) -> int | None:
        if self._parts.journal.run(partial(meta.is_carried_out, command=command.id)):
            return None
        sids = [command.recording_sid] if command.kind is CommandKind.RETRY_ONE and command.recording_sid else None
        if command.kind is CommandKind.RETRY_ONE and sids is None:
            log.warning("the command %s names no recording and is left out", command.id)
            moved: Sequence[str] = []
        else:
            # twice does no harm, should the process end before the next line
            moved = self._view.retry(sids, account_sid=command.account_sid)
        now = self._parts.clock.now()
        self._parts.journal.run(partial(meta.set_carried_out, command=command.id, now=now))
        log.info("%s was asked for: %s tried again", command.kind.value, counted(len(moved), "recording"))
        return len(moved)

    def report(self) -> SpoolReport:
        """See the port."""
        status = self._view.status()
        needed, waiting, parked = self._parts.journal.run(
            lambda connection: (
                destinations.needed(connection),
                queries.without_settings(connection),
                queries.latest_in(connection, _ENDED, limit=_SAMPLE),
            )
        )
        started = datetime.fromtimestamp(status.started_at, UTC)
        return SpoolReport(
            uploader_version=__version__,
            hostname=socket.gethostname(),
            namespace=os.environ.get("POD_NAMESPACE", ""),
            claim=os.environ.get(CLAIM, ""),
            started_at=started,
            states=dict(status.states),
            oldest=None if status.oldest is None else datetime.fromtimestamp(status.oldest, UTC),
            unproven=len(status.unproven),
            oldest_unproven=_moment(status.unproven[0].since) if status.unproven else None,
            free_bytes=status.free_bytes,
            total_bytes=status.total_bytes,
            applied_revisions=dict(status.applied_revisions),
            needed_destinations=needed,
            without_settings=waiting,
            credentials_in_use=self._parts.plans.credentials_in_use(),
            last_error=status.intake_stopped or status.last_error,
            parked=list(map(_sample, parked)),
        )


def _moment(posix: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(posix, UTC)
    except (ValueError, OverflowError, OSError):  # a file's time can be any
        return None


def _sample(one: Recording) -> ParkedSample:
    return ParkedSample(
        sid=one.sid,
        file=one.path,
        state=RecordingState(one.state),
        error=f"{one.error.code}: {one.error.message}" if one.error is not None else "",
        since=datetime.fromtimestamp(one.changed_at, UTC),
    )
