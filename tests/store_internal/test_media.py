"""Media arrives in pieces, goes on where it broke off, and counts only when all of it is right."""

import hashlib
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from recording_storage.domain.sids import SidPrefix, new_sid
from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.recordings import BatchResponse, MediaComplete, MediaCompleted, RecordingReport
from recording_storage.store.database.models import Recording
from recording_storage.store.internal.media_api import PIECE
from recording_storage.store.media import (
    ChecksumError,
    MediaFolder,
    MediaKey,
    MediaTooLargeError,
    OffsetError,
    StorageFullError,
)
from recording_storage.store.services.accounts import NewAccount, create_account
from recording_storage.store.services.recordings import delete_recording, find_media, get_recording
from tests.store_internal.messages import batch, enable, new_spool, recording
from tests.store_internal.servers import Live, body
from tests.waiting import eventually

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
DONE = MediaComplete(size=len(CONTENT), sha256=SHA256)


class Upload:
    """A registered recording and its uploader."""

    def __init__(self, live: Live, account_sid: str, *, size: int = len(CONTENT)) -> None:
        self.live = live
        self.account_sid = account_sid
        self.spool_id = new_spool()
        self.http = live.client(live.account_token(account_sid))
        self.report = recording(account_sid, size=size)
        self.path = f"/accounts/{account_sid}/recordings/{self.report.sid}/media"
        assert self.send(self.report) == 200

    def send(self, report: RecordingReport) -> int:
        answer = self.http.post("/recordings:batch", content=batch(self.spool_id, report))
        return BatchResponse.from_json(answer.content).results[0].status

    def patch(self, data: bytes, *, offset: int) -> httpx.Response:
        return self.http.patch(self.path, content=data, headers={"Upload-Offset": str(offset)})

    def complete(self, wanted: MediaComplete = DONE) -> httpx.Response:
        return self.http.post(f"{self.path}:complete", content=body(wanted))

    def head(self) -> tuple[str, str]:
        answer = self.http.head(self.path)
        assert answer.status_code == 200
        return answer.headers["Upload-Offset"], answer.headers["Upload-Complete"]

    @property
    def row(self) -> Recording:
        with self.live.store.database.read() as session:
            row = session.get(Recording, (self.account_sid, self.report.sid))
        assert row is not None
        return row

    @property
    def folder(self) -> Path:
        return self.live.store.config.media


@pytest.fixture
def upload(live: Live, account: NewAccount) -> Upload:
    return Upload(live, account.sid)


def test_pieces_become_the_recording_and_can_be_played(upload: Upload) -> None:
    assert upload.head() == ("0", "?0")
    assert upload.patch(CONTENT[:100_000], offset=0).headers["Upload-Offset"] == "100000"
    assert upload.head() == ("100000", "?0")
    assert upload.patch(CONTENT[100_000:], offset=100_000).status_code == 204
    answer = upload.complete()
    assert answer.status_code == 200
    completed = MediaCompleted.from_json(answer.content)
    assert (completed.size, completed.sha256) == (len(CONTENT), SHA256)
    assert completed.media_url == f"/2010-04-01/Accounts/{upload.account_sid}/Recordings/{upload.report.sid}"
    assert upload.head() == (str(len(CONTENT)), "?1")
    assert upload.complete().content == answer.content
    refused = upload.patch(b"more", offset=len(CONTENT))
    assert (refused.status_code, refused.headers["Upload-Offset"]) == (409, str(len(CONTENT)))

    # Only now it may be called stored; what the store measured stays.
    report = upload.report.replace(seq=2, state=RecordingState.STORED, media_url=completed.media_url)
    assert upload.send(report) == 200
    row = upload.row
    assert (row.state, row.media_url, row.sha256, row.stored_size) == ("stored", "", SHA256, len(CONTENT))
    found = get_recording(
        upload.live.store, account_sid=upload.account_sid, product=Product.VOICE, sid=upload.report.sid
    )
    assert find_media(upload.live.store, found).path.read_bytes() == CONTENT


