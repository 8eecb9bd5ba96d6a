"""An uploader gets the plan of its accounts, hears of each change in under a second, and commands until it has them."""

import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from recording_storage.domain.settings import RecordingSettings
from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.accounts import CommandStatus, NewCommand, ReplaceCredential, Uploaders
from recording_storage.protocol.sync import CommandKind, SyncResponse
from recording_storage.store.changes import Changes
from recording_storage.store.context import Store
from recording_storage.store.services.accounts import NewAccount, create_account
from recording_storage.store.services.credentials import delete_credential
from recording_storage.store.services.settings import update_settings
from tests.store_internal.messages import (
    SECRET,
    batch,
    enable,
    new_credential,
    new_spool,
    recording,
    sync_request,
)
from tests.store_internal.servers import Live, body, serving
from tests.waiting import SOON


class Uploader:
    """What an uploader's link does, in the words of the wire."""

    def __init__(self, live: Live, account_sid: str, *, spool_id: str = "") -> None:
        self.spool_id = spool_id or new_spool()
        self.account_sid = account_sid
        self.http = live.client(live.account_token(account_sid))
        self.known = ""

    def post(self, **values: Any) -> httpx.Response:
        request = sync_request(self.account_sid, known=self.known, **values)
        return self.http.post(f"/uploaders/{self.spool_id}/sync", content=body(request))

    def sync(self, **values: Any) -> SyncResponse:
        response = self.post(**values)
        assert response.status_code == 200, response.text
        answer = SyncResponse.from_json(response.content)
        self.known = answer.etag
        return answer


@pytest.fixture
def uploader(live: Live, account: NewAccount) -> Uploader:
    return Uploader(live, account.sid)


LONGEST_POLL = 60.0
"""Seconds that the store takes at most."""


