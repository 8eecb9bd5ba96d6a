"""Connections to a remote store: its address is written by a tenant, so it is judged as a bucket's address is.

Without that, a RecordingAccount would make the operator, which all tenants share, ask whatever it can reach.
"""

import asyncio
import socket
import ssl
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from recording_storage.domain.bucket_url import normalised_endpoint
from recording_storage.s3.address_guard import AddressGuard, AddressRefusedError

_CONNECTIONS = 100
_PORTS = {"https": 443, "http": 80}


class EndpointRefused(httpx.ConnectError):
    """The address is one that no hosted service has; the message names it and the remedy."""


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Connects to the very address that was judged; TLS goes by the name.

    What goes by a proxy, the proxy resolves: it is judged by the addresses that are known here, if any are.
    """

    def __init__(self, guard: AddressGuard) -> None:
        super().__init__()
        self._guard = guard
        # The name stays what connections are kept and certificates are checked by; httpx has no other way in.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=_CONNECTIONS,
            network_backend=_GuardedNetwork(guard),
        )
        self._proxies = {
            scheme: httpx.AsyncHTTPTransport(proxy=url)
            for scheme, url in getproxies().items()
            if scheme in {"http", "https"}
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        check_scheme(f"{url.scheme}://{url.netloc.decode()}", self._guard.allowed_endpoints)
        proxy = self._proxies.get(url.scheme)
        if proxy is None or proxy_bypass(url.netloc.decode()):
            return await super().handle_async_request(request)
        with suppress(socket.gaierror):  # where names are known to the proxy alone, it is the proxy's to refuse
            await _addresses(self._guard, url.host, url.port or _PORTS[url.scheme])
        return await proxy.handle_async_request(request)

    async def aclose(self) -> None:
        for each in self._proxies.values():
            await each.aclose()
        await super().aclose()


def check_scheme(url: str, allowed: Collection[str]) -> None:
    """Plain http shows the key to all that lie between, and reaches what was never meant for the outside.

    Raises:
        EndpointRefused: it is not https, and not allowed.
    """
    endpoint = normalised_endpoint(url)
    if not endpoint.startswith("https://") and endpoint not in allowed:
        raise EndpointRefused(f"{endpoint} is not https; {_remedy(endpoint)}")


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await _addresses(self._guard, host, port)
        except socket.gaierror as error:
            raise httpcore.ConnectError(str(error)) from error
        last: Exception = httpcore.ConnectError(f"{host} has no address")
        for _family, address in found:
            try:
                return await self._network.connect_tcp(
                    str(address[0]), port, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


async def _addresses(guard: AddressGuard, host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    """Raises EndpointRefused, and gaierror."""
    candidates = [normalised_endpoint(f"{scheme}://{_bracketed(host)}:{port}") for scheme in ("https", "http")]
    endpoint = next((each for each in candidates if each in guard.allowed_endpoints), candidates[0])
    try:
        return await asyncio.to_thread(guard.addresses, endpoint=endpoint, host=host, port=port)
    except AddressRefusedError as error:
        raise EndpointRefused(f"{str(error).partition(';')[0]}; {_remedy(endpoint)}") from error


def _remedy(endpoint: str) -> str:
    return f"have {endpoint} allowed if it is meant (operator: --allow-endpoint {endpoint})"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
