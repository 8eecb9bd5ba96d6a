"""A pod with a good token, of a namespace that is bound to one account: what can it do to others, and to the store?"""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from recording_storage.protocol.accounts import CommandStatus, NewCommand
from recording_storage.protocol.recordings import BatchResponse
from recording_storage.protocol.sync import CommandKind, SyncResponse
from recording_storage.store import server
from recording_storage.store.changes import Changes
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import Binding, Recording, Spool
from recording_storage.store.internal import exchange, media_api, wire
from recording_storage.store.internal.kube_identity import ServiceAccount, TokenRefusedError
from recording_storage.store.services.accounts import bump_revision, create_account, create_api_key
from tests.store_internal.messages import batch, enable, new_credential, new_spool, recording, sync_request
from tests.store_internal.servers import Live, body, serving
from tests.store_internal.test_media import CONTENT, DONE, SHA256
from tests.waiting import SOON, eventually


class Namespaces:
    """A cluster in which each token is named after its pod's namespace."""

    async def review(self, token: str) -> ServiceAccount:
        if token not in {"victim", "thief"}:
            raise TokenRefusedError("unknown")
        return ServiceAccount(namespace=token, namespace_uid=f"uid-{token}", name="media", pod="recorder")

    async def close(self) -> None:
        return


@dataclass
class Tenant:
    """A namespace with its account and a spool."""

    live: Live
    name: str
    account_sid: str
    spool_id: str = field(default_factory=new_spool)

    def __post_init__(self) -> None:
        self.http = self.live.client(self.name)

    def ask(self, *accounts: str, spool_id: str = "", **values: Any) -> httpx.Response:
        path = f"/uploaders/{spool_id or self.spool_id}/sync"
        return self.http.post(path, content=body(sync_request(*accounts, **values)))

    def sync(self, *accounts: str, **values: Any) -> SyncResponse:
        answer = self.ask(*accounts, **values)
        assert answer.status_code == 200, answer.text
        return SyncResponse.from_json(answer.content)

    def report(self, *reports: Any, spool_id: str = "") -> list[int]:
        answer = self.http.post("/recordings:batch", content=batch(spool_id or self.spool_id, *reports))
        assert answer.status_code == 200, answer.text
        return [result.status for result in BatchResponse.from_json(answer.content).results]


@pytest.fixture
def live(store: Store) -> Iterator[Live]:
    with serving(store, reviewer=Namespaces()) as found:
        yield found


@contextmanager
def _connected(live: Live) -> Iterator[socket.socket]:
    url = urlsplit(live.listening.internal)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=SOON) as connection:
        yield connection


def tenant(live: Live, name: str) -> Tenant:
    account = create_account(live.store, friendly_name=name)
    with live.store.database.write() as session:
        session.add(Binding(account_sid=account.sid, namespace_uid=f"uid-{name}", namespace=name, created_at=now()))
    enable(live.store, account.sid, credential_sid=new_credential(live.store, account.sid))
    return Tenant(live, name, account.sid)


@pytest.fixture
def victim(live: Live) -> Tenant:
    return tenant(live, "victim")


@pytest.fixture
def thief(live: Live) -> Tenant:
    return tenant(live, "thief")


def test_anothers_spool_and_commands_stay_its_own(live: Live, victim: Tenant, thief: Tenant) -> None:
    victim.sync(report={"claim": "recordings"})
    with live.client() as operator:
        path = f"/accounts/{victim.account_sid}/commands"
        made = operator.post(path, content=body(NewCommand(kind=CommandKind.RETRY_ALL)))
        command = CommandStatus.from_json(made.content)
        both = (victim.account_sid, thief.account_sid)
        taken = thief.ask(*both, spool_id=victim.spool_id, acknowledged=[command.id], report={"claim": "x"})
        assert (taken.status_code, taken.json()["code"]) == (409, "conflict"), "not even its own plan"
        assert thief.http.post(path, content=body(NewCommand(kind=CommandKind.RETRY_ALL))).status_code == 403
        status = CommandStatus.from_json(operator.get(f"{path}/{command.id}").content)
    assert status.pending_spools == [victim.spool_id]
    with live.store.database.read() as session:
        row = session.get(Spool, (victim.spool_id, victim.account_sid))
        assert row is not None
        assert (row.namespace, row.report["claim"]) == ("victim", "recordings")
    assert [each.id for each in victim.sync().commands] == [command.id]


