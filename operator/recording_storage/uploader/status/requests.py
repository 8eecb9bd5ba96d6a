"""What the commands ask of a spool, answered from a `StateView`: a running uploader's, or an idle journal's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from recording_storage import __version__
from recording_storage.domain.states import FINAL, RecordingState
from recording_storage.uploader.core.ports import StateView
from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.core.status import DestinationStatus, StateReason, Status, UnprovenFile
from recording_storage.uploader.core.stored_objects import objects_of
from recording_storage.uploader.status.control_socket import RequestError

PAGE = 1000
UNPROVEN = "unproven"
"""Shown as the state of a file that is not taken and may be finished for long."""
_SAMPLE = 20
_HELD = frozenset({"held", "denied"})
_OF_HELD = ("account_sid", "destination_id", "url", "error", "probe_at")


@dataclass(frozen=True)
class LinkState:
    """How the uploader stands with the store."""

    mode: str
    """`store`; `alone`: it runs with `--config`; `unknown`: no uploader runs."""
    connected: bool = False
    error: str = ""
    plan: str = ""
    """What the plans at hand are worth, a `Standing`; empty where no store is asked."""
    assigned: bool = True
    """Somebody has said whose recordings are on the spool, or nobody needs to."""


@dataclass(frozen=True)
class Inspection:
    """Answers one request of `control_socket`; used by many threads at once."""

    view: StateView
    link: Callable[[], LinkState]
    running: bool = True
    filling: Callable[[], float | None] = lambda: None
    """Bytes a second by which the free space shrinks; None: it doesn't, or not known yet."""
    under_way: Callable[[], Mapping[str, tuple[int, int]]] = dict
    """Bytes sent and all bytes of large uploads, by sid."""

    def answer(self, request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The lines of the answer; raises RequestError."""
        match request.get("do"):
            case "recordings":
                yield from self._recordings(request)
            case "status":
                yield self._status(self.view.status())
            case "retry":
                yield self._retry(request)
            case other:
                raise RequestError(f"this uploader ({__version__}) doesn't know the request {other!r}")

    def _recordings(self, request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        wanted = list(request.get("states") or ())
        unproven = not wanted or UNPROVEN in wanted
        wanted_states = [text for text in wanted if text != UNPROVEN]
        try:
            states = frozenset(RecordingState(text) for text in wanted_states)
        except ValueError as error:
            raise RequestError(str(error)) from error
        after = 0
        if unproven:
            yield from map(_unproven_line, self.view.status().unproven)
        if wanted and not states:
            return
        while page := self.view.recordings(after=after, limit=PAGE, states=states):
            under_way = self.under_way()
            yield from (line_of(recording, sent=_sent(recording, under_way)) for recording in page)
            after = page[-1].id

    def _retry(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        sids: Sequence[str] = list(request.get("sids") or ())
        if not sids:
            moved = self.view.retry(None)
            return self._retried(moved, named=())
        known = {recording.sid for recording in self._named(sids)}
        if unknown := [sid for sid in sids if sid not in known]:
            return {"running": self.running, "retried": [], "unmoved": [], "unknown": unknown}
        return self._retried(self.view.retry(sids), named=sids)

    def _retried(self, moved: Sequence[str], *, named: Sequence[str]) -> Mapping[str, Any]:
        """What will be tried, and what not although it was asked for, with the reason.

        Where nothing is named, all that stands still was: what waits for its plan is looked for.
        """
        shown = {recording.sid: recording for recording in self._named(list(dict.fromkeys([*moved, *named])))}
        done = frozenset(moved)
        left = [shown[sid] for sid in named if sid not in done and sid in shown]
        retried: list[Mapping[str, Any]] = []
        unmoved = [_left(one) for one in (left if named else self._planless())]
        for sid in moved:
            if (recording := shown.get(sid)) is None:
                continue
            if obstacle := self.view.obstacle(recording):
                unmoved.append(
                    {**_brief(recording), "state": RecordingState.HELD.value, "why": obstacle, "remains": True}
                )
            else:
                retried.append(_brief(recording))
        return {"running": self.running, "retried": retried, "unmoved": unmoved, "unknown": []}

    def _planless(self) -> Iterator[Recording]:
        after = 0
        while page := self.view.recordings(after=after, limit=PAGE, states=[RecordingState.WAITING]):
            yield from (one for one in page if not one.pinned)
            after = page[-1].id

    def _named(self, sids: Sequence[str]) -> Iterator[Recording]:
        for start in range(0, len(sids), PAGE):
            yield from self.view.recordings(sids=sids[start : start + PAGE], limit=PAGE)

    def _status(self, status: Status) -> Mapping[str, Any]:
        link = self.link()
        under_way = self.under_way()
        uploading = self.view.recordings(states=[RecordingState.UPLOADING], limit=PAGE) if under_way else ()
        rate = self.filling()
        free = status.free_bytes
        destinations = [_destination(each) for each in status.destinations]
        return {
            "spool": status.spool,
            "spool_id": status.spool_id,
            "running": self.running,
            "standby": status.standby,
            "version": __version__,
            "started_at": _time(status.started_at) if self.running else None,
            "states": {state.value: {"count": t.count, "size": t.size} for state, t in status.states.items()},
            "unfinished": sum(tally.count for state, tally in status.states.items() if state not in FINAL),
            "reasons": [_reason(each) for each in self.view.reasons()],
            "sent_bytes": sum(_sent(each, under_way) or 0 for each in uploading),
            "growing": status.unfinished,
            "unproven": {
                "count": len(status.unproven),
                "oldest": _time(status.unproven[0].since) if status.unproven else None,
                "files": [_unproven(one) for one in status.unproven[:_SAMPLE]],
            },
            "oldest": _time(status.oldest),
            "free_bytes": free,
            "total_bytes": status.total_bytes,
            "time_to_full": free / rate if free is not None and rate else None,
            "intake_stopped": status.intake_stopped,
            "destinations": destinations,
            "held": [{name: each[name] for name in _OF_HELD} for each in destinations if each["state"] in _HELD],
            "last_error": status.last_error,
            "last_error_at": _time(status.last_error_at),
            "store": asdict(link),
            "revisions": dict(status.applied_revisions),
        }


def _destination(one: DestinationStatus) -> Mapping[str, Any]:
    return {
        "account_sid": one.account_sid,
        "destination_id": one.destination_id,
        "url": one.url,
        "state": one.state,
        "error": one.error,
        "probe_at": _time(one.probe_at),
        "vouches_by": one.vouches_by,
    }


def line_of(recording: Recording, *, sent: int | None = None) -> Mapping[str, Any]:
    """One object of `recordings --json`; `sent` bytes of it are there."""
    stored, error = recording.stored, recording.error
    return {
        "sid": recording.sid,
        "account_sid": recording.account_sid,
        "product": recording.product.value,
        "file": recording.path,
        "size": recording.identity.size,
        "state": recording.state.value,
        "sent": sent,
        "found_at": _time(recording.found_at),
        "changed_at": _time(recording.changed_at),
        "attempts": recording.attempts,
        "retry_at": _time(recording.retry_at),
        "media_url": stored.media_url if stored else None,
        "sha256": stored.sha256 if stored else None,
        "objects": [one.to_values() for one in objects_of(recording)],
        "error": {"kind": error.kind, "code": error.code, "message": error.message} if error else None,
    }


def _unproven(file: UnprovenFile) -> Mapping[str, Any]:
    return {"file": file.path, "size": file.size, "since": _time(file.since), "why": file.why}


def _unproven_line(file: UnprovenFile) -> Mapping[str, Any]:
    """In the form of `line_of`: it is no recording yet, so it has no sid."""
    return {
        "sid": None,
        "account_sid": None,
        "product": None,
        "file": file.path,
        "size": file.size,
        "state": UNPROVEN,
        "found_at": None,
        "changed_at": _time(file.since),
        "attempts": 0,
        "retry_at": None,
        "sent": None,
        "media_url": None,
        "sha256": None,
        "objects": [],
        "error": {"kind": "file", "code": "Unproven", "message": file.why},
    }


def _sent(recording: Recording, under_way: Mapping[str, tuple[int, int]]) -> int | None:
    """Bytes; None where it is not told: a small file goes in one request."""
    if recording.state is not RecordingState.UPLOADING or recording.sid not in under_way:
        return None
    return under_way[recording.sid][0]


def _reason(reason: StateReason) -> Mapping[str, Any]:
    return {
        "state": reason.state.value,
        "code": reason.error.code,
        "message": reason.error.message,
        "count": reason.count,
        "retry_at": _time(reason.retry_at),
    }


def _brief(recording: Recording) -> Mapping[str, Any]:
    return {"sid": recording.sid, "file": recording.path, "state": recording.state.value}


def _left(recording: Recording) -> Mapping[str, Any]:
    """Why a retry leaves it as it is; what waits for something else than that is work that remains."""
    waits = recording.state is RecordingState.WAITING
    why = recording.error.message if waits and recording.error is not None else f"it is {recording.state.value}"
    return {**_brief(recording), "why": why, "remains": waits}


def _time(posix: float | None) -> str | None:
    if posix is None:
        return None
    try:
        return datetime.fromtimestamp(posix, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):  # a file's time can be any
        return None
