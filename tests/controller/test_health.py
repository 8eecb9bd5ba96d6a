"""Each situation of a resource, brought about at the live API server: Argo CD and Flux judge it as the page says.

With RECORDING_STORAGE_WRITE_TESTDATA=1 the objects are kept as the examples of Argo CD's tree.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recording_storage.controller.kinds.recording_spool.make import name_for
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.parts import Store
from tests.controller.pod_uploader import Uploader, claim, reviewing_store
from tests.controller.watching import API, condition, is_
from tests.health.fixtures import CUSTOMIZATIONS, Judge
from tests.s3.servers import S3Server
from tests.waiting import eventually

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "operator.md"
WRITE = os.environ.get("RECORDING_STORAGE_WRITE_TESTDATA") == "1"
WRONG = {"accessKeyId": "AKIAIOSFODNN7WRONG00", "secretAccessKey": "wrong-secret-wrong-secret-wrong-secret-00"}
Situation = Callable[[World, str], Document]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, moto_server: S3Server, cluster: Cluster) -> Iterator[Store]:
    yield from reviewing_store(tmp_path_factory.mktemp("store"), moto_server, cluster)


def not_looked_at(world: World, _pem: str) -> Document:
    world.operator.stop()
    world.apply(resources.account(world.namespace))
    return world.get("RecordingAccount", "default")


def works(world: World, _pem: str) -> Document:
    return world.all_ready()


def account_works(world: World, _pem: str) -> Document:
    world.apply(resources.account(world.namespace))
    return world.ready("RecordingAccount", "default")


def changed_since(world: World, _pem: str) -> Document:
    world.all_ready()
    world.operator.stop()
    world.patch("RecordingSettings", "default", {"spec": {"friendlyName": "later"}})
    return world.get("RecordingSettings", "default")


def under_way(world: World, _pem: str) -> Document:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    world.store.stop()
    world.apply(
        resources.aws_secret(world.namespace, world.bucket.credentials), resources.aws_credential(world.namespace)
    )
    return world.until("AwsCredential", "main", is_("Ready", "Unknown", "StoreUnavailable"))


def lacks_something(world: World, _pem: str) -> Document:
    world.apply(resources.account(world.namespace), resources.aws_credential(world.namespace))
    return world.until("AwsCredential", "main", is_("Ready", "False", "SecretNotFound"))


def refused(world: World, _pem: str) -> Document:
    wrong = resources.secret(world.namespace, "aws", WRONG)
    world.apply(
        resources.account(world.namespace),
        wrong,
        resources.aws_credential(world.namespace),
        resources.settings(world.namespace, world.bucket.url),
    )
    return world.until("RecordingSettings", "default", is_("Stalled", "True", "InvalidAwsCredentials"))


def key_works(world: World, pem: str) -> Document:
    world.apply(resources.account(world.namespace), resources.public_key(world.namespace, pem))
    return world.ready("PublicKey", "k1")


def rotation_refused(world: World, _pem: str) -> Document:
    world.all_ready()
    world.apply(resources.secret(world.namespace, "aws", WRONG))
    return world.until("AwsCredential", "main", is_("Stalled", "True", "KeyRefused"))


def runs_on_with_the_earlier_key(world: World, pem: str) -> Document:
    rotation_refused(world, pem)
    return world.until("RecordingSettings", "default", is_("Ready", "True", "EarlierKeyInUse"))


def deletion_waits(world: World, _pem: str) -> Document:
    world.all_ready()
    world.delete("AwsCredential", "main")
    return world.until("AwsCredential", "main", is_("DeletionBlocked", "True", "InUse"))


def declare_spool(world: World, name: str) -> None:
    spec = {"volume": {"claimName": "calls"}, "accountRef": {"name": "default"}}
    world.apply(resources.resource("RecordingSpool", name, world.namespace, spec))


def spool_without_a_pod(world: World, _pem: str) -> Document:
    world.apply(resources.account(world.namespace))
    declare_spool(world, "calls")
    return world.until("RecordingSpool", "calls", is_("Ready", "True"))


def spool_of_which_nothing_is_known(world: World, pem: str) -> Document:
    spool_without_a_pod(world, pem)
    world.operator.stop()
    world.store.stop()
    world.operator.start()
    return world.until("RecordingSpool", "calls", is_("Ready", "Unknown", "StoreUnavailable"))


def spool_beside_another(world: World, pem: str) -> Document:
    spool_without_a_pod(world, pem)
    declare_spool(world, "later")
    return world.until("RecordingSpool", "later", is_("Stalled", "True", "Conflict"))


def spool_with_parked_recordings(world: World, _pem: str) -> Document:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    claim(world.kube, world.namespace)
    uploader = Uploader(world)
    eventually(uploader.assigned, what="it is assigned")
    uploader.sync(parked=2)
    return world.until("RecordingSpool", name_for("calls", ""), is_("Healthy", "False", "Parked"))


SITUATIONS: dict[str, Situation] = {
    "the operator has not looked at it yet": not_looked_at,
    "it works": works,
    "an account that is open": account_works,
    "a key that the store has": key_works,
    "its spec was changed since": changed_since,
    "under way, or the store can't be asked": under_way,
    "it lacks something that does not come by itself": lacks_something,
    "refused": refused,
    "a new key pair is refused": rotation_refused,
    "settings that run on with the earlier key pair": runs_on_with_the_earlier_key,
    "its deletion waits": deletion_waits,
    "a spool that is accepted, before there is a pod": spool_without_a_pod,
    "a spool before the store has said anything to an operator that has just started": spool_of_which_nothing_is_known,
    "a spool for whose folder there is another one": spool_beside_another,
    "a spool whose recordings wait for somebody": spool_with_parked_recordings,
}


def table() -> dict[str, tuple[str, str, str]]:
    """Situation: conditions, Argo CD, kstatus; as the page has it."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (\w+) \| (\w+) \|$", PAGE.read_text(), re.MULTILINE)
    return {situation: (conditions, argo, kstatus) for situation, conditions, argo, kstatus in rows}


def test_the_page_has_each_situation() -> None:
    assert set(table()) == set(SITUATIONS)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_it_is_judged_as_the_page_says(world: World, rsa_pem: str, health_judge: Judge, situation: str) -> None:
    conditions, argo, kstatus = table()[situation]
    found = SITUATIONS[situation](world, rsa_pem)
    assert found["apiVersion"] == API
    answer = health_judge(found)
    if WRITE:
        keep(found, situation, answer.argo, answer.argo_message)
    assert (answer.argo, answer.kstatus) == (argo, kstatus), found["status"]
    for type_, status in re.findall(r"`(\w+)=(\w+)`", conditions):
        assert condition(found, type_)["status"] == status


def keep(found: Document, situation: str, status: str, message: str) -> None:
    folder = CUSTOMIZATIONS / found["kind"]
    name = re.sub(r"\W+", "-", situation)
    found["metadata"]["namespace"] = "team-a"
    (folder / "testdata" / f"{name}.yaml").write_text(yaml.safe_dump(found, sort_keys=True, width=1000))
    tests = folder / "health_test.yaml"
    before: dict[str, Any] = yaml.safe_load(tests.read_text()) if tests.exists() else {"tests": []}
    path = f"testdata/{name}.yaml"
    kept = [each for each in before["tests"] if each["inputPath"] != path]
    kept.append({"healthStatus": {"status": status, "message": message}, "inputPath": path})
    tests.write_text(yaml.safe_dump({"tests": kept}, sort_keys=False, width=1000))
