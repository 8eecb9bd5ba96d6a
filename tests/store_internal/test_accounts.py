"""The operator opens the same account each time, and binds a namespace only with a proof."""

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from recording_storage.domain.sids import SidPrefix, new_sid
from recording_storage.domain.states import Product
from recording_storage.protocol.accounts import (
    AccountInfo,
    Bindings,
    ClaimSettings,
    OpenAccount,
    OpenedAccount,
    ReplaceCredential,
    SettingsState,
)
from recording_storage.store.database.models import Account, ApiKey
from recording_storage.store.internal import accounts
from recording_storage.store.services.accounts import NewAccount, authenticate, create_account, delete_api_key
from recording_storage.store.services.settings import get_settings, update_settings
from tests.store_internal.messages import new_spool, sync_request
from tests.store_internal.servers import Live, body
from tests.waiting import SOON

EXTERNAL_ID = "cluster-1/media/default/1d0f7a3e"
UID = "7f0c2c1e-1111-4222-8333-444455556666"


def put(http: httpx.Client, external_id: str = EXTERNAL_ID) -> httpx.Response:
    path = f"/accounts:by-external-id/{quote(external_id, safe='')}"
    return http.put(path, content=body(OpenAccount(friendly_name="media/default")))


def opened(http: httpx.Client, external_id: str = EXTERNAL_ID) -> OpenedAccount:
    answer = put(http, external_id)
    assert answer.status_code == 200, answer.text
    return OpenedAccount.from_json(answer.content)


def test_the_same_account_and_key_each_time(live: Live) -> None:
    with live.client() as http:
        first, second, other = opened(http), opened(http), opened(http, "another")
    assert (first.created, second.created) == (True, False)
    assert first.replace(created=False) == second
    assert other.account_sid != first.account_sid
    secret = second.api_key_secret.get_secret_value()
    caller = authenticate(live.store, user=first.api_key_sid, password=secret)
    assert caller is not None
    assert caller.account_sid == first.account_sid


def test_the_account_that_is_known_is_given_and_none_is_opened_in_its_place(live: Live) -> None:
    def ask(external_id: str, known_sid: str) -> httpx.Response:
        wanted = OpenAccount(friendly_name="media/default", known_sid=known_sid)
        return http.put(f"/accounts:by-external-id/{external_id}", content=body(wanted))

    with live.client() as http:
        first, lost = opened(http, "first"), new_sid(SidPrefix.ACCOUNT)
        assert ask("first", first.account_sid).json()["account_sid"] == first.account_sid
        for external_id, known_sid in (("first", lost), ("second", first.account_sid), ("second", lost)):
            refused = ask(external_id, known_sid)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
            assert known_sid in refused.json()["message"]
    with live.store.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Account)) == 1


