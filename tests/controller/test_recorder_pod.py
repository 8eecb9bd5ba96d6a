"""What is told of a pod that asks for an uploader: that it has none, and why; or what it does without."""

from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from recording_storage.controller.cluster.events import Events, Involved
from recording_storage.controller.core.decision import Note
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.kinds.recorder_pod.decide import UPLOADER, Reason, claims_of, judge
from recording_storage.controller.kinds.recorder_pod.watch import Told

PREFIX = "recordingstorage.dev/"
CLAIM = {"name": "spool", "persistentVolumeClaim": {"claimName": "spool"}}
SIDECAR = {"name": UPLOADER, "restartPolicy": "Always"}
ANNOTATED = {f"{PREFIX}spool-volume": "spool"}
RECORDER = {"name": "recorder", "volumeMounts": [{"name": "spool"}], "securityContext": {"runAsUser": 1}}


def pod(annotations: dict[str, str] | None = None, *, status: dict[str, Any] | None = None, **spec: Any) -> Any:
    metadata = {"annotations": ANNOTATED if annotations is None else annotations}
    filled = {"containers": [RECORDER], "volumes": [CLAIM], **spec}
    return {"metadata": metadata, "spec": filled, "status": status or {"phase": "Pending"}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pod({}), "name its volume in the annotation recordingstorage.dev/spool-volume"),
        (pod(volumes=None), "it has no volume 'spool'"),
        (pod(volumes=[{"name": "spool", "emptyDir": {}}]), "is no persistentVolumeClaim"),
        (pod(containers=[{"name": "recorder"}]), "no container mounts its volume 'spool'"),
        (
            pod(containers=[{"name": "recorder", "volumeMounts": [{"name": "spool", "subPathExpr": "$(POD)"}]}]),
            "by subPathExpr; use subPath",
        ),
        (
            pod(containers=[{"name": "recorder", "volumeMounts": [{"name": "spool"}]}]),
            "set securityContext.runAsUser, or the annotation recordingstorage.dev/run-as",
        ),
        (pod(), "injection was not in force when it was created"),
        (pod(containers=[], initContainers=[RECORDER | {"restartPolicy": "Always"}]), "injection was not in force"),
    ],
)
def test_a_pod_without_an_uploader_is_told_why(given: Any, words: str) -> None:
    (note,) = judge(given)
    assert (note.reason, note.warning) == (Reason.NOT_INJECTED, True)
    assert words in note.message


def test_an_uploader_that_is_no_sidecar_any_more() -> None:
    (note,) = judge(pod(initContainers=[{"name": UPLOADER}]))
    assert note.reason == Reason.STRIPPED
    assert "restartPolicy Always" in note.message


def test_annotations_that_are_not_used_are_told_one_by_one() -> None:
    ignored = {"name": "RECORDING_STORAGE_IGNORED_ANNOTATIONS", "value": f"{PREFIX}run-as,{PREFIX}account"}
    annotations = ANNOTATED | {f"{PREFIX}spool-spec": '{"layout": "Directories"}'}
    notes = judge(pod(annotations, initContainers=[SIDECAR | {"env": [ignored]}]))
    assert {note.reason for note in notes} == {Reason.ANNOTATION}
    assert [word in note.message for note, word in zip(notes, ("run-as", "account", "not served"), strict=True)] == [
        True
    ] * 3


def test_a_spool_spec_that_injection_has_refused_is_told_once() -> None:
    ignored = {"name": "RECORDING_STORAGE_IGNORED_ANNOTATIONS", "value": f"{PREFIX}spool-spec"}
    annotations = ANNOTATED | {f"{PREFIX}spool-spec": "$(x)"}
    assert len(judge(pod(annotations, initContainers=[SIDECAR | {"env": [ignored]}]))) == 1


@pytest.mark.parametrize(
    "given",
    [
        pod(initContainers=[SIDECAR]),
        pod(status={"phase": "Succeeded"}),
        pod(status={"phase": "Failed"}),
        {**pod(), "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
def test_of_a_pod_that_is_well_or_at_its_end_nothing_is_told(given: Any) -> None:
    assert judge(given) == ()


class Heard:
    """In place of `Events`."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def tell_of(self, involved: Involved, note: Note) -> None:
        self.told.append((involved.name, note.reason))


def named(name: str, *, namespace: str = "here", **more: Any) -> Any:
    made = pod(**more)
    made["metadata"] |= {"name": name, "namespace": namespace, "uid": f"uid-of-{name}", "resourceVersion": "1"}
    return made


def counted(reason: Reason) -> float | None:
    name = "recording_storage_operator_pods_without_uploader"
    return REGISTRY.get_sample_value(name, {"reason": reason.value})


def test_each_is_told_once_and_counted_while_it_is_so() -> None:
    heard = Heard()
    told = Told(cast("Events", heard), changed=lambda _: None)
    for _ in range(3):
        told.look(named("a"))
    told.look(named("b", namespace="there"))
    told.look(named("c", initContainers=[{"name": UPLOADER}]))
    told.look(named("d", initContainers=[SIDECAR]))
    assert heard.told == [("a", "NotInjected"), ("b", "NotInjected"), ("c", "UploaderStripped")]
    assert (counted(Reason.NOT_INJECTED), counted(Reason.STRIPPED)) == (2.0, 1.0)
    told.look(named("a", status={"phase": "Succeeded"}))
    told.only({"uid-of-c"}, namespace="here")
    assert (counted(Reason.NOT_INJECTED), counted(Reason.STRIPPED)) == (1.0, 1.0), "b is in another namespace"
    told.gone("uid-of-b")
    told.only(set(), namespace="")
    assert (counted(Reason.NOT_INJECTED), counted(Reason.STRIPPED)) == (0.0, 0.0)


def test_spools_on_its_claim_are_told_while_it_is_so() -> None:
    changed: list[Key] = []
    told = Told(cast("Events", Heard()), changed=changed.append)
    told.look(named("well", initContainers=[SIDECAR]))
    assert (told.at("here", "spool"), changed) == (None, [])
    for name in ("b", "a"):
        told.look(named(name))
    told.look(named("a"))
    assert changed == [Key(Kind.CLAIM, "here", "spool")] * 2, "what is as it was wakes nobody"
    note = told.at("here", "spool")
    assert note is not None
    assert (note.reason, note.message.partition(":")[0]) == ("NotInjected", "pod a")
    assert told.at("there", "spool") is told.at("here", "other") is None
    told.gone("uid-of-a")
    told.look(named("b", status={"phase": "Succeeded"}))
    assert told.at("here", "spool") is None
    assert len(changed) == 4


@pytest.mark.parametrize(
    ("annotations", "claims"),
    [({}, {"spool", "other"}), (ANNOTATED, {"spool"}), ({f"{PREFIX}spool-volume": "none"}, {"spool", "other"})],
)
def test_it_records_on_the_claim_that_it_names_or_on_any(annotations: dict[str, str], claims: set[str]) -> None:
    other = {"name": "o", "persistentVolumeClaim": {"claimName": "other"}}
    assert claims_of(pod(annotations, volumes=[CLAIM, other, {"name": "x", "emptyDir": {}}])) == claims
