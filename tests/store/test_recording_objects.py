"""What a recording has become is read where it is shown: an extension beside the hosted service's fields."""

import pytest
import sqlalchemy as sa
from alembic import command

from recording_storage.domain.states import Product
from recording_storage.store.context import Store
from recording_storage.store.database import migrate as migration
from recording_storage.store.database.engine import Database
from tests.store.conftest import LiveStore
from tests.store.rows import MOMENT, add_recording

URL = "https://b.s3.amazonaws.com/calls/x.wav"
OBJECT = {
    "destination": "d" * 32,
    "key": "calls/x.wav",
    "version_id": "v1",
    "checksum": {"algorithm": "CRC64NVME", "value": "rosUhgp5mIg="},
    "url": URL,
    "etag": "e",
    "size": 1000,
}
CUSTOM = {"agent": "Zoë", "queue": {"id": 7, "tags": ["a", None, 1.5, True]}}


@pytest.mark.parametrize("product", Product)
def test_the_api_shows_a_recording_s_objects(live_on_each: LiveStore, store: Store, product: Product) -> None:
    account = live_on_each.account.sid
    sid = add_recording(store, account, product=product, media_url=URL, objects=[OBJECT], custom=CUSTOM)
    kept_here = add_recording(store, account, product=product)
    base = f"/2010-04-01/Accounts/{account}/Recordings" if product is Product.VOICE else "/v1/Recordings"
    suffix = ".json" if product is Product.VOICE else ""
    with live_on_each.http() as http:
        shown = http.get(f"{base}/{sid}{suffix}").json()
        assert (shown["objects"], shown["custom"]) == ([OBJECT], CUSTOM)
        shown = http.get(f"{base}/{kept_here}{suffix}").json()
        assert (shown["objects"], shown["custom"]) == ([], {})
        listed = http.get(f"{base}{suffix}").json()["recordings"]
        assert {one["sid"]: one["objects"] for one in listed} == {sid: [OBJECT], kept_here: []}


def test_what_was_stored_before_is_kept_and_comes_back_on_the_way_down(database_url: str) -> None:
    database = Database(database_url)
    config = migration._config()

    def run(step, revision: str) -> None:
        with database.engine.execution_options(write=True).connect() as connection:
            config.attributes["connection"] = connection
            step(config, revision)
            connection.commit()

    def select(columns: str) -> list[tuple[object, ...]]:
        with database.read() as session:
            return [tuple(row) for row in session.execute(sa.text(f"SELECT {columns} FROM recordings ORDER BY sid"))]

    def indexes() -> list[str]:
        if not database.is_sqlite:
            return []
        query = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'recordings' AND sql IS NOT NULL"
        with database.read() as session:
            return list(session.scalars(sa.text(query)))

    try:
        run(command.upgrade, "0004")
        before = indexes()
        with database.write() as session:
            moment = MOMENT.isoformat(sep=" ")
            session.execute(
                sa.text(
                    "INSERT INTO accounts (sid, friendly_name, auth_token_hash, auth_token_box, status, revision,"
                    f" created_at, updated_at) VALUES ('AC1', '', '', '', 'active', 0, '{moment}', '{moment}')"
                )
            )
            for sid, key, url, etag, destination in (
                ("RE1", "calls/x.wav", URL, "e", "d" * 32),
                ("RE2", "calls/y.wav", URL, "", "d" * 32),
                ("RE3", "", "", "", None),
            ):
                session.execute(
                    sa.text(
                        "INSERT INTO recordings (account_sid, sid, product, seq, state, file, size, content_type,"
                        " found_at, type, call_sid, conference_sid, room_sid, source_sid, participant_sid, track_name,"
                        " status_callback, status_callback_method, destination_id, object_key, media_url, media_path,"
                        " etag, sha256, stored_size, attempts, created_at, updated_at) VALUES ('AC1', :sid, 'voice', 1,"
                        f" 'released', 'a.wav', 9, 'audio/wav', '{moment}', '', '', '', '', '', '', '', '', '',"
                        f" :destination, :key, :url, '', :etag, '', 1000, 1, '{moment}', '{moment}')"
                    ),
                    {"sid": sid, "key": key, "url": url, "etag": etag, "destination": destination},
                )
        migration.migrate(database)
        assert indexes() == before, "the planner chooses by their order between two that serve alike"
        with database.read() as session:
            objects = session.scalars(sa.text("SELECT objects FROM recordings ORDER BY sid").columns(objects=sa.JSON))
            one = {**OBJECT, "version_id": None, "checksum": None}
            assert objects.all() == [[one], [{**one, "key": "calls/y.wav", "etag": None}], []]
        run(command.downgrade, "0004")
        assert select("object_key, etag") == [("calls/x.wav", "e"), ("calls/y.wav", ""), ("", "")]
    finally:
        database.close()