def test_nothing_counts_as_stored_before_it_is_complete(upload: Upload) -> None:
    report = upload.report.replace(seq=2, state=RecordingState.STORED)
    assert upload.send(report) == 422
    upload.patch(CONTENT, offset=0)
    assert upload.send(report) == 422
    assert upload.row.state == "found"


def test_a_wrong_offset_is_told_the_present_one(upload: Upload) -> None:
    upload.patch(CONTENT[:10], offset=0)
    for offset in (0, 9, 11):
        refused = upload.patch(b"x", offset=offset)
        assert (refused.status_code, refused.headers["Upload-Offset"]) == (409, "10")
    assert upload.http.patch(upload.path, content=b"x").status_code == 422
    assert upload.head() == ("10", "?0")


def test_what_came_before_the_connection_broke_is_kept(live: Live, account: NewAccount) -> None:
    content = os.urandom(3 * PIECE)
    upload = Upload(live, account.sid, size=len(content))
    url = urlsplit(upload.live.listening.internal)
    assert url.hostname is not None
    headers = (
        f"PATCH /internal/v1{upload.path} HTTP/1.1\r\nHost: x\r\nUpload-Offset: 0\r\nContent-Length: {len(content)}\r\n"
        f"Authorization: {upload.http.headers['Authorization']}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(headers.encode() + content[: 2 * PIECE])
        eventually(lambda: int(upload.head()[0]) >= PIECE, what="the first piece is there")
    # Until the broken request has been noticed, its file is locked.
    eventually(
        lambda: upload.patch(b"", offset=int(upload.head()[0])).status_code == 204, what="it can be gone on with"
    )
    kept = int(upload.head()[0])
    assert PIECE <= kept <= 2 * PIECE
    assert upload.patch(content[kept:], offset=kept).status_code == 204
    wanted = MediaComplete(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    assert upload.complete(wanted).status_code == 200


def test_a_wrong_checksum_discards_what_came(upload: Upload) -> None:
    upload.patch(CONTENT[:-1] + b"?", offset=0)
    refused = upload.complete()
    assert (refused.status_code, refused.json()["code"]) == (422, "checksum_mismatch")
    assert upload.head() == ("0", "?0")
    assert [file for file in upload.folder.rglob("*") if file.is_file()] == []
    upload.patch(CONTENT, offset=0)
    assert upload.complete().status_code == 200


def test_missing_bytes_are_asked_for_and_surplus_refused(upload: Upload) -> None:
    upload.patch(CONTENT[:10], offset=0)
    early = upload.complete()
    assert (early.status_code, early.headers["Upload-Offset"]) == (409, "10")
    surplus = upload.patch(CONTENT[10:] + b"!", offset=10)
    assert (surplus.status_code, surplus.json()["code"]) == (413, "too_large")


def test_an_empty_recording_is_one_too(live: Live, account: NewAccount) -> None:
    upload = Upload(live, account.sid, size=0)
    answer = upload.complete(MediaComplete(size=0, sha256=hashlib.sha256(b"").hexdigest()))
    assert answer.status_code == 200
    assert upload.row.media_path


def test_a_crash_between_rename_and_commit_is_mended_by_repeating(upload: Upload) -> None:
    upload.patch(CONTENT, offset=0)
    folder = MediaFolder(upload.folder, max_bytes=2**30)
    folder.complete(MediaKey(upload.account_sid, upload.report.sid), size=len(CONTENT), sha256=SHA256)
    assert upload.row.media_path == ""
    assert upload.head() == (str(len(CONTENT)), "?0")
    assert upload.patch(b"", offset=len(CONTENT)).status_code == 409
    assert upload.complete().status_code == 200
    assert upload.head() == (str(len(CONTENT)), "?1")


def test_a_deleted_recording_takes_its_media_with_it(upload: Upload) -> None:
    upload.patch(CONTENT, offset=0)
    delete_recording(upload.live.store, account_sid=upload.account_sid, product=Product.VOICE, sid=upload.report.sid)
    for answer in (upload.complete(), upload.patch(b"", offset=0), upload.http.head(upload.path)):
        assert answer.status_code == 410
    assert [file for file in upload.folder.rglob("*") if file.is_file()] == []


def test_who_may_not_has_no_way_to_the_media(live_sqlite: Live) -> None:
    account, stranger = (create_account(live_sqlite.store, friendly_name=name) for name in "ab")
    upload = Upload(live_sqlite, account.sid)
    with live_sqlite.client(live_sqlite.account_token(stranger.sid)) as http:
        assert http.head(upload.path).status_code == 403
        refused = http.patch(upload.path, content=b"x", headers={"Upload-Offset": "0"})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_bound")
        unknown = http.head(f"/accounts/AC{'0' * 32}/recordings/{upload.report.sid}/media")
        assert unknown.status_code == 403
    unregistered = f"/accounts/{account.sid}/recordings/{new_sid(SidPrefix.VOICE_RECORDING)}/media"
    assert upload.http.head(unregistered).status_code == 404
    assert upload.http.head(f"/accounts/{account.sid}/recordings/..%2f..%2fetc/media").status_code in {404, 422}


def test_a_recording_with_a_destination_of_its_own_does_not_come_here(live_sqlite: Live) -> None:
    account = create_account(live_sqlite.store, friendly_name="a")
    destination = enable(live_sqlite.store, account.sid, credential_sid=None)
    upload = Upload(live_sqlite, account.sid)
    external = upload.report.replace(seq=2, destination_id=destination)
    assert upload.send(external) == 200
    assert upload.patch(b"x", offset=0).status_code == 409


@pytest.fixture
def folder(tmp_path: Path) -> MediaFolder:
    return MediaFolder(tmp_path, max_bytes=1000, reserve_bytes=0)


@pytest.fixture
def key() -> MediaKey:
    return MediaKey(new_sid(SidPrefix.ACCOUNT), new_sid(SidPrefix.VOICE_RECORDING))


def test_two_uploads_of_one_recording_do_not_mix(folder: MediaFolder, key: MediaKey) -> None:
    with folder.append(key, offset=0, size=10) as appender:
        appender.write(b"12345")
        with pytest.raises(OffsetError) as refused, folder.append(key, offset=5, size=10):
            pass
        assert refused.value.offset == 5
        with pytest.raises(OffsetError):
            folder.complete(key, size=5, sha256=hashlib.sha256(b"12345").hexdigest())


def test_quotas_are_kept(folder: MediaFolder, key: MediaKey, tmp_path: Path) -> None:
    with pytest.raises(MediaTooLargeError), folder.append(key, offset=0, size=1001):
        pass
    with pytest.raises(MediaTooLargeError), folder.append(key, offset=0, size=3) as appender:
        appender.write(b"1234")
    full = MediaFolder(tmp_path, max_bytes=1000, reserve_bytes=2**62)
    with pytest.raises(StorageFullError), full.append(key, offset=0, size=3):
        pass


def test_a_device_without_space_is_told_apart(folder: MediaFolder, key: MediaKey) -> None:
    part = folder.root / (key.path + ".part")
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(StorageFullError), folder.append(key, offset=0, size=10) as appender:
        appender.write(b"x")


def test_media_is_named_by_sids_alone(folder: MediaFolder, key: MediaKey) -> None:
    for wrong in ("../../etc/passwd", "RE..", "", key.sid + "/x"):
        with pytest.raises(ValueError, match="sid"):
            MediaKey(key.account_sid, wrong)
    assert folder.file(key.path).is_relative_to(folder.root)


def test_a_crashed_rename_with_other_content_is_discarded(folder: MediaFolder, key: MediaKey) -> None:
    final = folder.file(key.path)
    final.parent.mkdir(parents=True)
    final.write_bytes(b"other")
    with pytest.raises(ChecksumError):
        folder.complete(key, size=5, sha256=SHA256)
    assert folder.offset(key) == 0
