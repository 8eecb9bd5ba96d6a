"""From files on the spool to entries in the journal: finished ones, all of them, each once."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recording_storage.uploader import rows
from recording_storage.uploader.entry import MENDABLE, Identity
from recording_storage.uploader.faults import fault_point
from recording_storage.uploader.finish import Evidence, FinishRule, judge
from recording_storage.uploader.growing import RESCAN, UNPROVEN, Growing, UnprovenTeller, unproven_files
from recording_storage.uploader.inotify import Hint, Watch
from recording_storage.uploader.journal import JournalError
from recording_storage.uploader.lease import Writers, writers
from recording_storage.uploader.walk import FoundFile, Walker, is_media_name, media_of, open_media

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from recording_storage.uploader.candidates import Candidates
    from recording_storage.uploader.entry import Recording
    from recording_storage.uploader.journal import Journal
    from recording_storage.uploader.ports import Clock, UnprovenFile
    from recording_storage.uploader.spool import Spool

log = logging.getLogger(__name__)

_BATCH = 1000
"""Files that are entered in one commit."""
FIRST = 64
"""The same for the first of a walk: their upload begins while it goes on."""
_STOPPED_PAUSE = 2.0
"""Seconds until a journal that took nothing is tried again."""


@dataclass(slots=True)
class _Known:
    """A file that the journal has an unfinished entry for."""

    id: int
    identity: Identity
    mendable: bool


class Intake:
    """One thread; `start`, `hint…` by the watch, `close`."""

    def __init__(
        self,
        spool: Spool,
        *,
        journal: Journal,
        candidates: Candidates,
        rule: FinishRule,
        clock: Clock,
        left_aside: Callable[[str, str], str | None],
        found: Callable[[], None],
    ) -> None:
        """Take the parts.

        Args:
            spool: prepared and locked.
            journal: where entries are made.
            candidates: turns a finished file into an entry.
            rule: when a file is finished.
            clock: for quiet times and rescans.
            left_aside: settles what a release has left aside (see Walker).
            found: told that there is new work.
        """
        self._spool = spool
        self._journal = journal
        self._candidates = candidates
        self._rule = rule
        self._clock = clock
        self._found = found
        self._walker = Walker(spool.root, folder_seen=self._watch_folder, left_aside=left_aside, odd=self._odd)
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._growing: dict[str, Growing] = {}
        self._closed: dict[str, Identity] = {}
        """What a file was when its writer was seen to close it: a late word says nothing of the next of its name."""
        self._moved: dict[str, Identity] = {}
        self._returning: dict[str, tuple[int, float]] = {}
        """Inodes of files that we ourselves put back under these paths, and when: it was no recorder's rename."""
        self._hinted: set[str] = set()
        self._rescan_now = True
        self._entering = False
        self._teller = UnprovenTeller(clock=clock)
        self._told_odd: set[tuple[str, str]] = set()
        self._wake = threading.Event()
        self._closing = False
        self._watch: Watch | None = None
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self.scans = 0
        """Walks over the whole spool so far."""
        self.stopped = ""
        """Why nothing new is taken; empty when all is well."""
        self.scanned = threading.Event()
        """The first walk is done and entered."""

    def load(self) -> None:
        """Learn from the journal which files are taken already. Before `start`."""
        query = f"SELECT id, path, inode, size, mtime_ns, state, error_code FROM recordings WHERE {rows.OPEN_SQL}"
        for number, path, inode, size, mtime_ns, state, code in self._journal.run(
            lambda connection: connection.execute(query).fetchall()
        ):
            mendable = state in ("parked", "waiting") and code in MENDABLE
            self._known[path] = _Known(number, Identity(inode, size, mtime_ns), mendable)

    def start(self) -> None:
        try:
            self._watch = Watch(self._spool.root, hint=self._take_hint, overflow=self.rescan)
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
                path = recording.path
                if (known := self._known.get(path)) is not None and known.id == recording.id:
                    del self._known[path]
                if path in self._closed or path in self._moved:  # it has come back already
                    self._hinted.add(path)

    def returning(self, path: str, inode: int) -> None:
        """A file is about to be put back under its name: a rename into place that proves nothing."""
        with self._lock:
            self._returning[path] = inode, self._clock.monotonic()

    def await_again(self, path: str) -> None:
        """A file has changed or gone before it was stored: look out for it anew."""
        with self._lock:
            if (known := self._known.get(path)) is not None:
                known.mendable = True
                self._candidates.look_again(path)
            self._hinted.add(path)
        self._wake.set()

    def look_again(self) -> None:
        """Somebody has asked for a retry: read again what was found wrong, changed or not."""
        self._candidates.look_again_at_all()
        self.rescan()

    @property
    def growing(self) -> int:
        """Files that are there and not finished."""
        return len(self._growing)

    @property
    def settling(self) -> bool:
        """Whether time alone may finish a file, or something is still to be looked at."""
        with self._lock:
            return bool(self._hinted) or self._entering or any(g.settling for g in self._growing.values())

    def next_due(self) -> float | None:
        """Monotonic time at which time alone may finish a file; None when only an event can."""
        with self._lock:
            return min((g.due for g in self._growing.values() if g.due is not None), default=None)

    def unproven(self) -> list[UnprovenFile]:
        """Files that have not changed for a long time and are not taken, the oldest first."""
        with self._lock:
            growing = dict(self._growing)
        return unproven_files(growing, clock=self._clock)

    def unfinished(self) -> list[tuple[str, str]]:
        """Files that are not taken yet, and why."""
        with self._lock:
            return [(path, growing.why) for path, growing in self._growing.items()]

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
            due = self.next_due()
            until = next_rescan if due is None else min(due, next_rescan)
            self._clock.wait(self._wake, max(until - self._clock.monotonic(), 0.0))
            self._wake.clear()

    def scan(self) -> float | None:
        """One walk over everything; seconds to wait before the next when nothing could be taken."""
        with self._lock:
            gone = set(self._growing)
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
        except OSError as error:
            return self._stop(f"the spool can't be read: {error.strerror}")
        except JournalError as error:
            return self._stop(str(error))
        with self._lock:
            for path in gone:
                self._growing.pop(path, None)
                self._closed.pop(path, None)
                self._moved.pop(path, None)
            long_ago = self._clock.monotonic() - RESCAN  # the watch has told of it by then, or never will
            self._returning = {path: put for path, put in self._returning.items() if put[1] > long_ago}
        self._go_on()
        self._teller.tell(self.unproven())
        self.scans += 1
        self.scanned.set()
        return None

    def _look_at_due(self, now: float) -> float | None:
        with self._lock:
            self._entering = True
            paths = self._hinted | {path for path, g in self._growing.items() if g.due is not None and g.due <= now}
            self._hinted = set()
        batch = []
        for path in paths:
            file = self._walker.one(path)
            if file is None:
                with self._lock:
                    self._growing.pop(path, None)
            elif self._is_ready(file):
                batch.append(file)
        try:
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
        if known is not None and not known.mendable and known.identity == file.identity:
            return False  # what has the name of a known one and is another file is looked at
        now = self._clock.monotonic()
        growing = self._growing.get(file.path)
        changed = growing is None or growing.identity != file.identity
        since = now if changed else growing.since  # type: ignore[union-attr]
        quiet = max(now - since, self._clock.now() - file.identity.mtime_ns / 1e9)
        judgement = judge(self._evidence(file, quiet, watched=now - since), rule=self._rule)
        with self._lock:
            if judgement.finished:
                self._growing.pop(file.path, None)
                return True
            due = None if judgement.look_again is None else now + judgement.look_again
            self._growing[file.path] = Growing(
                file.identity, since, due, judgement.why, judgement.settling, judgement.unproven
            )
        return False

    def _evidence(self, file: FoundFile, quiet: float, *, watched: float) -> Evidence:
        who = Writers.UNKNOWN
        if file.marker or quiet >= (UNPROVEN if self._rule.marker_only else self._rule.settle):
            try:
                fd = open_media(self._spool.root, file.path)
            except PermissionError:
                # it is entered as unreadable, so that people learn of it
                return Evidence(marker=file.marker, quiet_for=quiet, writers=Writers.NONE)
            except OSError:
                return Evidence(marker=False, quiet_for=0.0, writers=Writers.UNKNOWN)
            try:
                if not file.marker or file.path in self._known:  # the marker's word was broken before
                    who = writers(fd)
            finally:
                os.close(fd)
        return Evidence(
            marker=file.marker,
            quiet_for=quiet,
            writers=who,
            closed=_is_that(file, self._closed.get(file.path)),
            moved_in=_is_that(file, self._moved.get(file.path)),
            watched_for=watched,
        )

    def _enter(self, batch: list[FoundFile]) -> None:
        """Commit entries for finished files. Raises JournalError; then none of them is entered."""
        if not batch:
            return
        known = [(file, self._known.get(file.path)) for file in batch]  # asked once: a release may forget one meanwhile
        again = [(one, file) for file, one in known if one is not None and self._candidates.is_mended(file)]
        new = [file for file, one in known if one is None]
        if not new and not again:
            return
        entered = self._candidates.enter(new, again=[(one.id, file) for one, file in again])
        fault_point("found-journalled")
        with self._lock:
            for file, (number, mendable) in entered.items():
                self._known[file.path] = _Known(number, file.identity, mendable)
                self._closed.pop(file.path, None)
                self._moved.pop(file.path, None)
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

    # In the watch's thread.

    def _take_hint(self, hint: Hint) -> None:
        if hint.folder:
            self.rescan()  # files may have come before the folder was watched
            return
        folder, _, name = hint.path.rpartition("/")
        media = media_of(name)
        if not is_media_name(media):
            return
        path = f"{folder}/{media}" if folder else media
        if hint.gone and path not in self._growing:
            return  # each file that is released goes so
        file = self._walker.one(path) if media == name and (hint.closed or hint.moved_in) else None
        with self._lock:
            if file is not None and hint.closed:
                self._closed[path] = file.identity
            if file is not None and hint.moved_in and not self._is_returning(path, file.identity):
                self._moved[path] = file.identity
            self._hinted.add(path)
        self._wake.set()

    def _is_returning(self, path: str, identity: Identity) -> bool:
        inode, _ = self._returning.get(path, (None, 0.0))
        if inode != identity.inode:
            return False
        del self._returning[path]
        return True

    def _watch_folder(self, folder: str) -> None:
        if self._watch is not None:
            self._watch.add(folder)

    def _odd(self, path: str, why: str) -> None:
        if (path, why) not in self._told_odd and len(self._told_odd) < 1000:  # noqa: PLR2004 - a bound on memory
            self._told_odd.add((path, why))
            log.warning("%s %s", path, why)


def _is_that(file: FoundFile, seen: Identity | None) -> bool:
    """Whether it is the file that something was seen of; its time may have been set since then."""
    return seen is not None and (seen.inode, seen.size) == (file.identity.inode, file.identity.size)
