"""Killed at any moment and started again, the operator leaves neither a duplicate nor an orphan at the store."""

import random
import time
from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.parts import Operator, Store
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROUNDS = 12


@pytest.fixture(scope="module")
def operator(
    tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, crds: list[Document], store: Store
) -> Iterator[Operator]:
    """Without a Lease, which a killed one would leave held for ten seconds."""
    folder = tmp_path_factory.mktemp("operator")
    part = Operator(folder, kubeconfig=cluster.kubeconfig, store=store, more=["--no-leader-election"])
    part.start()
    yield part
    part.stop()


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_it_leaves_one_of_each_at_the_store(world: World, rsa_pem: str, seed: int) -> None:
    chance = random.Random(seed)
    pairs = [world.bucket.user, world.bucket.server.rotate_key(world.bucket.user)]
    world.apply(
        resources.account(world.namespace),
        resources.aws_secret(world.namespace, pairs[0].credentials),
        resources.aws_credential(world.namespace),
        resources.public_key(world.namespace, rsa_pem),
        resources.settings(
            world.namespace, world.bucket.url, encryption={"enabled": True, "publicKeyRef": {"name": "k1"}}
        ),
    )
    for number in range(ROUNDS):
        if number:
            world.apply(resources.aws_secret(world.namespace, pairs[number % 2].credentials))
        if not world.operator.running:
            world.operator.launch()
            world.operator.wait_for("operator: ready")
        time.sleep(chance.uniform(0.0, 0.6))  # the moment of the kill is what is tried here
        world.operator.kill()
    world.operator.start()

    pair = pairs[(ROUNDS - 1) % 2].credentials
    world.until("AwsCredential", "main", lambda each: each["status"].get("accessKeyIdHint") == pair.access_key[-4:])
    world.ready("RecordingSettings", "default")
    eventually(
        lambda: world.credentials() == [world.get("AwsCredential", "main")["status"]["sid"]],
        what="the credential in force is the only one at the store",
    )
    keys = world.stored("GET", "/v1/Credentials/PublicKeys")["credentials"]
    assert [each["sid"] for each in keys] == [world.ready("PublicKey", "k1")["status"]["sid"]]
    again = world.store.internal(
        "PUT",
        f"/accounts:by-external-id/{world.get('RecordingAccount', 'default')['metadata']['uid']}",
        {"friendly_name": "x"},
    )
    assert again["account_sid"] == world.account_sid()
    assert world.bucket.uploads() == []
