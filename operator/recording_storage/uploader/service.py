"""Serving a spool: standing by until it is ours, then working, with the doors for people and probes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from recording_storage.uploader.app import Options, Uploader
from recording_storage.uploader.core.status import BlockedReason, Status
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.journal.schema import SchemaTooNewError
from recording_storage.uploader.signals import stop_event
from recording_storage.uploader.spool.folder import Spool, SpoolBusyError, SpoolError, SpoolLock
from recording_storage.uploader.spool.writers import ignore_lease_breaks
from recording_storage.uploader.standalone.config import ConfigError
from recording_storage.uploader.status.control_socket import ControlServer
from recording_storage.uploader.status.fill_rate import FillingRate
from recording_storage.uploader.status.requests import Inspection, LinkState

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from recording_storage.uploader.core.ports import StatusView
    from recording_storage.uploader.core.status import StateReason

log = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds until what kept the uploader from working is tried again."""
TELL_AGAIN = 720
"""Pauses, so an hour, after which the same reason is told again."""
STANDBY_POLL = 0.5
"""Seconds between two looks at the lock: what a takeover can take longer than it must."""

_EXPECTED: tuple[tuple[type[Exception], BlockedReason], ...] = (
    (JournalError, BlockedReason.JOURNAL),
    (SchemaTooNewError, BlockedReason.NEWER_JOURNAL),
    (SpoolError, BlockedReason.SPOOL),
    (ConfigError, BlockedReason.CONFIGURATION),
)
"""What the world around can do to an uploader; anything else that ends its work is a defect."""


class ServiceError(Exception):
    """The uploader can't run; one line for a person."""


class Front:
    """What the metrics see: the uploader that works, or that this one stands by or waits."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._started_at = time.time()
        self.blocked: BlockedReason | None = None
        self.view: StatusView | None
        self.link: Callable[[], LinkState]
        self.leave()

    def leave(self) -> None:
        """No uploader works."""
        self.view, self.link = None, lambda: LinkState(mode="unknown")

    def status(self) -> Status:
        if self.view is not None:
            return self.view.status()
        return Status(spool=str(self._spool.root), spool_id=self._spool.id, started_at=self._started_at, standby=True)

    def reasons(self) -> Sequence[StateReason]:
        return self.view.reasons() if self.view is not None else ()


def serve(options: Options, *, listen: tuple[str, int] | None) -> bool:
    """Serve the spool until stopped, or once; whether nothing is left. With `sidecar` it raises nothing.

    Raises:
        ConfigError: the configuration is wrong.
        ServiceError: the spool or the journal can't be used, or the address can't be listened on.
    """
    ignore_lease_breaks()
    stop = stop_event(signal.SIGTERM, signal.SIGINT)
    spool = Spool(options.spool)
    front: Front | None = None
    metrics: Any = None
    if listen is not None:
        front = Front(spool)
        metrics = _listen(front, listen, sidecar=options.sidecar)
    try:
        return _Service(options, spool=spool, stop=stop, front=front).run()
    except ConfigError:
        raise
    except tuple(kind for kind, _ in _EXPECTED) as error:
        raise ServiceError(str(error)) from error
    finally:
        if metrics is not None:
            metrics.close()


class _Service:
    def __init__(self, options: Options, *, spool: Spool, stop: threading.Event, front: Front | None) -> None:
        self._options = options
        self._spool = spool
        self._stop = stop
        self._front = front
        self._told = ""
        self._pauses = 0

    def run(self) -> bool:
        """Try until it is stopped; raises what waiting would not mend, or what nobody should wait for."""
        while True:
            try:
                return self._serve()
            except Exception as error:
                reason = _reason(error)
                waits = self._options.sidecar or (reason is BlockedReason.JOURNAL and not self._options.once)
                if not waits or self._stop.is_set():
                    raise
                self._wait(error, reason)
                if self._stop.is_set():
                    return False
                if reason is BlockedReason.DEFECT:
                    _begin_anew()

    def _serve(self) -> bool:
        self._spool.make_folder()
        lock = SpoolLock(self._spool)
        try:
            if not self._take(lock):
                return True
            self._spool.prepare()
            return self._work()
        finally:
            lock.release()  # while we wait, another version may be able to work

    def _wait(self, error: Exception, reason: BlockedReason) -> None:
        if self._front is not None:
            self._front.leave()
            self._front.blocked = reason
        told = str(error)
        if told != self._told or self._pauses % TELL_AGAIN == 0:
            self._told, self._pauses = told, 0
            if reason is BlockedReason.DEFECT:
                log.critical("the uploader came to an end by a defect and begins anew", exc_info=error)
            else:
                log.error("nothing is uploaded until this is mended; it is tried again and again: %s", told)
        self._pauses += 1
        self._stop.wait(PAUSE)

    def _take(self, lock: SpoolLock) -> bool:
        """Wait until the spool is ours; False: stopped before. Raises SpoolBusyError with `once`."""
        told = False
        while True:
            try:
                lock.acquire()
            except SpoolBusyError as error:
                if self._options.once:
                    raise
                if not told:
                    log.info("standing by: %s", error)
                    told = True
                if self._stop.wait(STANDBY_POLL):
                    return False
            else:
                if told:
                    log.info("taking over the spool")
                return True

    def _work(self) -> bool:
        uploader = Uploader(self._options, spool=self._spool)
        control = _control(uploader)
        if self._told:
            log.info("what was wrong is mended: the uploader works")
            self._told = ""
        try:
            if self._front is not None:
                self._front.view, self._front.link = uploader.view, uploader.link_state
                self._front.blocked = None
            return uploader.run(self._stop)
        finally:
            if control is not None:
                control.close()


def _reason(error: Exception) -> BlockedReason:
    for kind, reason in _EXPECTED:
        if isinstance(error, kind):
            return reason
    return BlockedReason.DEFECT


def _begin_anew() -> None:
    """Become a new process under the same id: the container doesn't end, and nothing of this one's state is left.

    A signal that comes in between waits for the new one's handler: whoever is the first process of its container would
    never hear of it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves


def _control(uploader: Uploader) -> ControlServer | None:
    filling = FillingRate()
    inspection = Inspection(
        uploader.view, link=uploader.link_state, filling=filling.rate, under_way=uploader.progress.under_way
    )
    uploader.scheduler.maintenance.note_space = lambda free: filling.note(
        at=uploader.clock.monotonic(), free_bytes=free
    )
    server = ControlServer(uploader.parts.spool.folder, handler=inspection.answer)
    return server if server.start() else None


def _listen(front: Front, listen: tuple[str, int], *, sidecar: bool) -> Any:
    from recording_storage.uploader.status.metrics import MetricsServer, UploaderCollector  # noqa: PLC0415 - costs 0.1 s

    collector = UploaderCollector(
        front,
        link=lambda: front.link(),  # noqa: PLW0108 - it is set later
        now=time.time,
        blocked=lambda: front.blocked,
    )
    try:
        return MetricsServer(collector, host=listen[0], port=listen[1])
    except OSError as error:
        told = f"--metrics-listen {listen[0]}:{listen[1]}: {error.strerror}"
        if not sidecar:
            raise ServiceError(told) from error
        log.error("no metrics are served, all else works: %s", told)  # noqa: TRY400 - no defect of ours
        return None
