"""Hints from the kernel that something in a folder changed; the standard library has no inotify.

Only a hint: events can be lost, and on network volumes those of other nodes never come. The rescan is what finds
everything; a close that was seen counts as proof only where nothing better is to be had.
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
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

MODIFY, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE = 0x2, 0x8, 0x40, 0x80, 0x100
_OVERFLOW, _IGNORED, _IS_DIR, _ONLY_DIR, _DONT_FOLLOW = 0x4000, 0x8000, 0x40000000, 0x01000000, 0x02000000
_MASK = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | _ONLY_DIR | _DONT_FOLLOW
_HEAD = struct.Struct("iIII")
_GATHER = 0.01
"""Seconds in which events gather: a thousand files come and go at once, and waking up costs more than reading them."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A name in a watched folder, and what happened to it."""

    path: str
    """Relative to the root, with `/`; a folder's when `folder`."""
    closed: bool = False
    moved_in: bool = False
    gone: bool = False
    folder: bool = False


class Watch:
    """Watches folders below a root. `add` from any thread; hints come in the watch's own."""

    def __init__(self, root: Path, *, hint: Callable[[Hint], None], overflow: Callable[[], None]) -> None:
        """Raises OSError where there is no inotify, or no instance left."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError(errno.ENOSYS, "no inotify here")
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._root = root
        self._hint = hint
        self._overflow = overflow
        self._lock = threading.Lock()
        self._folders: dict[int, str] = {}
        self._watched: set[str] = set()
        self._warned = False
        self._closing = False
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, folder: str) -> None:
        """Watch a folder, relative to the root, "" for the root itself. Watching it already is no error."""
        with self._lock:
            if folder in self._watched:
                return
            target = os.fsencode(self._root / folder if folder else self._root)
            number = self._libc.inotify_add_watch(self._fd, target, _MASK)
            if number < 0:
                code = ctypes.get_errno()
                if code not in (errno.ENOENT, errno.ENOTDIR) and not self._warned:
                    self._warned = True
                    log.warning("can't watch %r (%s): new files are found by the rescan", folder, os.strerror(code))
                return
            self._folders[number] = folder
            self._watched.add(folder)

    def close(self) -> None:
        self._closing = True
        os.write(self._stop_write, b"x")
        self._thread.join()
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
            if stop.poll(_GATHER * 1000):
                return
            try:
                data = os.read(self._fd, 1 << 18)
            except BlockingIOError:
                continue
            self._take(data)

    def _take(self, data: bytes) -> None:
        offset = 0
        while offset < len(data) and not self._closing:
            number, mask, _cookie, length = _HEAD.unpack_from(data, offset)
            name = os.fsdecode(data[offset + _HEAD.size : offset + _HEAD.size + length].rstrip(b"\0"))
            offset += _HEAD.size + length
            if mask & _OVERFLOW:
                self._overflow()
                continue
            with self._lock:
                folder = self._folders.get(number)
                if mask & _IGNORED and folder is not None:
                    del self._folders[number]
                    self._watched.discard(folder)
            if folder is None or not name or name.startswith("."):
                continue  # no recording's name: what a release moves aside, say
            path = f"{folder}/{name}" if folder else name
            if mask & _IS_DIR and mask & MOVED_FROM:
                with self._lock:  # another folder may come to have its name
                    self._watched -= {known for known in self._watched if f"{known}/".startswith(f"{path}/")}
            self._hint(
                Hint(
                    path=path,
                    closed=bool(mask & CLOSE_WRITE),
                    moved_in=bool(mask & MOVED_TO),
                    gone=bool(mask & MOVED_FROM),
                    folder=bool(mask & _IS_DIR),
                )
            )
