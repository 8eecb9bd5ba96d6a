"""RecordingSettings and the store's own storage: allowed by `enabled: false`, withheld by `deletionPolicy: Disable`."""

from dataclasses import replace

import pytest

from recording_storage.controller.kinds.recording_settings.decide import Observed, decide, decide_deletion
from recording_storage.controller.kinds.recording_settings.observed import Post, Release, SetOwnStorage, View
from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.resources import RecordingSettings
from tests.controller.kinds.recording_settings.test_decide import OWNER, VIDEO, VOICE, observed, settings

ALLOWED, WITHHELD = OwnStorage.ALLOWED, OwnStorage.WITHHELD
OFF = {"enabled": False}


def seen(resource: RecordingSettings, own_storage: OwnStorage | None, **facts: object) -> Observed:
    """The store has what the spec asks for."""
    now = observed(resource, **facts)
    return replace(now, views={each: replace(view, own_storage=own_storage) for each, view in now.views.items()})


@pytest.mark.parametrize(
    ("enabled", "own_storage", "products"),
    [
        (False, WITHHELD, (VOICE, VIDEO)),
        (False, ALLOWED, ()),
        (False, None, ()),  # a store of before, which knows nothing of it
        (True, WITHHELD, ()),
        (True, ALLOWED, ()),
    ],
)
def test_it_is_allowed_where_the_spec_switches_external_storage_off(
    enabled: bool,  # noqa: FBT001 - a column of the table
    own_storage: OwnStorage | None,
    products: tuple[object, ...],
) -> None:
    resource = settings() if enabled else settings(storage=OFF)

    decision = decide(resource, seen(resource, own_storage))

    assert decision.actions == tuple(SetOwnStorage(product, ALLOWED) for product in products)  # type: ignore[arg-type]
    assert [note.reason for note in decision.notes] == ["OwnStorageAllowed"] * len(products)


def test_it_is_allowed_after_the_settings_are_set_and_for_its_products_alone() -> None:
    resource = settings(storage=OFF, products=["voice"])
    views = {
        VOICE: View(settings=StoreSettings(), owner=OWNER, own_storage=WITHHELD),
        VIDEO: View(settings=StoreSettings(), own_storage=WITHHELD),
    }

    post, allow = decide(resource, observed(resource, views=views)).actions

    assert isinstance(post, Post)
    assert allow == SetOwnStorage(VOICE, ALLOWED)


@pytest.mark.parametrize("storage", [None, OFF])
def test_disable_withholds_it_before_anything_is_switched_off(storage: object) -> None:
    resource = settings(storage=storage, deletionPolicy="Disable")

    decision = decide_deletion(resource, seen(resource, ALLOWED))

    assert decision.actions[:2] == (SetOwnStorage(VOICE, WITHHELD), SetOwnStorage(VIDEO, WITHHELD))
    assert sum(isinstance(action, Post) for action in decision.actions) == (2 if storage is None else 0)
    assert decision.actions[-2:] == (Release(VOICE, OWNER), Release(VIDEO, OWNER))


@pytest.mark.parametrize("policy", ["Retain", "Disable"])
def test_what_is_withheld_stays_so_when_the_object_goes(policy: str) -> None:
    resource = settings(storage=OFF, deletionPolicy=policy)

    actions = decide_deletion(resource, seen(resource, WITHHELD)).actions

    assert actions == (Release(VOICE, OWNER), Release(VIDEO, OWNER))


def test_a_product_that_nobody_has_settings_for_is_told_with_what_waits() -> None:
    resource = settings(products=["video"])
    now = seen(resource, WITHHELD, waiting={VOICE: 3})
    now = replace(now, views={**now.views, VOICE: View(settings=StoreSettings(), own_storage=WITHHELD)})

    decision = decide(resource, now)

    assert "no settings are in force for voice" in decision.message
    assert "3 recordings now" in decision.message
    assert decision.status["waiting"] == [{"product": "voice", "recordings": 3}]


def test_what_a_refusal_leaves_waiting_goes_with_the_settings_that_are_tried() -> None:
    resource = settings()
    views = {each: View(settings=StoreSettings(), owner=OWNER, own_storage=WITHHELD) for each in (VOICE, VIDEO)}

    (post,) = decide(resource, observed(resource, views=views, waiting={VIDEO: 1})).actions

    assert isinstance(post, Post)
    assert "voice and video" in post.waits
    assert post.waiting == ({"product": "voice", "recordings": 0}, {"product": "video", "recordings": 1})
