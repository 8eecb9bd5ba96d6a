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
- Where events were lost, no close is proof of anything.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.uploader.entry import Identity

_MOST_GONE = 10_000
"""Names that are gone while somebody has their file open, and are remembered: he may close it under that name."""


class Sighting(NamedTuple):
    """What is known of a file now."""

    closed: bool = False
    """Everybody who had it open has closed it, and it has not changed since."""
    moved_in: bool = False
    """It was renamed or linked into place, and nobody is known to have it open."""
    opened: bool = False
    """Somebody has opened it and not closed it yet, for reading or for writing."""
    used_at: float | None = None
    """Monotonic: when a writer last closed it, or it was renamed."""


@dataclass(slots=True, eq=False)
class _Seen:
    names: set[str] = field(default_factory=set)
    opened: int = 0
    """Opens that no close has matched."""
    all_known: bool = False
    """Nobody has had it open whose open was not seen."""
    created: bool = False
    """It has come into being and nobody has opened it since: it was linked into place."""
    maybe: list[_Seen] = field(default_factory=list)
    """Then: it may be one of these, which were open and had lost their names."""
    proof: Identity | None = None
    """What it was when it was closed, or came."""
    moved_in: bool = False
    used_at: float | None = None
    inode: int | None = None
    """Under which further names are looked for."""


