"""Serving a spool: standing by until it is ours, then working, with the doors for people and probes."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Any

from recording_storage.uploader.app import Options, Uploader
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
    from collections.abc import Callable

    from recording_storage.uploader.core.ports import StateView

log = logging.getLogger(__name__)

JOURNAL_PAUSE = 5.0
"""Seconds until a journal that could not be opened is tried again."""
STANDBY_POLL = 0.5
"""Seconds between two looks at the lock: what a takeover can take longer than it must."""


class ServiceError(Exception):
    """The uploader can't run; one line for a person."""


class Front:
    """What probes and metrics see: the uploader that works, or the one that stands by."""

    def __init__(self, view: StateView) -> None:
        self.view = view
        self.link: Callable[[], LinkState] = lambda: LinkState(mode="unknown")

    def status(self) -> Any:
        return self.view.status()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.view, name)


def serve(options: Options, *, listen: tuple[str, int] | None) -> bool:
    """Serve the spool until stopped, or once; whether nothing is left.

    Raises:
        ConfigError: the configuration is wrong.
        ServiceError: the spool or the journal can't be used, or the address can't be listened on.
    """
    try:
        return _serve(options, listen=listen)
    except ConfigError:
        raise
    except (SpoolError, JournalError, SchemaTooNewError, ValueError) as error:
        raise ServiceError(str(error)) from error


def _serve(options: Options, *, listen: tuple[str, int] | None) -> bool:
    ignore_lease_breaks()
    stop = stop_event(signal.SIGTERM, signal.SIGINT)
    spool = Spool(options.spool)
    spool.make_folder()
    lock = SpoolLock(spool)
    metrics: Any = None
    front: Any = None
    if listen is not None:
        front, metrics = _listen(spool, listen)
    try:
        if not _take(lock, options=options, stop=stop):
            return True
        spool.prepare()
        while True:
            try:
                return _work(options, spool=spool, stop=stop, front=front)
            except JournalError as error:
                # A sidecar that ends because a volume is full would take its recorder down with it: it stays and waits.
                if options.once or stop.is_set():
                    raise
                log.error("%s; it is opened again", error)  # noqa: TRY400 - no defect of ours
                if stop.wait(JOURNAL_PAUSE):
                    return False
    finally:
        lock.release()
        if metrics is not None:
            metrics.close()


def _work(options: Options, *, spool: Spool, stop: threading.Event, front: Front | None) -> bool:
    uploader = Uploader(options, spool=spool)
    control = _control(uploader)
    try:
        if front is not None:
            front.view, front.link = uploader.view, uploader.link_state
        return uploader.run(stop)
    finally:
        if control is not None:
            control.close()


def _take(lock: SpoolLock, *, options: Options, stop: threading.Event) -> bool:
    """Wait until the spool is ours; False: stopped before. Raises SpoolBusyError with `once`."""
    told = False
    while True:
        try:
            lock.acquire()
        except SpoolBusyError as error:
            if options.once:
                raise
            if not told:
                log.info("standing by: %s", error)
                told = True
            if stop.wait(STANDBY_POLL):
                return False
        else:
            if told:
                log.info("taking over the spool")
            return True


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


def _listen(spool: Spool, listen: tuple[str, int]) -> tuple[Front, Any]:
    import time  # noqa: PLC0415

    from recording_storage.uploader.status.metrics import MetricsServer, UploaderCollector  # noqa: PLC0415 - costs 0.1 s
    from recording_storage.uploader.status.running import StandbyView  # noqa: PLC0415

    front = Front(StandbyView(spool, started_at=time.time()))
    collector = UploaderCollector(front, link=lambda: front.link(), now=time.time)  # noqa: PLW0108 - it is set later
    try:
        return front, MetricsServer(collector, host=listen[0], port=listen[1])
    except OSError as error:
        raise ServiceError(f"--metrics-listen {listen[0]}:{listen[1]}: {error.strerror}") from error
