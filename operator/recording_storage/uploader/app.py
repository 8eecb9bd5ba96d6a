"""An uploader as a whole: its parts put together, started in order, ended in order."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from recording_storage.domain.amounts import counted, format_bytes
from recording_storage.domain.durations import format_duration
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.clock import SystemClock
from recording_storage.uploader.core.counters import Counters
from recording_storage.uploader.core.destination_state import LaneState
from recording_storage.uploader.core.plans import LOCAL_ACCOUNT, PlanBook
from recording_storage.uploader.journal import destinations, meta, queries
from recording_storage.uploader.journal.database import Journal, JournalError
from recording_storage.uploader.journal.on_commit import StopTeller
from recording_storage.uploader.journal.outbox import JournalOutbox
from recording_storage.uploader.journal.pinning import STALE_PLAN_AFTER
from recording_storage.uploader.journal.plans import journalled_plans
from recording_storage.uploader.scheduler.cleanup import Cleanup
from recording_storage.uploader.scheduler.dependencies import Parts
from recording_storage.uploader.scheduler.scheduler import Scheduler
from recording_storage.uploader.spool.completion import DEFAULT_SETTLE, FinishRule
from recording_storage.uploader.spool.intake import Intake
from recording_storage.uploader.spool.registration import AccountFrom, Registration
from recording_storage.uploader.spool.release import Releaser
from recording_storage.uploader.standalone.receipts import Receipts
from recording_storage.uploader.status.progress import Progress
from recording_storage.uploader.status.running import RunningView
from recording_storage.uploader.transfer.clients import S3Connections

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from recording_storage.protocol.plan import AccountPlan
    from recording_storage.protocol.sync import Tally
    from recording_storage.uploader.core.ports import Clock, MediaStore, Reporter, SettingsSource, SourceHooks
    from recording_storage.uploader.spool.folder import Spool

log = logging.getLogger(__name__)
_S = RecordingState

_EXPENDABLE = frozenset({"control", "control-client", "metrics"})
"""Threads that nothing depends on."""
ONCE_RETRIES = 3
"""Failures in a row for which `--once` waits for the next try."""
ONCE_PATIENCE = 30.0
"""Seconds without anything moving after which `--once` ends although the store has not acknowledged everything."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says; None: the configuration's or the default."""

    spool: Path
    config: Path | None = None
    store_url: str = ""
    token_file: Path | None = None
    ca_file: Path | None = None
    ca_certificates: str = field(default="", repr=False)
    """PEM, in place of `ca_file`."""
    once: bool = False
    sidecar: bool = False
    """Nothing but a stop ends it."""
    grace: float = 25.0
    settle: float | None = None
    marker_only: bool = False
    quiet_proof: float | None = None
    account_sid: str = ""
    account_from: AccountFrom = AccountFrom.SPOOL
    stale_plan_after: float = STALE_PLAN_AFTER
    """Seconds; infinite: never."""


