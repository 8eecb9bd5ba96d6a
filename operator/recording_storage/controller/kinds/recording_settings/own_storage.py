"""The store's own media storage: what a RecordingSettings says of it, and what waits because nobody says anything.

An account that the operator opened keeps nothing there until `awsStorage.enabled: false` has been applied to a product.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from recording_storage.controller.core.decision import Note
from recording_storage.controller.kinds.recording_settings.observed import Observed, SetOwnStorage, View
from recording_storage.domain.amounts import counted
from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.states import Product
from recording_storage.resources import RecordingSettings


def allow(settings: RecordingSettings, observed: Observed) -> list[SetOwnStorage]:
    """What is to be allowed, since the spec sends its products there."""
    if settings.spec.aws_storage.enabled:
        return []
    return [
        SetOwnStorage(product, OwnStorage.ALLOWED)
        for product in settings.spec.products
        if observed.views[product].own_storage is OwnStorage.WITHHELD
    ]


def withhold(views: Iterable[tuple[Product, View]]) -> list[SetOwnStorage]:
    """What is to wait again, before external storage is switched off."""
    return [
        SetOwnStorage(product, OwnStorage.WITHHELD) for product, view in views if view.own_storage is OwnStorage.ALLOWED
    ]


def note(action: SetOwnStorage) -> Note:
    if action.own_storage is OwnStorage.ALLOWED:
        message = f"{action.product} recordings are kept in the store's own media storage from now on"
        return Note(reason="OwnStorageAllowed", message=message)
    message = f"{action.product} recordings wait on their spools until settings are applied to them"
    return Note(reason="OwnStorageWithheld", message=message)


def waiting(observed: Observed) -> list[Mapping[str, Any]] | None:
    """For the status: products whose recordings wait, and how many do at live uploaders; None where there are none."""
    return [
        {"product": product.value, "recordings": observed.waiting.get(product, 0)} for product in _without(observed)
    ] or None


def sentence(observed: Observed) -> str:
    """For a condition; empty where nothing waits."""
    products = _without(observed)
    if not products:
        return ""
    count = counted(sum(observed.waiting.get(product, 0) for product in products), "recording")
    names = " and ".join(product.value for product in products)
    return f"no settings are in force for {names}, whose recordings wait on their spools until then ({count} now)"


def _without(observed: Observed) -> list[Product]:
    return [product for product, view in observed.views.items() if view.waits]
