"""What the operator makes, wakes and removes of what the store has heard of."""

import itertools
from typing import Any

import pytest

from recording_storage.controller.kinds.recording_spool.make import document, name_for
from recording_storage.controller.kinds.recording_spool.pods import misfit_of
from recording_storage.controller.kinds.recording_spool.seen import Seen
from recording_storage.controller.kinds.recording_spool.sweep import Step, step_for
from recording_storage.protocol.spools import SpoolInfo, Spools, SpoolStanding
from recording_storage.resources import RecordingSpool
from tests.controller.kinds.recording_spool.parts import info, later, report

OTHER_ID = "99999999-2222-3333-4444-555555555555"
FLAGS = ("namespace", "claim", "declared", "heard", "newest")


@pytest.mark.parametrize("values", list(itertools.product([True, False], repeat=len(FLAGS))))
def test_a_place_goes_with_namespace_claim_or_resource_and_never_while_it_is_attended(values: tuple[bool, ...]) -> None:
    namespace, claim, declared, heard, newest = values
    step = step_for(**dict(zip(FLAGS, values, strict=True)))
    if not (namespace and claim and (newest or heard)):
        assert step is Step.REMOVE
    elif declared or not newest:
        assert step is Step.KEEP
    else:
        assert step is (Step.MAKE if heard else Step.REMOVE)


def test_what_is_made_goes_with_its_claim_and_holds_nothing_up() -> None:
    made = document(info(sub_path="a/"), claim_uid="uid-claim", account=("media", "acme"))
    parsed = RecordingSpool.parse(made)
    assert (parsed.spec.volume.claim_name, parsed.spec.volume.sub_path) == ("calls", "a")
    assert (parsed.spec.account_ref.name, parsed.spec.account_ref.namespace) == ("acme", None)
    (owner,) = made["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "calls", "uid": "uid-claim"}
    assert "finalizers" not in made["metadata"]
    assert parsed.metadata.name == name_for("calls", "a")
    elsewhere = RecordingSpool.parse(document(info(), claim_uid="u", account=("billing", "acme")))
    assert elsewhere.spec.account_ref.namespace == "billing"


def test_names_are_of_one_folder_and_fit() -> None:
    names = {name_for("calls", ""), name_for("calls", "a"), name_for("other", "")}
    assert len(names) == 3
    assert len(name_for("c" * 253, "a")) <= 253


@pytest.mark.parametrize(
    ("pod", "fault"),
    [
        (None, "is gone"),
        ({"metadata": {"uid": "another"}, "spec": {}}, "is gone"),
        ({"metadata": {"uid": "uid-pod"}, "spec": {}}, "has it not"),
        (
            {"metadata": {"uid": "uid-pod"}, "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "other"}}]}},
            "has it not",
        ),
        (
            {
                "metadata": {"uid": "uid-pod"},
                "spec": {"volumes": [{"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": "calls"}}]},
            },
            "",
        ),
    ],
)
def test_a_pod_has_the_claim_that_it_names(pod: Any, fault: str) -> None:
    told = misfit_of(pod, info())
    assert (fault in told) if fault else not told


def answer(*infos: SpoolInfo, seconds: float = 0, revision: int = 1) -> Spools:
    return Spools(revision=revision, server_time=later(seconds), spools=list(infos))


def test_only_what_has_changed_is_told() -> None:
    seen = Seen()
    assert seen.whole(answer(info())) == [info()]
    assert seen.whole(answer(info(), seconds=1)) == []
    assert seen.whole(answer(info(last_seen=later(20)), seconds=20)) == [], "a heartbeat is no change"
    reported = info(last_seen=later(20), report=report(free_bytes=1))
    assert seen.whole(answer(reported, seconds=21)) == [reported]
    assert seen.whole(answer(reported, seconds=70)) == [reported], "it is not heard of any more"
    assert not seen.heard(reported)
    assert seen.whole(answer(seconds=71)) == [reported], "it is gone"
    assert seen.at("media", "calls", "") == []


def test_that_nobody_is_heard_of_any_more_is_told_though_the_time_has_come_with_other_answers() -> None:
    seen = Seen()
    seen.whole(answer(info()))
    for seconds in range(2, 44, 2):
        assert seen.changed(answer(seconds=seconds)) == []
    assert not seen.heard(info())
    assert seen.whole(answer(info(), seconds=44)) == [info()]
    assert seen.whole(answer(info(), seconds=52)) == [], "once"
    assert seen.whole(answer(info(last_seen=later(59)), seconds=60)) == [info(last_seen=later(59))], "it is back"


def test_changes_are_asked_for_from_the_revision_that_is_known() -> None:
    seen = Seen()
    seen.whole(answer(info(), revision=3))
    assert seen.revision == 3
    newer = info(last_seen=later(1), pod="recorder-1")
    assert seen.changed(answer(newer, revision=5, seconds=1)) == [newer]
    assert seen.revision == 5
    assert seen.at("media", "calls", "") == [newer]


def test_of_two_ids_in_one_folder_the_assigned_one_counts_as_long_as_it_is_heard_of() -> None:
    seen = Seen()
    assigned, other = info(SpoolStanding.ASSIGNED), info(spool_id=OTHER_ID, last_seen=later(5))
    seen.whole(answer(assigned, other, seconds=5))
    assert seen.at("media", "calls", "") == [assigned, other]
    seen.whole(answer(assigned, other, seconds=37))
    assert seen.at("media", "calls", "") == [other, assigned]
