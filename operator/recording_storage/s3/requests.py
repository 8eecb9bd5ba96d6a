"""One signed request to a destination, and its answer or the failure that it is."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from recording_storage.domain.bucket_url import BucketLocation
from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.s3 import errors, xml
from recording_storage.s3.address_guard import AddressGuard, AddressRefusedError
from recording_storage.s3.answer import Answer
from recording_storage.s3.authorities import trust
from recording_storage.s3.connection import Address, Timeouts
from recording_storage.s3.headers import check_credential
from recording_storage.s3.payload import Buffer, Payload
from recording_storage.s3.sigv4 import EMPTY_SHA256, UNSIGNED_PAYLOAD, Signer, encoded_path, encoded_query
from recording_storage.s3.transport import ExchangeError, Transport
from recording_storage.s3.types import Credential, Destination

_TEMPORARY_REDIRECT = 307
_DEFAULT_REGION = "us-east-1"
"""What servers without regions expect, and what AWS's global endpoint does."""


@dataclass(frozen=True)
class _Route:
    """How the destination is reached at present; replaced as a whole when the region turns out to be another."""

    location: BucketLocation
    transport: Transport

    @property
    def region(self) -> str:
        return self.location.region or _DEFAULT_REGION


class Requests:
    """Sends requests to one destination with one credential. Thread-safe."""

    def __init__(
        self,
        destination: Destination,
        *,
        credential: Credential,
        guard: AddressGuard,
        timeouts: Timeouts,
        user_agent: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_credential(credential)
        self._credential = credential
        self._guard = guard
        self._timeouts = timeouts
        self._user_agent = user_agent
        self._clock = clock
        self._offset = 0.0
        self._signer = Signer(credential)
        self._lock = threading.Lock()
        try:
            self._context = trust(destination.ca_bundle) if destination.location.scheme == "https" else None
        except ValueError as error:
            raise S3Failure(FailureClass.HOLD, code="InvalidCaBundle", message=str(error)) from error
        self._route = self._route_to(destination.location)

    @property
    def location(self) -> BucketLocation:
        return self._route.location

    @property
    def clock_offset(self) -> float:
        return self._offset

    def send(
        self,
        operation: str,
        method: str,
        *,
        key: str | None,
        headers: dict[str, str],
        payload: Payload,
        repeatable: bool,
        query: dict[str, str] | None = None,
        signed: bool = True,
    ) -> Answer:
        """Send a request; a success is returned, whatever else becomes a failure.

        Args:
            operation: the S3 operation, for the failure.
            method: the HTTP method.
            key: the object's full key; None for the bucket itself.
            headers: names in lower case; host, length and signature are added here.
            payload: the body.
            repeatable: whether the request may take effect twice without harm.
            query: unencoded parameters.
            signed: whether the body's SHA-256 is signed.

        Raises:
            S3Failure: always with its operation named.
        """
        self._require_valid(operation)
        encoded = encoded_query(query) if query else ""
        payload_hash = (payload.sha256() if payload.length else EMPTY_SHA256) if signed else UNSIGNED_PAYLOAD
        route = self._route
        while True:
            try:
                return self._exchange(
                    route,
                    operation,
                    method,
                    key=key,
                    query=encoded,
                    headers=headers,
                    payload=payload,
                    payload_hash=payload_hash,
                    repeatable=repeatable,
                )
            except S3Failure as failure:
                if failure.code == "RequestTimeTooSkewed" and failure.server_date is not None:
                    self._offset = failure.server_date - self._clock()
                if failure.kind is FailureClass.REGION and failure.region == route.region:
                    # told to go where we are: a new bucket's name has not spread yet (307), or nobody knows better
                    temporary = failure.status == _TEMPORARY_REDIRECT
                    failure.kind = FailureClass.TRANSIENT if temporary else FailureClass.HOLD
                found = self._follow(route, failure)
                if found is None:
                    raise
                route = found

    def close(self) -> None:
        self._route.transport.close()

    def _require_valid(self, operation: str) -> None:
        """An expired credential is refused here as the server would, which may be lax or have no word for it."""
        end = self._credential.expiration
        if end is not None and self._clock() + self._offset >= end:
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
            raise S3Failure(
                FailureClass.CREDENTIAL,
                code="ExpiredToken",
                message=f"the credential has expired at {moment}; put a new one in its place",
                operation=operation,
            )

    def _exchange(
        self,
        route: _Route,
        operation: str,
        method: str,
        *,
        key: str | None,
        query: str,
        headers: dict[str, str],
        payload: Payload,
        payload_hash: str,
        repeatable: bool,
    ) -> Answer:
        location = route.location
        path = encoded_path(f"{location.path}/{key}" if key is not None else location.path or "/")
        complete = self._signer.headers(
            method,
            path=path,
            query=query,
            headers={"host": location.host, **headers},
            payload_hash=payload_hash,
            region=route.region,
            now=self._clock() + self._offset,
        )
        lines = "".join([f"{name}: {value}\r\n" for name, value in complete.items()])
        target = f"{path}?{query}" if query else path
        length = f"content-length: {payload.length}\r\n" if method != "GET" else ""
        head = f"{method} {target} HTTP/1.1\r\n{lines}{length}user-agent: {self._user_agent}\r\n\r\n".encode("ascii")

        def pieces() -> Iterable[Buffer]:
            return payload.pieces(head)

        changes = method != "GET"
        try:
            answer = route.transport.exchange(pieces, repeatable=repeatable)
        except AddressRefusedError as error:
            raise errors.from_refusal(error, operation=operation) from error
        except ExchangeError as error:
            raise errors.from_exchange(error, operation=operation, host=location.host, changes=changes) from error
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's successes
            failure = errors.from_answer(answer, operation=operation, credential=self._credential)
            failure.uncertain = failure.uncertain and changes
            raise failure
        if answer.body and (document := _error_in(answer.body)) is not None:
            raise errors.from_answer(answer, operation=operation, credential=self._credential, document=document)
        return answer

    def _follow(self, route: _Route, failure: S3Failure) -> _Route | None:
        """The route to the region that a failure names; None unless nobody has said yet which region it is.

        The server's word decides over a region's name alone, never over a host: redirects are not followed.
        """
        if failure.kind is not FailureClass.REGION or failure.region is None:
            return None
        with self._lock:
            if self._route is not route:
                return self._route if self._route.region == failure.region else None
            if route.location.region:
                return None
            self._route = self._route_to(route.location.in_region(failure.region))
        route.transport.close()
        return self._route

    def _route_to(self, location: BucketLocation) -> _Route:
        address = Address(
            endpoint=location.endpoint, hostname=location.hostname, port=location.port, context=self._context
        )
        return _Route(location, Transport(address, guard=self._guard, timeouts=self._timeouts))


def _error_in(body: bytes) -> xml.Node | None:
    """The error in the body of a success; S3 sends one when it failed after it had begun to answer."""
    if b"Error" not in body:
        return None
    try:
        return xml.error_of(xml.parse(body))
    except xml.DocumentError:
        return None
