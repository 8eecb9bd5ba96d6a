"""The PostgreSQL of the tests gives each test a database of its own."""

import pytest
from sqlalchemy import create_engine, text

from tests.postgres.programs import unpacked
from tests.postgres.server import PostgresServer


def test_databases_do_not_see_each_other(postgres: PostgresServer, postgres_url: str) -> None:
    with create_engine(postgres_url).begin() as connection:
        connection.execute(text("CREATE TABLE kept (id int)"))
    with create_engine(postgres.url).connect() as connection:
        assert connection.execute(text("SELECT to_regclass('kept')")).scalar() is None


def test_what_was_committed_survives_an_immediate_shutdown(postgres: PostgresServer, postgres_url: str) -> None:
    with create_engine(postgres_url).begin() as connection:
        connection.execute(text("CREATE TABLE kept AS SELECT 7 AS id"))
    # The server runs without fsync and with delayed commits: what a test commits has to be there all the same.
    with create_engine(postgres_url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("CHECKPOINT"))
    postgres.kill()
    postgres.start()
    with create_engine(postgres_url).connect() as connection:
        assert connection.execute(text("SELECT id FROM kept")).scalar() == 7


@pytest.mark.slow
def test_unpacked_packages_serve_as_well_as_installed_ones() -> None:
    server = PostgresServer(unpacked())
    try:
        with create_engine(server.url).connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
    finally:
        server.close()
