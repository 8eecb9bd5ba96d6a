"""What was written to a store that shows its own work late counts until it shows it."""

from typing import Any

from recording_storage.controller.stores.answers import StoredItem
from recording_storage.controller.stores.public import AWS_PATH
from recording_storage.controller.stores.recent_writes import SHOWN_WITHIN, RecentWrites
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.domain.states import Product
from tests.controller.late_store import AC
from tests.controller.lives import Clock


def posted(**values: Any) -> StoreSettings:
    return StoreSettings(friendly_name="x", **values)


def test_settings_that_were_posted_count_until_the_store_shows_them() -> None:
    clock = Clock()
    recent = RecentWrites(clock)
    old, new, newer, foreign = (posted(aws_s3_url=name) for name in ("old", "new", "newer", "foreign"))
    assert recent.settings(AC, Product.VIDEO, old) == old
    recent.posted(AC, Product.VIDEO, new)
    assert recent.settings(AC, Product.VIDEO, old) == new
    recent.posted(AC, Product.VIDEO, newer)
    assert [recent.settings(AC, Product.VIDEO, each) for each in (old, new, newer)] == [newer] * 3
    assert recent.settings(AC, Product.VIDEO, foreign) == foreign, "somebody else has set these"
    assert recent.settings(AC, Product.VOICE, old) == old
    clock.time += SHOWN_WITHIN
    assert recent.settings(AC, Product.VIDEO, old) == old, "a store that late has gone back"


def test_what_the_bundled_store_shows_is_believed_at_once() -> None:
    clock = Clock()
    recent = RecentWrites(clock, shown_within=0.0)
    recent.created(AC, AWS_PATH, StoredItem("CR1", "x"))
    recent.posted(AC, Product.VIDEO, posted())
    clock.time += 0.001
    assert recent.items(AC, AWS_PATH, ()) == ()
    assert recent.settings(AC, Product.VIDEO, posted(aws_s3_url="x")) == posted(aws_s3_url="x")
