"""The file of receipts: appended to durably, mended after a crash, put aside when it has grown."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.spool.folder import fsync_folder
from recording_storage.uploader.standalone.receipt_chain import Head, chained, head_after, seq_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FILE_NAME = "receipts.jsonl"
_ASIDE = "receipts-{}.jsonl"
"""An earlier file, by the number of its first line: names in order are lines in order, and `FILE_NAME` comes last."""
ROTATE_AT = 64 << 20
"""Bytes."""
_TAIL = 16 << 20
"""Bytes from the end in which a receipt can be that the journal has not heard of: more than one group's."""
_LINE = 1 << 20
"""More than a line has."""


class ReceiptFile:
    """One for each spool, under its lock; every call raises OSError."""

    def __init__(self, folder: Path, *, rotate_at: int = ROTATE_AT) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._rotate_at = rotate_at
        self._fd = -1
        self._head = Head()

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    def open(self) -> list[bytes]:
        """Open it, and cut off what a crash has torn; the last lines, whose receipts the journal may not know."""
        self._begin_file()
        try:
            lines = _whole_lines(self._fd, most=_TAIL, mend=True)
            left = _TAIL - os.fstat(self._fd).st_size
            for before in sorted(self._folder.glob(_ASIDE.format("*")), reverse=True):
                if left <= 0:
                    break
                with before.open("rb") as file:
                    lines = _whole_lines(file.fileno(), most=left, mend=False) + lines
                    left -= os.fstat(file.fileno()).st_size
        except BaseException:
            self.close()
            raise
        self._head = head_after(lines)
        return lines

    def append(self, receipts: Sequence[Mapping[str, Any]]) -> None:
        """Add lines, durably. After an error the file is as before, and is to be opened again."""
        if not self._path.exists():
            self._continue_in_another()  # somebody has put it away
        elif os.fstat(self._fd).st_size >= self._rotate_at:
            self._put_aside()
            self._continue_in_another()
        lines, head = chained(receipts, head=self._head)
        content = b"".join(lines)
        fault_point("before-receipt")
        end = os.lseek(self._fd, 0, os.SEEK_END)
        try:
            done = 0
            while done < len(content):
                done += os.write(self._fd, content[done:])
            fault_point("receipt-written")
            os.fdatasync(self._fd)
        except OSError:
            os.ftruncate(self._fd, end)  # no half lines for the next try to build on
            raise
        self._head = head
        fault_point("receipt-synced")

    def close(self) -> None:
        """Nothing happens when it is closed already."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _put_aside(self) -> None:
        """Under the number of its first line."""
        first, _, _ = os.pread(self._fd, _LINE, 0).partition(b"\n")
        number = f"{seq_of(first):012}"
        aside = self._folder / _ASIDE.format(number)
        for again in itertools.count(2):  # somebody has put files back, or the numbers have begun anew
            if not aside.exists():
                break
            aside = self._folder / _ASIDE.format(f"{number}-{again}")
        self._path.rename(aside)
        fault_point("receipts-put-aside")

    def _continue_in_another(self) -> None:
        self.close()
        self._begin_file()

    def _begin_file(self) -> None:
        is_new = not self._path.exists()
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if is_new:
            fsync_folder(self._folder)


def _whole_lines(fd: int, *, most: int, mend: bool) -> list[bytes]:
    """The lines of the last `most` bytes, without newlines; what has none at the file's end is cut off to `mend` it."""
    size = os.fstat(fd).st_size
    start = max(size - most, 0)
    tail = os.pread(fd, size - start, start)
    whole = tail.rfind(b"\n") + 1
    if mend and whole < len(tail):
        os.ftruncate(fd, start + whole)
    lines = tail[:whole].split(b"\n")[:-1]
    return lines[1:] if start else lines
