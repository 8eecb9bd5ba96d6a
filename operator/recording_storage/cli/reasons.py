"""Where a recording is, or why not: one sentence for each state."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from recording_storage.domain.amounts import format_bytes
from recording_storage.domain.durations import format_duration
from recording_storage.domain.states import RecordingState
from recording_storage.terminal import printable
from recording_storage.uploader.core.recording import MENDABLE

_S = RecordingState
_UNTIL = {_S.HELD: "until its destination works again", _S.REJECTED: "until its destination grants access"}
UNPROVEN = "unproven"
"""Stands where a state does, for a file that is not taken though it may be finished for long."""


def note_of(item: Mapping[str, Any], *, now: datetime) -> str:
    """`item` is one object of `recordings --json`."""
    if item["state"] == UNPROVEN:
        return f"not taken: {item['error']['message']}"
    state = RecordingState(item["state"])
    url = item["media_url"] or ""
    error = in_words(item["error"]) if item["error"] else ""
    if state in {_S.PARKED, _S.WAITING, _S.HELD, _S.REJECTED}:
        stored = f" (stored at {url})" if url else ""
        return ": ".join(filter(None, [goes_on(state, item["error"], item.get("retry_at"), now=now), error])) + stored
    if state is _S.UPLOADING:
        return _sent(item["sent"], item["size"])
    if state is _S.STORED:
        return f"{url} (not reported yet)"
    if state is _S.REPORTED:
        return f"{url} (the local file goes next)"
    return url or error


def goes_on(state: RecordingState, error: Mapping[str, Any] | None, retry_at: str | None, *, now: datetime) -> str:
    """When what stands still goes on; some of what is parked does without a retry."""
    if state is _S.PARKED:
        return "once it is mended" if error and error["code"] in MENDABLE else "on retry"
    return _UNTIL.get(state) or next_try(retry_at, now=now)


def next_try(retry_at: str | None, *, now: datetime) -> str:
    """`retry_at` is an ISO time; None: it waits for an event, which its error names."""
    if retry_at is None:
        return ""
    seconds = round((datetime.fromisoformat(retry_at) - now).total_seconds())
    return "next try now" if seconds <= 0 else f"next try in {format_duration(seconds)}"


def in_words(error: Mapping[str, Any]) -> str:
    """Code and message."""
    return printable(f"{error['code']}: {error['message']}")


def _sent(sent: int | None, size: int) -> str:
    if sent is None:
        return "on its way"
    return f"{sent * 100 // max(size, 1)} % sent, {format_bytes(sent)} of {format_bytes(size)}"
