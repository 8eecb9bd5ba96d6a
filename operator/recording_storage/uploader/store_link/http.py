"""HTTP to the settings store: one kept-alive connection, a token that is read anew for every request.

The standard library's client, because the uploader starts beside its recorder and must be small: measured, httpx costs
0.12 s of every start and nothing of what it adds is needed here.
"""

import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recording_storage import __version__

CONNECT_TIMEOUT = 10.0
"""Seconds; a store that doesn't take a connection in that time counts as down."""
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes; a plan of ten thousand destinations is a tenth of that."""
STORAGE_FULL = 507
"""The one answer above 499 that somebody has to mend and a caller tells apart."""
_PASSES_BY_ITSELF = frozenset({408, 425, 429})
USER_AGENT = f"recording-storage-uploader/{__version__}"


class StoreUrlError(ValueError):
    """The store's address can't be used; the message says what to write instead."""


class StoreUnreachableError(Exception):
    """No usable answer: the store is down, its certificate isn't trusted, the token can't be read, or it has a fault.

    All of that passes when somebody mends it, so the caller waits and tries again.
    """


class StoreRefusedError(Exception):
    """The store has answered that it won't do this.

    Attributes:
        status: HTTP status, 300 to 499, or 507.
        code: the stable word of `protocol.base.Problem`, or `http_<status>`.
    """

    def __init__(self, status: int, *, code: str, message: str) -> None:
        super().__init__(f"the store refused ({status} {code}): {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class StoreAddress:
    """Where the store's internal API is and how its uploaders prove who they are."""

    host: str
    port: int
    tls: bool
    base_path: str
    token_file: Path
    ca_file: Path | None = None
    ca_certificates: str = field(default="", repr=False)
    """PEM; counts where there is no `ca_file`. Neither: the system's."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.base_path}"


def store_address(
    url: str, *, token_file: Path, ca_file: Path | None = None, ca_certificates: str = ""
) -> StoreAddress:
    """Read `--store`; raises StoreUrlError. Plain http is for this machine only: tokens and keys pass there."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise StoreUrlError(f"{url!r}: the port is no number between 1 and 65535") from error
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise StoreUrlError(f"{url!r} is no address of a store; write for example https://store.example:8081")
    if parts.username is not None or parts.query or parts.fragment:
        raise StoreUrlError("the store's address takes no user, query or fragment; the token comes from --token-file")
    tls = parts.scheme == "https"
    if not tls and not _is_loopback(parts.hostname):
        raise StoreUrlError(f"{url!r}: http is for this machine only (127.0.0.1, ::1, localhost); use https")
    return StoreAddress(
        host=parts.hostname,
        port=port or (443 if tls else 80),
        tls=tls,
        base_path=parts.path.rstrip("/").removesuffix("/internal/v1"),
        token_file=token_file,
        ca_file=ca_file,
        ca_certificates=ca_certificates,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class StoreHttp:
    """One connection; used by one thread at a time, but `abort` may come from any."""

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()  # guards which connection is the present one, never held over network calls
        self._aborted = False

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Answer:
        """Ask for `path` below the address; any answer below 500 comes back as it is.

        507 comes back, too. `timeout` is in seconds, for each step on the connection. Raises StoreUnreachableError.
        """
        sent = {"User-Agent": USER_AGENT, "Authorization": f"Bearer {self._token()}", **(headers or {})}
        target = f"{self.address.base_path}{path}"
        repeatable = body is None or isinstance(body, bytes)
        while True:
            connection, reused = self._connected()
            try:
                if connection.sock is not None:
                    connection.sock.settimeout(timeout)
                connection.request(method, target, body=body, headers=sent)
                answer = _read(connection.getresponse())
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if self._aborted:
                    raise StoreUnreachableError("the connection to the store was ended here") from error
                stale = isinstance(error, ConnectionError | http.client.BadStatusLine)  # its idle time was over
                if reused and stale and repeatable:
                    continue
                raise StoreUnreachableError(f"{self.address.url}: {_words(error)}") from error
            if answer.headers.get("connection", "").lower() == "close":
                self.close()
            if answer.status in _PASSES_BY_ITSELF or (answer.status >= 500 and answer.status != STORAGE_FULL):  # noqa: PLR2004
                raise StoreUnreachableError(f"{self.address.url}: {_problem(answer)[1]} (HTTP {answer.status})")
            return answer

    def json(self, method: str, path: str, *, body: bytes, timeout: float = 30.0) -> bytes:
        """`call` for a JSON body; gives the body of a success, raises StoreRefusedError for any other answer."""
        answer = self.call(method, path, body=body, headers={"Content-Type": "application/json"}, timeout=timeout)
        return success(answer).body

    def abort(self) -> None:
        """End what is under way, for good: the thread that waits in `call` gets StoreUnreachableError at once."""
        with self._lock:
            self._aborted = True
            connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # closed in between, which is what is wanted

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> tuple[http.client.HTTPConnection, bool]:
        if self._connection is not None:
            return self._connection, True
        address = self.address
        connection: http.client.HTTPConnection
        if address.tls:
            context = self._context()
            connection = http.client.HTTPSConnection(
                address.host, address.port, timeout=CONNECT_TIMEOUT, context=context
            )
        else:
            connection = http.client.HTTPConnection(address.host, address.port, timeout=CONNECT_TIMEOUT)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise StoreUnreachableError(f"{address.url}: {_words(error)}") from error
        with self._lock:
            if self._aborted:
                connection.close()
                raise StoreUnreachableError("the connection to the store was ended here")
            self._connection = connection
        return connection, False

    def _context(self) -> ssl.SSLContext:
        """A fresh one for each connection: the CA file is renewed in place, too."""
        file, certificates = self.address.ca_file, self.address.ca_certificates
        try:
            if file is None and certificates:
                return ssl.create_default_context(cadata=certificates)
            return ssl.create_default_context(cafile=file)
        except (OSError, ssl.SSLError, ValueError) as error:  # ValueError: not even ASCII
            what = f"the CA file {file}" if file is not None else "the CA certificate that was given"
            raise StoreUnreachableError(f"{what} can't be used: {_words(error)}") from error

    def _token(self) -> str:
        """Read for each request: the kubelet renews a projected token in place, long before it expires."""
        try:
            token = self.address.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreUnreachableError(f"the token file {self.address.token_file} can't be read") from error
        if not token or not token.isprintable() or " " in token:
            raise StoreUnreachableError(f"the token file {self.address.token_file} holds no token")
        return token


def success(answer: Answer) -> Answer:
    """The answer itself when it is a success; else raises StoreRefusedError."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's successes
        return answer
    code, message = _problem(answer)
    raise StoreRefusedError(answer.status, code=code, message=message)


def _read(response: http.client.HTTPResponse) -> Answer:
    body = response.read(MAX_ANSWER + 1)
    if len(body) > MAX_ANSWER:
        raise http.client.HTTPException(f"the answer is larger than {MAX_ANSWER} bytes")
    headers = {name.lower(): value for name, value in response.getheaders()}
    if response.will_close:
        headers["connection"] = "close"
    return Answer(response.status, headers, body)


def _problem(answer: Answer) -> tuple[str, str]:
    """Code and message, without control characters and not longer than a log line."""
    body: Any
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    code = str(body.get("code") or f"http_{answer.status}")
    message = str(body.get("message") or "it gave no reason")
    return code, "".join(c if c.isprintable() else " " for c in message)[:500]


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
