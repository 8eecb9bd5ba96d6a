"""Removes from the media folder what nobody comes back for: uploads given up, and media of deleted recordings.

What goes is a partial file, whose uploader still has all of the recording and begins at 0 again, or the media of a
recording whose row says that its owner has deleted it. Anything else that is complete stays: its uploader's file may be
gone, and a database that doesn't know it (restored from a backup, or another store's) is no proof that nobody wants it.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool

from recording_storage.store.context import Store
from recording_storage.store.database.engine import DatabaseUnavailableError
from recording_storage.store.database.models import Recording
from recording_storage.store.media import Kept, MediaFolder

logger = logging.getLogger(__name__)

ABANDONED_SECONDS = 7 * 86400.0
"""Since the last byte; an uploader that is down for longer sends the recording from its beginning."""
PAUSE_SECONDS = 86400.0


@dataclass(frozen=True, kw_only=True)
class Swept:
    removed: int
    unknown: tuple[Path, ...]
    """Complete for a week, and in no row: kept."""


async def keep_swept(store: Store, media: MediaFolder) -> None:
    """Sweep now and then each day, until cancelled. A folder at a time: the end of the store waits for one at most."""
    told = 0
    while True:
        removed, unknown = 0, list[Path]()
        try:
            for folder in await run_in_threadpool(media.folders):
                swept = await run_in_threadpool(sweep, store, media, folder, now=time.time())
                removed += swept.removed
                unknown += swept.unknown
        except (DatabaseUnavailableError, OSError) as error:
            logger.warning("the media folder could not be swept, next time is tomorrow: %s", error)
        if removed:
            logger.info("removed %d files from the media folder that nobody came back for", removed)
        if unknown and len(unknown) != told:
            _tell(unknown)
            told = len(unknown)
        await asyncio.sleep(PAUSE_SECONDS)


def sweep(store: Store, media: MediaFolder, folder: str, *, now: float) -> Swept:
    """Sweep one of the media's folders.

    Args:
        store: knows the recordings.
        media: the whole.
        folder: as `MediaFolder.folders` has it.
        now: seconds since 1970.

    """

    def still(file: Kept) -> bool:
        return is_leftover(file, _rows(store, [file]).get(file.key.sid), now=now)

    # First the files, then the rows: what is entered in between is found in its row, never taken for a leftover.
    files = media.kept(folder)
    rows = _rows(store, files)
    leftovers = [file for file in files if is_leftover(file, rows.get(file.key.sid), now=now)]
    return Swept(
        removed=sum(media.discard(file, still=still) for file in leftovers),
        unknown=tuple(media.file(file.key.path) for file in files if is_unknown(file, rows.get(file.key.sid), now=now)),
    )


def is_leftover(file: Kept, row: Recording | None, *, now: float) -> bool:
    """Whether nobody will ask for the file any more; pure."""
    if row is not None and row.deleted_at is not None:
        return True
    return file.partial and now - file.changed_at >= ABANDONED_SECONDS


def is_unknown(file: Kept, row: Recording | None, *, now: float) -> bool:
    """Whether it is complete, but by the database it has never been, for too long to be on its way; pure."""
    known = row is not None and (row.deleted_at is not None or row.media_path != "")
    return not file.partial and not known and now - file.changed_at >= ABANDONED_SECONDS


def _tell(unknown: Collection[Path]) -> None:
    logger.warning(
        "%d complete recordings in the media folder are not known to this database; they stay. Is it the database that "
        "belongs to this media folder, and newer than they are? If so, and nobody wants them, delete them by hand; one "
        "of them is %s",
        len(unknown),
        next(iter(unknown)),
    )


def _rows(store: Store, files: Collection[Kept]) -> Mapping[str, Recording]:
    if not files:
        return {}
    account_sid = next(iter(files)).key.account_sid
    found: dict[str, Recording] = {}
    sids = sorted({file.key.sid for file in files})
    with store.database.read() as session:
        for start in range(0, len(sids), 1000):
            query = sa.select(Recording).where(
                Recording.account_sid == account_sid, Recording.sid.in_(sids[start : start + 1000])
            )
            found |= {row.sid: row for row in session.scalars(query)}
    return found
