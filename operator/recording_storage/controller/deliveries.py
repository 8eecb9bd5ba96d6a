"""What the watches have told, held against what the API server has: a watch that doesn't deliver is found by that.

Every kind is treated alike. A change that the API server knows of, and that no watch has told of in a fair time, is
missed: it is made up for, and the watch is begun anew. If that watch misses another one before it has delivered
anything, it is dead, and liveness says so. Our own writes of a status are such changes, too.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from recording_storage.controller.keys import Key, Kind

Place = tuple[Kind, str]
"""A kind in a namespace; an empty one: in all."""

_NEVER, _GONE = -1, -2  # instead of a version
_DEAD = 2  # changes missed in a row


class Deliveries:
    """By object, the newest version that a watch has told of. Used from one event loop only."""

    def __init__(self, *, namespaced: bool) -> None:
        """Take how the watches are laid out.

        Args:
            namespaced: there is a watch for each kind and namespace; else for each kind.
        """
        self._namespaced = namespaced
        self._told: dict[Key, int] = {}
        self._behind: dict[Key, int] = {}
        self._missed: defaultdict[Place, int] = defaultdict(int)

    def event(self, key: Key, version: str | None) -> None:
        """Take an event (None: the object is gone): it proves that its watch delivers."""
        self._missed.pop(self._watch_of(key), None)
        self._note(key, version)

    def known(self, key: Key, version: str) -> None:
        """Take an object of a list: it proves nothing about the watch."""
        if self._told.get(key, _NEVER) < number(version):
            self._note(key, version)

    def listed(self, place: Place, versions: Mapping[Key, str]) -> list[Key]:
        """Take the list with which a watch begins, and give what has changed."""
        gone = [key for key in self._told if _within(key, {place}) and key not in versions]
        changed = [key for key, version in versions.items() if self._told.get(key) != number(version)]
        for key in gone:
            self._note(key, None)
        for key in changed:
            self._note(key, versions[key])
        return gone + changed

    def compare(self, present: Mapping[Key, str], *, places: Iterable[Place]) -> list[Key]:
        """Give what was missed, and take it for told.

        Missed is what was behind at the comparison before, too, and still has not come as far as it was then.

        Args:
            present: versions at the API server.
            places: all that is there is in `present`.
        """
        covered = frozenset(places)
        behind = {key: number(version) for key, version in present.items()}
        behind = {key: version for key, version in behind.items() if self._told.get(key, _NEVER) < version}
        behind |= {key: _GONE for key in self._told if key not in present and _within(key, covered)}
        missed = [key for key in behind if self._is_missed(key, gone=behind[key] == _GONE)]
        self._behind = {key: version for key, version in behind.items() if key not in missed}
        for key in missed:
            self._note(key, present.get(key))
        for watch in {self._watch_of(key) for key in missed}:
            self._missed[watch] += 1
        return missed

    @property
    def in_doubt(self) -> bool:
        """Whether something was behind at the last comparison: it may be on its way."""
        return bool(self._behind)

    @property
    def dead(self) -> list[str]:
        """The watches that deliver nothing, though they were begun anew."""
        return sorted(
            f"{kind} in {namespace}" if namespace else str(kind)
            for (kind, namespace), missed in self._missed.items()
            if missed >= _DEAD
        )

    def _is_missed(self, key: Key, *, gone: bool) -> bool:
        before = self._behind.get(key)
        if before is None or gone != (before == _GONE):
            return False
        return gone or self._told.get(key, _NEVER) < before

    def _note(self, key: Key, version: str | None) -> None:
        if version is None:
            self._told.pop(key, None)
        else:
            self._told[key] = number(version)

    def _watch_of(self, key: Key) -> Place:
        return key.kind, key.namespace if self._namespaced else ""


def number(version: str) -> int:
    """Comparable for objects of one kind, by the API's conventions since Kubernetes 1.35 (and in fact long before)."""
    return int(version) if version.isdigit() else 0


def _within(key: Key, places: Iterable[Place]) -> bool:
    return any(place in places for place in ((key.kind, key.namespace), (key.kind, "")))
