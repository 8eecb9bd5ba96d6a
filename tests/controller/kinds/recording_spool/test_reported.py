"""What an uploader reports, as the status and the conditions tell it."""

from typing import Any

import pytest

from recording_storage.controller.core.decision import Note
from recording_storage.controller.kinds.recording_spool.reported import conditions_of_report, status_of
from recording_storage.domain.conditions import ConditionType, Truth, render
from recording_storage.domain.states import RecordingState
from recording_storage.protocol.spools import SpoolInfo, SpoolStanding
from recording_storage.protocol.sync import ParkedSample, Tally
from recording_storage.resources.recording_spool import RecordingSpoolStatus
from tests.controller.kinds.recording_spool.parts import ACCOUNT, MOMENT, info, later, report

ASSIGNED = SpoolStanding.ASSIGNED
ATTENDED, HEALTHY, DISK = ConditionType.ATTENDED, ConditionType.HEALTHY, ConditionType.DISK_PRESSURE


def with_report(**values: Any) -> SpoolInfo:
    return info(ASSIGNED, report=report(**values))


@pytest.mark.parametrize(
    ("found", "heard", "type_", "status", "reason"),
    [
        (None, False, ATTENDED, Truth.UNKNOWN, "NeverReported"),
        (info(), True, ATTENDED, Truth.TRUE, "Attended"),
        (info(), True, HEALTHY, Truth.UNKNOWN, "NotReported"),
        (with_report(states={"found": 1}), True, ATTENDED, Truth.TRUE, "Attended"),
        (with_report(states={"found": 1}), False, ATTENDED, Truth.FALSE, "PodGone"),
        (with_report(states={}), False, ATTENDED, Truth.UNKNOWN, "Idle"),
        (with_report(states={"found": 9, "waiting": 1}), True, HEALTHY, Truth.TRUE, "Healthy"),
        (with_report(states={"parked": 1}), True, HEALTHY, Truth.FALSE, "Parked"),
        (with_report(states={"rejected": 1}), True, HEALTHY, Truth.FALSE, "Rejected"),
        (with_report(states={"held": 1}), True, HEALTHY, Truth.FALSE, "Held"),
        (with_report(unproven=1), True, HEALTHY, Truth.FALSE, "Unproven"),
        (with_report(), True, DISK, Truth.UNKNOWN, "NotReported"),
        (with_report(free_bytes=9, total_bytes=100), True, DISK, Truth.TRUE, "AlmostFull"),
        (with_report(free_bytes=10, total_bytes=100), True, DISK, Truth.FALSE, "Enough"),
    ],
)
def test_conditions(*, found: SpoolInfo | None, heard: bool, type_: ConditionType, status: Truth, reason: str) -> None:
    one = next(each for each in conditions_of_report(found, heard=heard) if each.type is type_)
    assert (one.status, one.reason) == (status, reason)


WITHOUT = Note(reason="NotInjected", message="pod a: why")


@pytest.mark.parametrize(
    ("found", "heard", "status", "reason"),
    [
        (None, False, Truth.FALSE, "NotInjected"),
        (with_report(states={}), False, Truth.FALSE, "NotInjected"),
        (with_report(states={"found": 1}), False, Truth.FALSE, "NotInjected"),
        (with_report(states={"found": 1}), True, Truth.TRUE, "Attended"),
    ],
)
def test_a_pod_without_an_uploader_is_told_unless_another_one_attends(
    *, found: SpoolInfo | None, heard: bool, status: Truth, reason: str
) -> None:
    conditions = conditions_of_report(found, heard=heard, without=WITHOUT)
    assert len(conditions) == 3
    one = next(each for each in conditions if each.type is ATTENDED)
    assert (one.status, one.reason) == (status, reason)


def test_the_status_tells_counts_and_not_a_single_name_of_a_file() -> None:
    parked = ParkedSample(
        sid="RE" + "1" * 32, file="mr-smith.wav", state=RecordingState.PARKED, error="KeyTaken: x", since=MOMENT
    )
    found = with_report(
        states={"found": 3, "parked": 1},
        oldest=MOMENT,
        free_bytes=5,
        applied_revisions={ACCOUNT: 7},
        last_error="AccessDenied: not yours",
        parked=[parked],
    )
    status = status_of(found, account_sid=ACCOUNT, heard=True)
    assert "smith" not in str(status)
    shown = RecordingSpoolStatus.model_validate({name: value for name, value in status.items() if value is not None})
    assert shown.pending is not None
    assert (shown.pending.count, shown.applied_revision, shown.free_bytes) == (3, 7, 5)
    assert shown.last_error is not None
    assert (shown.last_error.code, shown.last_error.message) == ("AccessDenied", "not yours")
    assert shown.parked_sample is not None
    assert (shown.parked_sample[0].sid, shown.parked_sample[0].code) == (parked.sid, "KeyTaken")
    assert shown.uploader is not None
    assert (shown.uploader.pod, shown.uploader.version, shown.uploader.last_seen) == ("recorder-0", "1.2", None)


def test_being_heard_of_again_changes_nothing() -> None:
    found = with_report(states={"found": 1})
    again = found.replace(last_seen=later(20))
    assert status_of(found, account_sid=ACCOUNT, heard=True) == status_of(again, account_sid=ACCOUNT, heard=True)
    gone = status_of(again, account_sid=ACCOUNT, heard=False)
    assert gone["uploader"]["lastSeen"] == later(20).isoformat(timespec="seconds")


def test_the_largest_status_is_small() -> None:
    sample = [
        ParkedSample(
            sid=f"RE{number:032x}",
            file="f" * 1024,
            state=RecordingState.PARKED,
            error="é" * 4096,
            since=MOMENT,
        )
        for number in range(20)
    ]
    found = with_report(parked=sample, last_error="é" * 100_000, oldest=MOMENT, free_bytes=2**62, total_bytes=2**62)
    states = dict.fromkeys(RecordingState, Tally(count=2**62, size=2**62))
    assert found.report is not None
    found = found.replace(pod="p" * 253, report=found.report.replace(states=states))
    status = {name: value for name, value in status_of(found, account_sid=ACCOUNT, heard=False).items() if value}
    shown = RecordingSpoolStatus.model_validate(status)
    conditions = render(conditions_of_report(found, heard=False), present=(), generation=1, now=MOMENT)
    size = len(shown.model_dump_json(by_alias=True).encode()) + sum(len(str(each).encode()) for each in conditions)
    # Ready, RefsResolved, Synced and Stalled say a sentence of ours each, with names of objects in it
    assert size + 4 * 2048 < 16 * 1024
