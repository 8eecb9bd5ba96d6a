"""Files that are moved aside before they are removed: under a name that nobody else knows, nobody can replace them."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.spool.filesystem import rename_without_overwriting
from recording_storage.uploader.spool.folder import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.uploader.core.recording import Recording
    from recording_storage.uploader.spool.openat import Location

SUFFIX = ".releasing"
_SID = r"(?:RE|RT)[0-9a-f]{32}"
_BESIDE = re.compile(rf"\.(?P<name>.+)\.(?P<sid>{_SID}){re.escape(SUFFIX)}", re.DOTALL)
_IN_OUR_FOLDER = re.compile(rf"(?P<sid>{_SID})(?P<extension>\.[^.]*)?{re.escape(SUFFIX)}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that was aside when its uploader ended."""

    path: str
    """Where it is, relative to the spool."""
    sid: str
    """Of the recording that it was to be released for."""
    origin: str
    """Where it came from, relative to the spool, as far as its name tells."""


def places(recording: Recording) -> tuple[str, str]:
    """Where a recording's file may be moved to, relative to the spool, the better first.

    The second is for names that would become too long, and for a volume without room for one: the journal alone knows
    then where the file belongs, but our own folder has a few names only, so it has room for another.
    """
    folder, slash, name = recording.path.rpartition("/")
    extension = os.path.splitext(name)[1]  # noqa: PTH122 - a thousand of them
    short = extension if len(extension.encode()) <= 32 else ""  # noqa: PLR2004 - to tell what kind of file it is
    return f"{folder}{slash}.{name}.{recording.sid}{SUFFIX}", f"{FOLDER}/{recording.sid}{short}{SUFFIX}"


def leftover_of(folder: str, name: str) -> Leftover | None:
    """What a name below a folder (relative to the spool, "" for its root) tells; None for a name that isn't ours."""
    path = f"{folder}/{name}" if folder else name
    if folder == FOLDER:
        match = _IN_OUR_FOLDER.fullmatch(name)
        return None if match is None else Leftover(path, match["sid"], f"{match['sid']}{match['extension'] or ''}")
    match = _BESIDE.fullmatch(name)
    return None if match is None else Leftover(path, match["sid"], f"{path[: len(path) - len(name)]}{match['name']}")


def put_back(aside: Location, origin: Location, *, coming: Callable[[str], None]) -> str:
    """Give a file a visible name again, its own unless that is taken; the name. Nothing is ever overwritten.

    Args:
        aside: where it is.
        origin: its own name.
        coming: told each name that is about to be tried.

    Raises:
        OSError: it is still aside.
    """
    name = origin.name
    if aside.is_same_file(origin):  # a crash between the two steps of putting it back
        aside.unlink()
        return name
    coming(name)
    if rename_without_overwriting(aside, origin):
        return name
    stem, extension = os.path.splitext(name)  # noqa: PTH122
    token = f"put-back-{secrets.token_hex(4)}"  # nobody else comes to that name: no need to ask whether it is free
    for free in (f"{stem}.{token}{extension}", f"{token}{extension}", token):
        if len(os.fsencode(free)) <= 255:  # noqa: PLR2004 - what a name can be
            break
    coming(free)
    aside.rename(origin.sibling(free))
    fault_point("put-back-elsewhere")
    return free
