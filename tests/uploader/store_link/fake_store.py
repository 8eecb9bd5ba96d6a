"""A store of the tests' own that can be told to misbehave; `test_contract.py` holds it to what the real one does."""

import hashlib
import ssl
import sys
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from recording_storage.protocol.base import Message, Problem
from recording_storage.protocol.plan import AccountPlan
from recording_storage.protocol.recordings import (
    BatchRequest,
    BatchResponse,
    BatchResult,
    MediaComplete,
    MediaCompleted,
    RecordingReport,
)
from recording_storage.protocol.sync import AssignmentState, Command, SpoolAssignment, SyncRequest, SyncResponse
from tests.waiting import SOON


@dataclass
class Media:
    content: bytearray = field(default_factory=bytearray)
    complete: bool = False


class FakeStore(ThreadingHTTPServer):
    """State is open to the tests; change it under `changed` and notify, or by the methods."""

    daemon_threads = True
    token = "fake-store-token"

    def __init__(self, port: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        self.changed = threading.Condition()
        self.plans: dict[str, AccountPlan] = {}
        self.assignment: SpoolAssignment | None = None
        self.commands: list[Command] = []
        self.syncs: list[SyncRequest] = []
        self.batches: list[BatchRequest] = []
        self.recordings: dict[tuple[str, str], RecordingReport] = {}
        self.media: dict[str, Media] = {}
        self.verdicts: dict[str, int] = {}
        """By sid: the status that its item gets, instead of 200."""
        self.fail_with: int | None = None
        """Every request is answered with this status."""
        self.hangs = False
        """No exchange is answered; set under `changed`, and notify to go on."""
        self.endless = False
        """Long polls are answered when there is news, and never before."""
        self.closed = False
        self.cut_after: int | None = None
        """A PATCH's connection breaks after so many bytes, once."""
        super().__init__(("127.0.0.1", port), Handler)
        self._scheme = "https" if tls else "http"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet about a caller that has hung up: its traceback would stand in the output of some later test."""
        if not isinstance(sys.exception(), (ConnectionError, EOFError)):
            super().handle_error(request, client_address)

    def close(self) -> None:
        with self.changed:  # whoever is held in a long poll
            self.closed = True
            self.changed.notify_all()
        self.shutdown()
        self.server_close()

    def set_plan(self, plan: AccountPlan) -> None:
        with self.changed:
            self.plans[plan.account_sid] = plan
            self.changed.notify_all()

    def assign(self, account: str | None) -> None:
        """None: to nobody, and so there is no plan."""
        state = AssignmentState.UNASSIGNED if account is None else AssignmentState.ASSIGNED
        with self.changed:
            self.assignment = SpoolAssignment(state=state, account_sid=account)
            self.changed.notify_all()

    def drop_plan(self, account: str) -> None:
        with self.changed:
            self.plans.pop(account)
            self.changed.notify_all()

    def send_command(self, command: Command) -> None:
        with self.changed:
            self.commands.append(command)
            self.changed.notify_all()

    def wait_until(self, condition: Any, *, seconds: float = SOON) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout=seconds), "the store didn't see it in time"

    def etag(self) -> str:
        state = b"".join(wire(self.plans[account]) for account in sorted(self.plans))
        return hashlib.sha256(state + repr(self.assignment).encode()).hexdigest()

    def sync(self, request: SyncRequest) -> SyncResponse:
        with self.changed:
            self.syncs.append(request)
            self.changed.notify_all()
            self.changed.wait_for(lambda: not self.hangs)
            self.commands = [c for c in self.commands if c.id not in request.acknowledged]
            self.changed.notify_all()
            self.changed.wait_for(
                lambda: self.closed or self.commands or self.etag() != request.known,
                timeout=None if self.endless and request.wait_seconds else request.wait_seconds,
            )
            etag = self.etag()
            return SyncResponse(
                etag=etag,
                server_time=datetime.now(UTC),
                plans=None if etag == request.known else dict(self.plans),
                assignment=None if etag == request.known else self.assignment,
                commands=list(self.commands),
            )

    def batch(self, request: BatchRequest) -> BatchResponse:
        with self.changed:
            self.batches.append(request)
            results = [self._take(item) for item in request.recordings]
            self.changed.notify_all()
        return BatchResponse(results=results)

    def _take(self, item: RecordingReport) -> BatchResult:
        status = self.verdicts.get(item.sid, 200)
        known = self.recordings.get((item.account_sid, item.sid))
        if status == 200 and (known is None or known.seq < item.seq):
            self.recordings[item.account_sid, item.sid] = known = item
        return BatchResult(
            account_sid=item.account_sid,
            sid=item.sid,
            status=status,
            seq=known.seq if known else 0,
            message="" if status == 200 else f"refused with {status}",
        )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeStore

    def _route(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self._problem(401, "unauthorized")
        if self.server.fail_with is not None:
            return self._problem(self.server.fail_with, "unavailable")
        path = urlsplit(self.path).path.removeprefix("/internal/v1/")
        if path.startswith("uploaders/") and path.endswith("/sync"):
            return self._send(200, wire(self.server.sync(SyncRequest.from_json(self._body()))))
        if path.endswith("recordings:batch"):
            return self._batch(BatchRequest.from_json(self._body()))
        if path.startswith("accounts/") and "/recordings/" in path:
            _, account, _, sid, rest = path.split("/")
            return self._media(account, sid, complete=rest == "media:complete")
        return self._problem(404, "not_found")

    do_POST = do_HEAD = do_PATCH = _route  # noqa: N815 - the names that the base class calls

    def _batch(self, request: BatchRequest) -> None:
        try:
            self._send(200, wire(self.server.batch(request)))
        except ValueError:
            self._problem(422, "invalid")

    def _media(self, account: str, sid: str, *, complete: bool) -> None:
        if (account, sid) not in self.server.recordings:
            return self._problem(404, "not_found")
        media = self.server.media.setdefault(sid, Media())
        if complete:
            return self._complete(media, MediaComplete.from_json(self._body()), account=account, sid=sid)
        if self.command == "PATCH":
            if int(self.headers["Upload-Offset"]) != len(media.content) or media.complete:
                self._body()
                return self._problem(409, "conflict", offset=len(media.content))
            length = int(self.headers["Content-Length"])
            if self.server.cut_after is not None:
                media.content += self.rfile.read(min(self.server.cut_after, length))
                self.server.cut_after = None
                self.connection.close()
                self.close_connection = True
                return None
            media.content += self.rfile.read(length)
            return self._send(204, b"", offset=len(media.content))
        return self._send(200, b"", offset=len(media.content), complete=media.complete)

    def _complete(self, media: Media, proof: MediaComplete, *, account: str, sid: str) -> None:
        found = hashlib.sha256(media.content).hexdigest()
        if len(media.content) < proof.size:
            return self._problem(409, "conflict", offset=len(media.content))
        if found != proof.sha256:
            media.content.clear()
            return self._problem(422, "checksum_mismatch")
        media.complete = True
        url = f"{self.server.url}/2010-04-01/Accounts/{account}/Recordings/{sid}.wav"
        return self._send(200, wire(MediaCompleted(media_url=url, size=proof.size, sha256=found)))

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise EOFError("the client ended within a body")
        return body

    def _problem(self, status: int, code: str, *, offset: int | None = None) -> None:
        if "Content-Length" in self.headers and self.command == "POST" and status in {401, 503}:
            self._body()
        problem = Problem(status=status, code=code, message=f"the fake says {code}")
        self._send(status, wire(problem), offset=offset)

    def _send(self, status: int, body: bytes, *, offset: int | None = None, complete: bool = False) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        if offset is not None:
            self.send_header("Upload-Offset", str(offset))
            self.send_header("Upload-Complete", "?1" if complete else "?0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def wire(message: Message) -> bytes:
    """As the real store sends it: secrets in the clear, which a plain dump would mask."""
    return message.to_json(reveal=True)


def command_id() -> str:
    return uuid.uuid4().hex
