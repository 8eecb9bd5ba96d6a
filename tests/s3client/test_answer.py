"""An HTTP answer is read exactly, however its bytes are cut, and nothing half is taken for whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording_storage.s3.answer import AnswerError, AnswerReader, NoAnswerError


def reader(data: bytes, *, cuts=(), closes=True) -> AnswerReader:
    pieces, at = [], 0
    for cut in sorted(cuts):
        pieces.append(data[at:cut])
        at = max(at, cut)
    pieces.append(data[at:])
    left = iter([piece for piece in pieces if piece])

    def receive(_size: int) -> bytes:
        return next(left, b"")

    return AnswerReader(receive)


PLAIN = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 5\r\nX-Amz-Id: a\r\n\r\nhello'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"


@given(st.sampled_from([PLAIN, CHUNKED]), st.lists(st.integers(0, 120), max_size=8))
def test_it_is_read_however_its_bytes_are_cut(data, cuts):
    answer = reader(data, cuts=cuts).read()
    assert (answer.status, answer.body, answer.keep_alive) == (200, b"hello", True)


def test_header_names_are_in_lower_case():
    assert reader(PLAIN).read().headers["etag"] == '"x"'


def test_notices_before_the_answer_are_passed_over():
    answer = reader(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN).read()
    assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.parametrize(
    ("data", "keep_alive", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", True, b""),
        (b"HTTP/1.1 204\r\n\r\n", True, b""),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False, b""),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False, b""),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", False, b"to the end"),
        (PLAIN + b"HTTP/1.1 500 smuggled", False, b"hello"),
    ],
)
def test_whether_the_connection_may_be_used_again(data, keep_alive, body):
    answer = reader(data).read()
    assert (answer.keep_alive, answer.body) == (keep_alive, body)


@pytest.mark.parametrize("length", range(1, len(PLAIN)))
def test_an_answer_cut_short_is_none(length):
    one = reader(PLAIN[:length])
    with pytest.raises(AnswerError):
        one.read()
    assert one.started


def test_no_byte_at_all_is_told_apart():
    one = reader(b"")
    with pytest.raises(NoAnswerError):
        one.read()
    assert not one.started


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhelXX0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (9 << 20),
    ],
)
def test_what_is_no_proper_answer_is_refused(data):
    with pytest.raises(AnswerError):
        reader(data, cuts=range(0, len(data), 30000)).read()
