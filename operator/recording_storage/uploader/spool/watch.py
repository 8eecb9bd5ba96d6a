"""Turns what the kernel tells of a spool's folders into events of files, and hints where to look."""

from __future__ import annotations

import logging
import os
import stat
import threading
from typing import TYPE_CHECKING

from recording_storage.uploader.spool.folder import FOLDER, ID_FILE
from recording_storage.uploader.spool.inotify import (
    CLOSE_NOWRITE,
    CLOSE_WRITE,
    CREATE,
    DELETE,
    IS_DIR,
    MODIFY,
    MOVED_FROM,
    MOVED_TO,
    OPEN,
    Event,
    Watch,
)
from recording_storage.uploader.spool.open_files import own_opens
from recording_storage.uploader.spool.quarantine import SUFFIX as ASIDE
from recording_storage.uploader.spool.walk import MARKER, identity_of, is_media_name, media_of, open_media
from recording_storage.uploader.spool.writers import Writers, may_lease_all, writers

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.core.recording import Identity
    from recording_storage.uploader.spool.file_events import FileEvents
    from recording_storage.uploader.spool.filesystem import FileSystems
    from recording_storage.uploader.spool.folder import Spool

log = logging.getLogger(__name__)

_LEAVING = 64
"""Renames of which the second half may still come."""
_COMES = CREATE | CLOSE_WRITE | MOVED_TO
_HINTS = _COMES | MOVED_FROM
REMEMBERED = 60.0
"""Seconds in which the watch tells of what we did ourselves, or never will."""


