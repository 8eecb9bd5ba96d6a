"""The uploader's and the operator's own clients get on with the port."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from recording_storage.controller.stores.errors import StoreRefused, StoreUnauthorized
from recording_storage.controller.stores.internal import InternalStore
from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.accounts import BindNamespace
from recording_storage.store.services.accounts import create_account
from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreAddress, StoreRefusedError, store_address
from recording_storage.uploader.store_link.media_upload import MediaSource, MediaUpload
from tests.store_internal.messages import enable, new_credential, new_spool, recording, sync_request
from tests.store_internal.servers import Live
from tests.waiting import SOON

CONTENT = os.urandom(3_000_000)


@pytest.fixture
def account_sid(live_sqlite: Live) -> str:
    return create_account(live_sqlite.store, friendly_name="a").sid


@pytest.fixture
def address(live_sqlite: Live, account_sid: str, tmp_path: Path) -> StoreAddress:
    token = tmp_path / "token"
    token.write_text(live_sqlite.account_token(account_sid))
    return store_address(live_sqlite.listening.internal, token_file=token)


@pytest.fixture
def media(tmp_path: Path) -> Iterator[MediaSource]:
    file = tmp_path / "call.wav"
    file.write_bytes(CONTENT)
    descriptor = os.open(file, os.O_RDONLY)
    yield MediaSource(descriptor, len(CONTENT))
    os.close(descriptor)


def test_the_uploader_syncs_and_reports(live_sqlite: Live, address: StoreAddress, account_sid: str) -> None:
    store = live_sqlite.store
    destination = enable(store, account_sid, credential_sid=new_credential(store, account_sid))
    api = StoreApi(address, spool_id=new_spool())
    plans = api.sync(sync_request()).plans
    assert plans is not None
    assert plans[account_sid].destinations[destination].credential is not None
    reports = [recording(account_sid), recording(account_sid)]
    assert [result.status for result in api.batch(reports)] == [200, 200]
    other = StoreApi(address, spool_id="no-uuid")
    with pytest.raises(StoreRefusedError) as refused:
        other.batch(reports)
    assert refused.value.status == 422
    api.close()
    other.close()


def test_the_uploader_brings_media(
    live_sqlite: Live, address: StoreAddress, account_sid: str, media: MediaSource
) -> None:
    api = StoreApi(address, spool_id=new_spool())
    report = recording(account_sid, size=len(CONTENT))
    upload = MediaUpload(
        address, account_sid=account_sid, sid=report.sid, register=lambda: check(api.batch([report])[0].status)
    )
    done = upload.run(media)
    assert (done.size, done.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    again = MediaUpload(address, account_sid=account_sid, sid=report.sid, register=lambda: check(0)).run(media)
    assert again == done
    stored = report.replace(seq=2, state=RecordingState.STORED, media_url=done.media_url)
    assert api.batch([stored])[0].status == 200
    api.close()


def check(status: int) -> None:
    assert status == 200


def test_the_operator_manages_accounts(live_sqlite: Live, account_sid: str, tmp_path: Path) -> None:
    token = tmp_path / "admin"
    token.write_text(live_sqlite.admin_token)
    store = live_sqlite.store

    async def run() -> None:
        async with httpx.AsyncClient(timeout=SOON) as http:
            api = InternalStore(http, url=live_sqlite.listening.internal, token_file=token)
            opened = await api.open_account("cluster/ns name/uid", friendly_name="n")
            again = await api.open_account("cluster/ns name/uid", friendly_name="n")
            assert again.account_sid == opened.account_sid
            assert (await api.account(opened.account_sid)).external_id == "cluster/ns name/uid"
            await api.bind(opened.account_sid, "u-1", BindNamespace(namespace="a", external_id="cluster/ns name/uid"))
            assert [b.namespace_uid for b in await api.bindings(opened.account_sid)] == ["u-1"]
            await api.unbind(opened.account_sid, "u-1")
            with pytest.raises(StoreRefused):
                await api.bind(account_sid, "u-1", BindNamespace(namespace="a", external_id="guessed"))
            assert await api.uploaders(account_sid) == ()
            old, new = (new_credential(store, account_sid) for _ in range(2))
            enable(store, account_sid, credential_sid=old)
            await api.replace_credential(account_sid, old, by=new)
            assert (await api.settings_state(account_sid, Product.VOICE)).revision == 1
            await api.claim_settings(account_sid, Product.VOICE, owner="o", label="a/b")
            with pytest.raises(StoreRefused, match="a/b"):
                await api.claim_settings(account_sid, Product.VOICE, owner="p", label="")
            await api.release_settings(account_sid, Product.VOICE, owner="o")
            await api.close_account(opened.account_sid)
            token.write_text(live_sqlite.account_token(account_sid))
            with pytest.raises(StoreUnauthorized):
                await api.account(account_sid)

    asyncio.run(run())
