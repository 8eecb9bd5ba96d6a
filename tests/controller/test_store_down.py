"""A store that is away is said to be, and comes back without help."""

import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.watching import condition, is_

pytestmark = pytest.mark.slow


def test_a_store_that_is_down_is_told_and_its_return_is_enough(world: World) -> None:
    world.all_ready()
    world.store.kill()
    world.patch("RecordingSettings", "default", {"spec": {"friendlyName": "renamed"}})
    found = world.until("RecordingSettings", "default", is_("Ready", "Unknown", "StoreUnavailable"))
    assert condition(found, "Reconciling")["status"] == "True"
    assert not condition(found, "Stalled")
    assert (
        world.store.url in condition(found, "Ready")["message"] or "127.0.0.1" in condition(found, "Ready")["message"]
    )

    world.store.start()
    world.ready("RecordingSettings", "default")
    assert world.stored("GET", "/v1/RecordingSettings/Default")["friendly_name"] == "renamed"


def test_resources_applied_while_the_store_is_down_come_to_ready_when_it_is_up(world: World) -> None:
    world.store.kill()
    world.apply(
        resources.account(world.namespace),
        resources.aws_secret(world.namespace, world.bucket.credentials),
        resources.aws_credential(world.namespace),
        resources.settings(world.namespace, world.bucket.url),
    )
    world.until("RecordingAccount", "default", is_("Ready", "Unknown", "StoreUnavailable"))
    world.store.start()
    world.ready("RecordingSettings", "default")


def test_an_operator_that_starts_while_the_store_is_down_keeps_what_was_ready_explained(world: World) -> None:
    world.all_ready()
    world.operator.stop()
    world.store.kill()
    world.operator.start()
    world.until("RecordingSettings", "default", is_("Ready", "Unknown", "StoreUnavailable"))
    world.store.start()
    world.ready("RecordingSettings", "default")
    assert len(world.credentials()) == 1
