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
