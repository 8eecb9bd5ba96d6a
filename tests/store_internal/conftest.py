"""A store on each of its databases, with accounts, behind its internal port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recording_storage.store.context import Store
from recording_storage.store.services.accounts import NewAccount, create_account
from tests.store_internal.servers import Live, opened_store, serving

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
"""PostgreSQL is slow only to start."""


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path / 'store.db'}"
    opened = opened_store(url, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """For what doesn't depend on the database."""
    opened = opened_store(f"sqlite:///{tmp_path / 'store.db'}", tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def live(store: Store) -> Iterator[Live]:
    with serving(store) as found:
        yield found


@pytest.fixture
def live_sqlite(sqlite_store: Store) -> Iterator[Live]:
    with serving(sqlite_store) as found:
        yield found


@pytest.fixture
def account(store: Store) -> NewAccount:
    return create_account(store, friendly_name="acme")
