"""The master key's Secret: made once, and never again for a claim that had one."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from recording_storage.controller.cluster.identity import Identity
from recording_storage.controller.cluster.kube import Kube as OperatorKube
from recording_storage.controller.trust.master_key import (
    MARK,
    KeyState,
    MasterKeyKeeper,
    MasterKeyOptions,
    key_state,
)
from recording_storage.store.secrets_box import read_master_keys
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube

SECRET, CLAIM = "store-master-key", "store"
Look = Callable[[], KeyState]


@pytest.mark.parametrize(
    ("key", "claim", "marked", "make", "state"),
    [
        (True, True, True, True, KeyState.GOOD),
        (True, True, False, True, KeyState.UNMARKED),
        (True, True, False, False, KeyState.UNMARKED),
        (True, False, False, True, KeyState.GOOD),
        (False, True, True, True, KeyState.LOST),
        (False, True, True, False, KeyState.LOST),
        (False, True, False, True, KeyState.TO_MAKE),
        (False, True, False, False, KeyState.TO_GIVE),
        (False, False, False, True, KeyState.NO_CLAIM),
        (False, False, False, False, KeyState.TO_GIVE),
    ],
)
def test_how_it_stands(*, key: bool, claim: bool, marked: bool, make: bool, state: KeyState) -> None:
    assert key_state(key=key, claim=claim, marked=marked, make=make) is state


@pytest.fixture
def look(cluster: Cluster, namespace: str) -> Callable[..., KeyState]:
    """One look of a keeper that has seen nothing before."""

    def once(*, make: bool = True) -> KeyState:
        async def looked() -> KeyState:
            async with OperatorKube(await Identity.of(cluster.kubeconfig)) as kube:
                options = MasterKeyOptions(secret=SECRET, claim=CLAIM, make=make)
                return await MasterKeyKeeper(kube, options, namespace=namespace).look()

        return asyncio.run(looked())

    return once


def make_claim(kube: Kube, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    kube.create(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM}, "spec": spec},
        namespace=namespace,
    )


def key_of(kube: Kube, namespace: str) -> bytes:
    return base64.b64decode(kube.get("v1", "Secret", SECRET, namespace=namespace)["data"]["master.key"])


@pytest.mark.slow
def test_it_is_made_for_a_new_claim_and_the_store_takes_it(
    look: Callable[..., KeyState], kube: Kube, namespace: str, tmp_path: Path
) -> None:
    assert look() is KeyState.NO_CLAIM
    make_claim(kube, namespace)
    assert [look(), look(), look()] == [KeyState.TO_MAKE, KeyState.UNMARKED, KeyState.GOOD]
    (tmp_path / "master.key").write_bytes(key_of(kube, namespace))
    read_master_keys(tmp_path / "master.key")
    claim = kube.get("v1", "PersistentVolumeClaim", CLAIM, namespace=namespace)
    assert claim["metadata"]["annotations"][MARK] == SECRET


@pytest.mark.slow
def test_it_is_not_made_again_while_the_claim_is_there(
    look: Callable[..., KeyState], kube: Kube, namespace: str
) -> None:
    make_claim(kube, namespace)
    look()
    look()
    first = key_of(kube, namespace)
    kube.delete("v1", "Secret", SECRET, namespace=namespace)
    assert [look(), look()] == [KeyState.LOST, KeyState.LOST]
    assert not [each for each in kube.list("v1", "Secret", namespace=namespace) if each["metadata"]["name"] == SECRET]
    kube.delete("v1", "PersistentVolumeClaim", CLAIM, namespace=namespace)
    kube.patch("v1", "PersistentVolumeClaim", CLAIM, {"metadata": {"finalizers": None}}, namespace=namespace)
    make_claim(kube, namespace)
    assert look() is KeyState.TO_MAKE
    assert key_of(kube, namespace) != first


@pytest.mark.slow
def test_one_that_was_given_is_kept_in_mind_too(look: Callable[..., KeyState], kube: Kube, namespace: str) -> None:
    make_claim(kube, namespace)
    data = {"master.key": base64.b64encode(base64.b64encode(bytes(32))).decode()}
    kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": data}, namespace=namespace)
    assert [look(make=False), look(make=False)] == [KeyState.UNMARKED, KeyState.GOOD]
    kube.delete("v1", "Secret", SECRET, namespace=namespace)
    assert look(make=True) is KeyState.LOST


@pytest.mark.slow
def test_a_secret_without_the_key_is_left_alone(look: Callable[..., KeyState], kube: Kube, namespace: str) -> None:
    make_claim(kube, namespace)
    kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}}, namespace=namespace)
    assert look() is KeyState.TO_GIVE