def test_anothers_recordings_stay_its_own(live: Live, victim: Tenant, thief: Tenant) -> None:
    report = recording(victim.account_sid, size=len(CONTENT))
    assert victim.report(report) == [200]
    theirs = report.replace(seq=2**62, file="stolen")
    same_sid = theirs.replace(account_sid=thief.account_sid)
    assert thief.report(theirs, same_sid, spool_id=victim.spool_id) == [403, 200]
    assert thief.report(theirs) == [403]
    with live.store.database.read() as session:
        row = session.get(Recording, (victim.account_sid, report.sid))
        assert row is not None
        assert (row.seq, row.file) == (1, report.file)


def test_anothers_media_stays_its_own(live: Live, victim: Tenant, thief: Tenant) -> None:
    report = recording(victim.account_sid, size=len(CONTENT))
    victim.report(report)
    thief.report(report.replace(account_sid=thief.account_sid))
    theirs, own = (f"/accounts/{each.account_sid}/recordings/{report.sid}/media" for each in (victim, thief))
    for path, status in ((theirs, 403), (own, 204)):
        assert thief.http.patch(path, content=b"x" * len(CONTENT), headers={"Upload-Offset": "0"}).status_code == status
    assert thief.http.head(theirs).status_code == 403
    assert thief.http.post(f"{theirs}:complete", content=body(DONE)).status_code == 403
    assert victim.http.head(theirs).headers["Upload-Offset"] == "0"
    assert victim.http.patch(theirs, content=CONTENT, headers={"Upload-Offset": "0"}).status_code == 204
    assert victim.http.post(f"{theirs}:complete", content=body(DONE)).json()["sha256"] == SHA256


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/{account}/recordings/..%2F..%2Fstore.db/media",
        "/accounts/{account}/recordings/RE..%2f..%2f..%2f..%2f..%2f..%2f..%2f/media",
        "/accounts/../recordings/RE00000000000000000000000000000000/media",
        "/accounts/{account}%00/recordings/RE00000000000000000000000000000000/media",
        "/accounts/{account}/recordings/RE0000000000000000000000000000000%0A/media",
        "/accounts/{account}/recordings/re00000000000000000000000000000000/media",
    ],
)
def test_no_path_leads_out_of_the_media_folder(live: Live, thief: Tenant, path: str) -> None:
    before = sorted(live.store.config.media.parent.rglob("*"))
    answer = thief.http.patch(path.format(account=thief.account_sid), content=b"x", headers={"Upload-Offset": "0"})
    assert answer.status_code in {404, 422}
    assert sorted(live.store.config.media.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["accounts", "acknowledged"])
def test_lists_without_end_are_refused(thief: Tenant, name: str) -> None:
    """More than a database takes in one statement would look like one that is away."""
    values = {"accounts": ["AC" + "0" * 32] * 20_000, "acknowledged": ["x"] * 200_000}[name]
    request = sync_request().to_values() | {name: values}
    answer = thief.http.post(f"/uploaders/{thief.spool_id}/sync", json=request)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_a_report_that_fills_the_database_is_refused(live: Live, thief: Tenant) -> None:
    request = sync_request(report={"last_error": "x" * 2**21})
    answer = thief.http.post(f"/uploaders/{thief.spool_id}/sync", content=body(request))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    with live.store.database.read() as session:
        assert session.get(Spool, (thief.spool_id, thief.account_sid)) is None


