"""A server that is no settings store is told from one before anything is sent to it."""

import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.odd_store import OddStore, Told
from tests.controller.watching import condition, is_

pytestmark = pytest.mark.slow


def test_a_foreign_server_that_answers_everything_with_200_gets_nothing(world: World, odd_port: int) -> None:
    with OddStore(lambda _: Told(), port=odd_port) as foreign:
        world.apply(
            resources.secret(world.namespace, "key", {"username": f"SK{'1' * 32}", "password": "p4ssw0rd"}),
            resources.account(
                world.namespace,
                store={"type": "Remote", "endpoints": dict.fromkeys(("video", "accounts", "api"), foreign.url)},
                accountSid=f"AC{'1' * 32}",
                apiKeySecretRef={"name": "key"},
            ),
            resources.aws_secret(world.namespace, world.bucket.credentials),
            resources.aws_credential(world.namespace),
            resources.settings(world.namespace, world.bucket.url, products=["video"]),
        )
        found = world.until("RecordingAccount", "default", is_("Ready", "Unknown", "StoreUnavailable"))
        assert "not as a settings store does" in condition(found, "Ready")["message"]
        world.until("RecordingSettings", "default", is_("Ready", "Unknown", "AccountNotReady"))
        assert foreign.asked
        assert foreign.writes == []
        assert "Traceback" not in world.operator.log
