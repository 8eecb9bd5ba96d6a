"""An account at a hosted service: the operator alone, with the public API only."""

import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.watching import condition, is_

pytestmark = pytest.mark.slow
VIDEO = "/v1/RecordingSettings/Default"


def hosted(world: World, opened: dict[str, str], **key: str) -> None:
    endpoints = dict.fromkeys(("video", "accounts", "api"), world.store.url)
    data = {"username": opened["api_key_sid"], "password": opened["api_key_secret"]} | key
    world.apply(
        resources.secret(world.namespace, "hosted-key", data),
        resources.account(
            world.namespace,
            store={"type": "Remote", "endpoints": endpoints},
            accountSid=opened["account_sid"],
            apiKeySecretRef={"name": "hosted-key"},
        ),
        resources.aws_secret(world.namespace, world.bucket.credentials),
        resources.aws_credential(world.namespace),
    )


def open_account(world: World) -> dict[str, str]:
    path = f"/accounts:by-external-id/hosted-{world.namespace}"
    return dict(world.store.internal("PUT", path, {"friendly_name": "hosted"}))


def test_a_hosted_account_comes_to_ready_with_the_public_api_alone(world: World) -> None:
    opened = open_account(world)
    hosted(world, opened)
    world.apply(resources.settings(world.namespace, world.bucket.url))
    found = world.until("RecordingSettings", "default", is_("Stalled", "True", "VoiceNotAvailable"))
    assert "[video]" in condition(found, "Ready")["message"]

    world.patch("RecordingSettings", "default", {"spec": {"products": ["video"]}})
    found = world.ready("RecordingSettings", "default")
    echo = world.store.public((opened["api_key_sid"], opened["api_key_secret"]), "GET", VIDEO)
    assert echo["aws_s3_url"] == world.bucket.url
    assert not condition(found, "UploadersInSync")
    assert world.store.internal("GET", f"/accounts/{opened['account_sid']}/bindings") == {"bindings": []}

    world.apply(resources.settings(world.namespace, world.bucket.url, "second", products=["video"]))
    world.until("RecordingSettings", "second", is_("Stalled", "True", "Conflict"))


def test_a_wrong_api_key_is_told_and_its_correction_is_enough(world: World) -> None:
    opened = open_account(world)
    hosted(world, opened, password="wrong-wrong-wrong")
    found = world.until("RecordingAccount", "default", is_("Stalled", "True", "ApiKeyRefused"))
    assert f"Secret {world.namespace}/hosted-key" in condition(found, "Ready")["message"]
    hosted(world, opened)
    world.ready("RecordingAccount", "default")
    world.ready("AwsCredential", "main")


def test_the_key_of_another_account_is_refused(world: World) -> None:
    opened = open_account(world)
    hosted(world, opened | {"account_sid": f"AC{'0' * 32}"})
    found = world.until("RecordingAccount", "default", is_("Stalled", "True", "AccountNotOurs"))
    assert opened["account_sid"] in condition(found, "Ready")["message"]


def test_the_accounts_own_auth_token_will_do(world: World) -> None:
    made = world.store.create_account()
    hosted(
        world,
        {"account_sid": made["account_sid"], "api_key_sid": made["account_sid"], "api_key_secret": made["auth_token"]},
    )
    world.apply(resources.settings(world.namespace, world.bucket.url, products=["video"]))
    world.ready("RecordingSettings", "default")
    status = world.ready("RecordingAccount", "default")["status"]
    assert status["accountSid"] == made["account_sid"]
    assert "apiKeySid" not in status


def test_something_else_instead_of_a_key_is_told_and_its_correction_is_enough(world: World) -> None:
    opened = open_account(world)
    hosted(world, opened, username="admin")
    found = world.until("RecordingAccount", "default", is_("RefsResolved", "False", "SecretInvalid"))
    message = condition(found, "Ready")["message"]
    assert f"Secret {world.namespace}/hosted-key: the value of 'username' must be the sid of an API key" in message
    assert "auth token" in message
    assert "admin" not in message
    hosted(world, opened)
    world.ready("RecordingAccount", "default")


def test_a_bundled_account_that_is_named_wants_an_api_key(world: World) -> None:
    """By the auth token alone, no namespace could be bound to it."""
    made, opened = world.store.create_account(), open_account(world)
    world.apply(
        resources.secret(world.namespace, "key", {"username": made["account_sid"], "password": made["auth_token"]}),
        resources.account(world.namespace, accountSid=made["account_sid"], apiKeySecretRef={"name": "key"}),
        resources.secret(
            world.namespace, "key-2", {"username": opened["api_key_sid"], "password": opened["api_key_secret"]}
        ),
        resources.account(
            world.namespace, "second", accountSid=opened["account_sid"], apiKeySecretRef={"name": "key-2"}
        ),
    )
    found = world.until("RecordingAccount", "default", is_("Stalled", "True", "AccountNotOurs"))
    assert "'username' must be the sid of an API key" in condition(found, "Ready")["message"]
    world.ready("RecordingAccount", "second")
