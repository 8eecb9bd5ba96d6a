"""What a spool's uploader reports, as its resource tells it: fields of the status, and conditions."""

from collections.abc import Mapping
from typing import Any

from recording_storage.controller.core.decision import Note
from recording_storage.controller.core.verdicts import Verdict
from recording_storage.domain.amounts import counted
from recording_storage.domain.conditions import Condition, ConditionType, false, override, true, unknown
from recording_storage.domain.states import RecordingState
from recording_storage.protocol.spools import SpoolInfo
from recording_storage.protocol.sync import SpoolReport
from recording_storage.resources.recording_spool import SAMPLE_SIZE

_FIELDS = {
    "pending": RecordingState.FOUND,
    "uploading": RecordingState.UPLOADING,
    "waiting": RecordingState.WAITING,
    "held": RecordingState.HELD,
    "parked": RecordingState.PARKED,
    "rejected": RecordingState.REJECTED,
}
_STOPPED = ("parked", "rejected", "held")
_FULL_BELOW = 0.1
"""Of the volume's size, that is left: below it the condition says so."""
_MAX_CODE, _MAX_MESSAGE = 128, 1024
ATTENDED, HEALTHY, DISK = ConditionType.ATTENDED, ConditionType.HEALTHY, ConditionType.DISK_PRESSURE


def status_of(found: SpoolInfo, *, account_sid: str, heard: bool) -> dict[str, Any]:
    """Fields of the status. Nothing of it changes while nothing happens: a heartbeat is no news."""
    status: dict[str, Any] = {"spoolId": found.spool_id}
    uploader = {"pod": found.pod or None}
    if not heard:
        uploader["lastSeen"] = found.last_seen.isoformat(timespec="seconds")
    report = found.report
    if report is not None:
        uploader["version"] = report.uploader_version[:64] or None
        tallies = {name: report.states.get(state) for name, state in _FIELDS.items()}
        status |= {
            name: {"count": tally.count, "bytes": tally.size} if tally is not None and tally.count else None
            for name, tally in tallies.items()
        }
        status |= {
            "oldest": report.oldest.isoformat(timespec="seconds") if report.oldest else None,
            "freeBytes": report.free_bytes,
            "appliedRevision": report.applied_revisions.get(account_sid),
            "lastError": _error(report.last_error) if report.last_error else None,
            "parkedSample": [_parked(each) for each in report.parked[:SAMPLE_SIZE]] or None,
        }
    status["uploader"] = {name: value for name, value in uploader.items() if value is not None} or None
    return status


def conditions_unasked(why: Verdict | None) -> tuple[Condition, ...]:
    """The same three before the store has said anything since the operator's start."""
    reason = why.reason if why is not None else "NotAsked"
    nothing = "the store has not said since the operator's start what uploaders report"
    return tuple(unknown(each, reason, nothing) for each in (ATTENDED, HEALTHY, DISK))


def not_injected(without: Note | None) -> Condition | None:
    """Attended, where a pod records without an uploader; False even where nothing was left: nobody counts it."""
    return None if without is None else false(ATTENDED, without.reason, without.message)


def conditions_of_report(found: SpoolInfo | None, *, heard: bool, without: Note | None = None) -> tuple[Condition, ...]:
    """Attended, Healthy, DiskPressure.

    Args:
        found: what the store has heard of the spool.
        heard: lately.
        without: of a pod that records on its claim and has no uploader.
    """
    conditions = _conditions_of_report(found, heard=heard)
    attended = None if heard else not_injected(without)
    return conditions if attended is None else override(conditions, attended)


def _conditions_of_report(found: SpoolInfo | None, *, heard: bool) -> tuple[Condition, ...]:
    if found is None:
        nothing = "no uploader has reported from this folder yet"
        return tuple(unknown(each, "NeverReported", nothing) for each in (ATTENDED, HEALTHY, DISK))
    report = found.report
    if report is None:
        nothing = "its uploader has reported nothing since the spool was assigned"
        return _attended(found, None, heard=heard), *(unknown(each, "NotReported", nothing) for each in (HEALTHY, DISK))
    return _attended(found, report, heard=heard), _healthy(report), _disk(report)


def _attended(found: SpoolInfo, report: SpoolReport | None, *, heard: bool) -> Condition:
    if heard:
        return true(ATTENDED, "Attended", f"the uploader of pod {found.pod} attends it")
    left = sum(tally.count for tally in report.states.values()) if report is not None else 0
    if not left:
        return unknown(ATTENDED, "Idle", f"the uploader of pod {found.pod} has gone, and left nothing here")
    message = (
        f"{counted(left, 'recording')} left here, and the uploader of pod {found.pod} is not heard of any more: start "
        "a pod with the uploader on this claim"
    )
    return false(ATTENDED, "PodGone", message)


def _healthy(report: SpoolReport) -> Condition:
    counts = {name: tally.count for name in _STOPPED if (tally := report.states.get(_FIELDS[name])) and tally.count}
    if report.unproven:
        counts["not taken, since nothing proves that they are finished"] = report.unproven
    if not counts:
        return true(HEALTHY, "Healthy", "nothing here waits for a person")
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    reason = {"parked": "Parked", "rejected": "Rejected", "held": "Held"}.get(next(iter(counts)), "Unproven")
    return false(HEALTHY, reason, f"recordings wait for somebody to mend something: {told}")


def _disk(report: SpoolReport) -> Condition:
    free, total = report.free_bytes, report.total_bytes
    if free is None or not total:
        return unknown(DISK, "NotReported", "the uploader does not say how full the volume is")
    if free < total * _FULL_BELOW:
        message = "less than a tenth of the volume is free: see that recordings are uploaded, or enlarge the claim"
        return true(DISK, "AlmostFull", message)
    return false(DISK, "Enough", "a tenth of the volume or more is free")


def _error(text: str) -> Mapping[str, str]:
    code, colon, message = text.partition(": ")
    if not colon or not code.isalnum() or len(code) > _MAX_CODE:
        code, message = "Error", text
    return {"code": code, "message": message[:_MAX_MESSAGE]}


def _parked(one: Any) -> Mapping[str, Any]:
    """By its sid: the file's name may name people."""
    code = one.error.partition(":")[0][:_MAX_CODE]
    return {"sid": one.sid, "since": one.since.isoformat(timespec="seconds"), **({"code": code} if code else {})}
