"""`/metrics`, `/healthz` and `/readyz` on `--metrics-listen`."""

import asyncio
import logging
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from recording_storage.domain.address import Address

logger = logging.getLogger(__name__)

_READ = 5.0  # seconds in which a request has to arrive


class Probes:
    """A server of three answers; not worth a framework."""

    def __init__(self, address: Address, *, alive: Callable[[], str], ready: Callable[[], str]) -> None:
        """Take what to ask.

        Args:
            address: to listen at.
            alive: an empty text, or why the process should be restarted.
            ready: an empty text, or why it isn't ready.
        """
        self._address = address
        self._alive = alive
        self._ready = ready

    async def start(self) -> asyncio.Server:
        """Raises OSError when the address can't be had."""
        return await asyncio.start_server(self._answer, self._address.host, self._address.port)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_READ):
                line = (await reader.readline()).decode("latin-1").split()
                while (await reader.readline()).strip():
                    pass
            path = line[1].partition("?")[0] if len(line) > 1 else ""
            status, content_type, body = self._page(path)
            head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            await writer.drain()
        except (TimeoutError, ConnectionError, ValueError, asyncio.LimitOverrunError) as error:
            logger.debug("a probe was not answered: %s", error)
        finally:
            writer.close()

    def _page(self, path: str) -> tuple[str, str, bytes]:
        if path == "/metrics":
            return "200 OK", CONTENT_TYPE_LATEST, generate_latest()
        asked = {"/healthz": self._alive, "/readyz": self._ready}.get(path)
        if asked is None:
            return "404 Not Found", "text/plain", b"metrics, healthz or readyz\n"
        fault = asked()
        status = "503 Service Unavailable" if fault else "200 OK"
        return status, "text/plain; charset=utf-8", f"{fault or 'ok'}\n".encode()
