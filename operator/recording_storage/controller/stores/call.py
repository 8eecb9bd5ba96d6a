"""One call to a settings store: bounded in time and size, whatever is at the other end."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

from recording_storage.controller.core import metrics
from recording_storage.controller.stores.errors import StoreNotAllowed, StoreUnavailable, unreachable
from recording_storage.controller.stores.transport import EndpointRefused
from recording_storage.domain.retry_after import retry_after_of

LARGEST = {"public": 1024 * 1024, "internal": 4 * 1024 * 1024}
"""Bytes of an answer, by port. A page of a hundred items takes some 40 KB, settings with a bundle of certificates
150 KB; the internal API lists all of an account's uploaders at once."""
LONGEST = 30.0
"""Seconds of a call from its first byte to its last: one that drips would hold a worker for ever."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    retry_after: float | None = None
    """Seconds that the store asks to be left alone."""
    content: bytes = field(default=b"", repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's


async def call(
    client: httpx.AsyncClient, method: str, url: str, *, where: str, port: str, longest: float = LONGEST, **options: Any
) -> Answer:
    """Send a request, and give whatever was answered.

    Args:
        client: any; it follows no redirects.
        method: HTTP's.
        url: absolute.
        where: the store, for people.
        port: public or internal, for the metrics.
        longest: seconds that all of it may take.
        options: of httpx.

    Raises:
        StoreNotAllowed: a tenant has named an address that is not to be connected to.
        StoreUnavailable: no answer came, or one that is too long or in another form than was asked for.
    """
    headers = {**options.pop("headers", {}), "Accept-Encoding": "identity"}
    try:
        async with asyncio.timeout(longest), client.stream(method, url, headers=headers, **options) as response:
            metrics.STORE_REQUESTS.labels(port=port, outcome=f"{response.status_code // 100}xx").inc()
            content = await _bounded(response, where=where, most=LARGEST[port])
    except TimeoutError as error:
        metrics.STORE_REQUESTS.labels(port=port, outcome="unreachable").inc()
        raise StoreUnavailable(f"{where} has not answered within {longest:.0f} s", uncertain=True) from error
    except EndpointRefused as error:
        raise StoreNotAllowed(str(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        metrics.STORE_REQUESTS.labels(port=port, outcome="unreachable").inc()
        raise unreachable(error, where=where) from error
    return Answer(status=response.status_code, retry_after=retry_after_of(response.headers), content=content)


async def _bounded(response: httpx.Response, *, where: str, most: int) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":  # a few bytes could become many
        raise StoreUnavailable(f"{where} answers in a compressed form that was not asked for", uncertain=True)
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > most:
            raise StoreUnavailable(
                f"{where} answers with more than {most // 1024 // 1024} MiB: no settings store does", uncertain=True
            )
    return bytes(content)
