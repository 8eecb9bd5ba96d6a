"""A small S3 server in this process that really stores, and that a test can have do anything at any moment.

It answers the seven operations that an uploader needs, for buckets addressed by path. It checks no signature, no right
and no checksum unless told. What tests tell it are rules (`on`), switches of a bucket's `Storage`, and `vouching`.
"""

import itertools
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Self

from tests.field.exchange import Action, Answer, Exchange, Moment, Operation, Refusal, Rule, read_exchange
from tests.field.integrity import Vouching, judge
from tests.field.storage import Storage, StoredObject
from tests.s3.servers import REGION, Credentials
from tests.s3client.fake_server import FakeServer, ReadBody, Request
from tests.tools.pki import Authority

_numbers = itertools.count(1)


class FieldServer:
    """Runs inside `with`; `exchanges` are the requests that it has had, in the order of their answers."""

    region = REGION

    def __init__(self, *, pki: Path | None = None, connection_limit: int | None = None) -> None:
        """Speaks TLS when given a folder for its certificates."""
        certificate = None
        self.ca_file: Path | None = None
        if pki is not None:
            authority = Authority(pki)
            certificate_file, key_file = authority.issue("server", common_name="localhost")
            certificate = str(certificate_file), str(key_file)
            self.ca_file = authority.certificate_file
        self._http = FakeServer(
            self._reply, early=self._early, certificate=certificate, connection_limit=connection_limit
        )
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        """Notified after each answer."""
        self.exchanges: list[Exchange] = []
        self.vouching: Vouching | Callable[[Exchange], Vouching] = Vouching()
        self.answer_headers: dict[str, str] = {}
        """On every success that stores something, as of a bucket with default encryption."""
        self.buckets: dict[str, Storage] = {}
        self._rules: list[Rule] = []
        self._ended = threading.Event()
        self._under_way: dict[int, Exchange] = {}

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._http.__exit__()

    @property
    def endpoint(self) -> str:
        return self._http.endpoint

    @property
    def connections(self) -> int:
        """How many there have been."""
        return self._http.connections

    def bucket(self, name: str = "", **switches: Any) -> "FieldBucket":
        """A fresh bucket; `switches` are fields of its `Storage`."""
        name = name or f"field-{next(_numbers)}"
        self.buckets[name] = Storage(**switches)
        return FieldBucket(self, name)

    def on(
        self,
        operations: Collection[Operation] | Operation,
        action: Action,
        *,
        at: Moment = Moment.BODY,
        first: bool = False,
        **which: Any,
    ) -> Rule:
        """From now on do this to those requests; of several rules for a moment all act, in order, until one answers.

        `which` are `Rule`'s fields: skip, times, every, when, reads. `first` puts it before those that are there.
        """
        chosen = frozenset({operations}) if isinstance(operations, Operation) else frozenset(operations)
        rule = Rule(chosen, at, action, **which)
        with self.lock:
            self._rules.insert(0 if first else len(self._rules), rule)
        return rule

    def mend(self, *rules: Rule) -> None:
        """Forget these rules, or all."""
        with self.lock:
            self._rules = [rule for rule in self._rules if rules and rule not in rules]

    def seen(self, *operations: Operation, status: int | None = None) -> list[Exchange]:
        """The requests so far of these operations, or of all; with this status where one is given."""
        with self.lock:
            return [
                one
                for one in self.exchanges
                if (not operations or one.operation in operations) and status in {None, one.status}
            ]

    def await_answers(self, count: int, *, seconds: float) -> bool:
        """Wait until there have been so many, at most so long; whether there were."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.exchanges) >= count, timeout=seconds)

    def _early(self, request: Request, read: ReadBody) -> bytes | None:
        exchange = read_exchange(request, ended=self._ended)
        for rule in self._acting(exchange, Moment.HEAD):
            read(rule.reads)
            said = rule.action(exchange)
            if said is not None:
                return self._record(exchange, said)
        self._under_way[request.connection] = exchange
        return None

    def _reply(self, request: Request) -> bytes:
        exchange = self._under_way.pop(request.connection)
        exchange.body, exchange.size = request.body, len(request.body)
        if not request.complete:
            return self._record(exchange, b"close")
        for rule in self._acting(exchange, Moment.BODY):
            said = rule.action(exchange)
            if said is not None:
                return self._record(exchange, said)
        with self.lock:
            try:
                exchange.answer = self._do(exchange)
            except Refusal as refusal:
                exchange.answer = refusal.answer
        for rule in self._acting(exchange, Moment.ANSWER):
            said = rule.action(exchange)
            if said is not None:
                return self._record(exchange, said)
        return self._record(exchange, exchange.answer)

    def _acting(self, exchange: Exchange, moment: Moment) -> list[Rule]:
        with self.lock:
            return [rule for rule in self._rules if rule.takes(exchange, moment)]

    def _record(self, exchange: Exchange, said: Answer | bytes) -> bytes:
        exchange.answer = said if isinstance(said, Answer) else None
        exchange.body = exchange.request.body = b""
        self._http.requests.clear()
        with self.changed:
            self.exchanges.append(exchange)
            self.changed.notify_all()
        return said.wire() if isinstance(said, Answer) else said

    def _do(self, exchange: Exchange) -> Answer:  # noqa: PLR0911 - one for each operation
        storage = self.buckets.get(exchange.bucket)
        if storage is None:
            raise Refusal(404, "NoSuchBucket", "The specified bucket does not exist")
        vouching = self.vouching(exchange) if callable(self.vouching) else self.vouching
        match exchange.operation:
            case Operation.PUT:
                return self._stored(storage.put, exchange, judge(exchange, vouching))
            case Operation.PART:
                given = judge(exchange, vouching)
                part = storage.put_part(exchange, vouching)
                return Answer(headers={"etag": f'"{part.etag}"', **given, **self.answer_headers})
            case Operation.BEGIN:
                names = f"<Bucket>{exchange.bucket}</Bucket><UploadId>{storage.begin(exchange)}</UploadId>"
                return _document(f"<InitiateMultipartUploadResult>{names}</InitiateMultipartUploadResult>")
            case Operation.COMPLETE:
                made = storage.complete(exchange, vouching)
                headers = {"x-amz-version-id": made.version} if made.version else {}
                etag = f"<ETag>&quot;{made.etag}&quot;</ETag>"
                return _document(
                    f"<CompleteMultipartUploadResult>{etag}</CompleteMultipartUploadResult>",
                    {**headers, **self.answer_headers},
                )
            case Operation.ABORT:
                storage.abort(exchange)
                return Answer(204)
            case Operation.LIST_PARTS:
                return _document(storage.parts(exchange).decode())
            case Operation.LIST_UPLOADS:
                return _document(storage.listing(exchange).decode())
            case Operation.OTHER:
                raise Refusal(403, "AccessDenied", "Access Denied")

    def _stored(
        self, store: Callable[[Exchange], StoredObject], exchange: Exchange, given: Mapping[str, str]
    ) -> Answer:
        made = store(exchange)
        version = {"x-amz-version-id": made.version} if made.version else {}
        return Answer(headers={"etag": f'"{made.etag}"', **given, **version, **self.answer_headers})


class FieldBucket:
    """Looks like `tests.s3.fixtures.Bucket` to a `SpoolFolder`."""

    prefix = "calls/"
    credentials = Credentials("field-access-key", "field-secret-key")

    def __init__(self, server: FieldServer, name: str) -> None:
        self.server = server
        self.name = name

    @property
    def storage(self) -> Storage:
        return self.server.buckets[self.name]

    @property
    def objects(self) -> dict[str, StoredObject]:
        return self.storage.objects

    @property
    def url(self) -> str:
        return self.url_at(self.server.endpoint)

    def url_at(self, endpoint: str) -> str:
        return f"{endpoint}/{self.name}/{self.prefix.rstrip('/')}"

    def keys(self) -> list[str]:
        with self.server.lock:
            return sorted(self.objects)

    def read(self, key: str) -> bytes:
        return self.objects[key].body

    def uploads(self) -> list[str]:
        """The ids of the multipart uploads that are open."""
        with self.server.lock:
            return sorted(self.storage.uploads)


def _document(text: str, headers: Mapping[str, str] = {}) -> Answer:
    return Answer(200, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), dict(headers))