class Waiting:
    """A long-poll under way. `begun` is certain: the hub has somebody who waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, uploader: Uploader, *, seconds: float = LONGEST_POLL) -> None:
        begun = threading.Event()
        wait = Changes.wait

        async def noted(self: Changes, *args: Any, **kwargs: Any) -> bool:
            begun.set()
            return await wait(self, *args, **kwargs)

        monkeypatch.setattr(Changes, "wait", noted)
        self.pool = ThreadPoolExecutor(1)
        self.answer: Future[SyncResponse] = self.pool.submit(uploader.sync, wait_seconds=seconds)
        assert begun.wait(SOON)

    def news(self) -> SyncResponse:
        """The answer, which has to come long before the poll would end by itself."""
        answer = self.answer.result(LONGEST_POLL * 3 / 4)
        self.pool.shutdown()
        return answer


def test_a_new_account_has_a_plan_that_sends_recordings_to_the_stores_own_storage(uploader: Uploader) -> None:
    answer = uploader.sync()
    assert answer.plans is not None
    plan = answer.plans[uploader.account_sid]
    assert plan.destinations == {}
    assert {product: p.destination_id for product, p in plan.products.items()} == dict.fromkeys(Product)


def test_the_plan_has_the_destination_with_its_credential(uploader: Uploader, store: Store) -> None:
    sid = new_credential(store, uploader.account_sid)
    destination = enable(store, uploader.account_sid, credential_sid=sid)
    answer = uploader.sync()
    assert answer.plans is not None
    plan = answer.plans[uploader.account_sid]
    assert plan.products[Product.VOICE].destination_id == destination
    assert plan.products[Product.VIDEO].destination_id is None
    credential = plan.destinations[destination].credential
    assert credential is not None
    assert (credential.sid, credential.access_key_id) == (sid, "AKIAEXAMPLE")
    assert credential.secret_access_key.get_secret_value() == SECRET.get_secret_value()
    assert plan.revision == 1
    assert not plan.destinations[destination].proven


def test_nothing_new_answers_without_plans_and_with_the_same_etag(uploader: Uploader) -> None:
    first = uploader.sync()
    second = uploader.sync()
    assert second.plans is None
    assert second.etag == first.etag
    assert uploader.sync(wait_seconds=0.05).plans is None


def test_changed_settings_arrive_at_once(uploader: Uploader, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    uploader.sync()
    waiting = Waiting(monkeypatch, uploader)
    update_settings(
        store,
        account_sid=uploader.account_sid,
        product=Product.VIDEO,
        parameters={"FriendlyName": "x", "RetryWindow": "1h", "DenialGrace": "0"},
    )
    news = waiting.news()
    assert news.plans is not None
    assert news.plans[uploader.account_sid].products[Product.VIDEO].retry_window == 3600.0
    assert news.plans[uploader.account_sid].products[Product.VIDEO].denial_grace == 0


def test_a_replaced_credential_arrives_at_once(
    live: Live, uploader: Uploader, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (new_credential(store, uploader.account_sid) for _ in range(2))
    destination = enable(store, uploader.account_sid, credential_sid=old)
    uploader.sync()
    waiting = Waiting(monkeypatch, uploader)
    with live.client() as operator:
        path = f"/accounts/{uploader.account_sid}/credentials/{old}:replace"
        assert operator.post(path, content=body(ReplaceCredential(by=new))).status_code == 204
        news = waiting.news()
        assert operator.post(path, content=body(ReplaceCredential(by=new))).status_code == 204
    assert news.plans is not None
    credential = news.plans[uploader.account_sid].destinations[destination].credential
    assert credential is not None
    assert credential.sid == new
    with store.database.read() as session:
        from recording_storage.store.database.models import Settings  # noqa: PLC0415 - only here

        row = session.get(Settings, (uploader.account_sid, Product.VOICE))
        assert row is not None
        assert RecordingSettings.from_values(row.values).aws_credentials_sid == new


def test_a_command_arrives_at_once_and_until_acknowledged(
    live: Live, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploader.sync()
    waiting = Waiting(monkeypatch, uploader)
    with live.client() as operator:
        commands = f"/accounts/{uploader.account_sid}/commands"
        made = operator.post(commands, content=body(NewCommand(kind=CommandKind.RETRY_ALL)))
        assert made.status_code == 201
        status = CommandStatus.from_json(made.content)
        assert status.pending_spools == [uploader.spool_id]
        assert [command.id for command in waiting.news().commands] == [status.id]

        assert [command.id for command in uploader.sync(wait_seconds=30).commands] == [status.id]
        assert uploader.sync(acknowledged=[status.id]).commands == []
        assert uploader.sync(acknowledged=[status.id]).commands == []
        status = CommandStatus.from_json(operator.get(f"{commands}/{status.id}").content)
        assert (status.pending_spools, status.acknowledged_spools) == ([], [uploader.spool_id])


def test_a_command_goes_to_its_spool_alone(live: Live, account: NewAccount) -> None:
    one, other = (Uploader(live, account.sid) for _ in range(2))
    one.sync(), other.sync()
    sid = recording(account.sid).sid
    other.http.post("/recordings:batch", content=batch(other.spool_id, recording(account.sid, sid=sid)))
    with live.client() as operator:
        path = f"/accounts/{account.sid}/commands"
        by_spool = NewCommand(kind=CommandKind.RETRY_ALL, spool_id=one.spool_id)
        by_recording = NewCommand(kind=CommandKind.RETRY_ONE, recording_sid=sid)
        first = CommandStatus.from_json(operator.post(path, content=body(by_spool)).content)
        second = CommandStatus.from_json(operator.post(path, content=body(by_recording)).content)
        unknown = NewCommand(kind=CommandKind.RETRY_ALL, spool_id=new_spool())
        assert operator.post(path, content=body(unknown)).status_code == 404
        for wrong in (NewCommand(kind=CommandKind.RETRY_ONE), by_spool.replace(recording_sid=sid)):
            assert operator.post(path, content=body(wrong)).status_code == 422
        assert operator.get(f"{path}/nothing").status_code == 404
    assert [command.id for command in one.sync().commands] == [first.id]
    assert [command.recording_sid for command in other.sync().commands] == [sid]
    # Another spool's acknowledgement counts for nothing.
    one.sync(acknowledged=[second.id])
    assert [command.id for command in other.sync().commands] == [second.id]


def test_a_command_without_any_spool_is_refused(live: Live, account: NewAccount) -> None:
    with live.client() as operator:
        made = operator.post(f"/accounts/{account.sid}/commands", content=body(NewCommand(kind=CommandKind.RETRY_ALL)))
    assert (made.status_code, made.json()["code"]) == (409, "no_uploader")


def test_destinations_that_are_still_needed_stay_in_the_plan(uploader: Uploader, store: Store) -> None:
    sid = new_credential(store, uploader.account_sid)
    pinned, named, forgotten, present = (
        enable(store, uploader.account_sid, credential_sid=sid, bucket=bucket) for bucket in ("a1", "b2", "c3", "d4")
    )
    waiting = recording(uploader.account_sid, destination_id=pinned, state=RecordingState.WAITING)
    gone = recording(
        uploader.account_sid, destination_id=forgotten, state=RecordingState.RELEASED, media_url="https://c3/x"
    )
    uploader.http.post("/recordings:batch", content=batch(uploader.spool_id, waiting, gone))
    answer = uploader.sync(report={"needed_destinations": {uploader.account_sid: [named, "f" * 32]}})
    assert answer.plans is not None
    assert set(answer.plans[uploader.account_sid].destinations) == {pinned, named, present}


def test_a_deleted_credential_leaves_a_destination_without_one(uploader: Uploader, store: Store) -> None:
    first, second = (new_credential(store, uploader.account_sid) for _ in range(2))
    old = enable(store, uploader.account_sid, credential_sid=first, bucket="old")
    enable(store, uploader.account_sid, credential_sid=second, bucket="new")
    delete_credential(store, account_sid=uploader.account_sid, sid=first)
    answer = uploader.sync(report={"needed_destinations": {uploader.account_sid: [old]}})
    assert answer.plans is not None
    assert answer.plans[uploader.account_sid].destinations[old].credential is None


def test_another_account_gives_nothing_of_it(live: Live, uploader: Uploader, store: Store) -> None:
    stranger = create_account(store, friendly_name="other").sid
    enable(store, stranger, credential_sid=new_credential(store, stranger))
    response = uploader.http.post(
        f"/uploaders/{uploader.spool_id}/sync", content=body(sync_request(uploader.account_sid, stranger))
    )
    answer = SyncResponse.from_json(response.content)
    assert answer.plans is not None
    assert list(answer.plans) == [uploader.account_sid]
    assert stranger not in response.text
    with live.client() as operator:
        listed = operator.get(f"/accounts/{stranger}/uploaders")
        assert Uploaders.from_json(listed.content).uploaders == []


def test_the_operator_sees_the_spools_report_without_other_accounts(live: Live, uploader: Uploader) -> None:
    uploader.sync(
        report={
            "claim": "recordings",
            "applied_revisions": {uploader.account_sid: 4, "AC" + "0" * 32: 9},
            "states": {RecordingState.PARKED: {"count": 2, "size": 300}},
        }
    )
    with live.client() as operator:
        answer = operator.get(f"/accounts/{uploader.account_sid}/uploaders")
    (found,) = Uploaders.from_json(answer.content).uploaders
    assert (found.spool_id, found.live, found.report.claim) == (uploader.spool_id, True, "recordings")
    assert found.report.applied_revisions == {uploader.account_sid: 4}
    assert found.report.states[RecordingState.PARKED].count == 2


@pytest.mark.parametrize(("protocol", "status"), [("1.0", 200), ("1.2", 200), ("1.7", 200), ("2.0", 400), ("x", 400)])
def test_minor_versions_are_served_and_other_major_ones_refused(live_sqlite: Live, protocol: str, status: int) -> None:
    account = create_account(live_sqlite.store, friendly_name="a")
    uploader = Uploader(live_sqlite, account.sid)
    newer = sync_request(account.sid, protocol=protocol).to_values() | {"invented_later": {"a": 1}}
    newer["report"]["also_later"] = 1
    answer = uploader.http.post(f"/uploaders/{uploader.spool_id}/sync", json=newer)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["code"] == "protocol_unsupported"
    header = live_sqlite.client(**{"Recording-Storage-Protocol": protocol}).get(f"/accounts/{account.sid}")
    assert header.status_code == status


def test_the_end_of_the_server_answers_whoever_waits(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    account = create_account(sqlite_store, friendly_name="a")
    with serving(sqlite_store) as live:
        uploader = Uploader(live, account.sid)
        uploader.sync()
        waiting = Waiting(monkeypatch, uploader)
    assert waiting.news().plans is None  # the server's own end included


def test_who_hangs_up_is_not_waited_for(live_sqlite: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    account = create_account(live_sqlite.store, friendly_name="a")
    uploader = Uploader(live_sqlite, account.sid)
    uploader.sync()
    begun, ended = threading.Event(), threading.Event()
    wait = Changes.wait

    async def noted(self: Changes, *args: Any, **kwargs: Any) -> bool:
        begun.set()
        try:
            return await wait(self, *args, **kwargs)
        finally:
            ended.set()

    monkeypatch.setattr(Changes, "wait", noted)
    sent = body(sync_request(account.sid, known=uploader.known, wait_seconds=LONGEST_POLL))
    head = (
        f"POST /internal/v1/uploaders/{uploader.spool_id}/sync HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sent)}\r\n"
        f"Authorization: {uploader.http.headers['Authorization']}\r\n\r\n"
    )
    url = urlsplit(live_sqlite.listening.internal)
    with socket.create_connection((url.hostname or "", url.port or 0)) as connection:
        connection.sendall(head.encode() + sent)
        assert begun.wait(SOON)
    assert ended.wait(LONGEST_POLL * 3 / 4)


def test_an_admin_token_has_to_name_accounts(live_sqlite: Live) -> None:
    with live_sqlite.client() as admin:
        answer = admin.post(f"/uploaders/{new_spool()}/sync", content=body(sync_request()))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
