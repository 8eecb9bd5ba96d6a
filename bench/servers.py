"""The servers that are uploaded to, each started afresh for a run and removed after it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

BUCKET = "bench"
PREFIX = "calls"


@dataclass(frozen=True)
class Target:
    """Where a client uploads to."""

    endpoint: str
    ca_file: Path
    access_key: str
    secret_key: str
    arrived: Callable[[], tuple[int, int]] | None
    """Objects and bytes that are there; None where the server keeps nothing and the client's word has to do."""

    @property
    def url(self) -> str:
        return f"{self.endpoint}/{BUCKET}/{PREFIX}"


@contextmanager
def versitygw() -> Iterator[Target]:
    """A strict S3 server on a fresh data folder, over TLS."""
    from tests.s3.versity_server import VersityServer  # noqa: PLC0415 - boto3 comes with it

    server = VersityServer(tls=True, keep_alive=True)  # as every hosted S3 does; without it each request is a handshake
    try:
        server.start()
        server.create_bucket(BUCKET)
        admin = server.admin()

        def arrived() -> tuple[int, int]:
            pages = admin.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
            sizes = [item["Size"] for page in pages for item in page.get("Contents", [])]
            return len(sizes), sum(sizes)

        assert server.ca_file is not None
        yield Target(server.endpoint, server.ca_file, server.root.access_key, server.root.secret_key, arrived)
    finally:
        server.close()


@contextmanager
def sink() -> Iterator[Target]:
    """Reads and discards, over TLS: what remains is the client's own cost."""
    from tests.s3.sink import Sink  # noqa: PLC0415

    with Sink() as server:
        yield Target(
            server.endpoint, server.ca_file, server.credentials.access_key, server.credentials.secret_key, None
        )


SERVERS: Mapping[str, Callable[[], AbstractContextManager[Target]]] = {"versitygw": versitygw, "sink": sink}
