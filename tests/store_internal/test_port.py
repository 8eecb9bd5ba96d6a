"""The port's own manners: who it lets in, what it publishes, how it says that something is wrong."""

import httpx
import jsonschema
import pytest

from recording_storage.protocol.base import Problem
from recording_storage.store.database.engine import Database, DatabaseUnavailableError
from recording_storage.store.internal import wire
from recording_storage.store.services.accounts import create_account
from recording_storage.store.tokens import PREFIX, UnknownAccountError, create_token, find_token, token_hash
from tests.store_internal.messages import batch, new_spool, recording, sync_request
from tests.store_internal.servers import Live, body
from tests.waiting import SOON, eventually


def problem(answer: httpx.Response) -> Problem:
    found = Problem.from_json(answer.content)
    assert found.status == answer.status_code
    assert found.message
    return found


@pytest.mark.parametrize(
    "authorization", [None, "", "Basic QUM6eA==", "Bearer", "Bearer a b", "Bearer " + "x" * 20_000]
)
def test_without_a_bearer_token_nobody_gets_in(live_sqlite: Live, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    url = f"{live_sqlite.listening.internal}/internal/v1/accounts/AC{'0' * 32}"
    answer = httpx.get(url, headers=headers, timeout=SOON)
    assert problem(answer).code == "unauthorized"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_schemas_describe_the_messages(live_sqlite: Live) -> None:
    url = f"{live_sqlite.listening.internal}/internal/v1/schemas"
    listed = httpx.get(url, timeout=SOON).json()
    assert listed["protocol"] == "1.0"
    assert {"SyncRequest", "SyncResponse", "BatchRequest", "OpenAccount", "Problem"} <= set(listed["schemas"])
    for name in listed["schemas"]:
        answer = httpx.get(f"{url}/{name}", timeout=SOON)
        assert answer.status_code == 200, name
        jsonschema.Draft202012Validator.check_schema(answer.json())
    schema = httpx.get(f"{url}/SyncRequest", timeout=SOON).json()
    jsonschema.validate(sync_request("AC" + "0" * 32).to_values(), schema)
    assert problem(httpx.get(f"{url}/Nothing", timeout=SOON)).code == "not_found"


def test_health_is_told_without_a_token(live_sqlite: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    base = live_sqlite.listening.internal
    assert [httpx.get(f"{base}/{path}", timeout=SOON).status_code for path in ("healthz", "readyz", "metrics")] == [
        200
    ] * 3

    def gone(_self: Database) -> None:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(Database, "ping", gone)
    assert [httpx.get(f"{base}/{path}", timeout=SOON).status_code for path in ("healthz", "readyz")] == [200, 503]


def test_a_database_that_is_gone_is_a_503(live_sqlite: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_self: Database) -> None:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(Database, "read", gone)
    with live_sqlite.client() as http:
        answer = http.get(f"/accounts/AC{'0' * 32}")
    assert problem(answer).code == "unavailable"
    assert answer.headers["Retry-After"]


def test_a_message_has_a_limit(live_sqlite: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BODY", 100)
    account = create_account(live_sqlite.store, friendly_name="a")
    with live_sqlite.client() as http:
        answer = http.post("/recordings:batch", content=batch(new_spool(), recording(account.sid)))
    assert problem(answer).code == "too_large"


def access_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.endswith("access")]


def test_each_request_is_logged_without_what_is_secret(live_sqlite: Live, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="recording_storage.store.access")
    account = create_account(live_sqlite.store, friendly_name="a")
    token = live_sqlite.account_token(account.sid)
    with live_sqlite.client(token) as http:
        assert http.post("/recordings:batch?token=planted", content=batch(new_spool())).status_code == 200
    with live_sqlite.client() as http:
        http.delete(f"/accounts/{account.sid}/settings/voice/owner?owner=planted")
    httpx.get(
        f"{live_sqlite.listening.internal}/internal/v1/nothing%0Aplanted?planted",
        headers={"X": "planted"},
        timeout=SOON,
    )

    lines = eventually(
        lambda: found if len(found := access_lines(caplog)) == 3 else [],
        what="a line for each request: it is written after the answer has gone",
    )
    assert [(line.split()[:3], line.split()[-1]) for line in lines[:2]] == [
        (["POST", "'/internal/v1/recordings:batch'", "200"], account.sid),
        (["DELETE", f"'/internal/v1/accounts/{account.sid}/settings/voice/owner'", "204"], "admin"),
    ]
    assert lines[2].split()[1:3] == ["'/internal/v1/nothing\\nplanted'", "404"], "one line, whatever the path holds"
    for secret in (token, live_sqlite.admin_token, "=planted"):
        assert secret not in caplog.text


def test_a_spool_is_named_by_its_uuid(live_sqlite: Live) -> None:
    account = create_account(live_sqlite.store, friendly_name="a")
    with live_sqlite.client(live_sqlite.account_token(account.sid)) as http:
        for name in ("spool", new_spool().upper(), new_spool() + "0"):
            assert problem(http.post(f"/uploaders/{name}/sync", content=body(sync_request()))).code == "invalid"


def test_tokens_are_kept_as_hashes(live_sqlite: Live) -> None:
    account = create_account(live_sqlite.store, friendly_name="a")
    database = live_sqlite.store.database
    with database.write() as session:
        admin, own = create_token(session, account_sid=None), create_token(session, account_sid=account.sid)
        with pytest.raises(UnknownAccountError):
            create_token(session, account_sid="AC" + "0" * 32)
    assert admin.startswith(PREFIX)
    assert len(admin) > 40
    with database.read() as session:
        found = [find_token(session, token) for token in (admin, own, admin + "x", token_hash(admin))]
    assert [owner.account_sid if owner else "none" for owner in found] == [None, account.sid, "none", "none"]
