"""What was seen of a spool's files: who opened and closed them, and that they were renamed or linked into place.

Pure: events go in, in the kernel's order, and proofs come out. Where no lease can be had, this is all there is to prove
that nobody has a file open any more. A proof holds only while each open that was seen since is matched by a close:
inotify doesn't say whether an open is for reading or for writing, but each descriptor is closed once, with
`CLOSE_WRITE` or `CLOSE_NOWRITE`, after the last of its copies and mappings is gone. So our own opens need no exception:
they are closed soon, and then they are matched.

- Of a file that was seen to be created, renamed or linked into place every open is known; the last close of a writer
  is proof. Of one that was there before, only a close that matches no open that was seen is: one of those who had it
  open before has closed it.
- A file that is renamed or linked into place is finished by its recorder's word, unless an open of it is unmatched.
- Equal events that stand side by side in the kernel's queue become one. Two closes that became one leave an open
  unmatched: the file is told, and not taken. Two opens that became one hide a writer: until he writes, which voids the
  proof. They must have come before the first was read, and nothing else in the spool in between, not even a write.
- Where events were lost, whoever had a file open may have closed it unseen, or have it open still: it counts as open.
  Each writer's close that matches no open that was seen since is counted for one of them, and the last of these is
  proof; so is a rename into place, and a marker. A reader's close is counted for none: the open that it belongs to may
  have been lost, and be our own.
- A marker is its recorder's word for whoever has the file open by then, until somebody writes to it. A writer's close
  may be that of one who came later, so it is counted for one who was there before; a reader's is not: it may be ours.

Nothing here asks the file system but where a name may be a further one of a file: thousands of events a second have to
be taken before the kernel's queue is full. So what a proven file is, is learnt when it is first asked for.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.uploader.core.recording import Identity

_MOST_GONE = 10_000
"""Names that are gone while somebody has their file open, and are remembered: he may close it under that name."""
_NONE = -1
"""The inode of a file that had lost its name before it was looked at."""


class Sighting(NamedTuple):
    """What is known of a file now."""

    closed: bool = False
    """Everybody who had it open has closed it, and it has not changed since."""
    moved_in: bool = False
    """It was renamed or linked into place, nobody has written to it since, and nobody is known to have it open."""
    opened: bool = False
    """Somebody has opened it and not closed it yet, for reading or for writing."""


@dataclass(slots=True, eq=False)
class _Seen:
    names: set[str] = field(default_factory=set)
    opened: int = 0
    """Opens that no close has matched."""
    unsure: int = 0
    """The same of before events were lost: each may have been closed unseen."""
    vouched: int = 0
    """Those of all of them that came before the file's marker."""
    all_known: bool = False
    """Nobody has had it open whose open was not seen."""
    linked: bool = False
    """It has come into being and nobody has opened it since."""
    maybe: list[_Seen] = field(default_factory=list)
    """Then: it may be one of these, which were open and had lost their names."""
    proven: bool = False
    """Its last writer has closed it, or it was renamed or linked into place."""
    moved_in: bool = False
    identity: Identity | None = None
    """What it was when it was first asked for after that."""
    used_at: float | None = None
    inode: int | None = None

    @property
    def in_use(self) -> int:
        """How many may have it open."""
        return self.opened + self.unsure

    def prove(self, *, moved_in: bool) -> None:
        self.proven, self.moved_in, self.identity = True, moved_in, None