class Sightings:
    """Used by several threads; paths are relative to the spool."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_path: dict[str, _Seen] = {}
        self._by_inode: dict[int, _Seen] = {}
        """Those that may get a further name."""
        self._lost_names: dict[str, _Seen] = {}
        """Of which that can't be told: they had lost their name before it was looked at."""

    def of(self, path: str, identity: Identity, *, links: int = 1) -> Sighting:
        """What is known of the file that has this name, this identity and so many names in all."""
        with self._lock:
            seen = self._by_path.get(path)
            if seen is None:
                return Sighting()
            proof = seen.proof
            holds = (
                proof is not None  # its time may have been set since then
                and (proof.inode, proof.size) == (identity.inode, identity.size)
                and not seen.opened
                and not any(one.opened for one in seen.maybe)
            )
            # whoever opens it by a name that is not known here is not seen
            closed = holds and links <= len(seen.names)
            return Sighting(closed, holds and seen.moved_in, seen.opened > 0, seen.used_at)

    def is_opened(self, path: str) -> bool:
        """Whether somebody has opened what has this name, and not closed it."""
        with self._lock:
            seen = self._by_path.get(path)
            return seen is not None and seen.opened > 0

    def __contains__(self, path: str) -> bool:
        """Whether anything was seen of what has this name."""
        return path in self._by_path

    def __len__(self) -> int:
        """How many names are remembered."""
        return len(self._by_path)

    # Events.

    def created(self, path: str, identity: Identity | None) -> None:
        """A name has come into being: of a new file, or as a further name of one."""
        with self._lock:
            before = self._by_path.get(path)
            other = None if identity is None else self._by_inode.get(identity.inode)
            if other is not None and other is not before and other.names:
                self._drop(path)
                other.names.add(path)
                self._by_path[path] = other
                other.proof, other.moved_in, other.all_known = identity, True, True
                return
            seen = self._new(path)
            # who still has a file of that name open that is gone will close it under this name
            seen.opened = before.opened if before is not None else 0
            seen.all_known = seen.created = True
            seen.proof, seen.moved_in = identity, identity is not None
            seen.maybe = self._nameless(path)
            if identity is not None:
                self._know(seen, identity.inode)
            else:
                self._lost_names[path] = seen

    def opened(self, path: str, *, unnamed: int | None = None) -> None:
        """Somebody has opened it; `unnamed` is the inode of a file without a name (O_TMPFILE)."""
        with self._lock:
            seen = self._by_path.get(path) or self._new(path)
            if unnamed is not None:
                self._know(seen, unnamed)
            if seen.created:
                seen.created = seen.moved_in = False
                seen.proof, seen.maybe = None, []
            seen.opened += 1

    def closed(self, path: str, look: Callable[[str], Identity | None], *, now: float) -> None:
        """A writer has closed it; `look` tells what has a name now."""
        with self._lock:
            seen = self._by_path.get(path) or self._new(path)
            if seen.opened:
                seen.opened -= 1
            else:
                seen.all_known = True
            seen.used_at = now
            identity = look(path)
            if identity is None:  # a name that is gone; another of the file's may be there
                identity = next(filter(None, map(look, seen.names - {path})), None)
            if identity is None and not seen.opened:
                self._lost_closed(seen, look)
                self._drop(path)
            elif seen.all_known and identity is not None:
                if seen.proof is None or seen.proof.size != identity.size:
                    seen.moved_in = False
                seen.proof = identity

    def modified(self, path: str) -> None:
        """Somebody has written to it."""
        with self._lock:
            seen = self._by_path.get(path)
            if seen is not None and not seen.opened:
                seen.proof, seen.moved_in, seen.all_known = None, False, False  # an open of his was not seen

    def closed_unwritten(self, path: str) -> None:
        """A reader has closed it."""
        with self._lock:
            seen = self._by_path.get(path)
            if seen is not None and seen.opened:
                seen.opened -= 1

    def moved(self, old: str | None, new: str, identity: Identity | None, *, now: float, ours: bool = False) -> None:
        """It was renamed; `old` None: from where nothing is seen. `ours`: by ourselves, which proves nothing."""
        with self._lock:
            seen = self._by_path.get(old) if old is not None else None
            replaced = self._by_path.get(new)
            if seen is None and (ours or identity is None):
                return
            if old is not None and seen is not None:
                del self._by_path[old]
                seen.names.discard(old)
            seen = seen or _Seen()
            if replaced is not None and replaced is not seen:
                seen.opened += replaced.opened
                self._drop(new)
            seen.names.add(new)
            self._by_path[new] = seen
            if not ours:
                seen.proof, seen.moved_in, seen.all_known, seen.created = identity, True, True, False
                seen.used_at = now

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
            if seen is not None and not seen.opened:
                self._drop(path)

    def lost(self) -> None:
        """Events were lost: who has opened what is not known any more."""
        with self._lock:
            for seen in self._by_path.values():
                if seen.opened or seen.created or not seen.moved_in:
                    seen.proof, seen.moved_in = None, False
                seen.opened, seen.all_known, seen.created = 0, False, False

    def purge(self, exists: Callable[[str], bool]) -> None:
        """Forget names that are gone."""
        with self._lock:
            gone = [path for path in self._by_path if not exists(path)]
            held = sum(self._by_path[path].opened > 0 for path in gone)
            for path in gone:
                if not self._by_path[path].opened or held > _MOST_GONE:
                    held -= self._by_path[path].opened > 0
                    self._drop(path)

    def _nameless(self, path: str) -> list[_Seen]:
        """Files of that folder that are open and had lost their names before they were looked at.

        What comes now may be the next name of one of them.
        """
        folder = path.rpartition("/")[0]
        return [seen for known, seen in self._lost_names.items() if known.rpartition("/")[0] == folder and seen.opened]

    def _lost_closed(self, lost: _Seen, look: Callable[[str], Identity | None]) -> None:
        """It is closed: so what may be it is as it is now."""
        for path, seen in self._by_path.items():
            if any(one is lost for one in seen.maybe):
                seen.proof = look(path)

    def _know(self, seen: _Seen, inode: int) -> None:
        seen.inode = inode
        self._by_inode[inode] = seen

    def _new(self, path: str) -> _Seen:
        self._drop(path)
        seen = self._by_path[path] = _Seen({path})
        return seen

    def _drop(self, path: str) -> None:
        self._lost_names.pop(path, None)
        seen = self._by_path.pop(path, None)
        if seen is None:
            return
        seen.names.discard(path)
        if not seen.names and seen.inode is not None and self._by_inode.get(seen.inode) is seen:
            del self._by_inode[seen.inode]
