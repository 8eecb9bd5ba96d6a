"""What the link relies on, proved on the real store and on the tests' own alike."""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.states import RecordingState
from recording_storage.protocol.recordings import RecordingReport
from recording_storage.protocol.sync import Command, CommandKind, SyncRequest, SyncResponse
from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreAddress, StoreHttp, StoreRefusedError, store_address
from recording_storage.uploader.store_link.media_upload import MediaSource, MediaUpload
from tests.uploader.store_link.conftest import ACCOUNT, SPOOL_ID, account_plan, recording, spool_report
from tests.uploader.store_link.fake_store import FakeStore, command_id
from tests.uploader.store_link.real_store import RealStore

pytestmark = pytest.mark.slow

OTHER_SPOOL = "99999999-2222-3333-4444-555555555555"


class Case(Protocol):
    account: str
    address: StoreAddress

    def change_plan(self) -> None: ...

    def send_retry_all(self) -> str: ...


class FakeCase:
    def __init__(self, folder: Path) -> None:
        self.store = FakeStore()
        self.account = ACCOUNT
        (folder / "token").write_text(self.store.token)
        self.address = store_address(self.store.url, token_file=folder / "token")
        self._revision = 1
        self.store.set_plan(account_plan())

    def change_plan(self) -> None:
        self._revision += 1
        self.store.set_plan(account_plan(revision=self._revision))

    def send_retry_all(self) -> str:
        command = Command(id=command_id(), kind=CommandKind.RETRY_ALL, account_sid=self.account)
        self.store.send_command(command)
        return command.id

    def close(self) -> None:
        self.store.close()


class RealCase:
    def __init__(self, folder: Path) -> None:
        self.store = RealStore(folder)
        self.account = self.store.account
        (folder / "token").write_text(self.store.token)
        self.address = store_address(self.store.internal, token_file=folder / "token")
        self._changes = 0

    def change_plan(self) -> None:
        self._changes += 1
        self.store.post("/v1/RecordingSettings/Default", FriendlyName=f"change {self._changes}")

    def send_retry_all(self) -> str:
        answer = self.store.operator("POST", f"/accounts/{self.account}/commands", {"kind": "retry_all"})
        return str(answer["id"])

    def close(self) -> None:
        self.store.stop()


