"""What was written to a store that shows its own work late counts until it shows it."""

from typing import Any

import httpx

from recording_storage.controller.stores.answers import StoredItem
from recording_storage.controller.stores.public import AWS_PATH, ApiKey, Endpoints, PublicStore
from recording_storage.controller.stores.recent_writes import SHOWN_WITHIN, Account, RecentWrites
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.domain.states import Product
from tests.controller.late_store import AC, URL, LateStore
from tests.controller.lives import Clock

HERE, ELSEWHERE = Account((URL,), AC), Account(("https://elsewhere.example.com",), AC)


def posted(**values: Any) -> StoreSettings:
    return StoreSettings(friendly_name="x", **values)


def test_settings_that_were_posted_count_until_the_store_shows_them() -> None:
    clock = Clock()
    recent = RecentWrites(clock)
    old, new, newer, foreign = (posted(aws_s3_url=name) for name in ("old", "new", "newer", "foreign"))
    assert recent.settings(HERE, Product.VIDEO, old) == old
    recent.posted(HERE, Product.VIDEO, new)
    assert recent.settings(HERE, Product.VIDEO, old) == new
    recent.posted(HERE, Product.VIDEO, newer)
    assert [recent.settings(HERE, Product.VIDEO, each) for each in (old, new, newer)] == [newer] * 3
    assert recent.settings(HERE, Product.VIDEO, foreign) == foreign, "somebody else has set these"
    assert recent.settings(HERE, Product.VOICE, old) == old
    clock.time += SHOWN_WITHIN
    assert recent.settings(HERE, Product.VIDEO, old) == old, "a store that late has gone back"


def test_what_the_bundled_store_shows_is_believed_at_once() -> None:
    clock = Clock()
    recent = RecentWrites(clock, shown_within=0.0)
    recent.created(HERE, AWS_PATH, StoredItem("CR1", "x"))
    recent.posted(HERE, Product.VIDEO, posted())
    clock.time += 0.001
    assert recent.items(HERE, AWS_PATH, ()) == ()
    assert recent.settings(HERE, Product.VIDEO, posted(aws_s3_url="x")) == posted(aws_s3_url="x")


def test_what_one_store_has_answered_says_nothing_of_another() -> None:
    clock = Clock()
    recent = RecentWrites(clock)
    item, old, new = StoredItem(f"CR{1:032x}", "main-0123456789abcdef"), posted(aws_s3_url="old"), posted()
    recent.settings(ELSEWHERE, Product.VIDEO, old)
    recent.posted(ELSEWHERE, Product.VIDEO, new)
    recent.created(ELSEWHERE, AWS_PATH, StoredItem("CR2", "x"))
    recent.deleted(ELSEWHERE, AWS_PATH, item.sid)
    recent.lost(ELSEWHERE, AWS_PATH, item.friendly_name)
    assert recent.items(HERE, AWS_PATH, [item]) == (item,)
    assert recent.items(ELSEWHERE, AWS_PATH, [item]) != (item,)
    assert recent.settings(HERE, Product.VIDEO, old) == old
    assert recent.wait(HERE, AWS_PATH, item.friendly_name) == 0
    assert recent.wait(ELSEWHERE, AWS_PATH, item.friendly_name) > 0


async def test_a_store_of_somebody_elses_hides_nothing_that_is_at_ours() -> None:
    recent = RecentWrites(clock := Clock())

    def at(url: str, store: LateStore) -> PublicStore:
        client = httpx.AsyncClient(transport=store.transport)
        endpoints = Endpoints(video=url, accounts=url, api=url)
        return PublicStore(client, endpoints=endpoints, key=ApiKey("SK1", "secret"), account=AC, recent=recent)

    ours, theirs = (at(url, LateStore(clock, 0.0)) for url in (URL, "https://elsewhere.example.com"))
    sid = await ours.create_aws_credential(friendly_name="main", access_key_id="a", secret_access_key="secret")
    clock.time += SHOWN_WITHIN
    same = await theirs.create_aws_credential(friendly_name="other", access_key_id="a", secret_access_key="secret")
    assert same == sid, "a store may answer whatever it likes"
    assert [each.friendly_name for each in await ours.aws_credentials()] == ["main"]
    await theirs.delete(AWS_PATH, sid)
    assert [each.friendly_name for each in await ours.aws_credentials()] == ["main"]
