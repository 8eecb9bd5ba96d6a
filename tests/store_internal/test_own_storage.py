"""Own storage is never a surprise: what the operator opened keeps nothing there until settings say so."""

from itertools import pairwise

import httpx
import pytest
import sqlalchemy as sa
from alembic import command

from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.states import Product
from recording_storage.protocol.accounts import ClaimSettings, OpenAccount, OpenedAccount, SetOwnStorage, SettingsState
from recording_storage.protocol.plan import AccountPlan
from recording_storage.protocol.sync import SyncResponse
from recording_storage.store.context import Store
from recording_storage.store.database import migrate as migration
from recording_storage.store.services.accounts import create_account
from recording_storage.store.services.settings import get_own_storage, update_settings
from tests.store_internal.messages import MOMENT, enable, new_credential, new_spool, sync_request
from tests.store_internal.servers import Live, body

VOICE, VIDEO = Product.VOICE, Product.VIDEO
ALLOWED, WITHHELD = OwnStorage.ALLOWED, OwnStorage.WITHHELD
EXTERNAL_ID = "7d0f7a3e"


@pytest.fixture
def opened(live: Live) -> str:
    """An account that the operator has opened."""
    with live.client() as http:
        answer = http.put(f"/accounts:by-external-id/{EXTERNAL_ID}", content=body(OpenAccount(friendly_name="f")))
    return OpenedAccount.from_json(answer.content).account_sid


def plan_of(http: httpx.Client, account_sid: str) -> AccountPlan:
    """As an uploader gets it."""
    answer = http.post(f"/uploaders/{new_spool()}/sync", content=body(sync_request(account_sid)))
    plans = SyncResponse.from_json(answer.content).plans
    assert plans is not None
    return plans[account_sid]


def set_own_storage(http: httpx.Client, account_sid: str, product: Product, own_storage: OwnStorage) -> None:
    path = f"/accounts/{account_sid}/settings/{product}/own-storage"
    answer = http.put(path, content=body(SetOwnStorage(own_storage=own_storage)))
    assert answer.status_code == 204, answer.text


def off(store: Store, account_sid: str, product: Product) -> None:
    form = {"FriendlyName": "x", "AwsStorageEnabled": "false"}
    update_settings(store, account_sid=account_sid, product=product, parameters=form)


def test_an_opened_account_has_no_plan_for_a_product_before_its_settings(live: Live, opened: str) -> None:
    """An uploader of any version waits for one that is missing; one with no destination means own storage to it."""
    with live.client() as http:
        assert plan_of(http, opened).products == {}
        destination = enable(live.store, opened, credential_sid=new_credential(live.store, opened))
        products = plan_of(http, opened).products

    assert {product: plan.destination_id for product, plan in products.items()} == {VOICE: destination}


def test_claiming_settings_applies_none(live: Live, opened: str) -> None:
    with live.client() as http:
        http.put(f"/accounts/{opened}/settings/voice/owner", content=body(ClaimSettings(owner="o")))
        assert plan_of(http, opened).products == {}


def test_own_storage_is_allowed_for_each_product_by_itself(live: Live, opened: str) -> None:
    with live.client() as http:
        off(live.store, opened, VOICE)
        assert plan_of(http, opened).products == {}, "whoever posts that is no RecordingSettings"

        set_own_storage(http, opened, VOICE, ALLOWED)
        plan = plan_of(http, opened)
        state = SettingsState.from_json(http.get(f"/accounts/{opened}/settings/voice").content)

    assert {product: one.destination_id for product, one in plan.products.items()} == {VOICE: None}
    assert state.own_storage is ALLOWED
    assert get_own_storage(live.store, account_sid=opened, product=VIDEO) is WITHHELD


def test_it_is_withheld_again_and_each_change_is_a_revision(live: Live, opened: str) -> None:
    with live.client() as http:
        revisions = [plan_of(http, opened).revision]
        for own_storage in (ALLOWED, ALLOWED, WITHHELD):
            set_own_storage(http, opened, VIDEO, own_storage)
            revisions.append(plan_of(http, opened).revision)
        assert plan_of(http, opened).products == {}

    assert [after - before for before, after in pairwise(revisions)] == [1, 0, 1]


def test_an_account_opened_at_the_store_begins_as_at_the_hosted_service(live: Live) -> None:
    by_hand = create_account(live.store, friendly_name="a").sid
    waiting = create_account(live.store, friendly_name="b", own_storage=WITHHELD).sid
    with live.client() as http:
        assert {each.destination_id for each in plan_of(http, by_hand).products.values()} == {None}
        assert plan_of(http, waiting).products == {}


def test_nobody_but_the_operator_says_so(live_sqlite: Live) -> None:
    account = create_account(live_sqlite.store, friendly_name="a")
    with live_sqlite.client(live_sqlite.account_token(account.sid)) as http:
        path = f"/accounts/{account.sid}/settings/voice/own-storage"
        assert http.put(path, content=body(SetOwnStorage(own_storage=ALLOWED))).status_code == 403
        assert http.put(path, content=b"{}").status_code == 403
    with live_sqlite.client() as http:
        refused = http.put(path, json={"own_storage": "maybe"})
        assert refused.status_code == 422
        assert "own_storage" in refused.text


@pytest.mark.parametrize(
    ("external_id", "settings", "expected"),
    [
        ("e", None, WITHHELD),
        ("e", (0, None), WITHHELD),  # claimed, and refused ever since
        ("e", (3, None), ALLOWED),
        ("e", (3, "d" * 32), WITHHELD),
        (None, None, ALLOWED),
        (None, (3, "d" * 32), ALLOWED),
    ],
)
def test_accounts_of_before_are_taken_over_safely(
    sqlite_store: Store, external_id: str | None, settings: tuple[int, str | None] | None, expected: OwnStorage
) -> None:
    database = sqlite_store.database
    config = migration._config()
    with database.engine.execution_options(write=True).connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0006")
        connection.commit()
    moment = MOMENT.isoformat(sep=" ")
    with database.write() as session:
        session.execute(
            sa.text(
                "INSERT INTO accounts (sid, friendly_name, external_id, auth_token_hash, auth_token_box, status,"
                f" revision, created_at, updated_at) VALUES ('AC1', '', :id, '', '', 'active', 5, '{moment}',"
                f" '{moment}')"
            ),
            {"id": external_id},
        )
        if settings is not None:
            session.execute(
                sa.text(
                    'INSERT INTO settings (account_sid, product, revision, "values", destination_id, owner,'
                    f" owner_label, updated_at) VALUES ('AC1', 'voice', :revision, '{{}}', :to, '', '', '{moment}')"
                ),
                {"revision": settings[0], "to": settings[1]},
            )

    migration.migrate(database)

    assert get_own_storage(sqlite_store, account_sid="AC1", product=VOICE) is expected
