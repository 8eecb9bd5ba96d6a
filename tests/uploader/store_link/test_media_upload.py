"""The store's own media storage as a destination."""

import hashlib
import os
import threading
from collections.abc import Callable

import pytest

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.uploader.store_link import media_upload
from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreAddress
from recording_storage.uploader.store_link.media import StoreMedia
from recording_storage.uploader.store_link.media_upload import MediaSource, MediaUpload
from tests.uploader.store_link.conftest import ACCOUNT, SPOOL_ID, entry, recording
from tests.uploader.store_link.fake_store import FakeStore, Media

SID = "RE" + "a" * 32


@pytest.fixture
def upload(fake_store: FakeStore, fake_address: StoreAddress) -> Callable[[], MediaUpload]:
    def register() -> None:
        fake_store.recordings[ACCOUNT, SID] = recording(SID)

    return lambda: MediaUpload(fake_address, account_sid=ACCOUNT, sid=SID, register=register)


def content(source: MediaSource) -> bytes:
    return os.pread(source.fd, source.size, 0)


def test_a_file_arrives_whole_and_is_registered_first(fake_store: FakeStore, upload, source: MediaSource):
    done = upload().run(source)
    assert bytes(fake_store.media[SID].content) == content(source)
    assert done.sha256 == hashlib.sha256(content(source)).hexdigest()
    assert done.media_url.endswith(f"{SID}.wav")


def test_many_slices_make_one_file(fake_store, upload, source: MediaSource, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(media_upload, "SLICE", 700_001)
    upload().run(source)
    assert bytes(fake_store.media[SID].content) == content(source)


def test_a_broken_connection_is_transient_and_the_next_try_goes_on_where_it_broke(fake_store, upload, source):
    fake_store.cut_after = 1_500_000
    with pytest.raises(S3Failure) as caught:
        upload().run(source)
    assert caught.value.kind is FailureClass.TRANSIENT
    assert len(fake_store.media[SID].content) == 1_500_000
    upload().run(source)
    assert bytes(fake_store.media[SID].content) == content(source)


def test_completing_again_gives_the_same_receipt(upload, source: MediaSource):
    assert upload().run(source) == upload().run(source)


def test_other_bytes_at_the_store_are_a_digest_failure_and_the_next_try_heals_it(fake_store, upload, source):
    fake_store.recordings[ACCOUNT, SID] = recording(SID)
    fake_store.media[SID] = Media(bytearray(b"x" * 1000))
    with pytest.raises(S3Failure) as caught:
        upload().run(source)
    assert caught.value.kind is FailureClass.DIGEST
    upload().run(source)
    assert bytes(fake_store.media[SID].content) == content(source)


@pytest.mark.parametrize("length", [1000, 5_000_000])
def test_other_bytes_at_the_store_are_replaced_by_the_file(fake_store, fake_address, source, length: int):
    """Those of the file as it was before it changed, or what a power cut has spoilt at the store."""
    fake_store.recordings[ACCOUNT, SID] = recording(SID)
    fake_store.media[SID] = Media(bytearray(b"x" * length))
    media = StoreMedia(fake_address, connect=lambda: StoreApi(fake_address, spool_id=SPOOL_ID))
    receipt = media.store(entry(SID, size=source.size), fd=source.fd, stop=threading.Event())
    assert receipt.sha256 == hashlib.sha256(content(source)).hexdigest()
    assert bytes(fake_store.media[SID].content) == content(source)


def test_a_file_that_got_shorter_is_a_file_failure(upload, source: MediaSource):
    with pytest.raises(S3Failure) as caught:
        upload().run(MediaSource(source.fd, source.size + 1))
    assert (caught.value.kind, caught.value.code) == (FailureClass.FILE, "ChangedWhileReading")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (503, FailureClass.TRANSIENT),
        (500, FailureClass.TRANSIENT),
        (429, FailureClass.TRANSIENT),
        (507, FailureClass.HOLD),
        (401, FailureClass.HOLD),
        (403, FailureClass.HOLD),
        (404, FailureClass.TRANSIENT),
        (410, FailureClass.FILE),
        (413, FailureClass.FILE),
        (422, FailureClass.FILE),
    ],
)
def test_each_answer_has_its_class(fake_store, upload, source, status: int, kind: FailureClass):
    fake_store.fail_with = status
    with pytest.raises(S3Failure) as caught:
        upload().run(source)
    assert caught.value.kind is kind
    assert fake_store.token not in str(caught.value)


def test_an_empty_file_is_stored(upload, tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    assert upload().run(MediaSource(descriptor, 0)).size == 0
    os.close(descriptor)
