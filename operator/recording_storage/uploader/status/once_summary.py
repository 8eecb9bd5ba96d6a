"""What `--once` leaves undone, in one line: how much, why, and what to do about it."""

from collections.abc import Iterator, Mapping, Sequence

from recording_storage.domain.amounts import counted
from recording_storage.domain.states import RecordingState
from recording_storage.protocol.sync import Tally
from recording_storage.terminal import printable
from recording_storage.uploader.core.status import StateReason

_S = RecordingState
_UNACKNOWLEDGED = "the store has not acknowledged it yet"


def remains(
    states: Mapping[RecordingState, Tally],
    *,
    reasons: Sequence[StateReason],
    unfinished: Sequence[tuple[str, str]],
    stopped: str,
) -> str:
    """Empty where nothing is left.

    Args:
        states: what is unfinished, by state.
        reasons: why, the most frequent first.
        unfinished: files that are not taken yet, and why.
        stopped: why nothing new is taken; "" while it is.
    """
    left = [f"{states[state].count} {state}{_why(state, reasons)}" for state in _S if state in states]
    if unfinished:
        name, why = unfinished[0]
        left.append(f"{counted(len(unfinished), 'file')} not taken ({printable(f'{name}: {why}')})")
    if stopped:
        left.append(f"nothing new is taken ({printable(stopped)})")
    return f"{', '.join(left)}; {', '.join(_remedies(states))}" if left else ""


def _why(state: RecordingState, reasons: Sequence[StateReason]) -> str:
    for reason in reasons:
        if reason.state is state:
            return printable(f" ({reason.error.code}: {reason.error.message})")
    return f" ({_UNACKNOWLEDGED})" if state in {_S.STORED, _S.REPORTED} else ""


def _remedies(states: Mapping[RecordingState, Tally]) -> Iterator[str]:
    """What people can do, the surest first."""
    if _S.HELD in states or _S.REJECTED in states:
        yield "mend the destination"
    if _S.PARKED in states:
        yield "ask for a retry (recording-storage retry) once that is mended"
    yield "run it again later, or leave an uploader running"
