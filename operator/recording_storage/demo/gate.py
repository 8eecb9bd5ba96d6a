"""A door in front of the demo's S3 server that a person can shut: while the file exists, nobody gets through."""

import asyncio
import contextlib
import os
import socket
import struct
import sys
from pathlib import Path

_LOOK_EVERY = 0.2
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, 0 seconds. Closing then answers with a reset, as a host does whose service is gone."""


class Gate:
    def __init__(self, *, target_port: int, shut_file: Path) -> None:
        self._target_port = target_port
        self._shut_file = shut_file
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, host: str, port: int) -> None:
        server = await asyncio.start_server(self._pass, host, port)
        async with server:
            await asyncio.gather(server.serve_forever(), self._guard())

    async def _guard(self) -> None:
        parent = os.getppid()
        while os.getppid() == parent:
            if self._shut_file.exists():
                for writer in list(self._open):
                    _reset(writer)
            await asyncio.sleep(_LOOK_EVERY)
        sys.exit(0)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._shut_file.exists():
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}
            for each in (writer, far_writer):
                each.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
