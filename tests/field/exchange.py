"""One request as a scriptable server sees it, and what a test may do to it on the way."""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from recording_storage.s3.probe import PROBE_NAME
from tests.s3client.fake_server import Request, answer


class Operation(StrEnum):
    PUT = "PutObject"
    BEGIN = "CreateMultipartUpload"
    PART = "UploadPart"
    COMPLETE = "CompleteMultipartUpload"
    ABORT = "AbortMultipartUpload"
    LIST_PARTS = "ListParts"
    LIST_UPLOADS = "ListMultipartUploads"
    OTHER = "other"


ALL = frozenset(Operation)
WRITES = frozenset({Operation.PUT, Operation.BEGIN, Operation.PART, Operation.COMPLETE})
"""Those that need s3:PutObject."""
BODIES = frozenset({Operation.PUT, Operation.PART})


class Moment(StrEnum):
    HEAD = "head"
    """The head is there; of the body as much as the rule reads, by default nothing."""
    BODY = "body"
    """The whole request is there, and nothing has been done."""
    ANSWER = "answer"
    """It has been done, and `exchange.answer` is what would be said."""


@dataclass
class Answer:
    """What the server says; an action may change each of it, names of headers in lower case."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def wire(self) -> bytes:
        return answer(self.status, self.body, **self.headers)


class Refusal(Exception):  # noqa: N818 - S3's own: an answer
    """What the server has against a request."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.answer = Answer(status, error_body(code, message), {"content-type": "application/xml"})


def error_body(code: str, message: str = "") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode()


@dataclass
class Exchange:
    """A request, and later its answer."""

    request: Request
    operation: Operation
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    """As the server sees them, names in lower case: an action at the head may take some off."""
    body: bytes = b""
    size: int = 0
    """Of the body; the body itself is forgotten once the answer is there."""
    answer: Answer | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the server ends: what stalls goes on then."""

    @property
    def part_number(self) -> int:
        return int(self.query.get("partNumber", "0"))

    @property
    def upload_id(self) -> str:
        return self.query.get("uploadId", "")

    @property
    def status(self) -> int | None:
        """Of what was answered; None where nothing was said, or something that is no answer of S3's."""
        return self.answer.status if self.answer is not None else None


def is_recording(exchange: Exchange) -> bool:
    """Whether it is to store one: no probe, and no false value, which goes over an object that is there."""
    tries_single = exchange.operation is Operation.PUT and "if-none-match" not in exchange.headers
    return PROBE_NAME not in exchange.key and not tries_single


Action = Callable[[Exchange], "Answer | bytes | None"]
"""Gives what is answered instead (bytes go out as they are; CLOSE, RESET of the fake server), None: go on."""


@dataclass(eq=False)
class Rule:
    """Which requests meet with an action, and when; `times` of them after `skip`, of these each `every`th."""

    operations: Collection[Operation]
    moment: Moment
    action: Action
    skip: int = 0
    times: int | None = None
    every: int = 1
    when: Callable[[Exchange], Any] = lambda _exchange: True
    reads: int = 0
    """Bytes of the body that are read before an action at the head."""
    hits: int = 0
    """How many requests it has met, those included that went on."""
    acted: int = 0
    met: threading.Event = field(default_factory=threading.Event)
    """Set when it acts for the first time, right before it does."""

    def takes(self, exchange: Exchange, moment: Moment) -> bool:
        if moment is not self.moment or exchange.operation not in self.operations or not self.when(exchange):
            return False
        self.hits += 1
        after = self.hits - self.skip
        if after < 1 or (after - 1) % self.every or (self.times is not None and self.acted >= self.times):
            return False
        self.acted += 1
        self.met.set()
        return True


def read_exchange(request: Request, *, ended: threading.Event) -> Exchange:
    """What a request, addressed by path, asks for."""
    parts = urlsplit(request.target)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    operation = _operation(request.method, key, query)
    return Exchange(request, operation, bucket, key, query, dict(request.headers), ended=ended)


def _operation(method: str, key: str, query: dict[str, str]) -> Operation:
    multipart = "uploadId" in query
    if not key:
        return Operation.LIST_UPLOADS if method == "GET" and "uploads" in query else Operation.OTHER
    found = {
        ("PUT", False): Operation.PUT,
        ("PUT", True): Operation.PART,
        ("POST", False): Operation.BEGIN,
        ("POST", True): Operation.COMPLETE,
        ("DELETE", True): Operation.ABORT,
        ("GET", True): Operation.LIST_PARTS,
    }
    return found.get((method, multipart), Operation.OTHER)
