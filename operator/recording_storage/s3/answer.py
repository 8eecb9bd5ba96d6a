"""Reading an HTTP/1.1 answer from a connection.

Its own reader: what S3 answers is a few headers and little or no body, and the standard library's goes through the
parser of e-mail for it, which costs more than signing and sending a small object. It is strict where being lax has led
to answers taken for another request's: lengths that contradict each other, bytes after the end.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_HEAD = 64 << 10
MAX_BODY = 8 << 20
"""A full page of a listing has less than 2 MiB."""
_RECEIVE = 64 << 10
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?")
_NO_BODY = frozenset({204, 304})


class AnswerError(Exception):
    """What came is no complete HTTP answer."""


class NoAnswerError(AnswerError):
    """The connection ended before the first byte of an answer."""


class Answer(NamedTuple):
    """A complete answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    keep_alive: bool
    """Whether the connection may carry another request."""

    @property
    def version_id(self) -> str:
        """Of the object that was made; empty where the bucket keeps no versions, for which some servers say null."""
        named = self.headers.get("x-amz-version-id", "")
        return "" if named == "null" else named


class AnswerReader:
    """Reads one answer; `receive(n)` gives up to n bytes, b"" at the end of the connection."""

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._data = b""
        self.started = False
        """Whether any byte has come."""

    def read(self) -> Answer:
        """Read to the answer's end.

        Raises:
            NoAnswerError: the connection ended before the first byte.
            AnswerError: it ended in the middle, or what came is no HTTP.
            OSError: from `receive`.
        """
        while True:
            version, status, headers = self._head()
            if status >= 200:  # noqa: PLR2004 - 1xx are only notices
                break
        keep_alive = "close" not in headers.get("connection", "").lower() and version == 1
        if status in _NO_BODY:
            body = b""
        elif "transfer-encoding" in headers:
            if headers["transfer-encoding"].strip().lower() != "chunked" or "content-length" in headers:
                raise AnswerError("an answer with a transfer coding that this does not read")
            body = self._chunks()
        elif "content-length" in headers:
            text = headers["content-length"]
            if not (text.isascii() and text.isdigit() and len(text) <= 12):  # noqa: PLR2004
                raise AnswerError("an answer whose length is no number")
            body = self._exactly(int(text))
        else:
            keep_alive = False
            body = self._to_the_end()
        if self._data:
            keep_alive = False
        return Answer(status, headers, body, keep_alive)

    def _head(self) -> tuple[int, int, dict[str, str]]:
        end = self._data.find(b"\r\n\r\n")
        while end < 0:
            if len(self._data) > MAX_HEAD:
                raise AnswerError("an answer with an endless head")
            searched = max(len(self._data) - 3, 0)
            self._more()
            end = self._data.find(b"\r\n\r\n", searched)
        head, self._data = self._data[:end], self._data[end + 4 :]
        first, *lines = head.decode("latin-1").split("\r\n")
        found = _STATUS_LINE.fullmatch(first)
        if found is None:
            raise AnswerError("what answered is no HTTP server")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip() or not name:
                raise AnswerError("an answer with a malformed header")
            key, text = name.lower(), value.strip()
            if headers.setdefault(key, text) != text and key in ("content-length", "transfer-encoding"):
                raise AnswerError("an answer with two lengths")
        return int(found[1]), int(found[2]), headers

    def _more(self) -> None:
        data = self._receive(_RECEIVE)
        if not data:
            if not self.started:
                raise NoAnswerError("the connection ended without an answer")
            raise AnswerError("the connection ended in the middle of the answer")
        self.started = True
        self._data = self._data + data if self._data else data

    def _exactly(self, length: int) -> bytes:
        if length > MAX_BODY:
            raise AnswerError(f"an answer of {length} bytes")
        if len(self._data) < length:
            pieces, missing = [self._data], length - len(self._data)
            self._data = b""
            while missing > 0:
                self._more()
                pieces.append(self._data)
                missing -= len(self._data)
                self._data = b""
            self._data = b"".join(pieces)
        body, self._data = self._data[:length], self._data[length:]
        return body

    def _chunks(self) -> bytes:
        pieces: list[bytes] = []
        total = 0
        while True:
            text = self._line().partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", text):
                raise AnswerError("an answer with a malformed chunk")
            size = int(text, 16)
            if size == 0:
                break
            total += size
            if total > MAX_BODY:
                raise AnswerError("an answer without end")
            pieces.append(self._exactly(size))
            if self._exactly(2) != b"\r\n":
                raise AnswerError("an answer with a malformed chunk")
        while self._line():
            pass
        return b"".join(pieces)

    def _line(self) -> bytes:
        while (end := self._data.find(b"\r\n")) < 0:
            if len(self._data) > MAX_HEAD:
                raise AnswerError("an answer with an endless line")
            self._more()
        line, self._data = self._data[:end], self._data[end + 2 :]
        return line

    def _to_the_end(self) -> bytes:
        pieces, total = [self._data], len(self._data)
        while data := self._receive(_RECEIVE):
            total += len(data)
            if total > MAX_BODY:
                raise AnswerError("an answer without end")
            pieces.append(data)
        self._data = b""
        return b"".join(pieces)