class SpoolWatch:
    """`add` by the walk; `drain` and `returning` from any thread."""

    def __init__(
        self,
        spool: Spool,
        *,
        file_events: FileEvents,
        file_systems: FileSystems,
        clock: Clock,
        hint: Callable[[str, int], None],
        lost: Callable[[], None],
    ) -> None:
        """Raises OSError where nothing can be watched.

        `hint` is told the path of a media file and what happened to it (inotify's bits); `lost`, that events were
        lost: only a walk can find what has happened.
        """
        self._root = os.fspath(spool.root)
        self._file_events = file_events
        self._clock = clock
        self._hint = hint
        self._tell_lost = lost
        self._lock = threading.Lock()
        self._leaving: dict[int, tuple[str, bool]] = {}
        """By cookie: paths, and whether it is a folder, of which the new name was not told yet."""
        self._returning: dict[str, tuple[int, float]] = {}
        """Inodes of files that we ourselves put back under these paths, and when: it was no recorder's rename."""
        self._leased_device = _leased_device(spool, file_systems)
        self._watch = Watch(spool.root, take=self.take, lost=self._lost)

    def start(self) -> None:
        self._watch.start()

    def add(self, folder: str) -> None:
        """Watch a folder, relative to the spool."""
        self._watch.add(folder, opens=not self._has_leases(folder))

    def drain(self) -> None:
        self._watch.drain()

    def close(self) -> None:
        self._watch.close()

    def returning(self, path: str, inode: int) -> None:
        """A file is about to be put back under its name: a rename into place that proves nothing."""
        now = self._clock.monotonic()
        with self._lock:
            self._returning = {path: put for path, put in self._returning.items() if put[1] > now - REMEMBERED}
            self._returning[path] = inode, now

    def _has_leases(self, folder: str) -> bool:
        """Whether the kernel answers for every file there: then nobody has to count who opens them."""
        if self._leased_device is None:
            return False
        try:
            return os.lstat(f"{self._root}/{folder}").st_dev == self._leased_device
        except OSError:
            return False

    # In the thread that reads events.

    def take(self, event: Event) -> None:
        if event.mask & IS_DIR:
            self._take_folder(event)
            return
        if event.mask & MODIFY:
            self._file_events.modified(event.path)
            return
        folder, _, name = event.path.rpartition("/")
        if event.mask & MOVED_FROM:
            self._leave(event)
        elif event.mask & MOVED_TO:
            self._moved(event, name)
        else:
            self._take_file(event, name)
        media = media_of(name)
        if name.endswith(MARKER) and event.mask & _COMES:
            self._file_events.marked(media_of(event.path), self._own_opens)
        if is_media_name(media) and (event.mask & _HINTS or media == name):
            self._hint(f"{folder}/{media}" if folder else media, event.mask)

    def _take_file(self, event: Event, name: str) -> None:
        path, mask = event.path, event.mask
        if mask & CLOSE_WRITE:
            self._file_events.closed(path, now=self._clock.monotonic())
        elif not event.opens:
            return
        elif mask & OPEN:
            number = name[1:] if name.startswith("#") else ""  # so the kernel calls a file that has no name yet
            self._file_events.opened(path, unnamed=int(number) if number.isdecimal() else None)
        elif mask & CLOSE_NOWRITE:
            self._file_events.closed_unwritten(path)
        elif mask & CREATE:
            self._file_events.created(path, self._look, opened=event.opened_next)
        elif mask & DELETE:
            self._file_events.removed(path)

    def _moved(self, event: Event, name: str) -> None:
        old, _ = self._leaving.pop(event.cookie, (None, False))
        ours = name.endswith(ASIDE) or (old is not None and old.endswith(ASIDE))
        ours = self._is_returning(event.path) or ours
        self._file_events.moved(old, event.path, now=self._clock.monotonic(), ours=ours)

    def _take_folder(self, event: Event) -> None:
        if event.mask & MOVED_FROM:
            self._leave(event)
        elif event.mask & MOVED_TO:
            old, _ = self._leaving.pop(event.cookie, (None, True))
            if old is not None:
                self._watch.rename(old, event.path)
                self._file_events.moved_folder(old, event.path)
            self._folder_came(event.path, moved=True)
        elif event.mask & CREATE:
            self._folder_came(event.path, moved=False)

    def _folder_came(self, folder: str, *, moved: bool) -> None:
        """Watch it, then look at what came before it was watched; a rename proves all that is in it."""
        if folder.rpartition("/")[2].startswith("."):
            return
        self.add(folder)
        try:
            with os.scandir(f"{self._root}/{folder}") as entries:
                found = list(entries)
        except OSError:
            return  # gone again, or the next walk tells of it
        for entry in found:
            path = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                self._folder_came(path, moved=moved)
            elif entry.is_file(follow_symlinks=False):
                if moved:
                    self._file_events.moved(None, path, now=self._clock.monotonic())
                if is_media_name(entry.name):
                    self._hint(path, CREATE)

    def _leave(self, event: Event) -> None:
        if not event.opens and not event.mask & IS_DIR:  # what is moved aside is not followed there, and needs not be
            self._file_events.removed(event.path)
        self._leaving[event.cookie] = event.path, bool(event.mask & IS_DIR)
        if len(self._leaving) > _LEAVING:
            path, is_folder = self._leaving.pop(next(iter(self._leaving)))
            if is_folder:
                self._watch.rename(path, None)
            else:
                self._file_events.removed(path)

    def _lost(self) -> None:
        log.warning(
            "the kernel had more to tell of the spool's files than it keeps: what was closed just now may need a marker"
            " to be taken; everything is looked at again"
        )
        self._file_events.lost()
        self._tell_lost()

    def _own_opens(self, path: str) -> int:
        return own_opens(f"{self._root}/{path}")

    def _look(self, path: str) -> Identity | None:
        try:
            status = os.lstat(f"{self._root}/{path}")
        except OSError:
            return None
        return identity_of(status) if stat.S_ISREG(status.st_mode) else None

    def _is_returning(self, path: str) -> bool:
        if path not in self._returning:
            return False
        identity = self._look(path)
        with self._lock:
            inode, _ = self._returning.get(path, (None, 0.0))
            if identity is None or inode != identity.inode:
                return False
            del self._returning[path]
            return True


def _leased_device(spool: Spool, file_systems: FileSystems) -> int | None:
    """The device on which a lease can be had of every file, and tells; None: there is none."""
    if not may_lease_all():
        return None
    try:
        fd = open_media(spool.root, f"{FOLDER}/{ID_FILE}")
    except OSError:
        return None
    try:
        device = os.fstat(fd).st_dev
        if writers(fd) is Writers.UNKNOWN or file_systems.is_network(device, os.fspath(spool.root)):
            return None
        return device
    finally:
        os.close(fd)
