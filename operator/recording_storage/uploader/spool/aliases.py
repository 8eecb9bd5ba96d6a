"""One file is one recording, whatever its names: it may be renamed while it waits, and have several at a time."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from recording_storage.uploader.journal import transitions
from recording_storage.uploader.spool.unfinished import RESCAN

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence

    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.core.recording import Identity, Recording
    from recording_storage.uploader.journal.database import Journal
    from recording_storage.uploader.spool.known_files import KnownFiles
    from recording_storage.uploader.spool.walk import FoundFile, Walker

log = logging.getLogger(__name__)


class FileNames(NamedTuple):
    """Under which names a file is there."""

    path: str
    others: Sequence[str] | None
    """Hard links beneath the spool; None: not known before the first walk is done."""


class Aliases:
    """Of the files that the journal knows. `names` from any thread, the rest from the intake's."""

    def __init__(
        self, known: KnownFiles, *, walker: Walker, journal: Journal, clock: Clock, scanned: threading.Event
    ) -> None:
        """Take what knows them; `scanned` is set once the spool was walked over."""
        self._known = known
        self._walker = walker
        self._journal = journal
        self._clock = clock
        self._scanned = scanned
        self.vanished = VanishedFiles(clock=clock)

    def names(self, recording: Recording) -> FileNames:
        """Those that the recording's file has now."""
        known = self._known.of(recording.id, recording.path)
        path, others = (known.path, known.others) if known is not None else (recording.path, ())
        return FileNames(path, tuple(others) if self._scanned.is_set() else None)

    def is_known(self, identity: Identity) -> bool:
        """Whether an unfinished entry has this file."""
        return self._known.same(identity) is not None

    def is_one(self, file: FoundFile, *, renamed: Callable[[], None]) -> bool:
        """Whether it is the file of an entry that has another name: renamed since, which is told, or a hard link.

        Raises:
            JournalError: the rename is not noted.
        """
        known = self._known.same(file.identity)
        if known is None:
            return self.vanished.is_that(file)
        if known.path == file.path or self._known.get(file.path) not in (None, known):
            return False  # renamed over another one: that entry has this file now
        entered = self._walker.one(known.path)
        if entered is not None and (entered.device, entered.identity.inode) == (file.device, file.identity.inode):
            if file.path not in known.others:
                log.info("%s is another name of %s, which is stored once", file.path, known.path)
                self._known.add_name(known, file.path)
            return True
        now = self._clock.now()
        move = partial(transitions.rename, number=known.id, path=file.path, identity=file.identity, now=now)
        if not self._journal.run(move):
            self._known.forget(known.id, known.path)  # it has ended meanwhile, or holds what the file was before
            return self.vanished.is_that(file)
        log.info("%s is %s now, and the same recording", known.path, file.path)
        self._known.rename(known, file.path)
        renamed()
        return not known.mendable  # its new name may be what it wanted: a folder that names its account, say

    def miss_awaited(self) -> None:
        """After a walk: what was to be taken anew once it is closed, and has been removed. Raises JournalError."""
        gone = [known.id for known in self._known.mendable() if not any(map(self._walker.has, known.names))]
        if gone:
            now = self._clock.now()
            self._journal.run(partial(transitions.miss, numbers=gone, now=now))


class VanishedFiles:
    """Files that were to be removed, or are gone, for a while: one may turn up under another name."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[Identity, tuple[Recording, float]] = {}
        self.turned_up: Callable[[Recording], None] = lambda _one: None
        """Told of a recording by the name that its file was found under: it may go."""

    def add(self, recording: Recording) -> None:
        """From any thread."""
        self._since[recording.identity] = recording, self._clock.monotonic()

    def is_that(self, file: FoundFile) -> bool:
        """Whether a new file is one of them, which is told then."""
        found = self._since.pop(file.identity, None)
        if found is None:
            return False
        self.turned_up(found[0]._replace(path=file.path))
        return True

    def purge(self) -> None:
        """After a walk: what was gone before the one before that is nowhere in the spool."""
        long_ago = self._clock.monotonic() - 2 * RESCAN
        for identity, (_, since) in list(self._since.items()):
            if since < long_ago:
                self._since.pop(identity, None)


def first_names(files: Iterable[FoundFile]) -> tuple[list[FoundFile], dict[str, list[str]]]:
    """Each file once, though it was found under several names; and the further names by the one that is taken."""
    taken: list[FoundFile] = []
    first: dict[Identity, FoundFile] = {}
    others: dict[str, list[str]] = {}
    linked: list[FoundFile] = []
    for file in files:
        (taken if file.links == 1 else linked).append(file)
    for file in sorted(linked, key=lambda one: not one.metadata):  # the name that something is said of comes first
        if first.setdefault(file.identity, file) is file:
            taken.append(file)
        else:
            others.setdefault(first[file.identity].path, []).append(file.path)
    return taken, others
