"""Which files the journal has an unfinished entry for: by every name that they have, and by what they are."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.recording import MENDABLE, Identity
from recording_storage.uploader.journal import queries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recording_storage.uploader.journal.database import Journal

_STOPPED = (RecordingState.PARKED, RecordingState.WAITING)


@dataclass(slots=True)
class KnownFile:
    """A file, and its entry."""

    id: int
    identity: Identity
    mendable: bool
    """Looked at again, because something is wrong with it."""
    path: str
    """Its name in the journal."""
    others: set[str] = field(default_factory=set)
    """Further names: hard links."""
    earlier: set[str] = field(default_factory=set)
    """Names that it had before it was renamed: an upload may go by one still."""

    @property
    def names(self) -> list[str]:
        """All that it has, that in the journal first."""
        return [self.path, *self.others]


class KnownFiles:
    """Thread-safe. What has one of the names and another identity is another file by now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_path: dict[str, KnownFile] = {}
        self._by_identity: dict[Identity, KnownFile] = {}
        self._renamed: dict[str, KnownFile] = {}
        """By names that they had."""

    def __len__(self) -> int:
        """How many names."""
        return len(self._by_path)

    def load(self, journal: Journal) -> None:
        """All unfinished entries. Raises JournalError."""
        for one in journal.run(queries.files):
            mendable = one.state in _STOPPED and one.error_code in MENDABLE
            self.put(one.path, one.recording_id, one.identity, mendable=mendable)

    def get(self, path: str) -> KnownFile | None:
        """The file that had this name when it was last looked at."""
        return self._by_path.get(path)

    def same(self, identity: Identity) -> KnownFile | None:
        """The file that is just this, whatever its name."""
        return self._by_identity.get(identity)

    def put(self, path: str, number: int, identity: Identity, *, mendable: bool, others: Iterable[str] = ()) -> None:
        """The entry of that number has this file, under this name and the others."""
        with self._lock:
            known = KnownFile(number, identity, mendable, path, set(others))
            self._remove(path)
            for name in known.names:
                self._by_path[name] = known
            self._by_identity[identity] = known

    def add_name(self, known: KnownFile, path: str) -> None:
        """It has this name, too."""
        with self._lock:
            known.others.add(path)
            self._by_path[path] = known

    def rename(self, known: KnownFile, path: str) -> None:
        """It has this name now, in the journal, too, and not the one before."""
        with self._lock:
            if self._by_path.get(known.path) is known:
                del self._by_path[known.path]
            known.earlier.add(known.path)
            self._renamed[known.path] = known
            known.path = path
            known.others.discard(path)
            self._by_path[path] = known

    def mendable(self) -> list[KnownFile]:
        """Those that are looked at again."""
        with self._lock:
            return [known for path, known in self._by_path.items() if known.mendable and known.path == path]

    def forget(self, number: int, path: str) -> KnownFile | None:
        """The entry of that number, found by a name that it has or had, has ended; what it was."""
        with self._lock:
            known = self._of(number, path)
            if known is not None:
                self._remove(known.path)
            return known

    def of(self, number: int, path: str) -> KnownFile | None:
        """The file of that entry, found by a name that it has or had."""
        with self._lock:
            return self._of(number, path)

    def await_again(self, path: str) -> list[str]:
        """The file that has or had this name is to be looked at again; the names that it has now."""
        with self._lock:
            known = self._by_path.get(path) or self._renamed.get(path)
            if known is None:
                return [path]
            known.mendable = True
            return known.names

    def _of(self, number: int, path: str) -> KnownFile | None:
        for known in (self._by_path.get(path), self._renamed.get(path)):
            if known is not None and known.id == number:
                return known
        return None

    def _remove(self, path: str) -> None:
        known = self._by_path.get(path)
        if known is None:
            return
        for names, index in ((known.names, self._by_path), (known.earlier, self._renamed)):
            for name in names:
                if index.get(name) is known:
                    del index[name]
        if self._by_identity.get(known.identity) is known:
            del self._by_identity[known.identity]