class FileEvents:
    """Used by several threads; paths are relative to the spool."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_path: dict[str, _Seen] = {}
        self._gone: set[str] = set()
        """Names that are gone, or never were one, of files that are open."""

    def of(self, path: str, identity: Identity, *, links: int = 1) -> Sighting:
        """What is known of a file.

        Args:
            path: a name of it.
            identity: what it is after the last event that was taken.
            links: how many names it has in all.
        """
        with self._lock:
            seen = self._by_path.get(path)
            if seen is None:
                return Sighting()
            opened = seen.in_use > 0 or any(one.in_use for one in seen.maybe)
            holds = seen.proven and not opened
            if holds and seen.identity is None:
                seen.identity = identity
            if holds and seen.identity is not None:  # its time may have been set since then
                holds = (seen.identity.inode, seen.identity.size) == (identity.inode, identity.size)
            # whoever opens it by a name that is not known here is not seen
            closed = holds and links <= len(seen.names)
            return Sighting(closed, holds and seen.moved_in, opened)

    def used_at(self, path: str) -> float | None:
        """Monotonic: when a writer last closed it, or it was renamed."""
        seen = self._by_path.get(path)
        return seen.used_at if seen is not None else None

    def opens(self, path: str, *, since_marker: bool = False) -> int:
        """How often what has this name was opened and not seen to be closed again, by ourselves, too."""
        with self._lock:
            seen = self._by_path.get(path)
            if seen is None:
                return 0
            return seen.in_use - seen.vouched if since_marker else seen.in_use

    def __contains__(self, path: str) -> bool:
        """Whether anything was seen of what has this name."""
        return path in self._by_path

    def __len__(self) -> int:
        """How many names are remembered."""
        return len(self._by_path)

    # Events.

    def created(self, path: str, look: Callable[[str], Identity | None], *, opened: bool = False) -> None:
        """A name has come into being: of a new file, or as a further name of one.

        Args:
            path: the name.
            look: tells what has a name now.
            opened: it is known to be opened next, so it is a new file.
        """
        with self._lock:
            before = self._by_path.get(path)
            waiting, unsure = (before.opened, before.unsure) if before is not None else (0, 0)
            if not opened and self._is_further_name(path, look):
                return
            seen = self._new(path)
            # who still has a file of that name open that is gone will close it under this name
            seen.opened, seen.unsure = waiting, unsure
            seen.all_known = True
            if not opened:
                seen.linked = True
                seen.prove(moved_in=True)
                seen.maybe = [one for one in self._open() if one.inode == _NONE]

    def opened(self, path: str, *, unnamed: int | None = None) -> None:
        """Somebody has opened it; `unnamed` is the inode of a file without a name (O_TMPFILE)."""
        with self._lock:
            seen = self._by_path.get(path) or self._new(path)
            if unnamed is not None:
                seen.inode = unnamed
                self._gone.add(path)
            if seen.linked:
                seen.linked = seen.proven = seen.moved_in = False
                seen.maybe = []
            seen.opened += 1

    def marked(self, path: str, own_opens: Callable[[str], int]) -> None:
        """Its marker was made, or made anew; `own_opens` counts ours, for which nobody has to vouch."""
        with self._lock:
            seen = self._by_path.get(path)
            if seen is not None:
                seen.unsure = 0
                seen.vouched = max(seen.opened - own_opens(path), 0) if seen.opened else 0

    def modified(self, path: str) -> None:
        """Somebody has written to it."""
        with self._lock:
            seen = self._by_path.get(path)
            if seen is None:
                return
            seen.moved_in = False
            seen.vouched = 0
            if not seen.opened:
                seen.proven = seen.all_known = False  # an open of his was not seen

    def closed(self, path: str, *, now: float) -> None:
        """A writer has closed it."""
        with self._lock:
            seen = self._by_path.get(path) or self._new(path)
            if seen.opened:
                seen.opened -= 1
            else:
                seen.unsure = max(seen.unsure - 1, 0)
                seen.all_known = not seen.unsure
            seen.vouched = max(seen.vouched - 1, 0)
            seen.used_at = now
            if seen.all_known:
                seen.prove(moved_in=seen.moved_in)
            self._close_gone(path, seen)

    def closed_unwritten(self, path: str) -> None:
        """A reader has closed it."""
        with self._lock:
            seen = self._by_path.get(path)
            if seen is not None and seen.opened:
                seen.opened -= 1
                seen.vouched = min(seen.vouched, seen.in_use)
                self._close_gone(path, seen)

    def moved(self, old: str | None, new: str, *, now: float, ours: bool = False) -> None:
        """It was renamed; `old` None: from where nothing is seen. `ours`: by ourselves, which proves nothing."""
        with self._lock:
            seen = self._by_path.get(old) if old is not None else None
            replaced = self._by_path.get(new)
            if seen is None and ours:
                return
            if old is not None and seen is not None:
                del self._by_path[old]
                self._gone.discard(old)
                seen.names.discard(old)
            seen = seen or _Seen()
            if not ours:
                seen.unsure, seen.vouched = 0, min(seen.vouched, seen.opened)
            if replaced is not None and replaced is not seen:
                seen.opened += replaced.opened
                seen.unsure += replaced.unsure
                self._drop(new)
            seen.names.add(new)
            self._by_path[new] = seen
            if not ours:
                seen.prove(moved_in=True)
                seen.all_known, seen.linked, seen.used_at = True, False, now

    def moved_folder(self, old: str, new: str) -> None:
        """A folder was renamed, with all that is in it."""
        with self._lock:
            for path in [path for path in self._by_path if path.startswith(f"{old}/")]:
                seen = self._by_path.pop(path)
                there = new + path[len(old) :]
                seen.names.discard(path)
                seen.names.add(there)
                self._by_path[there] = seen

    def removed(self, path: str) -> None:
        """The name is gone."""
        with self._lock:
            seen = self._by_path.get(path)
            if seen is not None:
                self._gone.add(path)
                self._close_gone(path, seen)

    def lost(self) -> None:
        """Events were lost: who has opened or closed what is not known any more."""
        with self._lock:
            for seen in self._by_path.values():
                if seen.in_use or seen.linked or not seen.moved_in:
                    seen.proven = seen.moved_in = False
                seen.unsure, seen.opened = seen.in_use, 0
                seen.all_known, seen.linked, seen.maybe = False, False, []

    def purge(self, exists: Callable[[str], bool]) -> None:
        """Forget names that are gone."""
        with self._lock:
            paths = list(self._by_path)
        gone = [path for path in paths if not exists(path)]
        with self._lock:
            there = [(path, self._by_path[path]) for path in gone if path in self._by_path]
            held = sum(seen.in_use > 0 for _, seen in there)
            for path, seen in there:
                if not seen.in_use or held > _MOST_GONE:
                    held -= seen.in_use > 0
                    self._drop(path)

    def _is_further_name(self, path: str, look: Callable[[str], Identity | None]) -> bool:
        """Whether it is one of a file that is known and open; then it has that name from now on."""
        identity = look(path)
        if identity is None:
            return False
        for seen in self._open():
            if seen.inode is None:  # it was opened right after it was made: nobody has asked until now
                found = next(filter(None, map(look, seen.names)), None)
                seen.inode = found.inode if found is not None else _NONE
            if seen.inode == identity.inode and path not in seen.names:
                self._drop(path)
                seen.names.add(path)
                self._by_path[path] = seen
                seen.prove(moved_in=True)
                seen.all_known = True
                return True
        return False

    def _open(self) -> list[_Seen]:
        return list({id(seen): seen for seen in self._by_path.values() if seen.in_use}.values())

    def _close_gone(self, path: str, seen: _Seen) -> None:
        if path in self._gone and not seen.in_use:
            self._drop(path)

    def _new(self, path: str) -> _Seen:
        self._drop(path)
        seen = self._by_path[path] = _Seen({path})
        return seen

    def _drop(self, path: str) -> None:
        self._gone.discard(path)
        seen = self._by_path.pop(path, None)
        if seen is not None:
            seen.names.discard(path)
