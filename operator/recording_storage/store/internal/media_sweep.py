"""Removes from the media folder what nobody comes back for: uploads given up, and media of deleted recordings.

Nothing is lost by it: an uploader keeps its file until the recording is complete here, and begins at 0 again.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping

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


async def keep_swept(store: Store, media: MediaFolder) -> None:
    """Sweep now and then each day, until cancelled. A folder at a time: the end of the store waits for one at most."""
    while True:
        removed = 0
        try:
            for folder in await run_in_threadpool(media.folders):
                removed += await run_in_threadpool(sweep, store, media, folder, now=time.time())
        except (DatabaseUnavailableError, OSError) as error:
            logger.warning("the media folder could not be swept, next time is tomorrow: %s", error)
        if removed:
            logger.info("removed %d files from the media folder that nobody came back for", removed)
        await asyncio.sleep(PAUSE_SECONDS)


def sweep(store: Store, media: MediaFolder, folder: str, *, now: float) -> int:
    """Sweep one of the media's folders; gives how many files went.

    Args:
        store: knows the recordings.
        media: the whole.
        folder: as `MediaFolder.folders` has it.
        now: seconds since 1970.

    """
    # First the files, then the rows: what is entered in between is found in its row, never taken for a leftover.
    files = media.kept(folder)
    rows = _rows(store, files)
    return sum(media.discard(file) for file in files if is_leftover(file, rows.get(file.key.sid), now=now))


def is_leftover(file: Kept, row: Recording | None, *, now: float) -> bool:
    """Whether nobody will ask for the file any more; pure."""
    if row is not None and row.deleted_at is not None:
        return True
    if row is not None and row.media_path and not file.partial:
        return False
    return now - file.changed_at >= ABANDONED_SECONDS


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
