"""Namespaces that end while a real controller manager runs: nothing hangs, or it says what a person can do about it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cluster.kube import Document
from tests.cluster.namespaces import create_namespace, delete_namespace
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.live import LiveUploader
from tests.controller.watching import condition, is_, until
from tests.waiting import LONG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("controller_manager")]

ABANDON = "recordingstorage.dev/abandon=true"


def all_kinds(world: World, rsa_pem: str, *, settings: str = "Retain", item: str = "Delete", account: str) -> None:
    """One of each kind with these deletionPolicies, all Ready."""
    world.apply(
        resources.account(world.namespace, deletionPolicy=account),
        resources.aws_secret(world.namespace, world.bucket.credentials),
        resources.aws_credential(world.namespace, deletionPolicy=item),
        resources.public_key(world.namespace, rsa_pem, deletionPolicy=item),
        resources.settings(world.namespace, world.bucket.url, deletionPolicy=settings),
    )
    for kind, name in (("RecordingSettings", "default"), ("PublicKey", "k1"), ("RecordingAccount", "default")):
        world.ready(kind, name)


def status_of(world: World, account: str) -> str:
    status: str = world.store.internal("GET", f"/accounts/{account}")["status"]
    return status


@pytest.mark.parametrize(
    ("settings", "item", "account"),
    [
        ("Retain", "Delete", "Retain"),
        ("Retain", "Retain", "Retain"),
        ("Disable", "Delete", "Retain"),
        ("Disable", "Delete", "Close"),
        ("Retain", "Retain", "Close"),
    ],
)
@pytest.mark.parametrize("operator_is", ["there", "away at first"])
def test_a_namespace_with_one_of_each_ends(  # noqa: PLR0917 - each is a parameter
    world: World, rsa_pem: str, settings: str, item: str, account: str, operator_is: str
) -> None:
    all_kinds(world, rsa_pem, settings=settings, item=item, account=account)
    sid, key, credentials = world.account_sid(), world.key(), world.credentials()
    if operator_is == "away at first":
        world.operator.stop()
        world.kube.delete("v1", "Namespace", world.namespace)
        until(world.kube, "Namespace", world.namespace, _finalizers_remain, namespace="", api_version="v1")
        world.operator.start()
        world.until_namespace_gone()
    else:
        world.end_namespace()

    assert status_of(world, sid) == ("closed" if account == "Close" else "active")
    if account == "Close":
        return
    enabled = world.store.public(key, "GET", "/v1/RecordingSettings/Default")["aws_storage_enabled"]
    assert enabled is (settings == "Retain")
    left = [each["sid"] for each in world.store.public(key, "GET", "/v1/Credentials/AWS")["credentials"]]
    # What the settings use stays with them.
    assert left == (credentials if item == "Retain" or settings == "Retain" else [])
    keys = world.store.public(key, "GET", "/v1/Credentials/PublicKeys")["credentials"]
    assert len(keys) == (1 if item == "Retain" else 0)


def _finalizers_remain(found: Document) -> bool:
    return condition(found, "NamespaceFinalizersRemaining").get("status") == "True"


@pytest.mark.parametrize("account", ["Retain", "Close"])
def test_a_store_that_is_away_holds_a_namespace_until_somebody_says_so(
    world: World, rsa_pem: str, account: str
) -> None:
    all_kinds(world, rsa_pem, settings="Disable", account=account)
    sid, key = world.account_sid(), world.key()
    world.store.kill()
    world.kube.delete("v1", "Namespace", world.namespace)
    for kind, name in (("RecordingSettings", "default"), ("AwsCredential", "main"), ("PublicKey", "k1")):
        world.until(kind, name, _held_by_store)
        world.annotate(kind, name, "abandon")
    if account == "Close":
        world.until("RecordingAccount", "default", _held_by_store)
        world.annotate("RecordingAccount", "default", "abandon")
    world.until_namespace_gone()

    world.store.start()
    assert status_of(world, sid) == "active"
    assert len(world.store.public(key, "GET", "/v1/Credentials/AWS")["credentials"]) == 1


def test_a_store_that_comes_back_lets_a_namespace_end(world: World, rsa_pem: str) -> None:
    all_kinds(world, rsa_pem, settings="Disable", account="Close")
    sid = world.account_sid()
    world.store.kill()
    world.kube.delete("v1", "Namespace", world.namespace)
    world.until("RecordingSettings", "default", _held_by_store)
    world.store.start()
    world.until_namespace_gone(timeout=LONG)
    assert status_of(world, sid) == "closed"


def _held_by_store(found: Document) -> bool:
    """And it says what a person can do about that."""
    each = condition(found, "Ready")
    return each.get("reason") == "StoreUnavailable" and ABANDON in each["message"]


@pytest.mark.parametrize(
    ("of_settings", "of_account", "why"),
    [
        ("Disable", "Close", "needed to store 1 recording in"),
        ("Retain", "Retain", "the account's settings at the store use"),
    ],
)
def test_a_namespace_ends_although_a_recording_is_parked(
    world: World, of_settings: str, of_account: str, why: str
) -> None:
    """Also what waits already goes then; what is in use stays at the store."""
    world.all_ready()
    world.patch("RecordingSettings", "default", {"spec": {"deletionPolicy": of_settings}})
    world.patch("RecordingAccount", "default", {"spec": {"deletionPolicy": of_account}})
    world.ready("RecordingSettings", "default")
    account, key = world.account_sid(), world.key()
    uploader = LiveUploader(world.store, account)
    uploader.sync()
    uploader.park(world.store.internal("GET", f"/accounts/{account}/settings/voice")["destination_id"])
    world.delete("RecordingSettings", "default")
    world.until_gone("RecordingSettings", "default")
    world.delete("AwsCredential", "main")
    found = world.until("AwsCredential", "main", is_("DeletionBlocked", "True", "InUse"))
    message = condition(found, "DeletionBlocked")["message"]
    assert why in message
    assert "an hour after" in message
    assert "recordingstorage.dev/abandon=true" in message

    world.end_namespace()
    status = world.store.internal("GET", f"/accounts/{account}")["status"]
    if of_account == "Close":
        assert status == "closed"
    else:
        assert status == "active"
        assert len(world.store.public(key, "GET", "/v1/Credentials/AWS")["credentials"]) == 1


def test_an_account_that_was_applied_again_does_not_hold_its_namespace_when_its_key_is_gone(world: World) -> None:
    """The Secret goes first, and nobody could put it there again."""
    world.all_ready()
    sid, key = world.account_sid(), world.key()
    for kind, name in (("RecordingSettings", "default"), ("AwsCredential", "main"), ("RecordingAccount", "default")):
        world.annotate(kind, name, "abandon")
        world.delete(kind, name)
        world.until_gone(kind, name)
    world.all_ready()
    assert world.account_sid() == sid
    world.patch("RecordingAccount", "default", {"spec": {"deletionPolicy": "Close"}})
    world.ready("RecordingAccount", "default")

    world.end_namespace()
    assert status_of(world, sid) == "active"
    assert world.store.public(key, "GET", "/v1/RecordingSettings/Default")["aws_storage_enabled"] is True
    assert f"account {sid} stays open" in world.operator.log


def test_an_account_at_a_hosted_service_does_not_hold_its_namespace_when_its_key_is_gone(world: World) -> None:
    path = f"/accounts:by-external-id/hosted-{world.namespace}"
    opened = world.store.internal("PUT", path, {"friendly_name": "hosted"})
    endpoints = dict.fromkeys(("video", "accounts", "api"), world.store.url)
    key = {"username": opened["api_key_sid"], "password": opened["api_key_secret"]}
    store = {"type": "Remote", "endpoints": endpoints}
    named = {"accountSid": opened["account_sid"], "apiKeySecretRef": {"name": "hosted-key"}}
    world.apply(
        resources.secret(world.namespace, "hosted-key", key),
        resources.account(world.namespace, store=store, **named),
        resources.aws_secret(world.namespace, world.bucket.credentials),
        resources.aws_credential(world.namespace),
    )
    world.ready("AwsCredential", "main")
    world.end_namespace()


@pytest.fixture
def tenant(world: World) -> Iterator[World]:
    """The same world, seen from another namespace."""
    name = f"{world.namespace}-tenant"
    create_namespace(world.kube, name)
    yield replace(world, namespace=name)
    delete_namespace(world.kube, name)


def test_an_account_stays_for_settings_in_another_namespace_when_its_own_one_ends(world: World, tenant: World) -> None:
    selector = {"matchLabels": {"kubernetes.io/metadata.name": tenant.namespace}}
    elsewhere = {"accountRef": {"name": "default", "namespace": world.namespace}}
    world.apply(
        resources.account(world.namespace, allowedNamespaces={"from": "Selector", "selector": selector}),
        resources.aws_secret(tenant.namespace, world.bucket.credentials),
        resources.aws_credential(tenant.namespace, **elsewhere),
        resources.settings(tenant.namespace, world.bucket.url, **elsewhere),
    )
    tenant.ready("RecordingSettings", "default")
    sid, key = world.account_sid(), world.key()

    world.kube.delete("v1", "Namespace", world.namespace)
    found = world.until("RecordingAccount", "default", is_("DeletionBlocked", "True", "InUse"))
    assert f"RecordingSettings {tenant.namespace}/default" in condition(found, "DeletionBlocked")["message"]
    tenant.patch("RecordingSettings", "default", {"spec": {"friendlyName": "changed meanwhile"}})
    tenant.ready("RecordingSettings", "default")
    named = world.store.public(key, "GET", "/v1/RecordingSettings/Default")["friendly_name"]
    assert named == "changed meanwhile"

    tenant.patch("RecordingSettings", "default", {"spec": {"deletionPolicy": "Disable"}})
    tenant.delete("RecordingSettings", "default")
    tenant.delete("AwsCredential", "main")
    world.until_namespace_gone()
    assert status_of(world, sid) == "active"
    assert world.store.public(key, "GET", "/v1/Credentials/AWS")["credentials"] == []
