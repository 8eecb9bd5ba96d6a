"""The database behaves the same, whichever it is."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from recording_storage.domain.settings import RecordingSettings
from recording_storage.domain.states import Product
from recording_storage.store.config import load_config
from recording_storage.store.context import Store, open_store
from recording_storage.store.database.engine import (
    Database,
    DatabaseUnavailableError,
    DatabaseUrlError,
    parse_url,
)
from recording_storage.store.database.migrate import MigrationError, migrate
from recording_storage.store.database.models import Account, AwsCredential, Base, Recording, Settings
from recording_storage.store.services.accounts import NewAccount, bump_revision, create_account
from recording_storage.store.services.settings import get_settings, update_settings
from tests.postgres.server import PostgresServer
from tests.store.conftest import LiveStore, serving
from tests.store.rows import MOMENT, add_recording
from tests.waiting import SOON


def test_the_migrations_make_exactly_the_tables_of_the_models(store: Store):
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrating_again_changes_nothing(store: Store, account: NewAccount):
    migrate(store.database)
    with store.database.read() as session:
        assert session.get(Account, account.sid) is not None


REPLICA = """
import os, sys
import sqlalchemy as sa
from recording_storage.store.database.engine import Database
from recording_storage.store.database.migrate import migrate

done = []

def tell(what):
    done.append(what)
    os.write(int(sys.argv[2]), f"{os.getpid()} {what}\\n".encode())

def execute(_connection, _cursor, statement, parameters, *_):
    if "begins" not in done and "alembic_version" in f"{statement} {parameters}":
        tell("begins")
        sys.stdin.read()

def commit(_connection):
    if done[-1] == "begins":
        tell("ends")

