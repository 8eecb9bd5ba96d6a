"""A spool that no uploader serves just now, seen through its journal; what is retried is found by the next uploader."""

import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.core.status import StateReason, Status
from recording_storage.uploader.journal import plans, queries, transitions
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.spool.folder import Spool
from recording_storage.uploader.spool.walk import Walker
from recording_storage.uploader.status.requests import Inspection, LinkState


class IdleView:
    """The port `StateView` over a journal that is ours for the moment."""

    def __init__(self, journal: Journal, *, spool: Spool) -> None:
        self._journal = journal
        self._spool = spool

    def recordings(
        self, *, after: int = 0, limit: int = 1000, states: Collection[RecordingState] = (), sids: Collection[str] = ()
    ) -> Sequence[Recording]:
        return self._journal.run(partial(queries.listed, after=after, limit=limit, states=states, sids=sids))

    def retry(self, sids: Collection[str] | None) -> Sequence[str]:
        """See the port; committed when it returns."""
        return self._journal.run(lambda connection: transitions.retry(connection, sids=sids, now=time.time()))

    def obstacle(self, recording: Recording) -> str:
        """Nobody knows how the destinations are."""
        del recording
        return ""

    def reasons(self) -> Sequence[StateReason]:
        return self._journal.run(queries.reasons)

    def status(self) -> Status:
        error = self._journal.run(queries.latest_error)
        usage = shutil.disk_usage(self._spool.root)
        return Status(
            spool=str(self._spool.root),
            spool_id=self._spool.read_id(),
            started_at=0.0,
            states=self._journal.run(queries.tallies),
            oldest=self._journal.run(queries.oldest),
            unfinished=self._unseen(),
            free_bytes=usage.free,
            total_bytes=usage.total,
            applied_revisions=self._journal.run(plans.revisions),
            last_error=error[0] if error else "",
            last_error_at=error[1] if error else None,
        )

    def _unseen(self) -> int:
        """Files that may be recordings and that no uploader has taken yet."""
        known = {file.path for file in self._journal.run(queries.files)}
        # nobody watches; what is odd, or was left aside, is the uploader's to tell and to settle when it starts
        walker = Walker(self._spool.root, folder_seen=lambda _: None, left_aside=lambda *_: None, odd=lambda *_: None)
        return sum(file.path not in known for file in walker.walk())


@contextmanager
def idle_inspection(root: Path) -> Iterator[Inspection]:
    """Answers from the journal while nobody else can have it.

    Raises:
        SpoolBusyError: an uploader serves it after all.
        SpoolError: it can't be reached.
        JournalError: its journal can't be read.
        SchemaTooNewError: a newer version wrote it.
    """
    spool = Spool(root)
    spool.read_id()
    with spool.locked():
        journal = Journal.open(spool.folder, known_spool=True)
        try:
            yield Inspection(IdleView(journal, spool=spool), link=lambda: LinkState(mode="unknown"), running=False)
        finally:
            journal.close()


def ask_idle(root: Path, request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """One question to `idle_inspection`; the spool is let go before the first line: a slow reader holds nobody up."""
    with idle_inspection(root) as inspection:
        lines = list(inspection.answer(request))
    yield from lines
