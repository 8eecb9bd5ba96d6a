"""A body is read in one pass, summed, sent as it is, and found out when it changes."""

import errno
import hashlib
import os
import subprocess
import sys
import tempfile

import pytest
from awscrt.checksums import crc64nvme as reference
from hypothesis import given
from hypothesis import strategies as st

from recording_storage.s3 import checksums, payload
from recording_storage.s3.payload import BodyError, open_payload
from recording_storage.s3.types import FileSlice, Part


@pytest.fixture
def file():
    with tempfile.TemporaryFile() as one:
        one.write(os.urandom(3_000_000))
        one.flush()
        yield one


def content(file, offset, length):
    return os.pread(file.fileno(), length, offset)


def sent(one, head=b"HEAD"):
    return b"".join(bytes(piece) for piece in one.pieces(head))


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 1), (17, 100_000), (1_000_000, 2_000_000)])
@pytest.mark.parametrize("limit", [16 << 20, 50_000])
def test_a_slice_is_sent_as_it_is_in_the_file(file, offset, length, limit, monkeypatch):
    monkeypatch.setattr(payload, "BUFFERED", limit)
    monkeypatch.setattr(payload, "PIECE", 64 << 10)
    data = content(file, offset, length)
    with open_payload(FileSlice(file.fileno(), offset, length), signed=True) as one:
        assert one.length == length
        assert one.checksum == checksums.encoded(reference(data))
        assert one.sha256() == hashlib.sha256(data).hexdigest()
        assert sent(one) == b"HEAD" + data
        assert sent(one, b"H" * 20_000) == b"H" * 20_000 + data
        assert sent(one) == b"HEAD" + data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("length", [0, 10, 200_000])
def test_bytes_are_sent_as_they_are(kind, length):
    data = os.urandom(length)
    with open_payload(kind(data), signed=False) as one:
        assert sent(one) == b"HEAD" + data
        assert one.checksum == checksums.encoded(reference(data))


def test_a_buffer_is_used_again(file):
    with open_payload(FileSlice(file.fileno(), 0, 100_000), signed=False) as one:
        first = one._buffer
    with open_payload(FileSlice(file.fileno(), 5, 120_000), signed=False) as one:
        assert one._buffer is first


def test_a_file_that_ends_early_is_found_out(file):
    with (
        pytest.raises(BodyError, match="ends 10 bytes early"),
        open_payload(FileSlice(file.fileno(), 0, 3_000_010), signed=False),
    ):
        pass


def test_a_file_that_can_t_be_read_is_found_out(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(BodyError) as caught, open_payload(FileSlice(fd, 0, 10), signed=False):
            pass
        assert caught.value.cause.errno == errno.EISDIR
    finally:
        os.close(fd)


def test_a_long_file_that_changes_between_the_passes_is_not_sent_to_its_end(file, monkeypatch):
    monkeypatch.setattr(payload, "BUFFERED", 50_000)
    monkeypatch.setattr(payload, "PIECE", 64 << 10)
    with open_payload(FileSlice(file.fileno(), 0, 3_000_000), signed=False) as one:
        os.pwrite(file.fileno(), b"\0" * 100, 1_000_000)
        out = bytearray()
        with pytest.raises(BodyError, match="changed"):
            out.extend(byte for piece in one.pieces(b"") for byte in piece)
        assert len(out) < 3_000_000


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_the_parts_checksums_make_the_whole_s(pieces):
    parts = [Part(n, len(p), "e", checksums.encoded(checksums.crc64nvme(p))) for n, p in enumerate(pieces, 1)]
    assert checksums.of_parts(parts) == checksums.encoded(reference(b"".join(pieces)))


def test_without_every_part_s_checksum_there_is_none_of_the_whole():
    assert checksums.of_parts([Part(1, 5, "e", "AAAAAAAAAAA="), Part(2, 5, "e", "")]) == ""


def test_what_is_not_asked_for_is_not_summed(file):
    for body in (b"hello", FileSlice(file.fileno(), 0, 5)):
        with open_payload(body, signed=True, summed=False) as one:
            assert one.checksum == ""


def test_a_small_object_needs_nothing_of_the_checksum_s_library():
    code = "import sys; import recording_storage.uploader.service; sys.exit('awscrt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
