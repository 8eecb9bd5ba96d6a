"""The one way into `parked`, `held`, `rejected` and `deleted`: whoever moves a recording there notes it here.

The statements that do so note it with the connection, inside the transaction; what was committed is then told: in the
log, in the counters, to the reporter.
"""

from __future__ import annotations

import logging
import sqlite3
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from recording_storage.domain.amounts import counted
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.recording import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from recording_storage.uploader.core.counters import Counters
    from recording_storage.uploader.core.recording import EntryError

log = logging.getLogger(__name__)
_S = RecordingState

STOPS = frozenset({_S.PARKED, _S.HELD, _S.REJECTED, _S.DELETED})
"""Where a recording does not go on by itself, or only with its destination."""
_LEVELS = {_S.PARKED: logging.ERROR, _S.REJECTED: logging.CRITICAL, _S.DELETED: logging.CRITICAL}
"""Nothing is said of each that is held: why its destination is, is said once."""
_EACH = 8
"""Of one kind that come together are told by name; more are counted."""


class Stop(NamedTuple):
    """A recording that has come to a stop."""

    state: RecordingState
    sid: str
    path: str
    code: str
    message: str


class NotingConnection(sqlite3.Connection):
    """The journal's: it remembers what came to a stop in its transaction."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stops: list[Stop] = []


def note(connection: sqlite3.Connection, stops: Iterable[Stop]) -> None:
    """To be called by every statement that moves recordings to one of STOPS, or enters them there."""
    if isinstance(connection, NotingConnection):
        connection.stops += stops


RETURNING = " RETURNING sid, path, coalesce(error_code, ''), coalesce(error_message, '')"
"""At the end of a statement whose cursor goes to `note_moved`."""


def note_moved(connection: sqlite3.Connection, state: RecordingState, moved: sqlite3.Cursor) -> int:
    """How many a statement has moved to a state; they are noted where that is a stop."""
    stops = [Stop(state, *columns) for columns in moved]
    if state in STOPS:
        note(connection, stops)
    return len(stops)


def stop_of(state: RecordingState, sid: str, path: str, error: EntryError | None) -> Stop:
    return Stop(state, sid, path, error.code if error is not None else "", error.message if error is not None else "")


class StopTeller:
    """Tells of what was committed; called in the journal's thread, so it does nothing that takes long."""

    def __init__(self, counters: Counters, *, wake: Callable[[], None]) -> None:
        """`wake` has reporter and store look at the journal."""
        self._counters = counters
        self._wake = wake

    def __call__(self, stops: Sequence[Stop]) -> None:
        for (state, code), group in groupby(sorted(stops), key=lambda one: (one.state, one.code)):
            alike = list(group)
            self._counters.moved(state, len(alike))
            level = logging.WARNING if code == Reason.CHANGED_WHILE_UPLOADING else _LEVELS.get(state)
            if level is None:
                continue
            if len(alike) > _EACH:
                log.log(level, "%s %s, %s: %s", counted(len(alike), "recording"), state.value, code, alike[-1].message)
                continue
            for one in alike:
                log.log(level, "%s (%s) is %s, %s: %s", one.path, one.sid, state.value, code, one.message)
        self._wake()
