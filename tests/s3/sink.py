"""An S3-like TLS server that reads and discards: it shows what a client costs, since it costs next to nothing itself.

`python -m tests.s3.sink --port P --cert F --key F`, or `Sink` from a benchmark. It knows no objects and
checks no signature; it answers PutObject and the multipart calls as a server would that has done its work, and refuses
a body whose CRC64NVME or SHA-256 is not the one that came with it: no uploader takes a server that vouches for nothing.
"""

import argparse
import base64
import hashlib
import os
import socket
import ssl
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from sys import executable
from typing import Self

from awscrt import checksums

from tests.s3.servers import Credentials
from tests.tools.children import Children
from tests.tools.errors import ToolFailed
from tests.tools.pki import Authority
from tests.tools.ports import free_port
from tests.tools.progress import tail
from tests.waiting import SOON

BUFFER = 1 << 20
HEAD_LIMIT = 65536
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
BAD_DIGEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 39\r\n\r\n<Error><Code>BadDigest</Code></Error>\r\n"
ETAG = '"0123456789abcdef0123456789abcdef"'


class Sink:
    """Runs it in processes of their own: a client in this one does not share the interpreter's lock with it."""

    credentials = Credentials("sink-access-key", "sink-secret-key")  # any others do as well

    def __init__(self, *, processes: int = 1) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="recording-storage-sink-"))
        self._children = Children(remove=[self._folder])
        authority = Authority(self._folder / "pki")
        certificate, key = authority.issue("server", common_name="localhost")
        self.ca_file = authority.certificate_file
        self.port = free_port()
        self.endpoint = f"https://127.0.0.1:{self.port}"
        argv: list[str | Path] = [
            executable,
            "-m",
            "tests.s3.sink",
            "--port",
            str(self.port),
            "--cert",
            certificate,
            "--key",
            key,
        ]
        log = self._folder / "sink.log"
        for number in range(processes):
            self._children.start(f"sink-{number}", argv, log=log)
        deadline = time.monotonic() + SOON
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if time.monotonic() > deadline:
                self.close()
                raise ToolFailed(f"the sink has not come up:\n{tail(log)}")
            time.sleep(0.02)

    def url(self, bucket: str = "bucket", prefix: str = "calls") -> str:
        return f"{self.endpoint}/{bucket}/{prefix}"

    def close(self) -> None:
        self._children.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(port: int, *, certificate: str, key: str) -> None:
    """Forever; several processes may listen on the same port, the kernel spreads the connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", port), backlog=256, reuse_port=True) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_connection, args=(context, connection), daemon=True).start()


def _connection(context: ssl.SSLContext, plain: socket.socket) -> None:
    with suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as connection:
        buffer = bytearray(BUFFER)
        view = memoryview(buffer)
        have = 0  # bytes at the start of the buffer that belong to the next request
        while True:
            while (end := buffer.find(b"\r\n\r\n", 0, have)) < 0:
                read = connection.recv_into(view[have:HEAD_LIMIT])
                if not read:
                    return
                have += read
            lines = bytes(view[:end]).decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
            if "chunked" in headers.get("transfer-encoding", ""):
                connection.sendall(b"HTTP/1.1 411 Length Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                return
            length = int(headers.get("content-length", "0"))
            rest = have - end - 4
            if headers.get("expect", "").lower() == "100-continue" and rest < length:
                connection.sendall(CONTINUE)
            body = _Checked(headers)
            body.take(view[end + 4 : end + 4 + min(rest, length)])
            left = length - rest
            while left > 0:
                # behind what there is of the next request: nothing, since there is more to come of this one
                read = connection.recv_into(view, min(left, BUFFER))
                if not read:
                    return
                body.take(view[:read])
                left -= read
            have = max(-left, 0) if rest > length else 0
            if have:  # the next request came with the end of this one
                view[:have] = bytes(view[end + 4 + length : end + 4 + length + have])
            method, target, *_ = lines[0].split(" ")
            wrong = method == "PUT" and not body.is_right()  # a completion's checksum is the object's, not its own
            connection.sendall(BAD_DIGEST if wrong else _response(method, target, headers))


class _Checked:
    """A body that comes in pieces, and the checksum that it should have."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._crc = headers.get("x-amz-checksum-crc64nvme")
        self._sha256 = headers.get("x-amz-checksum-sha256")
        self._found = 0
        self._digest = hashlib.sha256()

    def take(self, piece: memoryview) -> None:
        if self._crc is not None:
            self._found = checksums.crc64nvme(piece, self._found)
        if self._sha256 is not None:
            self._digest.update(piece)

    def is_right(self) -> bool:
        crc, sha256 = self._found.to_bytes(8, "big"), self._digest.digest()
        return self._crc in {None, _base64(crc)} and self._sha256 in {None, _base64(sha256)}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _response(method: str, target: str, headers: dict[str, str]) -> bytes:
    path, _, query = target.partition("?")
    parameters = {name for name, _, _ in (part.partition("=") for part in query.split("&"))}
    bucket, _, object_key = path.lstrip("/").partition("/")
    echoed = "".join(f"{k}: {v}\r\n" for k, v in headers.items() if k.startswith("x-amz-checksum-"))
    names = f"<Bucket>{bucket}</Bucket><Key>{object_key}</Key>"
    status, body, more = "200 OK", "", ""
    if method == "PUT":
        more = f"ETag: {ETAG}\r\n{echoed}"
    elif method == "POST" and "uploads" in parameters:
        upload = os.urandom(16).hex()
        body = (
            f"{XML}<InitiateMultipartUploadResult>{names}<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
        )
    elif method == "POST" and "uploadId" in parameters:
        body = f"{XML}<CompleteMultipartUploadResult>{names}<ETag>{ETAG}</ETag></CompleteMultipartUploadResult>"
    elif method == "DELETE" and "uploadId" in parameters:
        status = "204 No Content"
    elif method == "GET" and "uploadId" in parameters:
        body = f"{XML}<ListPartsResult>{names}<IsTruncated>false</IsTruncated></ListPartsResult>"
    elif method == "GET" and "uploads" in parameters:
        body = f"{XML}<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
    else:
        status = "403 Forbidden"
        body = "" if method == "HEAD" else f"{XML}<Error><Code>AccessDenied</Code><Message>a sink</Message></Error>"
    kind = "Content-Type: application/xml\r\n" if body else ""
    size = "" if status.startswith("204") else f"Content-Length: {len(body)}\r\n"
    return f"HTTP/1.1 {status}\r\nServer: sink\r\n{kind}{more}{size}\r\n{body}".encode("latin-1")


def main() -> None:
    parser = argparse.ArgumentParser(description="An S3-like TLS server that reads and discards.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    arguments = parser.parse_args()
    serve(arguments.port, certificate=arguments.cert, key=arguments.key)


if __name__ == "__main__":
    main()
