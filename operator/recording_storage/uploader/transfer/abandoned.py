"""Aborting what attempts of ours have left open at a destination."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from recording_storage.domain.failures import PASSING, S3Failure
from recording_storage.uploader.journal import destinations, records
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.journal.records import AttemptOutcome

if TYPE_CHECKING:
    import sqlite3

    from recording_storage.uploader.core.destination_state import LaneKey
    from recording_storage.uploader.core.ports import ObjectStore
    from recording_storage.uploader.journal.database import Journal

log = logging.getLogger(__name__)


_TRIES = 3


def abort(store: ObjectStore, key: str, *, upload_id: str) -> S3Failure | None:
    """Abort an upload, at once again where that fails by chance; why it is still there, or None."""
    failure: S3Failure | None = None
    for _ in range(_TRIES):
        try:
            store.abort_multipart(key, upload_id=upload_id)
        except S3Failure as error:
            failure = error
            if error.kind not in PASSING:
                break
        else:
            return None
    return failure


def sweep(destination: LaneKey, store: ObjectStore, *, journal: Journal) -> None:
    """Abort the destination's abandoned uploads; what can't be aborted now is tried again at the next connection.

    One that is refused keeps none of the others; a destination that doesn't answer is not asked again for each.
    """
    try:
        for number, key, upload_id in journal.run(partial(destinations.abandoned_uploads, key=destination)):
            try:
                store.abort_multipart(key, upload_id=upload_id)
            except S3Failure as failure:
                if failure.kind in PASSING:
                    raise
                log.info("an upload of %s that was given up can't be aborted: %s", key, failure)
                continue
            _mark(journal, number)
    except (S3Failure, JournalError) as error:
        log.info("uploads that were given up are to be aborted later: %s", error)


def _mark(journal: Journal, number: int) -> None:
    def work(connection: sqlite3.Connection) -> None:
        records.set_attempt(connection, number, outcome=AttemptOutcome.ABORTED)

    journal.run(work)
