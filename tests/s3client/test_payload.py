"""A body is summed and sent as it is."""

import hashlib
import os
import subprocess
import sys

import pytest
from awscrt.checksums import crc64nvme as reference
from hypothesis import given
from hypothesis import strategies as st

from recording_storage.s3 import buffers, checksums
from recording_storage.s3.payload import InMemory
from recording_storage.s3.types import Part


def sent(one, head=b"HEAD"):
    return b"".join(bytes(piece) for piece in one.pieces(head))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("length", [0, 10, 200_000])
def test_bytes_are_sent_as_they_are(kind, length):
    data = os.urandom(length)
    one = InMemory(kind(data), summed=True)
    assert one.length == length
    assert sent(one) == sent(one) == b"HEAD" + data
    assert one.checksum == checksums.encoded(reference(data))
    assert one.sha256() == hashlib.sha256(data).hexdigest()


def test_a_buffer_is_used_again():
    first = buffers.take(100_000)
    buffers.give_back(first)
    assert buffers.take(120_000) is first


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_the_parts_checksums_make_the_whole_s(pieces):
    parts = [Part(n, len(p), "e", checksums.encoded(checksums.crc64nvme(p))) for n, p in enumerate(pieces, 1)]
    assert checksums.of_parts(parts) == checksums.encoded(reference(b"".join(pieces)))


def test_without_every_part_s_checksum_there_is_none_of_the_whole():
    assert checksums.of_parts([Part(1, 5, "e", "AAAAAAAAAAA="), Part(2, 5, "e", "")]) == ""


def test_what_is_not_asked_for_is_not_summed():
    assert InMemory(b"hello", summed=False).checksum == ""


def test_a_small_object_needs_nothing_of_the_checksum_s_library():
    code = "import sys; import recording_storage.uploader.service; sys.exit('awscrt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
