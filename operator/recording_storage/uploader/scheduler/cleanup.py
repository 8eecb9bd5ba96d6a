"""When recordings are released: as soon as they are reported, and again where that could not be done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from recording_storage.uploader.journal import queries
from recording_storage.uploader.journal.database import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recording_storage.uploader.core.recording import Recording
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.spool.intake import Intake

_GROUP = 1000


class Cleanup:
    """Between the releaser, which removes files, and intake, which must know that they are gone."""

    def __init__(self, parts: Parts, *, intake: Intake, post: Callable[[Callable[[], None]], None]) -> None:
        """`post` has something done in the scheduler's thread until the journal takes it."""
        self._parts = parts
        self._intake = intake
        self._post = post
        parts.releaser.ask(intake)
        intake.aliases.vanished.turned_up = self._remove_turned_up

    def reported(self, recordings: Sequence[Recording]) -> None:
        """In the reporter's thread: what is reported is released."""
        try:
            self._release(recordings)
        except JournalError:
            self._post(self.finish)
            raise

    def finish(self) -> None:
        """What was reported and not released: by an earlier process, or because the journal took nothing."""
        self._release_all()

    def finish_deleting(self) -> None:
        """What an earlier process has told as deleted, and may not have removed; once intake knows its files."""
        last = 0
        while ended := self._parts.journal.run(partial(queries.deleted, after=last, limit=_GROUP)):
            self._parts.releaser.finish_deleting(
                [one for one in ended if not self._intake.aliases.is_known(one.identity)]
            )
            last = ended[-1].id

    def again(self) -> None:
        """What could not be removed before, where it is time; in the scheduler's thread."""
        self._release_all(tried_before=self._parts.clock.now())
        self._intake.forget(self._parts.releaser.delete_again())

    def _release(self, recordings: Sequence[Recording]) -> None:
        gone = self._parts.releaser.release(recordings)
        self._intake.forget(gone)
        self._parts.counters.add("released", len(gone))
        self._parts.source.report_soon()

    def _release_all(self, *, tried_before: float | None = None) -> None:
        """Each once: what can't be removed stays `reported`."""
        last = 0
        while left := self._parts.journal.run(
            partial(queries.unreleased, after=last, limit=_GROUP, tried_before=tried_before)
        ):
            self._release(left)
            last = left[-1].id

    def _remove_turned_up(self, recording: Recording) -> None:
        """It was released, or deleted, when its file had another name already."""
        self._parts.releaser.delete([recording])
