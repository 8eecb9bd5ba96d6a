"""From files on the spool to entries in the journal: finished ones, all of them, each once."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.spool.aliases import Aliases, first_names
from recording_storage.uploader.spool.completion import FinishRule, judge
from recording_storage.uploader.spool.evidence import Examiner
from recording_storage.uploader.spool.file_events import FileEvents
from recording_storage.uploader.spool.filesystem import FileSystems
from recording_storage.uploader.spool.inotify import CLOSE_NOWRITE, DELETE, MOVED_FROM, OPEN
from recording_storage.uploader.spool.known_files import KnownFiles
from recording_storage.uploader.spool.open_files import OpenFiles
from recording_storage.uploader.spool.unfinished import RESCAN, Growing, GrowingFiles, UnprovenTeller
from recording_storage.uploader.spool.walk import FoundFile, Walker
from recording_storage.uploader.spool.watch import SpoolWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.core.recording import Recording
    from recording_storage.uploader.core.status import UnprovenFile
    from recording_storage.uploader.journal.database import Journal
    from recording_storage.uploader.spool.folder import Spool
    from recording_storage.uploader.spool.registration import Registration

log = logging.getLogger(__name__)

_BATCH = 1000
"""Files that are entered in one commit."""
FIRST = 64
"""The same for the first of a walk: their upload begins while it goes on."""
_STOPPED_PAUSE = 2.0
"""Seconds until a journal that took nothing is tried again."""


class Intake:
    """One thread; `start`, `hint…` by the watch, `close`."""

    def __init__(
        self,
        spool: Spool,
        *,
        journal: Journal,
        registration: Registration,
        rule: FinishRule,
        clock: Clock,
        left_aside: Callable[[str, str], str | None],
        found: Callable[[], None],
    ) -> None:
        """`spool` is prepared and locked; `left_aside` is the Walker's; `found` is told that there is new work."""
        self._spool = spool
        self._journal = journal
        self._registration = registration
        self._rule = rule
        self._clock = clock
        self._found = found
        self._growing = GrowingFiles(clock=clock)
        self._walker = Walker(spool.root, folder_seen=self._watch_folder, left_aside=left_aside, odd=self._growing.odd)
        self._file_systems = FileSystems()
        self._file_events = FileEvents()
        self._open_files = OpenFiles(clock=clock)
        self.examiner = Examiner(
            spool.root,
            rule=rule,
            clock=clock,
            file_systems=self._file_systems,
            file_events=self._file_events,
            open_files=self._open_files,
            drain=self._drain,
        )
        self._lock = threading.Lock()
        self._known = KnownFiles()
        self._hinted: set[str] = set()
        self._rescan_now = True
        self._entering = False
        self._teller = UnprovenTeller(clock=clock)
        self._wake = threading.Event()
        self._closing = False
        self._watch: SpoolWatch | None = None
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self.scans = 0
        """Walks over the whole spool so far."""
        self.stopped = ""
        """Why nothing new is taken; empty when all is well."""
        self.scanned = threading.Event()
        """The first walk is done and entered."""
        self.aliases = Aliases(self._known, walker=self._walker, journal=journal, clock=clock, scanned=self.scanned)

    def load(self) -> None:
        """Learn from the journal which files are taken already. Before `start`."""
        self._known.load(self._journal)

    def start(self) -> None:
        try:
            self._watch = SpoolWatch(
                self._spool,
                file_events=self._file_events,
                file_systems=self._file_systems,
                clock=self._clock,
                hint=self._take_hint,
                lost=self._look_at_all_again,
            )
            self._watch.start()
        except OSError as error:
            log.warning("no watch on the spool (%s): new files are found by the rescan alone", error.strerror)
        self._thread.start()

    def rescan(self) -> None:
        """Walk over everything soon."""
        self._rescan_now = True
        self._wake.set()

    def forget(self, recordings: Iterable[Recording]) -> None:
        """Their files are gone from the spool by our own doing; a file of that name is a new recording."""
        with self._lock:
            for recording in recordings:
                known = self._known.forget(recording.id, recording.path)
                names = known.names if known is not None else [recording.path]
                self._hinted.update(name for name in names if name in self._file_events)  # it has come back already
        self._wake.set()

    def returning(self, path: str, inode: int) -> None:
        """A file is about to be put back under its name: a rename into place that proves nothing."""
        if self._watch is not None:
            self._watch.returning(path, inode)

    def await_again(self, path: str) -> None:
        """A file has changed or gone before it was stored: look out for it anew."""
        names = self._known.await_again(path)
        for name in names:
            self._registration.look_again(name)
        with self._lock:
            self._hinted.update(names)
        self._wake.set()

    def look_again(self) -> None:
        """Somebody has asked for a retry: read again what was found wrong, changed or not."""
        self._registration.look_again_at_all()
        self.rescan()

    @property
    def growing(self) -> int:
        """Files that are there and not finished."""
        return len(self._growing)

    @property
    def left_alone(self) -> int:
        """What is there and never taken as it is."""
        return len(self._growing.left_alone())

    @property
    def settling(self) -> bool:
        """Whether time alone may finish a file, or something is still to be looked at."""
        with self._lock:
            return bool(self._hinted) or self._entering or self._growing.settling

    def unproven(self) -> list[UnprovenFile]:
        """Files that have not changed for a long time and are not taken, the oldest first."""
        return self._growing.unproven()

    def unfinished(self) -> list[tuple[str, str]]:
        """Files that are not taken yet, and why."""
        return self._growing.unfinished()

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._watch is not None:
            self._watch.close()

    # In the intake's own thread.

    def _run(self) -> None:
        next_rescan = self._clock.monotonic()
        while not self._closing:
            now = self._clock.monotonic()
            if self._rescan_now or now >= next_rescan:
                self._rescan_now = False
                next_rescan = now + (self.scan() or RESCAN)
            else:
                pause = self._look_at_due(now)
                next_rescan = min(next_rescan, now + pause) if pause else next_rescan
            due = self._growing.next_due()
            until = next_rescan if due is None else min(due, next_rescan)
            self._clock.wait(self._wake, max(until - self._clock.monotonic(), 0.0))
            self._wake.clear()

    def scan(self) -> float | None:
        """One walk over everything; seconds to wait before the next when nothing could be taken."""
        gone = self._growing.paths()
        with self._lock:
            self._hinted = set()  # the walk comes by all of them
        self._file_systems.ask_again()
        batch: list[FoundFile] = []
        full = FIRST
        try:
            for file in self._walker.walk():
                gone.discard(file.path)
                if self._closing:
                    return None
                if self._is_ready(file):
                    batch.append(file)
                    if len(batch) >= full:
                        self._enter(batch)
                        batch, full = [], _BATCH
            self._enter(batch)
            for path in gone:
                self._growing.drop(path)
            self.aliases.miss_awaited()
        except OSError as error:
            return self._stop(f"the spool can't be read: {error.strerror}")
        except JournalError as error:
            return self._stop(str(error))
        self._growing.walked()
        self.aliases.vanished.purge()
        self._file_events.purge(lambda path: os.path.lexists(f"{self._spool.root}/{path}"))
        self._go_on()
        self._teller.tell(self.unproven())
        self.scans += 1
        self.scanned.set()
        return None

    def _look_at_due(self, now: float) -> float | None:
        with self._lock:
            self._entering = True
            paths = self._hinted | self._growing.due(now)
            self._hinted = set()
        batch = []
        try:
            for path in paths:
                file = self._walker.one(path)
                if file is None:
                    self._growing.drop(path)
                elif self._is_ready(file):
                    batch.append(file)
            self._enter(batch)
        except JournalError as error:
            return self._stop(str(error))
        finally:
            self._entering = False
        if batch:
            self._go_on()
        return None

    def _is_ready(self, file: FoundFile) -> bool:
        """Whether the file is to be entered now: not taken yet, or to be looked at again, and finished."""
        known = self._known.get(file.path)
        if known is not None and known.identity == file.identity and known.path == file.path and not known.mendable:
            return False  # what has the name of a known one and is another file is looked at
        if self.aliases.is_one(file, renamed=self._found):
            self._growing.drop(file.path)
            return False
        known = self._known.get(file.path)
        if file.marker and known is None:  # the recorder's own word of a new file: nothing else is asked
            self._growing.drop(file.path)
            return True
        now = self._clock.monotonic()
        growing = self._growing.get(file.path)
        if growing is None:
            growing = Growing(file.identity, now, at_start=not self.scanned.is_set())
        elif growing.identity != file.identity:
            growing = Growing(file.identity, now, used_at=growing.used_at)
        proven = known is not None and known.identity == file.identity
        judgement = judge(self.examiner.examine(file, growing, again=known is not None, proven=proven), rule=self._rule)
        if judgement.finished:
            self._growing.drop(file.path)
            return True
        if judgement.in_use:
            growing.used_at = now
        growing.due = None if judgement.look_again is None else now + judgement.look_again
        growing.why, growing.settling, growing.unproven = judgement.why, judgement.settling, judgement.unproven
        self._growing.keep(file.path, growing)
        return False

    def _enter(self, batch: list[FoundFile]) -> None:
        """Commit entries for finished files. Raises JournalError; then none of them is entered."""
        if not batch:
            return
        known = [(file, self._known.get(file.path)) for file in batch]  # asked once: a release may forget one meanwhile
        again = [(one, file) for file, one in known if one is not None and self._registration.is_mended(file)]
        new, others = first_names(file for file, one in known if one is None)
        if not new and not again:
            return
        entered = self._registration.enter(new, again=[(one.id, file) for one, file in again])
        fault_point("found-journalled")
        with self._lock:
            for file, (number, mendable) in entered.items():
                self._known.put(file.path, number, file.identity, mendable=mendable, others=others.get(file.path, ()))
        if entered:
            self._found()

    def _stop(self, why: str) -> float:
        if self.stopped != why:
            log.error("nothing new is taken from the spool, nothing is lost: %s", why)
        self.stopped = why
        return _STOPPED_PAUSE

    def _go_on(self) -> None:
        if self.stopped:
            log.info("new recordings are taken from the spool again")
            self.stopped = ""

    # In the watch's thread, or in that which drains it.

    def _take_hint(self, path: str, what: int) -> None:
        growing = self._growing.get(path)
        if what & (MOVED_FROM | DELETE) and growing is None:
            return  # each file that is released goes so
        if what & OPEN or (what & CLOSE_NOWRITE and (growing is None or not growing.opened)):
            return
        with self._lock:
            is_first = not self._hinted
            self._hinted.add(path)
        if is_first:  # the others are taken with it
            self._wake.set()

    def _look_at_all_again(self) -> None:
        """Events were lost."""
        self._open_files.look_again()
        self.rescan()

    def _watch_folder(self, folder: str) -> None:
        if self._watch is not None:
            self._watch.add(folder)

    def _drain(self) -> None:
        if self._watch is not None:
            self._watch.drain()
