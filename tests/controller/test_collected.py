"""A real garbage collector takes no open account's key, and leaves no closed one's, however the policy has changed."""

import pytest

from tests.cluster.kube import Document, KubeError
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.watching import API, until, until_gone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("controller_manager")]


def secret(world: World, name: str = "default-api-key") -> Document | None:
    try:
        return world.kube.get("v1", "Secret", name, namespace=world.namespace)
    except KubeError as error:
        if error.status == 404:
            return None
        raise


def reference(world: World) -> Document:
    """To the RecordingAccount, as earlier versions of the operator had it in the Secret."""
    account = world.get("RecordingAccount", "default")["metadata"]
    owner = {"apiVersion": API, "kind": "RecordingAccount", "name": account["name"], "uid": account["uid"]}
    return owner | {"controller": True, "blockOwnerDeletion": False}


def delete_account(world: World) -> None:
    """And wait until all has been collected that belongs to it."""
    metadata = {"name": "belongs", "namespace": world.namespace, "ownerReferences": [reference(world)]}
    canary = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    world.apply(canary)
    for kind, name in (("RecordingSettings", "default"), ("AwsCredential", "main"), ("RecordingAccount", "default")):
        world.delete(kind, name)
    world.until_gone("RecordingAccount", "default")
    until_gone(world.kube, "ConfigMap", "belongs", namespace=world.namespace, api_version="v1")
    world.apply(canary)  # what was queued with the first is done before what is queued after it
    until_gone(world.kube, "ConfigMap", "belongs", namespace=world.namespace, api_version="v1")


def set_policy(world: World, policy: str) -> None:
    world.patch("RecordingAccount", "default", {"spec": {"deletionPolicy": policy}})
    world.ready("RecordingAccount", "default")


def status_of(world: World, account: str) -> str:
    status: str = world.store.internal("GET", f"/accounts/{account}")["status"]
    return status


@pytest.mark.parametrize("policies", [("Retain",), ("Close", "Retain")], ids=" then ".join)
def test_a_retained_account_is_found_again(world: World, policies: tuple[str, ...]) -> None:
    world.all_ready()
    for policy in policies:
        set_policy(world, policy)
    world.patch("AwsCredential", "main", {"spec": {"deletionPolicy": "Retain"}})
    world.ready("AwsCredential", "main")
    sid, credentials, opened = world.account_sid(), world.credentials(), world.store.count_accounts()
    for _ in range(2):
        delete_account(world)
        assert secret(world) is not None
        world.all_ready()
        assert world.account_sid() == sid
        assert world.credentials() == credentials
        assert world.store.count_accounts() == opened


@pytest.mark.parametrize("policies", [("Close",), ("Retain", "Close")], ids=" then ".join)
def test_the_key_of_a_closed_account_goes_with_it(world: World, policies: tuple[str, ...]) -> None:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    for policy in policies:
        set_policy(world, policy)
    sid, opened = world.account_sid(), world.store.count_accounts()
    delete_account(world)
    assert status_of(world, sid) == "closed"
    until_gone(world.kube, "Secret", "default-api-key", namespace=world.namespace, api_version="v1")
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    assert world.account_sid() != sid
    assert world.store.count_accounts() == opened + 1


def test_the_key_of_an_account_that_was_applied_again_goes_when_that_is_closed(world: World) -> None:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    sid = world.account_sid()
    delete_account(world)
    world.apply(resources.account(world.namespace, deletionPolicy="Close"))
    world.ready("RecordingAccount", "default")
    assert world.account_sid() == sid
    delete_account(world)
    assert status_of(world, sid) == "closed"
    until_gone(world.kube, "Secret", "default-api-key", namespace=world.namespace, api_version="v1")


def test_a_secret_of_somebodys_own_stays_when_its_account_is_closed(world: World) -> None:
    path = f"/accounts:by-external-id/own-{world.namespace}"
    opened = world.store.internal("PUT", path, {"friendly_name": "own"})
    key = {"username": opened["api_key_sid"], "password": opened["api_key_secret"]}
    named = {"accountSid": opened["account_sid"], "apiKeySecretRef": {"name": "own"}}
    world.apply(
        resources.secret(world.namespace, "own", key),
        resources.account(world.namespace, deletionPolicy="Close", **named),
    )
    world.ready("RecordingAccount", "default")
    delete_account(world)
    assert status_of(world, opened["account_sid"]) == "closed"
    assert secret(world, "own") is not None


@pytest.mark.parametrize("deleted", ["later", "before the first look"])
def test_a_secret_that_an_earlier_version_has_written_stays(world: World, deleted: str) -> None:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    sid, opened = world.account_sid(), world.store.count_accounts()
    world.operator.stop()
    world.kube.patch(
        "v1",
        "Secret",
        "default-api-key",
        {"metadata": {"ownerReferences": [reference(world)], "annotations": None}},
        namespace=world.namespace,
    )
    if deleted == "later":
        world.store.kill()  # it is in danger whether or not there is a store
        world.operator.start()
        until(world.kube, "Secret", "default-api-key", _of_nobody, namespace=world.namespace, api_version="v1")
        world.store.start()
        world.ready("RecordingAccount", "default")
    else:
        world.delete("RecordingAccount", "default")
        world.operator.start()
        world.until_gone("RecordingAccount", "default")
        world.apply(resources.account(world.namespace))
        world.ready("RecordingAccount", "default")
    delete_account(world)
    found = secret(world)
    assert found is not None
    assert found["metadata"]["annotations"]["recordingstorage.dev/account-sid"] == sid
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    assert world.account_sid() == sid
    assert world.store.count_accounts() == opened


def _of_nobody(found: Document) -> bool:
    return "ownerReferences" not in found["metadata"]


def test_an_account_that_could_not_be_closed_keeps_its_key(world: World) -> None:
    world.apply(resources.account(world.namespace, deletionPolicy="Close"))
    world.ready("RecordingAccount", "default")
    sid = world.account_sid()
    world.store.kill()
    world.annotate("RecordingAccount", "default", "abandon")
    delete_account(world)
    world.store.start()
    assert status_of(world, sid) == "active"
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    assert world.account_sid() == sid


def test_a_deletion_that_was_cut_short_after_the_account_was_closed_ends(world: World) -> None:
    world.apply(resources.account(world.namespace, deletionPolicy="Close"))
    world.ready("RecordingAccount", "default")
    sid = world.account_sid()
    world.operator.kill()
    world.delete("RecordingAccount", "default")
    world.store.internal("DELETE", f"/accounts/{sid}")
    world.operator.start()
    world.until_gone("RecordingAccount", "default")
    until_gone(world.kube, "Secret", "default-api-key", namespace=world.namespace, api_version="v1")
