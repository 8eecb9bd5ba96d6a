"""What the watches have told, held against what the API server has: a watch that doesn't deliver is found by that.

Every kind is treated alike. A change that the API server knows of, and that no watch has told of in a fair time, is
missed: it is made up for, and the watch is begun anew. If that watch misses another one before it has delivered
anything, it is dead, and liveness says so. Our own writes of a status are such changes, too.

A list that can't follow on what is known means that the cluster was put back; see `rollback`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from recording_storage.controller.cluster import rollback
from recording_storage.controller.core.keys import Key, Kind

Place = tuple[Kind, str]
"""A kind in a namespace; an empty one: in all."""

_NEVER, _GONE = -1, -2  # instead of a version
_DEAD = 2  # changes missed in a row
_REMEMBERED = 10_000  # objects that are gone


class ResourceVersions:
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
        self._reached: defaultdict[Kind, int] = defaultdict(int)
        self._seen: dict[Key, int] = {}
        self._gone: dict[Key, None] = {}  # of those in `_seen`, the youngest last

    def event(self, key: Key, version: str, *, gone: bool = False) -> None:
        """Take an event: it proves that its watch delivers."""
        self._missed.pop(self._watch_of(key), None)
        self.seen(key, version, gone=gone)
        self._note(key, None if gone else version)

    def known(self, key: Key, version: str) -> None:
        """Take an object of a list: it proves nothing about the watch."""
        self.seen(key, version)
        if self._told.get(key, _NEVER) < number(version):
            self._note(key, version)

    def seen(self, key: Key, version: str, *, gone: bool = False) -> None:
        """Take that the object was changed, or was found to be gone, at this version; also by a write of ours."""
        self.reach(key.kind, version)
        self._seen[key] = max(self._seen.get(key, 0), number(version))
        self._gone.pop(key, None)
        if gone:
            self._gone[key] = None
            if len(self._gone) > _REMEMBERED:
                oldest = next(iter(self._gone))
                del self._gone[oldest], self._seen[oldest]

    def reach(self, kind: Kind, version: str) -> None:
        """Take that the API server has come as far as this with the kind."""
        self._reached[kind] = max(self._reached[kind], number(version))

    def reached(self, kind: Kind) -> int:
        """How far the API server has come with the kind: a list that is asked for now is no older."""
        return self._reached[kind]

    def follow(self, place: Place, versions: Mapping[Key, str], *, version: str, reached: int) -> None:
        """See that a list follows on what was known.

        Args:
            place: what is listed, all of it.
            versions: of the objects.
            version: of the list.
            reached: what `reached` gave before it was asked for.

        Raises:
            RolledBack: it doesn't: the cluster has been put back to an earlier state.
        """
        listed = {key: number(each) for key, each in versions.items()}
        rollback.check(listed, version=number(version), reached=reached, seen=self._seen)
        self.reach(place[0], version)
        for key in self._told:
            if _within(key, {place}) and key not in versions and self._seen.get(key, 0) < number(version):
                self.seen(key, version, gone=True)

    def listed(self, place: Place, versions: Mapping[Key, str]) -> list[Key]:
        """Take the list with which a watch begins, and give what has changed."""
        gone = [key for key in self._told if _within(key, {place}) and key not in versions]
        changed = [key for key, version in versions.items() if self._told.get(key) != number(version)]
        for key in gone:
            self._note(key, None)
        for key in changed:
            self.known(key, versions[key])
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
