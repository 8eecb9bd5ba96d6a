"""Whether the cluster has gone back to an earlier state, as it does when its etcd is restored from a backup.

Versions only grow, so an API server that doesn't know what it has told already has another history by now. Whoever goes
on by what was seen of the former one takes changes and deletions for old news, and watches from a version that is yet
to come.
"""

from collections.abc import Mapping

from recording_storage.controller.core.keys import Key
from recording_storage.resources import Resource


class RolledBack(Exception):  # noqa: N818 - reads as what has happened
    """All that was seen of the cluster is to be forgotten; the message says by what it shows."""


def check(listed: Mapping[Key, int], *, version: int, reached: int, seen: Mapping[Key, int]) -> None:
    """Hold a list against what was known of its kind.

    Args:
        listed: versions of the objects in it.
        version: of the list; 0: not comparable.
        reached: newest version that was known before the list was asked for.
        seen: for each object the version at which it was changed, or was found to be gone. It may have come after the
            list was made.

    Raises:
        RolledBack: the list is of another history.
    """
    if 0 < version < reached:
        raise RolledBack(f"a list has version {version} after {reached}")
    for key, present in listed.items():
        # A restore may raise the version (etcdutl --bump-revision), or others write so much that it has caught up.
        if present < seen.get(key, 0) <= version:
            raise RolledBack(f"{key} has version {present} after {seen[key]}, in a list of version {version}")


def check_same(known: Resource, listed: Resource) -> None:
    """Hold an object of a list against what is known of it at the same version.

    Another history may have come to the very version at which this one was seen: nothing else shows that then, and no
    watch tells of it, since it has begun at that version.

    Raises:
        RolledBack: it is another one.
    """
    if listed != known:
        meta = known.metadata
        name = f"{known.kind} {meta.namespace}/{meta.name}"
        raise RolledBack(f"{name} is another one at version {meta.resource_version} than it was")
