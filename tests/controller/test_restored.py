"""Resources that are applied again or restored find their account again; nothing second is opened on a guess."""

import pytest

from tests.cluster.kube import Document
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.watching import condition, is_

pytestmark = pytest.mark.slow


def accounts(world: World) -> int:
    """At the store, in all."""
    return world.store.count_accounts()


def backed_up(world: World) -> Document:
    """The Secret as a backup has it: without what the cluster gave it."""
    found = world.kube.get("v1", "Secret", "default-api-key", namespace=world.namespace)
    kept = {name: found["metadata"][name] for name in ("name", "namespace", "annotations", "labels")}
    return {"apiVersion": "v1", "kind": "Secret", "type": found["type"], "data": found["data"], "metadata": kept}


def remove(world: World) -> None:
    for kind, name in (("RecordingSettings", "default"), ("AwsCredential", "main"), ("RecordingAccount", "default")):
        if kind == "AwsCredential":
            world.patch(kind, name, {"spec": {"deletionPolicy": "Retain"}})
        world.delete(kind, name)
        world.until_gone(kind, name)


def test_what_is_deleted_and_applied_again_takes_its_account_again(world: World) -> None:
    world.all_ready()
    account, credentials, before = world.account_sid(), world.credentials(), accounts(world)
    secret = backed_up(world)
    assert secret["metadata"]["annotations"] == {"recordingstorage.dev/account-sid": account}
    remove(world)

    world.apply(secret)
    world.all_ready()
    assert world.account_sid() == account
    assert world.credentials() == credentials
    assert accounts(world) == before


def test_a_secret_that_is_no_use_is_named_with_its_account_before_anything_is_opened(world: World) -> None:
    world.all_ready()
    account, before = world.account_sid(), accounts(world)
    secret = backed_up(world)
    remove(world)

    world.apply(secret | {"data": secret["data"] | {"password": "d3Jvbmctd3Jvbmctd3Jvbmc="}})
    world.apply(resources.account(world.namespace))
    found = world.until("RecordingAccount", "default", is_("Stalled", "True", "ApiKeyRefused"))
    assert account in condition(found, "Ready")["message"]
    assert "delete the Secret" in condition(found, "Ready")["message"]
    assert accounts(world) == before

    world.apply(secret)
    world.ready("RecordingAccount", "default")
    assert world.account_sid() == account


def test_a_restored_status_without_its_secret_opens_nothing(world: World) -> None:
    world.all_ready()
    account, before = world.account_sid(), accounts(world)
    secret = backed_up(world)
    status = world.get("RecordingAccount", "default")["status"]
    remove(world)
    world.kube.delete("v1", "Secret", "default-api-key", namespace=world.namespace)

    world.operator.stop()
    world.apply(resources.account(world.namespace))
    world.kube.patch(
        resources.API,
        "RecordingAccount",
        "default",
        {"status": status},
        namespace=world.namespace,
        subresource="status",
    )
    world.operator.start()
    found = world.until("RecordingAccount", "default", is_("Stalled", "True", "AccountNotOurs"))
    assert account in condition(found, "Ready")["message"]
    assert accounts(world) == before
    world.apply(secret)
    world.ready("RecordingAccount", "default")
    assert world.account_sid() == account
