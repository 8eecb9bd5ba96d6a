"""A recorder's pod brings its spool into the cluster's view: made, assigned, told, and gone with what it stood for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recording_storage.controller.kinds.recording_spool.make import name_for
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.parts import Part, Store
from tests.controller.pod_uploader import POD, Uploader, claim, delete_claim, reviewing_store
from tests.controller.watching import condition, is_
from tests.s3.servers import S3Server
from tests.waiting import LONG, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("controller_manager")]

NAME = name_for("calls", "")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, moto_server: S3Server, cluster: Cluster) -> Iterator[Store]:
    yield from reviewing_store(tmp_path_factory.mktemp("store"), moto_server, cluster)


def spools_at_store(world: World) -> list[Any]:
    found = world.store.internal("GET", "/spools")["spools"]
    return [each for each in found if each["namespace"] == world.namespace]


def spools(world: World) -> list[Document]:
    return list(world.kube.list(resources.API, "RecordingSpool", namespace=world.namespace))


@pytest.fixture
def uploader(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Part]:
    """The real one, with what injection sets."""
    claim(world.kube, world.namespace)
    token = tmp_path / "token"
    token.write_text(Uploader(world).token)
    monkeypatch.setenv("RECORDING_STORAGE_SPOOL_CLAIM", "calls")
    monkeypatch.setenv("RECORDING_STORAGE_SPOOL_VOLUME", "v0")
    monkeypatch.setenv("RECORDING_STORAGE_SPOOL_ACCOUNT", "default")
    (tmp_path / "spool").mkdir()
    argv = ["uploader", "--spool", str(tmp_path / "spool"), "--store", world.store.internal_url]
    part = Part([*argv, "--token-file", str(token)], folder=tmp_path, name="uploader", ready="", stdout=False)
    yield part
    part.stop()


def test_a_pods_spool_is_made_and_its_recordings_reach_the_bucket(world: World, uploader: Part, tmp_path: Path) -> None:
    world.all_ready()
    uploader.launch()
    found = world.ready("RecordingSpool", NAME)
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], "blockOwnerDeletion" in owner) == ("PersistentVolumeClaim", "calls", False)
    assert "finalizers" not in found["metadata"]
    assert found["spec"]["accountRef"] == {"name": "default"}
    (tmp_path / "spool" / "call.wav").write_bytes(b"RIFF")
    (tmp_path / "spool" / "call.wav.done").touch()
    eventually(world.bucket.keys, what="the recording is in the bucket")
    found = world.until("RecordingSpool", NAME, lambda each: each["status"].get("uploader", {}).get("version"))
    assert found["status"]["uploader"]["pod"] == POD
    assert found["status"]["spoolId"] == (tmp_path / "spool" / ".recording-storage" / "spool-id").read_text().strip()
    types = {each["type"]: each["status"] for each in found["status"]["conditions"]}
    assert (types["Ready"], types["Attended"], types["Healthy"]) == ("True", "True", "True")
    assert "call.wav" not in str(found)


def test_nothing_is_made_of_what_a_pod_only_says(world: World) -> None:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    claim(world.kube, world.namespace)
    liar, honest = Uploader(world, pod="liar", claims=()), Uploader(world)
    for each in (liar, honest):
        each.sync()
    world.ready("RecordingSpool", NAME)
    eventually(honest.assigned, what="the pod that has the claim is assigned")
    assert not liar.assigned()
    assert [each["metadata"]["name"] for each in spools(world)] == [NAME]


def test_a_declared_spool_takes_the_place_of_the_one_that_was_made(world: World) -> None:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    claim(world.kube, world.namespace)
    uploader = Uploader(world)
    uploader.sync()
    world.ready("RecordingSpool", NAME)
    spec = {"volume": {"claimName": "calls"}, "accountRef": {"name": "default"}}
    world.apply(resources.resource("RecordingSpool", "declared", world.namespace, spec))
    world.until_gone("RecordingSpool", NAME)
    world.ready("RecordingSpool", "declared")
    (row,) = spools_at_store(world)
    assert row["label"] == f"{world.namespace}/declared"
    assert uploader.assigned()


def test_another_account_is_a_conflict_and_the_earlier_one_stays(world: World) -> None:
    world.apply(resources.account(world.namespace), resources.account(world.namespace, "other"))
    for name in ("default", "other"):
        world.ready("RecordingAccount", name)
    claim(world.kube, world.namespace)
    first = Uploader(world)
    first.sync()
    world.ready("RecordingSpool", NAME)
    later = Uploader(world, pod="recorder-1", account="other")
    later._url = first._url
    later.sync()
    found = world.until("RecordingSpool", NAME, is_("Ready", "False", "AccountConflict"))
    assert f"{world.namespace}/other" in condition(found, "Ready")["message"]
    assignment = first.sync().assignment
    assert assignment is not None
    assert assignment.account_sid == world.account_sid()


def test_a_retry_is_passed_on_once_and_its_outcome_told(world: World) -> None:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    claim(world.kube, world.namespace)
    uploader = Uploader(world)
    uploader.sync()
    world.ready("RecordingSpool", NAME)
    eventually(uploader.assigned, what="it is assigned")
    uploader.sync(parked=2)
    world.until("RecordingSpool", NAME, lambda each: each["status"].get("parked"))
    world.annotate("RecordingSpool", NAME, "retry-requested-at", "2026-01-01T12:00:00Z")
    (command,) = eventually(lambda: uploader.sync(parked=2).commands, what="the uploader is asked to")
    found = world.until("RecordingSpool", NAME, lambda each: each["status"].get("retry"))
    assert found["status"]["retry"] == {"command": command.id, "state": "Asked"}
    assert found["status"]["lastHandledRetryAt"] == "2026-01-01T12:00:00Z"
    # as where it was killed between the command and the status: the same annotation is the same command
    world.operator.kill()
    status = {"status": {"retry": None, "lastHandledRetryAt": None}}
    world.kube.patch(resources.API, "RecordingSpool", NAME, status, namespace=world.namespace, subresource="status")
    world.operator.start()
    world.until("RecordingSpool", NAME, lambda each: each["status"].get("retry"))
    assert [each.id for each in uploader.sync(parked=2).commands] == [command.id]
    uploader.sync(acknowledged={command.id: 2})
    found = world.until("RecordingSpool", NAME, lambda each: each["status"]["retry"]["state"] == "Acknowledged")
    assert found["status"]["retry"] == {"command": command.id, "state": "Acknowledged", "retried": 2}


def gone(world: World) -> bool:
    return not spools(world) and not spools_at_store(world)


@pytest.mark.parametrize("down", [False, True], ids=["", "while the operator was down"])
@pytest.mark.parametrize("what", ["claim", "account"])
def test_nothing_is_left_of_what_is_deleted(world: World, what: str, *, down: bool) -> None:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    claim(world.kube, world.namespace)
    uploader = Uploader(world)
    uploader.sync()
    world.ready("RecordingSpool", NAME)
    if down:
        world.operator.stop()
    world.kube.request("DELETE", f"/api/v1/namespaces/{world.namespace}/pods/{POD}", {"gracePeriodSeconds": 0})
    if what == "claim":
        delete_claim(world.kube, world.namespace)
    else:
        world.delete("RecordingAccount", "default")
    if down:
        world.operator.start()
    eventually(lambda: gone(world), what="neither resource nor row is left", within=LONG)
    if what == "account":
        world.until_gone("RecordingAccount", "default")


def test_nothing_is_left_of_a_namespace(world: World) -> None:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    claim(world.kube, world.namespace)
    Uploader(world).sync()
    world.ready("RecordingSpool", NAME)
    world.operator.stop()
    world.kube.delete("v1", "Namespace", world.namespace)
    delete_claim(world.kube, world.namespace)
    world.kube.request("DELETE", f"/api/v1/namespaces/{world.namespace}/pods/{POD}", {"gracePeriodSeconds": 0})
    world.operator.start()
    world.until_namespace_gone()
    eventually(lambda: not spools_at_store(world), what="no row is left at the store", within=LONG)