database = Database(sys.argv[1])
sa.event.listen(database.engine, "before_cursor_execute", execute)
sa.event.listen(database.engine, "commit", commit)
tell("comes")
migrate(database)
database.close()
"""
"""A replica that tells when it first looks which tables there are, where it waits for the end of its input."""


def test_replicas_that_start_at_once_migrate_one_after_another(database_url: str):
    readable, writable = os.pipe()
    replicas = [
        subprocess.Popen(
            [sys.executable, "-c", REPLICA, database_url, str(writable)], stdin=subprocess.PIPE, pass_fds=[writable]
        )
        for _ in range(3)
    ]
    os.close(writable)
    try:
        with os.fdopen(readable) as pipe:
            told = [pipe.readline().split() for _ in range(len(replicas) + 1)]  # all have come, and one has begun
            for replica in replicas:
                assert replica.stdin is not None
                replica.stdin.close()  # which ends the wait of whoever comes to it
            told += [line.split() for line in pipe]
        assert [replica.wait(SOON) for replica in replicas] == [0, 0, 0]
    finally:
        for replica in replicas:
            replica.kill()
            replica.wait()
    work = [(who, what) for who, what in told if what != "comes"]
    assert [what for _, what in work] == ["begins", "ends"] * len(replicas)
    assert [who for who, _ in work[::2]] == [who for who, _ in work[1::2]]
    assert len({who for who, _ in work}) == len(replicas)


def test_a_newer_version_s_database_is_left_alone(store: Store):
    with store.database.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(MigrationError, match="another version"):
        migrate(store.database)


def test_foreign_keys_hold(store: Store):
    with pytest.raises(IntegrityError), store.database.write() as session:
        session.add(AwsCredential(sid="CR1", account_sid="AC-none", box=b"", created_at=MOMENT, updated_at=MOMENT))


def test_times_come_back_in_utc_to_the_microsecond(store: Store, account: NewAccount):
    moment = MOMENT.replace(microsecond=123456)
    sid = add_recording(store, account.sid, started_at=moment)
    with store.database.read() as session:
        row = session.execute(sa.text("SELECT count(*) FROM recordings")).scalar_one()
        assert row == 1
        assert session.get(Recording, (account.sid, sid)).started_at == moment


def test_revisions_are_counted_by_many_at_once(store: Store, account: NewAccount):
    def bump(_: int) -> int:
        with store.database.write() as session:
            return bump_revision(session, account.sid)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(bump, range(40))) == list(range(1, 41))


def test_settings_changed_by_many_at_once_lose_nothing(store: Store, account: NewAccount):
    """Each of them sets one parameter; together they are all set, one revision each."""
    parameters = [
        {"RetryWindow": "5m"},
        {"Region": "eu-west-1"},
        {"StorageClass": "STANDARD_IA"},
    ]
    barrier = threading.Barrier(len(parameters))

    def post(more: dict[str, str]) -> None:
        barrier.wait()
        update_settings(store, account_sid=account.sid, product=Product.VIDEO, parameters={"FriendlyName": "x"} | more)

    with ThreadPoolExecutor(len(parameters)) as pool:
        list(pool.map(post, parameters))
    settings = get_settings(store, account_sid=account.sid, product=Product.VIDEO)
    assert (settings.retry_window, settings.region, settings.storage_class) == ("5m", "eu-west-1", "STANDARD_IA")
    with store.database.read() as session:
        assert session.get(Account, account.sid).revision == len(parameters)


def test_sqlite_is_set_up_to_survive(sqlite_store: Store):
    with sqlite_store.database.read() as session:
        pragma = {name: session.execute(sa.text(f"PRAGMA {name}")).scalar_one() for name in PRAGMAS}
    assert pragma == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 15000, "synchronous": 2}


@pytest.mark.parametrize("url", ["", "x", "sqlite://", "sqlite:///:memory:", "mysql://u:planted@h/d", "://planted"])
def test_other_urls_are_refused_without_showing_a_password(url: str):
    with pytest.raises(DatabaseUrlError, match="write sqlite:///FILE") as refused:
        parse_url(url)
    assert "planted" not in str(refused.value)


def test_a_folder_that_does_not_exist(tmp_path: Path):
    with pytest.raises(DatabaseUrlError, match="does not exist"):
        Database(f"sqlite:///{tmp_path}/no/store.db")


def test_a_server_that_is_down_is_told_without_the_password():
    database = Database("postgresql://user:planted@127.0.0.1:1/store")
    with pytest.raises(DatabaseUnavailableError) as refused:
        database.ping()
    assert "planted" not in str(refused.value)
    with pytest.raises(DatabaseUnavailableError):
        migrate(database)


@pytest.mark.slow
def test_a_server_that_went_away_is_used_again_once_it_is_back(tmp_path: Path):
    server = PostgresServer()
    try:
        config = load_config(
            listen="127.0.0.1:0",
            internal_listen="127.0.0.1:0",
            database=server.create_database(),
            master_key_file=tmp_path / "key",
            create_master_key=True,
            media=tmp_path / "media",
        )
        store = open_store(config)
        account = create_account(store, friendly_name="acme")
        with serving(store) as listening, LiveStore(store, listening.public, account).http() as http:
            assert http.get("/v1/Recordings").status_code == 200
            server.stop()
            answer = http.get("/v1/Recordings")
            assert (answer.status_code, answer.json()["code"]) == (503, 20503)
            server.start()
            assert http.get("/v1/Recordings").status_code == 200
        store.close()
    finally:
        server.close()


def test_settings_that_were_claimed_before_the_first_post(store: Store, account: NewAccount):
    _claim(store, account.sid)
    assert get_settings(store, account_sid=account.sid, product=Product.VOICE) == RecordingSettings()
    update_settings(store, account_sid=account.sid, product=Product.VOICE, parameters={"FriendlyName": "x"})
    with store.database.read() as session:
        row = session.get(Settings, (account.sid, "voice"))
        assert row is not None
        assert (row.owner, row.revision) == ("resource", 1)


def test_claiming_and_posting_at_once(store: Store):
    for _ in range(8):
        sid = create_account(store, friendly_name="acme").sid
        barrier = threading.Barrier(2)

        def claim(sid: str = sid, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with suppress(IntegrityError):
                _claim(store, sid)

        def post(sid: str = sid, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            update_settings(store, account_sid=sid, product=Product.VOICE, parameters={"FriendlyName": "x"})

        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(claim), pool.submit(post)]:
                future.result()
        assert get_settings(store, account_sid=sid, product=Product.VOICE).friendly_name == "x"


def _claim(store: Store, account_sid: str) -> None:
    with store.database.write() as session:
        session.add(
            Settings(
                account_sid=account_sid, product="voice", revision=0, values={}, owner="resource", updated_at=MOMENT
            )
        )