class Uploader:
    """Made under the spool's lock. `run` in the main thread."""

    def __init__(self, options: Options, *, spool: Spool, clock: Clock | None = None) -> None:
        """Open the journal and read the settings; nothing runs yet.

        Raises:
            ConfigError: the configuration, or the store's address, can't be used.
            JournalError: the journal can't be opened.
            SchemaTooNewError: a newer version wrote it.
        """
        self._options = options
        self.clock: Clock = clock or SystemClock()
        self.ended = threading.Event()
        self._stop_asked = threading.Event()
        self._failure: BaseException | None = None
        self._why_ended = ""
        """Of `--once`, where it would have waited for more."""
        alone = options.config is not None
        self.plans = PlanBook(account_sid=options.account_sid or (LOCAL_ACCOUNT if alone else ""))
        self.link: Any = None
        source, reporter, media, settle = self._line(spool)
        self.journal = Journal.open(spool.folder, known_spool=spool.known)
        if not alone:
            self._take_journalled_plans()
        self.parts = Parts(
            spool=spool,
            journal=self.journal,
            plans=self.plans,
            clock=self.clock,
            connections=S3Connections(owner=spool.id),
            source=source,
            reporter=reporter,
            releaser=Releaser(spool.root, journal=self.journal, clock=self.clock),
            counters=Counters(),
            media=media,
        )
        self.intake = Intake(
            spool,
            journal=self.journal,
            registration=Registration(
                spool,
                journal=self.journal,
                plans=self.plans,
                clock=self.clock,
                account_from=options.account_from,
            ),
            rule=FinishRule(
                settle=settle,
                marker_only=options.marker_only,
                quiet_proof=options.quiet_proof,
            ),
            clock=self.clock,
            left_aside=self.parts.releaser.recover,
            found=self._found,
        )
        self.journal.stopped = StopTeller(self.parts.counters, wake=self._stopped)
        self.progress = Progress()
        self.scheduler = Scheduler(
            self.parts,
            intake=self.intake,
            progressed=self.progress.note,
            stale_plan_after=options.stale_plan_after,
        )
        self._cleanup = Cleanup(self.parts, intake=self.intake, post=self.scheduler.post)
        self.scheduler.maintenance.remove_again = self._cleanup.again
        self.view = RunningView(self.parts, scheduler=self.scheduler, intake=self.intake)
        self._outbox = JournalOutbox(self.journal, clock=self.clock, reported=self._cleanup.reported)

    def _line(self, spool: Spool) -> tuple[SettingsSource, Reporter, MediaStore | None, float]:
        options = self._options
        if options.config is not None:
            from recording_storage.uploader.standalone.source import ConfigSource  # noqa: PLC0415 - each line costs its imports

            source = ConfigSource(options.config, apply=self._apply)
            settle = options.settle if options.settle is not None else source.config.settle
            return source, Receipts(spool.folder), None, settle
        from recording_storage.uploader.standalone.config import ConfigError  # noqa: PLC0415
        from recording_storage.uploader.store_link.http import StoreUrlError, store_address  # noqa: PLC0415
        from recording_storage.uploader.store_link.link import open_link  # noqa: PLC0415

        assert options.token_file is not None
        try:
            address = store_address(
                options.store_url,
                token_file=options.token_file,
                ca_file=options.ca_file,
                ca_certificates=options.ca_certificates,
            )
        except StoreUrlError as error:
            raise ConfigError(f"--store {error}") from None
        self.link = open_link(address, spool_id=spool.id)
        settle = options.settle if options.settle is not None else DEFAULT_SETTLE
        return self.link.source, self.link.reporter, self.link.media, settle

    def _take_journalled_plans(self) -> None:
        try:
            plans, own = self.journal.run(lambda each: (journalled_plans(each), meta.assigned_account(each)))
            self.plans.recall(plans, account_sid=own)
        except BaseException:
            self.journal.close()  # its lock would keep the next attempt out
            raise

    # What the parts tell each other.

    def _apply(self, plan: AccountPlan) -> None:
        """The configuration's plan, for whatever account a recording names."""
        self.plans.replace({}, everybody=plan)
        self.scheduler.plans_changed()

    def _found(self) -> None:
        self.scheduler.found()
        self.parts.reporter.wake()
        self.parts.source.report_soon()

    def _stopped(self) -> None:
        self.parts.reporter.wake()
        self.parts.source.report_soon()

    def _hooks(self) -> SourceHooks:
        if self._options.config is not None:
            from recording_storage.uploader.standalone.source import NoHooks  # noqa: PLC0415

            return NoHooks()
        from recording_storage.uploader.store_link.hooks import StoreHooks  # noqa: PLC0415

        return StoreHooks(self.parts, view=self.view, plans_changed=self.scheduler.plans_changed)

    # Running.

    def start(self) -> None:
        self._end_with_threads()
        self.parts.releaser.recover_own_folder()
        self._cleanup.finish()
        self.intake.load()
        self._cleanup.finish_deleting()
        self.parts.source.start(self._hooks())
        self.parts.reporter.start(self._outbox)
        self._scheduler_thread = threading.Thread(target=self._run_scheduler, name="scheduler", daemon=True)
        self._scheduler_thread.start()
        self.intake.start()

    def _run_scheduler(self) -> None:
        try:
            self.scheduler.run()
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self._failure = error
        finally:
            self.ended.set()

    def _end_with_threads(self) -> None:
        """A thread that ends by a defect ends the uploader: the next start is safer than half of this one."""

        def ended(arguments: threading.ExceptHookArgs) -> None:
            name = arguments.thread.name if arguments.thread is not None else ""
            log.critical("the thread %s ended by a defect", name, exc_info=arguments.exc_value)
            if name not in _EXPENDABLE:
                self._failure = arguments.exc_value
                self.ended.set()

        self._hook = threading.excepthook
        threading.excepthook = ended

    def link_state(self) -> Any:
        from recording_storage.uploader.status.requests import LinkState  # noqa: PLC0415 - for those who ask

        if self.link is None:
            return LinkState(mode="alone")
        link, now = self.link, self.plans.now
        return LinkState("store", connected=link.connected, error=link.error, plan=now.standing, assigned=now.assigned)

    def run(self, stop: threading.Event) -> bool:
        """Work until `stop`, or, with `once`, until all that can be done is done; whether nothing is left.

        Raises:
            JournalError: the journal is damaged; the next start repairs it.
        """
        self._stop_asked = stop
        try:
            self.start()
        except BaseException:
            self.journal.close()  # its lock would keep the next attempt out
            threading.excepthook = self._hook
            raise
        if self._options.once:
            self._work_once()
        else:
            while not self._stop_asked.wait(0.5) and not self.ended.is_set():
                pass
        nothing_left = self.close()
        if self._failure is not None:
            raise self._failure
        return nothing_left

    def _work_once(self) -> None:
        moved_at, last = self.clock.monotonic(), None
        while not self._stop_asked.wait(0.01) and not self.ended.is_set():
            if not (self.intake.scanned.is_set() or self.intake.stopped):
                continue
            if not self.scheduler.idle.is_set() or self.intake.settling:
                moved_at = self.clock.monotonic()
                continue
            states = self.journal.run(queries.tallies)
            if states != last:
                moved_at, last = self.clock.monotonic(), states
            if not self._is_waiting_for_more(states):
                return
            if self.clock.monotonic() - moved_at > ONCE_PATIENCE:
                self._why_ended = f", nothing has moved for {format_duration(ONCE_PATIENCE)}"
                return
        if self._stop_asked.is_set():
            self._why_ended = ", it was stopped"

    def _is_waiting_for_more(self, states: dict[RecordingState, Tally]) -> bool:
        if {_S.STORED, _S.REPORTED, _S.UPLOADING}.intersection(states) or not self.scheduler.idle.is_set():
            return True
        plans = self.plans.now
        if states and not (plans.live and self.scheduler.pinning.taken == plans.generation):
            return True
        if _S.WAITING not in states:
            return False
        waiting = set(self.journal.run(partial(destinations.with_few_failures, most=ONCE_RETRIES)))
        lanes = list(self.scheduler.lanes.values())
        return bool(
            waiting - {lane.key for lane in lanes if lane.state is LaneState.FAILING and lane.probes >= ONCE_RETRIES}
        )

    def close(self) -> bool:
        """End in order: intake, uploads within the grace period, reports, journal; whether nothing is left."""
        self.intake.close()
        self.scheduler.stop(grace=self._options.grace)
        self._scheduler_thread.join()
        self.parts.reporter.close()
        self.parts.source.close()
        states: dict[RecordingState, Tally] = {}
        damage = self._failure
        try:
            states = self.journal.run(queries.tallies)
            if self._options.once:
                self._tell_remains(states)
        except JournalError as error:
            damage = damage or error
        self.journal.close()
        threading.excepthook = self._hook
        self._failure = damage
        counters = self.parts.counters.values()
        left = sum(tally.count for tally in states.values()) + self.intake.growing + self.intake.left_alone
        log.info(
            "stored %s (%s), released %d; %d left",
            counted(int(counters["stored"]), "recording"),
            format_bytes(int(counters["stored_bytes"])),
            counters["released"],
            left,
        )
        return self._failure is None and left == 0 and not self.intake.stopped

    def _tell_remains(self, states: Mapping[RecordingState, Tally]) -> None:
        """Before the journal is closed: why `--once` ends although not everything is done."""
        from recording_storage.uploader.status.once_summary import remains  # noqa: PLC0415 - seldom wanted

        left = remains(
            states,
            reasons=self.view.reasons(),
            unfinished=self.intake.unfinished(),
            stopped=self.intake.stopped,
        )
        if left:
            log.warning("work remains%s: %s", self._why_ended, left)
