"""pytest's `moto_server`, `versity_server`, `s3_server`, `bucket` and `gate`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.s3.gate import Gate
from tests.s3.moto_server import MotoServer
from tests.s3.process import ServerProcess
from tests.s3.servers import Credentials, S3Server, User, least_rights
from tests.s3.versity_server import VersityServer
from tests.tools.errors import ToolFailed, ToolMissing

PREFIX = "calls/"


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A fresh bucket and a user with the least rights in its folder `prefix`."""

    server: S3Server
    name: str
    prefix: str
    user: User
    admin: Any  # boto3 client with all rights

    @property
    def credentials(self) -> Credentials:
        return self.user.credentials

    @property
    def url(self) -> str:
        """Path style, without the slash at the end: http://127.0.0.1:PORT/BUCKET/calls."""
        return self.url_at(self.server.endpoint)

    def url_at(self, endpoint: str) -> str:
        """The same folder by way of another endpoint, such as a gate's."""
        return f"{endpoint}/{self.name}/{self.prefix.rstrip('/')}"

    def client(self, *, endpoint: str | None = None) -> Any:
        """boto3 with the user's rights."""
        return self.server.client(self.credentials, endpoint=endpoint)

    def keys(self) -> list[str]:
        """Of all objects."""
        return [item["Key"] for item in self.admin.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def read(self, key: str) -> bytes:
        content: bytes = self.admin.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def uploads(self) -> list[dict[str, Any]]:
        """The multipart uploads that are open."""
        found: list[dict[str, Any]] = self.admin.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return found


def create_bucket(server: S3Server, *, prefix: str = PREFIX) -> Bucket:
    name = server.create_bucket()
    user = server.create_user(least_rights(name, prefix))
    return Bucket(server=server, name=name, prefix=prefix, user=user, admin=server.admin())


def _serve(kind: type[ServerProcess], *, tls: bool = False) -> Iterator[S3Server]:
    server: ServerProcess | None = None
    try:
        server = kind(tls=tls)
        server.start()
    except (ToolMissing, ToolFailed) as error:
        if server is not None:
            server.close()
        pytest.fail(str(error), pytrace=False)
    yield server
    server.close()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    yield from _serve(MotoServer)


@pytest.fixture(scope="session")
def moto_tls_server() -> Iterator[S3Server]:
    yield from _serve(MotoServer, tls=True)


@pytest.fixture(scope="session")
def versity_server() -> Iterator[S3Server]:
    yield from _serve(VersityServer)


@pytest.fixture(scope="session")
def versity_tls_server() -> Iterator[S3Server]:
    yield from _serve(VersityServer, tls=True)


# The second is slow only because its first build takes two minutes: it starts in a tenth of a second.
@pytest.fixture(params=["moto_server", pytest.param("versity_server", marks=pytest.mark.slow)])
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Each test with it runs on both servers."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return create_bucket(s3_server)


@pytest.fixture
def gate(s3_server: S3Server) -> Iterator[Gate]:
    """A gate in front of `s3_server`."""
    with Gate(s3_server.endpoint) as opened:
        yield opened
