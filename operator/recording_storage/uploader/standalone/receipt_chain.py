"""The chain of receipts: each line names its number and the SHA-256 of the line before, so that a change shows.

It shows what was changed, removed or put in between; not that the last lines were cut off, or the very last one
changed: for that, keep the newest `seq` and hash that a check has printed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

VERSION = 1
START = "0" * 64
"""What the first line of all names as the one before."""


class Head(NamedTuple):
    """Where the chain goes on."""

    seq: int = 0
    """Of the last line."""
    prev: str = START
    """SHA-256 of the last line without its newline, hex."""


def chained(receipts: Iterable[Mapping[str, Any]], *, head: Head) -> tuple[list[bytes], Head]:
    """Lines, with their newlines, that go on where `head` is; and where the chain goes on after them."""
    lines = []
    seq, prev = head
    for receipt in receipts:
        seq += 1
        text = msgspec.json.encode({"v": VERSION, "seq": seq, "prev": prev, **receipt})  # thrice as fast as json's
        prev = hashlib.sha256(text).hexdigest()
        lines.append(text + b"\n")
    return lines, Head(seq, prev)


def head_after(lines: Sequence[bytes]) -> Head:
    """Where the chain goes on after lines without newlines. Lines of before the chain have no number."""
    if not lines:
        return Head()
    seq = next((number for line in reversed(lines) if (number := seq_of(line))), 0)
    return Head(seq, hashlib.sha256(lines[-1]).hexdigest())


def seq_of(line: bytes) -> int:
    """0: none, it is from before the chain."""
    seq = _read(line).get("seq", 0)
    return seq if isinstance(seq, int) else 0


@dataclass(kw_only=True)
class Check:
    """What is known after the lines so far. Feed it whole files, in their order; stop at the first break."""

    receipts: int = 0
    older: int = 0
    """Lines from before the chain, which nothing secures but the first line of the chain, for the last of them."""
    first_seq: int | None = None
    last: Head = field(default_factory=Head)
    begins: tuple[str, int] | None = None
    """File and line (from 1) of the chain's first."""
    continues: bool = False
    """The first line names an earlier one that was not given."""
    incomplete: bool = False
    """The last line has no end yet: it is being written, or was cut by a crash, which the uploader's start mends."""
    broken: tuple[str, int, str] | None = None
    """File, line, and why."""

    def file(self, name: str, lines: Iterable[bytes]) -> bool:
        """Check a file's lines, with their newlines; whether the chain is whole so far."""
        for number, line in enumerate(lines, start=1):
            if self.incomplete:
                self.broken = (name, number, "the line before has no end: it was cut off")
            elif not line.endswith(b"\n") and line.startswith(b"{"):
                self.incomplete = True
            elif (why := self._follow(name, number, line.removesuffix(b"\n"))) is not None:
                self.broken = (name, number, why)
            if self.broken:
                return False
        return True

    def _follow(self, name: str, number: int, text: bytes) -> str | None:
        """Why the line does not fit; None: it does."""
        line = _read(text)
        if not line:
            return "it is no JSON object"
        digest = hashlib.sha256(text).hexdigest()
        version = line.get("v")
        if version is None and self.begins is None:
            self.older += 1
            self.last = Head(0, digest)
            return None
        if version != VERSION:
            said = "has no v although the chain has begun" if version is None else f"has v {version!r}"
            return f"it {said}; this version checks v {VERSION}"
        seq, prev = line.get("seq"), line.get("prev")
        if not isinstance(seq, int) or not isinstance(prev, str):
            return "it has no seq and prev"
        if self.begins is None:
            why = self._begin(name, number, seq, prev)
        elif seq != self.last.seq + 1:
            why = f"its seq is {seq}, not {self.last.seq + 1}: lines are missing, doubled or out of order"
        elif prev != self.last.prev:
            why = "its prev is not the SHA-256 of the line before: that line was changed after this one was written"
        else:
            why = None
        if why is None:
            self.receipts += 1
            self.last = Head(seq, digest)
        return why

    def _begin(self, name: str, number: int, seq: int, prev: str) -> str | None:
        if self.older and (seq, prev) != (1, self.last.prev):
            return (
                "it begins the chain and does not name the older line before it: that was changed, or lines are missing"
            )
        self.continues = not self.older and (seq, prev) != (1, START)
        self.begins, self.first_seq = (name, number), seq
        return None


def _read(line: bytes) -> Mapping[str, Any]:
    """The line's object; empty when it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
