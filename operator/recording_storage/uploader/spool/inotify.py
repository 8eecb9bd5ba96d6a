"""What the kernel tells of the files in a folder, one event after the other; the standard library has no inotify.

Events can be lost, and on network volumes those of other nodes never come: the rescan is what finds every file.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import select
import struct
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

MODIFY, CLOSE_WRITE, CLOSE_NOWRITE, OPEN, MOVED_FROM, MOVED_TO, CREATE, DELETE = (
    0x2,
    0x8,
    0x10,
    0x20,
    0x40,
    0x80,
    0x100,
    0x200,
)
IS_DIR = 0x40000000
_OVERFLOW, _IGNORED, _ONLY_DIR, _DONT_FOLLOW = 0x4000, 0x8000, 0x01000000, 0x02000000
_MASK = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | _ONLY_DIR | _DONT_FOLLOW
_OPENS = OPEN | CLOSE_NOWRITE | DELETE | MODIFY  # what was written between two opens keeps them from becoming one
_HEAD = struct.Struct("iIII")
_MOST_FETCHED = 4096
"""Pieces of 16 KiB, some hundred events each, that wait here rather than in the kernel."""
_GATHER = 0.01
"""Seconds in which events gather: a thousand files come and go at once, and waking up costs more than reading them."""
_AT_ONCE = 0.1
"""Seconds in which they don't after a folder has come, or a file been opened where that is counted: what is made in a
folder is seen only once that is watched, and two opens that are read together may have become one."""


class Event(NamedTuple):
    """A name in a watched folder, and what happened to it."""

    path: str
    """Relative to the root, with `/`."""
    mask: int
    cookie: int
    """Of a rename's two events."""
    opens: bool
    """The folder is watched for opens, too."""
    opened_next: bool = False
    """Of a file that was created: it is opened next, by whoever made it."""


class Watch:
    """Watches folders below a root. `add` and `drain` from any thread."""

    def __init__(self, root: Path, *, take: Callable[[Event], None], lost: Callable[[], None]) -> None:
        """Raises OSError where there is no inotify, or no instance left.

        Args:
            root: what paths are relative to.
            take: told each event, in the kernel's order, one at a time.
            lost: told that some have been lost.
        """
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError(errno.ENOSYS, "no inotify here")
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._root = root
        self._take = take
        self._lost = lost
        self._folders: dict[int, tuple[str, bool]] = {}
        self._folders_lock = threading.Lock()
        self._reading = threading.RLock()
        self._fetched: deque[bytes] = deque()
        self._hurry_until = 0.0
        self._warned = False
        self._closed = False
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, folder: str, *, opens: bool) -> None:
        """Watch a folder, relative to the root, "" for the root itself. Watching it already is no error.

        Args:
            folder: nothing happens where it isn't one.
            opens: tell of each open, of closes without a write and of removals, too.
        """
        target = os.fsencode(self._root / folder if folder else self._root)
        with self._folders_lock:  # the first event may come before its folder is known by its number
            number = self._libc.inotify_add_watch(self._fd, target, _MASK | _OPENS if opens else _MASK)
            if number >= 0:
                self._folders[number] = folder, opens
                return
        code = ctypes.get_errno()
        if code not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES) and not self._warned:
            self._warned = True
            log.warning("can't watch %r (%s): new files are found by the rescan", folder, os.strerror(code))

    def rename(self, old: str, new: str | None) -> None:
        """A folder has another path now, with all below it; None: it has left the root."""
        with self._folders_lock:
            for number, (folder, opens) in list(self._folders.items()):
                if not f"{folder}/".startswith(f"{old}/"):
                    continue
                if new is None:
                    del self._folders[number]
                    self._libc.inotify_rm_watch(self._fd, number)
                else:
                    self._folders[number] = new + folder[len(old) :], opens

    def drain(self) -> None:
        """When it returns, every event that came before the call has been taken."""
        with self._reading:
            self._fetch()
            while self._fetched and not self._closed:
                self._read(self._fetched.popleft())
                self._fetch()

    def _fetch(self) -> None:
        """Bring what the kernel has: its queue is short, and reading costs less than what is done with an event."""
        while not self._closed and len(self._fetched) < _MOST_FETCHED:
            try:
                self._fetched.append(os.read(self._fd, 1 << 14))
            except BlockingIOError:
                return

    def close(self) -> None:
        os.write(self._stop_write, b"x")
        self._thread.join()
        with self._reading:
            self._closed = True
        for fd in (self._fd, self._stop_read, self._stop_write):
            with contextlib.suppress(OSError):
                os.close(fd)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        stop = select.poll()
        for one in (poll, stop):
            one.register(self._stop_read, select.POLLIN)
        while True:
            poll.poll()
            self.drain()
            if stop.poll(0 if time.monotonic() < self._hurry_until else _GATHER * 1000):
                return

    def _read(self, data: bytes) -> None:
        offset = 0
        while offset < len(data):
            number, mask, cookie, length = _HEAD.unpack_from(data, offset)
            start = offset + _HEAD.size
            offset = start + length
            if mask & _OVERFLOW:
                self._lost()
                continue
            if mask & _IGNORED:
                with self._folders_lock:
                    self._folders.pop(number, None)
                continue
            name = os.fsdecode(data[start:offset].rstrip(b"\0"))
            folder, opens = self._folders.get(number) or self._just_added(number)
            if folder is None or not name:
                continue
            if mask & IS_DIR or (opens and mask & (CREATE | OPEN)):
                self._hurry_until = time.monotonic() + _AT_ONCE
            elif not opens and name.startswith("."):
                continue  # no recording's name: what a release moves aside, say
            opened_next = bool(mask & CREATE) and _is_open_of(data, offset, number, data[start:offset])
            self._take(Event(f"{folder}/{name}" if folder else name, mask, cookie, opens, opened_next))

    def _just_added(self, number: int) -> tuple[str | None, bool]:
        with self._folders_lock:
            return self._folders.get(number, (None, False))


def _is_open_of(data: bytes, offset: int, number: int, name: bytes) -> bool:
    if offset >= len(data):
        return False
    next_number, mask, _, length = _HEAD.unpack_from(data, offset)
    start = offset + _HEAD.size
    return next_number == number and mask == OPEN and data[start : start + length] == name
