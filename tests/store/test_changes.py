"""Long-polls are woken when, and only when, something they wait for was committed."""

import asyncio
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from recording_storage.store.changes import Changes
from recording_storage.store.config import load_config
from recording_storage.store.context import Store, open_database, open_store
from recording_storage.store.database.engine import mark_changed
from recording_storage.store.services.accounts import NewAccount, bump_revision, create_account
from tests.waiting import SOON


async def test_an_announcement_wakes_at_once():
    changes = Changes()
    known = changes.known(["AC1", "AC2"])
    waiting = asyncio.create_task(changes.wait(known, timeout=SOON))
    await asyncio.sleep(0)
    threading.Thread(target=changes.announce, args=("AC2",)).start()
    assert await waiting


async def test_what_came_between_reading_and_waiting_is_not_missed():
    changes = Changes()
    known = changes.known(["AC1"])
    changes.announce("AC1")
    assert await changes.wait(known, timeout=SOON)


async def test_others_changes_don_t_wake():
    changes = Changes()
    known = changes.known(["AC1"])
    changes.announce("AC2")
    assert not await changes.wait(known, timeout=0.05)
    assert not await changes.wait(known, timeout=0)


async def test_nobody_is_remembered_after_waiting():
    changes = Changes()
    for _ in range(3):
        await changes.wait(changes.known(["AC1"]), timeout=0.01)
    waiting = asyncio.create_task(changes.wait(changes.known(["AC1"]), timeout=SOON))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not changes._waiting


async def test_a_commit_is_announced_and_a_rollback_is_not(store: Store, account: NewAccount):
    known = await asyncio.to_thread(store.changes.known, [account.sid])
    waiting = asyncio.create_task(store.changes.wait(known, timeout=SOON))

    def fail() -> None:
        with store.database.write() as session:
            bump_revision(session, account.sid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(fail)
    assert not await store.changes.wait(known, timeout=0)
    assert not waiting.done()

    def succeed() -> None:
        with store.database.write() as session:
            bump_revision(session, account.sid)

    await asyncio.to_thread(succeed)
    assert await waiting


@pytest.mark.slow
async def test_another_replica_s_change_arrives(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = load_config(
        database=postgres_url, master_key_file=tmp_path / "k", create_master_key=True, media=tmp_path / "media"
    )
    one = open_store(config)
    two = open_database(postgres_url)
    account = create_account(one, friendly_name="acme")
    try:
        known = await asyncio.to_thread(one.changes.known, [account.sid, "namespace-uid"])
        probe, looks = one.changes._probe, threading.Semaphore(0)
        assert probe is not None

        def counted(topics: Collection[str]) -> Mapping[str, str]:
            looks.release()
            return probe(topics)

        monkeypatch.setattr(one.changes, "_probe", counted)
        waiting = asyncio.create_task(one.changes.wait(known, timeout=SOON))
        for _ in range(3):  # when the third begins, the second has found nothing
            assert await asyncio.to_thread(looks.acquire, timeout=SOON)
        assert not waiting.done(), "nothing has changed yet"
        with two.database.write() as session:
            bump_revision(session, account.sid)
            mark_changed(session, "namespace-uid")
        assert await waiting
    finally:
        one.close()
        two.database.close()