def test_spools_without_end_are_refused(
    live: Live, victim: Tenant, thief: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MAX_SPOOLS", 3)
    for _ in range(2):
        thief.sync(spool_id=new_spool())
    thief.sync()
    refused = thief.http.post(f"/uploaders/{new_spool()}/sync", content=body(sync_request()))
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert thief.sync().plans, "those that are known go on"
    assert victim.sync().plans, "and so do others' spools"


def test_ten_thousand_in_a_batch_are_refused(thief: Tenant) -> None:
    one = recording(thief.account_sid).to_values()
    answer = thief.http.post("/recordings:batch", json={"spool_id": thief.spool_id, "recordings": [one] * 10_000})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_no_database_holds_is_refused_alone(thief: Tenant, moment: str) -> None:
    right = recording(thief.account_sid)
    wrong = recording(thief.account_sid).to_values() | {"started_at": moment}
    request = {"spool_id": thief.spool_id, "recordings": [wrong, right.to_values()]}
    answer = thief.http.post("/recordings:batch", json=request)
    assert answer.status_code == 200, answer.text
    assert [each.status for each in BatchResponse.from_json(answer.content).results] == [422, 200]


@pytest.mark.parametrize("content_type", ["audio/x\r\nSet-Cookie: planted=1", "audio/\u00fc\u4e2d", "audio/x\x7f"])
def test_a_content_type_can_not_change_the_answer_of_who_plays_it(live: Live, thief: Tenant, content_type: str) -> None:
    report = recording(thief.account_sid, size=len(CONTENT), content_type=content_type)
    assert thief.report(report) == [200]
    path = f"/accounts/{thief.account_sid}/recordings/{report.sid}/media"
    assert thief.http.patch(path, content=CONTENT, headers={"Upload-Offset": "0"}).status_code == 204
    assert thief.http.post(f"{path}:complete", content=body(DONE)).status_code == 200
    made = create_api_key(live.store, account_sid=thief.account_sid, friendly_name="player")
    url = f"{live.listening.public}/2010-04-01/Accounts/{thief.account_sid}/Recordings/{report.sid}.wav"
    answer = httpx.get(url, auth=(made.key.sid, made.secret), timeout=SOON)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert (answer.headers["content-type"], answer.headers["content-disposition"].split(";")[0]) == (
        "application/octet-stream",
        "attachment",
    )


def head(live: Live, method: str, path: str, token: str, **headers: object) -> bytes:
    lines = [f"{method} /internal/v1{path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_gigabyte_is_refused_before_it_is_sent(live: Live, thief: Tenant) -> None:
    with _connected(live) as connection:
        connection.sendall(head(live, "POST", "/recordings:batch", "thief", Content_Length=2**30))
        answer = _all_of(connection)
    assert b" 413 " in answer.splitlines()[0]
    assert b"connection: close" in answer.lower()


def test_who_sends_no_request_is_not_waited_for(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with _connected(live) as again:
        again.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok\n"):
            answer += again.recv(4096)
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)  # from here on nobody sends what has to come in time
        again.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        with _connected(live) as silent, _connected(live) as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            for connection in (silent, slow, again):
                assert _all_of(connection) == b""


def test_a_long_poll_is_none_of_those(live: Live, victim: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's patience ends while it waits."""
    wait_for_head, wait = server._Protocol._wait_for_head, Changes.wait
    timers: list[Any] = []
    waiting: list[bool] = []
    begun = threading.Event()

    def noted(connection: server._Protocol) -> None:
        wait_for_head(connection)
        assert connection._patience is not None
        timers.append(connection._patience)

    async def looked_at(self: Changes, *args: Any, **kwargs: Any) -> bool:
        waiting.extend(timer.cancelled() for timer in timers)
        begun.set()
        return await wait(self, *args, **kwargs)

    monkeypatch.setattr(server._Protocol, "_wait_for_head", noted)
    monkeypatch.setattr(Changes, "wait", looked_at)
    known = victim.sync().etag
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(victim.sync, known=known, wait_seconds=60)
        assert begun.wait(SOON)
        with live.store.database.write() as session:
            bump_revision(session, victim.account_sid)
        assert answer.result(SOON).plans is not None
    assert waiting
    assert all(waiting)


def test_a_message_that_does_not_end_is_not_waited_for(
    live: Live, thief: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MESSAGE_SECONDS", 0.3)
    with _connected(live) as connection:
        connection.sendall(head(live, "POST", "/recordings:batch", "thief", Content_Length=100) + b"{")
        assert b" 408 " in _all_of(connection).splitlines()[0]


def test_an_upload_that_stands_still_makes_room_for_its_successor(
    live: Live, victim: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node is gone without a word: the recording must not be locked until TCP notices."""
    report = recording(victim.account_sid, size=len(CONTENT))
    victim.report(report)
    path = f"/accounts/{victim.account_sid}/recordings/{report.sid}/media"
    with _connected(live) as connection:
        sent = head(live, "PATCH", path, "victim", Content_Length=len(CONTENT), Upload_Offset=0) + CONTENT[:1000]
        with monkeypatch.context() as impatient:
            impatient.setattr(media_api, "IDLE_SECONDS", 0.5)
            connection.sendall(sent)
            assert b" 408 " in _all_of(connection).splitlines()[0]
        assert victim.http.head(path).headers["Upload-Offset"] == "1000"
        again = victim.http.patch(path, content=CONTENT[1000:], headers={"Upload-Offset": "1000"})
        assert again.status_code == 204
    assert victim.http.post(f"{path}:complete", content=body(DONE)).status_code == 200


def test_who_hangs_up_in_a_message_is_no_defect(live: Live, thief: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="recording_storage.store.access")
    with _connected(live) as connection:
        connection.sendall(head(live, "POST", "/recordings:batch", "thief", Content_Length=100) + b"{")
    eventually(lambda: "/recordings:batch' 400" in caplog.text, what="the request has ended")
    assert "Traceback" not in caplog.text


def _all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_json_as_deep_as_a_well(thief: Tenant) -> None:
    for path in ("/recordings:batch", f"/uploaders/{thief.spool_id}/sync"):
        answer = thief.http.post(path, content=b'{"recordings":' + b"[" * 500_000)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
