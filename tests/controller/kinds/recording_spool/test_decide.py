"""Whose a folder is, decided from what is there."""

from typing import Any

import pytest

from recording_storage.controller.core.decision import Note
from recording_storage.controller.core.verdicts import Stalled, Transient, Waiting, conditions_of
from recording_storage.controller.kinds.recording_spool.decide import decide
from recording_storage.controller.kinds.recording_spool.observed import (
    Assign,
    Observed,
    Rival,
    Withdraw,
    folder,
    overlap,
)
from recording_storage.controller.kinds.recording_spool.retry import Retry
from recording_storage.domain.conditions import ConditionType, Truth
from recording_storage.protocol.accounts import CommandStatus
from recording_storage.protocol.spools import AssignSpool, SpoolStanding
from recording_storage.protocol.sync import CommandKind
from recording_storage.resources import RecordingSpool
from recording_storage.resources.recording_spool import RecordingSpoolStatus
from tests.controller.kinds.recording_spool.parts import ACCOUNT, SPOOL, info, later, report, spool

ASSIGNED, UNASSIGNED, ELSEWHERE = SpoolStanding.ASSIGNED, SpoolStanding.UNASSIGNED, SpoolStanding.ELSEWHERE
ASSIGN = Assign(
    SPOOL, AssignSpool(namespace_uid="uid-media", claim="calls", account_sids=[ACCOUNT], label="media/calls")
)
NO_STORE = Transient("StoreUnavailable", "it is away")
NOT_THERE = Waiting("AccountNotFound", "it does not exist")


def seen(**values: Any) -> Observed:
    return Observed(**({"account_sid": ACCOUNT, "heard": True} | values))


def rival(name: str = "other", *, sub_path: str = "", made: bool = False, created: float | None = 0) -> Rival:
    return Rival(name=name, sub_path=sub_path, made=made, created=None if created is None else later(created))


def aged(seconds: float, one: RecordingSpool) -> RecordingSpool:
    metadata = one.metadata.model_copy(update={"creation_timestamp": later(seconds)})
    return one.model_copy(update={"metadata": metadata})


@pytest.mark.parametrize(
    ("one", "observed", "expected"),
    [
        pytest.param(spool(), seen(found=None), "ready", id="no pod is needed"),
        pytest.param(spool(), seen(found=info()), ASSIGN, id="found"),
        pytest.param(spool(), seen(found=info(), misfit="it has it not"), "ready", id="a pod that has not the claim"),
        pytest.param(spool(), seen(found=info(ASSIGNED, report=report())), "ready", id="assigned"),
        pytest.param(spool(), seen(found=info(ASSIGNED, account_sids=["AC" + "2" * 32])), ASSIGN, id="to another"),
        pytest.param(spool(), seen(found=info(ASSIGNED, label="media/made")), ASSIGN, id="by another"),
        pytest.param(spool(), seen(found=info(ELSEWHERE)), "Conflict", id="a copy"),
        pytest.param(spool(), seen(failure=NOT_THERE, found=info()), "AccountNotFound", id="no account"),
        pytest.param(
            spool(made=True),
            seen(asked=False, heard=False, failure=NO_STORE),
            "StoreUnavailable",
            id="nothing is known",
        ),
        pytest.param(spool(), seen(hosted=True), "NotAvailableAtHostedService", id="hosted"),
        pytest.param(spool(accountFrom="Metadata", allowedAccounts=["b"]), seen(), "NotSupported", id="account from"),
        pytest.param(spool(layout="Directories"), seen(), "NotSupported", id="layout"),
        pytest.param(spool(completion={"mode": "Marker"}), seen(), "NotSupported", id="marker"),
        pytest.param(spool(completion={"settle": "6s"}), seen(), "NotSupported", id="settle"),
        # one claim, several resources
        pytest.param(aged(1, spool()), seen(rivals=(rival(),)), "Conflict", id="the later one"),
        pytest.param(aged(-1, spool()), seen(rivals=(rival(),)), "ready", id="the elder one"),
        pytest.param(aged(0, spool()), seen(rivals=(rival("b"),)), "Conflict", id="of one second, by name"),
        pytest.param(aged(1, spool(sub_path="a/b")), seen(rivals=(rival(sub_path="a"),)), "Conflict", id="below"),
        pytest.param(aged(1, spool(sub_path="ab")), seen(rivals=(rival(sub_path="a"),)), "ready", id="beside"),
        pytest.param(aged(1, spool()), seen(rivals=(rival(made=True),)), "ready", id="declared after made"),
        pytest.param(
            aged(-1, spool(made=True, sub_path="a")), seen(rivals=(rival(),)), "Conflict", id="made below declared"
        ),
        # those that were made for a pod
        pytest.param(spool(made=True), seen(rivals=(rival(),), found=info()), Withdraw(), id="the same was declared"),
        pytest.param(
            spool(made=True), seen(account_gone=True, failure=NOT_THERE, heard=False), Withdraw(), id="nobody needs it"
        ),
        pytest.param(
            spool(made=True),
            seen(account_gone=True, failure=NOT_THERE, found=info()),
            "AccountNotFound",
            id="its pod is there",
        ),
        pytest.param(
            spool(),
            seen(account_gone=True, failure=NOT_THERE, heard=False),
            "AccountNotFound",
            id="a declared one stays",
        ),
        pytest.param(
            spool(made=True), seen(found=info(account="other")), ASSIGN, id="assigned to its own all the same"
        ),
        pytest.param(
            spool(made=True), seen(found=info(ASSIGNED, account="b")), "AccountConflict", id="another account"
        ),
        pytest.param(
            spool(made=True), seen(found=info(ASSIGNED, account="media/acme")), "ready", id="the same account"
        ),
        pytest.param(spool(), seen(found=info(ASSIGNED, account="b")), "ready", id="what is declared counts"),
    ],
)
def test_the_next_step(one: RecordingSpool, observed: Observed, expected: object) -> None:
    decision = decide(one, observed)
    if isinstance(expected, str):
        assert decision.actions == ()
        assert (decision.verdict.reason if decision.verdict is not None else "ready") == expected
    else:
        assert decision.actions == (expected,)