@pytest.fixture(scope="module", params=[FakeCase, RealCase], ids=["fake", "real"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    case = request.param(tmp_path_factory.mktemp("store"))
    yield case
    case.close()


@pytest.fixture
def api(case: Case) -> Iterator[StoreApi]:
    api = StoreApi(case.address, spool_id=SPOOL_ID)
    yield api
    api.close()


def ask(api: StoreApi, *, known: str = "", wait: float = 0.0, acknowledged: tuple[str, ...] = ()) -> SyncResponse:
    request = SyncRequest(report=spool_report(), known=known, wait_seconds=wait, acknowledged=list(acknowledged))
    return api.sync(request)


def own(case: Case, item: RecordingReport) -> RecordingReport:
    return item.replace(account_sid=case.account)


def fresh_sid() -> str:
    return f"RE{os.urandom(16).hex()}"


def test_the_first_exchange_brings_the_plan(case: Case, api: StoreApi):
    answer = ask(api)
    assert answer.plans is not None
    assert case.account in answer.plans


def test_nothing_new_waits_and_says_so(api: StoreApi):
    known = ask(api).etag
    answer = ask(api, known=known, wait=0.1)
    assert answer.plans is None
    assert answer.etag == known


def test_a_change_ends_the_waiting(case: Case, api: StoreApi):
    known = ask(api).etag
    timer = threading.Timer(0.5, case.change_plan)
    timer.start()
    answer = ask(api, known=known, wait=20)
    timer.join()
    assert answer.plans is not None


def test_a_command_comes_until_it_is_acknowledged(case: Case, api: StoreApi):
    known = ask(api).etag  # a spool that has reported can be sent commands
    command = case.send_retry_all()
    assert [c.id for c in ask(api, known=known, wait=5).commands] == [command]
    assert [c.id for c in ask(api, known=known).commands] == [command]
    assert ask(api, known=known, acknowledged=(command,)).commands == []
    assert ask(api, known=known).commands == []


def test_a_recording_is_taken_once_and_an_older_state_changes_nothing(case: Case, api: StoreApi):
    sid = fresh_sid()
    newer = own(case, recording(sid, seq=5, state=RecordingState.UPLOADING))
    assert [(r.status, r.seq) for r in api.batch([newer])] == [(200, 5)]
    assert [(r.status, r.seq) for r in api.batch([own(case, recording(sid, seq=2))])] == [(200, 5)]


def test_each_item_has_its_own_status_in_their_order(case: Case, api: StoreApi):
    stranger = recording(fresh_sid()).replace(account_sid="AC" + "f" * 32)
    if isinstance(case, FakeCase):
        case.store.verdicts[stranger.sid] = 403
    results = api.batch([own(case, recording(fresh_sid())), stranger, own(case, recording(fresh_sid()))])
    assert [r.status for r in results] == [200, 403, 200]


def test_a_sid_of_another_spool_is_a_conflict(case: Case, api: StoreApi):
    sid = fresh_sid()
    api.batch([own(case, recording(sid))])
    other = StoreApi(case.address, spool_id=OTHER_SPOOL)
    if isinstance(case, FakeCase):
        case.store.verdicts[sid] = 409
    assert [r.status for r in other.batch([own(case, recording(sid))])] == [409]
    other.close()


def test_media_is_kept_over_a_break_and_proved_by_its_checksum(case: Case, api: StoreApi, source: MediaSource):
    sid = fresh_sid()
    upload = MediaUpload(
        case.address,
        account_sid=case.account,
        sid=sid,
        register=lambda: api.batch([own(case, recording(sid, size=source.size))]) and None,
    )
    api.batch([own(case, recording(sid, size=source.size))])
    half = os.pread(source.fd, 1_000_000, 0)
    http = StoreHttp(case.address)
    path = f"/internal/v1/accounts/{case.account}/recordings/{sid}/media"
    http.call("PATCH", path, body=half, headers={"Upload-Offset": "0"})
    http.close()
    offsets: list[int] = []
    upload._progressed = offsets.append
    done = upload.run(source)
    assert offsets == [source.size]
    assert done.sha256 == hashlib.sha256(os.pread(source.fd, source.size, 0)).hexdigest()
    stored = own(case, recording(sid, seq=2, state=RecordingState.STORED, size=source.size)).replace(
        media_url=done.media_url, sha256=done.sha256
    )
    assert [r.status for r in api.batch([stored])] == [200]


def test_media_that_nobody_registered_is_registered_first(case: Case, api: StoreApi, source: MediaSource):
    sid = fresh_sid()

    def register() -> None:
        api.batch([own(case, recording(sid, size=source.size))])

    done = MediaUpload(case.address, account_sid=case.account, sid=sid, register=register).run(source)
    assert done.size == source.size


def test_other_bytes_are_thrown_away_and_sent_anew(case: Case, api: StoreApi, source: MediaSource):
    sid = fresh_sid()
    api.batch([own(case, recording(sid, size=source.size))])
    http = StoreHttp(case.address)
    path = f"/internal/v1/accounts/{case.account}/recordings/{sid}/media"
    http.call("PATCH", path, body=b"x" * 1000, headers={"Upload-Offset": "0"})
    http.close()
    upload = lambda: MediaUpload(case.address, account_sid=case.account, sid=sid, register=lambda: None)  # noqa: E731
    with pytest.raises(S3Failure) as caught:
        upload().run(source)
    assert caught.value.kind is FailureClass.DIGEST
    assert upload().run(source).size == source.size


def test_a_wrong_token_is_refused(case: Case, tmp_path: Path):
    (tmp_path / "wrong").write_text("a-wrong-token")
    address = store_address(case.address.url, token_file=tmp_path / "wrong")
    api = StoreApi(address, spool_id=SPOOL_ID)
    with pytest.raises(StoreRefusedError) as caught:
        ask(api)
    assert caught.value.status == 401
    api.close()
