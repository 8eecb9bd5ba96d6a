"""pytest's `postgres` and `postgres_url`."""

from collections.abc import Iterator

import pytest

from tests.postgres.server import PostgresServer
from tests.tools.errors import ToolFailed, ToolMissing


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer()
    except (ToolMissing, ToolFailed) as error:
        pytest.fail(str(error), pytrace=False)
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Of a fresh database, as `postgresql+psycopg://…`."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)