def test_what_another_account_asks_for_does_not_stop_the_earlier_one() -> None:
    decision = decide(spool(made=True), seen(found=info(ASSIGNED, account="b", report=report(states={"parked": 2}))))
    assert isinstance(decision.verdict, Stalled)
    assert "media/b" in decision.verdict.message
    assert decision.status["parked"] == {"count": 2, "bytes": 2}
    assert next(each for each in decision.conditions if each.type is ConditionType.ATTENDED).status is Truth.TRUE


def test_a_pod_that_is_not_what_it_says_is_told_and_gets_nothing() -> None:
    decision = decide(spool(), seen(found=info(), misfit="pod x has it not"))
    attended = next(each for each in decision.conditions if each.type is ConditionType.ATTENDED)
    assert (attended.status, attended.reason, attended.message) == (Truth.UNKNOWN, "OtherPod", "pod x has it not")


def test_before_the_store_has_said_anything_all_is_unknown_and_says_why() -> None:
    decision = decide(spool(), seen(asked=False, failure=NO_STORE))
    conditions = {each.type: each for each in conditions_of(decision.verdict, decision.conditions, ready_message="")}
    for type_ in (ConditionType.READY, ConditionType.ATTENDED, ConditionType.HEALTHY, ConditionType.DISK_PRESSURE):
        assert (conditions[type_].status, conditions[type_].reason) == (Truth.UNKNOWN, "StoreUnavailable")


def test_a_pod_without_an_uploader_counts_more_than_one_that_is_not_what_it_says() -> None:
    without = Note(reason="NotInjected", message="pod a: why")
    decision = decide(spool(), seen(found=info(), misfit="pod x has it not", without=without))
    attended = next(each for each in decision.conditions if each.type is ConditionType.ATTENDED)
    assert (attended.status, attended.reason, attended.message) == (Truth.FALSE, "NotInjected", "pod a: why")


@pytest.mark.parametrize("written", ["a/b", "a//b/", "./a/b", "a/./b"])
def test_a_folder_has_one_name(written: str) -> None:
    assert folder(written) == "a/b"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("", "", True), ("", "a", True), ("a", "a", True), ("a", "a/b", True), ("a", "ab", False), ("a/b", "a/c", False)],
)
def test_folders_overlap_both_ways(one: str, other: str, *, expected: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is expected


SID = "RE" + "7" * 32
REPORTED = info(ASSIGNED, report=report(states={"parked": 1}))


def annotated(status: dict[str, Any] | None = None, **annotations: str) -> RecordingSpool:
    one = spool()
    named = {f"recordingstorage.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    metadata = one.metadata.model_copy(update={"annotations": named})
    parsed = RecordingSpoolStatus.model_validate(status or {})
    return one.model_copy(update={"metadata": metadata, "status": parsed})


def command_of(one: RecordingSpool) -> Retry:
    (action,) = decide(one, seen(found=REPORTED)).actions
    assert isinstance(action, Retry)
    return action


def test_an_annotation_becomes_one_command_however_often_it_is_looked_at() -> None:
    every = command_of(annotated(retry_requested_at="now"))
    assert every == command_of(annotated(retry_requested_at="now"))
    assert (every.command.kind, every.command.spool_id) == (CommandKind.RETRY_ALL, SPOOL)
    assert every.command.id != command_of(annotated(retry_requested_at="later")).command.id
    one = command_of(annotated(retry_recording=SID))
    assert (one.command.kind, one.command.recording_sid) == (CommandKind.RETRY_ONE, SID)


def test_what_was_passed_on_is_asked_for_again_until_the_uploader_has_taken_it() -> None:
    id_ = command_of(annotated(retry_requested_at="now")).command.id
    asked = {"lastHandledRetryAt": "now", "retry": {"command": id_, "state": "Asked"}}
    waiting = decide(annotated(asked, retry_requested_at="now"), seen(found=REPORTED))
    assert (waiting.actions, waiting.again_after) == ((), 5.0)
    taken = CommandStatus(
        id=str(id_), kind=CommandKind.RETRY_ALL, created_at=later(0), acknowledged_spools=[SPOOL], retried={SPOOL: 3}
    )
    done = decide(annotated(asked, retry_requested_at="now"), seen(found=REPORTED, command=taken))
    assert done.status["retry"] == {"command": id_, "state": "Acknowledged", "retried": 3}
    assert done.again_after is None


@pytest.mark.parametrize("value", ["all", "RE7", "x" * 300])
def test_a_value_that_is_no_sid_is_refused_and_told(value: str) -> None:
    decision = decide(annotated(retry_recording=value), seen(found=REPORTED))
    assert decision.actions == ()
    assert decision.status["retry"] == {"state": "Refused"}
    assert decide(annotated(retry_recording=value), seen(found=info(ASSIGNED))).status.get("retry") is None


def test_the_same_can_be_asked_for_again_once_the_annotation_was_removed() -> None:
    handled = {"lastHandledRetryRecording": SID}
    assert decide(annotated(handled, retry_recording=SID), seen(found=REPORTED)).actions == ()
    assert decide(annotated(handled), seen(found=REPORTED)).status["lastHandledRetryRecording"] is None