def test_callers_at_once_open_one_account(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4, timeout=SOON)
    look = accounts._opened

    def looked(*args: object) -> OpenedAccount | None:
        found = look(*args)  # type: ignore[arg-type]
        if found is None:
            together.wait()  # nobody goes on before everybody has seen that there is none
        return found

    monkeypatch.setattr(accounts, "_opened", looked)
    with live.client() as http, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: opened(http), range(4)))
    assert len({(a.account_sid, a.api_key_sid, a.api_key_secret.get_secret_value()) for a in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    with live.store.database.read() as session:
        counts = [session.scalar(sa.select(sa.func.count()).select_from(table)) for table in (Account, ApiKey)]
    assert counts == [1, 1]


def test_a_key_that_was_deleted_is_made_anew(live: Live) -> None:
    with live.client() as http:
        first = opened(http)
        delete_api_key(live.store, account_sid=first.account_sid, sid=first.api_key_sid)
        second, third = opened(http), opened(http)
    assert second.account_sid == first.account_sid
    assert second.api_key_sid != first.api_key_sid
    assert second == third


def test_a_closed_account_lets_nobody_in_and_stays_closed(live: Live) -> None:
    with live.client() as http:
        account = opened(http)
        path = f"/accounts/{account.account_sid}"
        assert http.put(f"{path}/bindings/{UID}", json={"namespace": "a", "external_id": EXTERNAL_ID}).is_success
        assert [http.delete(path).status_code for _ in range(2)] == [204, 204]
        info = AccountInfo.from_json(http.get(path).content)
        assert (info.status, info.external_id) == ("closed", EXTERNAL_ID)
        assert (put(http).status_code, put(http).json()["code"]) == (409, "conflict")
        again = http.put(f"{path}/bindings/{UID}", json={"namespace": "a", "external_id": EXTERNAL_ID})
        assert again.status_code == 409
        assert Bindings.from_json(http.get(f"{path}/bindings").content).bindings == []
        plan = http.post(f"/uploaders/{new_spool()}/sync", content=body(sync_request(account.account_sid)))
        assert plan.json()["plans"] == {}
    secret = account.api_key_secret.get_secret_value()
    assert authenticate(live.store, user=account.api_key_sid, password=secret) is None


def test_a_namespace_is_bound_by_a_proof_only(live: Live) -> None:
    with live.client() as http:
        mine, other = opened(http), opened(http, "other")
        path = f"/accounts/{mine.account_sid}/bindings"
        key = {"api_key_sid": mine.api_key_sid, "api_key_secret": mine.api_key_secret.get_secret_value()}
        other_key = {"api_key_sid": other.api_key_sid, "api_key_secret": other.api_key_secret.get_secret_value()}
        without_external_id = create_account(live.store, friendly_name="by hand").sid
        for proof in (
            {},
            {"external_id": ""},
            {"external_id": "other"},
            {"api_key": other_key},
            {"api_key": key | {"api_key_secret": "wrong"}},
            {"api_key": key | {"api_key_sid": other.api_key_sid}},
        ):
            for account_sid in (mine.account_sid, without_external_id, new_sid(SidPrefix.ACCOUNT)):
                refused = http.put(f"/accounts/{account_sid}/bindings/{UID}", json={"namespace": "a"} | proof)
                assert (refused.status_code, refused.json()["code"]) == (403, "proof_refused")
        assert http.get(f"{path}/{UID}").status_code == 404
        for proof in ({"external_id": EXTERNAL_ID}, {"api_key": key}):
            bound = http.put(f"{path}/{UID}", json={"namespace": "a"} | proof)
            assert bound.json() == {"namespace_uid": UID, "namespace": "a"}
        assert [b.namespace_uid for b in Bindings.from_json(http.get(path).content).bindings] == [UID]
        assert [http.delete(f"{path}/{UID}").status_code for _ in range(2)] == [204, 204]
        assert Bindings.from_json(http.get(path).content).bindings == []


def test_settings_have_one_owner(live: Live, account: NewAccount) -> None:
    path = f"/accounts/{account.sid}/settings/voice"
    one, two = ClaimSettings(owner="uid-1", label="team-a/settings"), ClaimSettings(owner="uid-2")
    with live.client() as http:
        state = SettingsState.from_json(http.get(path).content)
        assert (state.revision, state.owner) == (0, "")
        assert [http.put(f"{path}/owner", content=body(one)).status_code for _ in range(2)] == [200, 200]
        refused = http.put(f"{path}/owner", content=body(two))
        assert refused.status_code == 409
        assert "team-a/settings" in refused.json()["message"]
        assert http.delete(f"{path}/owner", params={"owner": "uid-2"}).status_code == 409
        # A claim before the first POST changes no value, and the POST keeps the owner.
        assert get_settings(live.store, account_sid=account.sid, product=Product.VOICE).friendly_name == ""
        update_settings(live.store, account_sid=account.sid, product=Product.VOICE, parameters={"FriendlyName": "x"})
        state = SettingsState.from_json(http.get(path).content)
        assert (state.revision, state.owner, state.label) == (1, "uid-1", "team-a/settings")
        assert [http.delete(f"{path}/owner", params={"owner": "uid-1"}).status_code for _ in range(2)] == [204, 204]
        assert http.put(f"{path}/owner", content=body(two)).status_code == 200
        assert http.delete(f"{path}/owner").status_code == 204


def test_claims_at_once_have_one_winner(live: Live, account: NewAccount) -> None:
    def claim(number: int) -> int:
        wanted = ClaimSettings(owner=f"uid-{number}")
        return http.put(f"/accounts/{account.sid}/settings/video/owner", content=body(wanted)).status_code

    with live.client() as http, ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(claim, range(6))) == [200] + [409] * 5


def test_the_operators_paths_are_for_the_operator(live_sqlite: Live) -> None:
    account = create_account(live_sqlite.store, friendly_name="a")
    base = f"/accounts/{account.sid}"
    paths = [
        ("PUT", "/accounts:by-external-id/x"),
        ("GET", base),
        ("DELETE", base),
        ("GET", f"{base}/bindings"),
        ("PUT", f"{base}/bindings/{UID}"),
        ("DELETE", f"{base}/bindings/{UID}"),
        ("GET", f"{base}/uploaders"),
        ("POST", f"{base}/commands"),
        ("GET", f"{base}/commands/x"),
        ("POST", f"{base}/credentials/CR{'0' * 32}:replace"),
        ("GET", f"{base}/settings/voice"),
        ("PUT", f"{base}/settings/voice/owner"),
        ("DELETE", f"{base}/settings/voice/owner"),
    ]
    with live_sqlite.client(live_sqlite.account_token(account.sid)) as http:
        for method, path in paths:
            answer = http.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
    with live_sqlite.client("rst_" + "x" * 43) as http:
        for method, path in paths:
            answer = http.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path


def test_what_is_not_there_is_said(live_sqlite: Live) -> None:
    account = create_account(live_sqlite.store, friendly_name="a")
    absent = new_sid(SidPrefix.ACCOUNT)
    credential = new_sid(SidPrefix.CREDENTIAL)
    with live_sqlite.client() as http:
        for path in (absent, f"{absent}/bindings", f"{absent}/uploaders", f"{absent}/settings/voice"):
            answer = http.get(f"/accounts/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        replace = http.post(
            f"/accounts/{account.sid}/credentials/{credential}:replace", content=body(ReplaceCredential(by=credential))
        )
        assert replace.status_code == 404
        for path in ("/accounts/planted-value", f"/accounts/{account.sid}/settings/planted-value"):
            malformed = http.get(path)
            assert (malformed.status_code, malformed.json()["code"]) == (422, "invalid")
            assert "planted-value" not in malformed.text
        assert http.get("/planted-value").json()["code"] == "not_found"
        assert http.post(f"/accounts/{account.sid}").status_code == 405
        assert put(http, "x" * 256).status_code == 422
        assert put(http, "a\x00b").status_code == 422
