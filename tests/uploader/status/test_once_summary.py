"""`--once` says what it leaves undone, why, and what to do."""

from collections.abc import Mapping

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.protocol.sync import Tally
from recording_storage.uploader.core.recording import EntryError
from recording_storage.uploader.core.status import StateReason
from recording_storage.uploader.status.once_summary import remains

S = RecordingState
RETRY = "ask for a retry (recording-storage retry) once that is mended"
AGAIN = "run it again later, or leave an uploader running"


def reason(state: RecordingState, code: str) -> StateReason:
    return StateReason(state=state, error=EntryError("x", code, "so it is"), count=1, retry_at=None)


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ({}, ""),
        ({S.WAITING: 2}, f"2 waiting (Frequent: so it is); {AGAIN}"),
        ({S.STORED: 1}, f"1 stored (the store has not acknowledged it yet); {AGAIN}"),
        ({S.FOUND: 1}, f"1 found; {AGAIN}"),
        (
            {S.HELD: 1, S.PARKED: 3},
            f"1 held (Refused: so it is), 3 parked (Taken: so it is); mend the destination, {RETRY}, {AGAIN}",
        ),
    ],
)
def test_each_state_has_its_reason_and_its_remedy(counts: Mapping[RecordingState, int], line: str) -> None:
    reasons = [
        reason(S.WAITING, "Frequent"),
        reason(S.WAITING, "Seldom"),
        reason(S.HELD, "Refused"),
        reason(S.PARKED, "Taken"),
    ]
    states = {state: Tally(count=count, size=1) for state, count in counts.items()}
    assert remains(states, reasons=reasons, unfinished=(), stopped="") == line


def test_files_that_are_not_taken_are_named() -> None:
    line = remains({}, reasons=(), unfinished=[("a\n.wav", "in use"), ("b.wav", "")], stopped="full")
    assert line == f"2 files not taken (a\\n.wav: in use), nothing new is taken (full); {AGAIN}"
