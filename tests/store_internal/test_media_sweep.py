"""The media folder keeps what is complete or under way, and nothing that nobody comes back for."""

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from recording_storage.domain.sids import SidPrefix, new_sid
from recording_storage.domain.states import Product
from recording_storage.store.database.models import Recording
from recording_storage.store.internal import media_sweep
from recording_storage.store.internal.media_sweep import ABANDONED_SECONDS, sweep
from recording_storage.store.media import MediaFolder, MediaKey
from recording_storage.store.services.accounts import NewAccount
from recording_storage.store.services.recordings import delete_recording
from tests.store_internal.servers import Live, serving
from tests.store_internal.test_media import CONTENT, SHA256, Upload
from tests.waiting import SOON, eventually

LATER = ABANDONED_SECONDS + 60


@pytest.fixture
def upload(live: Live, account: NewAccount) -> Upload:
    return Upload(live, account.sid)


@pytest.fixture
def media(live: Live) -> MediaFolder:
    return MediaFolder(live.store.config.media, max_bytes=2**30)


def swept(live: Live, media: MediaFolder, *, after: float) -> int:
    """How many files go when the sweep comes that many seconds from now."""
    return sum(sweep(live.store, media, folder, now=time.time() + after).removed for folder in media.folders())


def files(media: MediaFolder) -> list[Path]:
    return [file for file in media.root.rglob("*") if file.is_file()]


def renamed_only(upload: Upload, media: MediaFolder) -> None:
    """As a crash between the rename and the database's commit leaves it."""
    upload.patch(CONTENT, offset=0)
    media.complete(MediaKey(upload.account_sid, upload.report.sid), size=len(CONTENT), sha256=SHA256)


@contextmanager
def hashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What is hashed is done with hashing only at the end; gives what is set once it has been begun."""
    begun, end = threading.Event(), threading.Event()
    digest = hashlib.file_digest

    def slow(*arguments: object) -> object:
        begun.set()
        assert end.wait(SOON)
        return digest(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", slow)
        try:
            yield begun
        finally:
            end.set()


def test_an_upload_that_was_given_up_goes_and_can_begin_anew(upload: Upload, media: MediaFolder) -> None:
    upload.patch(CONTENT[:10], offset=0)
    assert swept(upload.live, media, after=ABANDONED_SECONDS - 60) == 0
    assert upload.head() == ("10", "?0")
    assert swept(upload.live, media, after=LATER) == 1
    assert upload.head() == ("0", "?0")
    assert upload.patch(CONTENT, offset=0).status_code == 204
    assert upload.complete().status_code == 200


def test_a_complete_recording_stays(upload: Upload, media: MediaFolder) -> None:
    upload.patch(CONTENT, offset=0)
    assert upload.complete().status_code == 200
    assert swept(upload.live, media, after=100 * LATER) == 0
    assert len(files(media)) == 1


def test_one_that_was_never_confirmed_stays(upload: Upload, media: MediaFolder) -> None:
    renamed_only(upload, media)
    assert swept(upload.live, media, after=LATER) == 0
    assert upload.complete().status_code == 200


def test_complete_media_survives_a_database_that_was_restored(
    upload: Upload, media: MediaFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its uploader has removed its file, and the database is one that doesn't know it: how many there are is told."""
    upload.patch(CONTENT, offset=0)
    assert upload.complete().status_code == 200
    with upload.live.store.database.write() as session:
        session.execute(sa.delete(Recording))
    assert swept(upload.live, media, after=100 * LATER) == 0
    monkeypatch.setattr(media_sweep, "ABANDONED_SECONDS", 0.0)
    with serving(upload.live.store):
        eventually(lambda: "1 complete recordings" in caplog.text, what="it is in the log")
    (file,) = files(media)
    assert str(file) in caplog.text


def test_one_that_is_confirmed_while_it_is_swept_stays(
    upload: Upload, media: MediaFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week old, when its uploader comes back."""
    renamed_only(upload, media)
    with ThreadPoolExecutor(1) as pool:
        with hashing(monkeypatch) as begun:
            answer = pool.submit(upload.complete)
            assert begun.wait(SOON)
            assert swept(upload.live, media, after=LATER) == 0
        assert answer.result().status_code == 200
    assert len(files(media)) == 1


def test_what_an_upload_is_at_work_with_is_not_swept(
    upload: Upload, media: MediaFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what is complete already, and whose owner deletes it meanwhile: the upload takes it away at its end."""
    renamed_only(upload, media)
    with ThreadPoolExecutor(1) as pool:
        with hashing(monkeypatch) as begun:
            answer = pool.submit(upload.complete)
            assert begun.wait(SOON)
            with upload.live.store.database.write() as session:
                session.execute(sa.update(Recording).values(deleted_at=upload.report.found_at))
            assert swept(upload.live, media, after=LATER) == 0
        assert answer.result().status_code == 410
    assert files(media) == []


def test_an_upload_that_goes_on_after_the_look_at_its_folder_stays(upload: Upload, media: MediaFolder) -> None:
    upload.patch(CONTENT[:10], offset=0)
    (found,) = (file for folder in media.folders() for file in media.kept(folder))
    upload.patch(CONTENT[10:20], offset=10)
    assert not media.discard(found, still=lambda file: file.changed_at == found.changed_at)
    assert upload.head() == ("20", "?0")


def test_media_that_could_not_be_deleted_goes_with_the_next_sweep(
    upload: Upload, media: MediaFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload.patch(CONTENT, offset=0)
    assert upload.complete().status_code == 200

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(MediaFolder, "delete", refuse)
        delete_recording(
            upload.live.store, account_sid=upload.account_sid, product=Product.VOICE, sid=upload.report.sid
        )
    assert len(files(media)) == 1
    assert swept(upload.live, media, after=0) == 1
    assert files(media) == []


def test_an_upload_at_work_and_strange_files_are_left_alone(upload: Upload, media: MediaFolder) -> None:
    key = MediaKey(upload.account_sid, upload.report.sid)
    with media.append(key, offset=0, size=len(CONTENT)) as appender:
        appender.write(CONTENT[:10])
        strange = media.root / key.path
        (strange.parent / "lost+found").mkdir()
        (strange.parent / "notes.txt").write_text("x")
        (media.root / "somebody's").mkdir()
        assert swept(upload.live, media, after=LATER) == 0
    assert upload.head() == ("10", "?0")


def test_a_store_sweeps_at_its_start(
    live: Live, account: NewAccount, media: MediaFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what belongs to no recording at all."""
    key = MediaKey(account.sid, new_sid(SidPrefix.VOICE_RECORDING))
    with media.append(key, offset=0, size=10) as appender:
        appender.write(b"x")
    monkeypatch.setattr(media_sweep, "ABANDONED_SECONDS", 0.0)
    with serving(live.store):
        eventually(lambda: not files(media), what="the partial file is gone")


def test_a_folder_that_can_not_be_read_ends_nothing(
    live: Live, media: MediaFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(MediaFolder, "folders", refuse)
    with serving(live.store) as again, again.client() as http:
        eventually(lambda: "could not be swept" in caplog.text, what="it is in the log")
        assert http.get("/schemas").status_code == 200
