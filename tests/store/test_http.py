"""What every request meets: proof of identity, the form of errors, limits, URLs in answers."""

import base64
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from recording_storage.store.database.engine import Database, DatabaseUnavailableError
from recording_storage.store.database.models import Account
from recording_storage.store.hashing import hash_secret, matches, new_secret
from tests.store.conftest import LiveStore
from tests.store.rows import MOMENT, add_recording, add_series
from tests.waiting import SOON

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def http(live: LiveStore):
    with live.http() as client:
        yield client


def check_error(answer: httpx.Response, status: int, code: int) -> None:
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), answer.text
    assert set(body) == {"code", "message", "more_info", "status"}, "more would make SDKs take it for another form"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Bearer abc",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"AC\0:x").decode(),
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(("AC" + "0" * 32 + ":x").encode()).decode(),
        "Basic " + base64.b64encode(("SK" + "0" * 32 + ":x").encode()).decode(),
        "Basic " + "QUFB" * 2000,
    ],
)
def test_who_does_not_prove_himself(live: LiveStore, header: str | None):
    answer = httpx.get(
        f"{live.url}/v1/Recordings", headers={"Authorization": header} if header is not None else {}, timeout=SOON
    )
    check_error(answer, 401, 20003)
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_a_closed_account_is_no_account(live: LiveStore, http: httpx.Client):
    with live.store.database.write() as session:
        session.execute(sa.update(Account).values(status="closed"))
    check_error(http.get("/v1/Recordings"), 401, 20003)


def test_secrets_are_recognized_by_a_salted_hash():
    secret = new_secret()
    assert hash_secret(secret) != hash_secret(secret)
    assert secret not in hash_secret(secret)
    assert matches(secret, hash_secret(secret))
    assert not matches("x", hash_secret(secret))
    assert not matches(secret, None)


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/Recordings", "/v1/Recordings/", "/2010-04-01/Accounts", "/%00"])
def test_unknown_paths(http: httpx.Client, path: str):
    check_error(http.get(path), 404, 20404)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/Recordings"), ("DELETE", "/v1/RecordingSettings/Default"), ("PATCH", "/v1/Credentials/AWS")],
)
def test_methods_that_a_path_has_not(http: httpx.Client, method: str, path: str):
    answer = http.request(method, path)
    check_error(answer, 405, 20004)
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("sid", ["RT1", "RT" + "0" * 32, "..", "%00", "RT" + "é" * 32, "x" * 3000])
@pytest.mark.parametrize("path", ["/v1/Recordings/{}", "/v1/Credentials/AWS/{}", "/v1/Credentials/PublicKeys/{}"])
def test_sids_that_nothing_has(http: httpx.Client, path: str, sid: str):
    url = path.format(sid if sid.startswith("%") else quote(sid, safe=""))
    check_error(http.get(url), 404, 20404)
    if ".." not in sid:
        check_error(http.delete(url), 404, 20404)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_other_content_types(http: httpx.Client, content_type: str):
    answer = http.post(
        "/v1/RecordingSettings/Default", content=b'{"FriendlyName": "x"}', headers={"Content-Type": content_type}
    )
    check_error(answer, 415, 20415)


@pytest.mark.parametrize("body", [b"FriendlyName=%ff%fe", b"\xff", b"FriendlyName=a%00b", b"&".join([b"a=1"] * 500)])
def test_forms_that_are_none(http: httpx.Client, body: bytes):
    check_error(http.post("/v1/RecordingSettings/Default", content=body, headers=FORM), 400, 20001)


def test_too_large_with_and_without_a_length(http: httpx.Client):
    body = b"FriendlyName=" + b"x" * (1024 * 1024 + 1)
    check_error(http.post("/v1/RecordingSettings/Default", content=body, headers=FORM), 413, 20413)

    def pieces():
        for _ in range(40):
            yield b"x" * 65536

    check_error(http.post("/v1/RecordingSettings/Default", content=pieces(), headers=FORM), 413, 20413)
    assert http.get("/v1/RecordingSettings/Default").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "PageSize=0",
        "PageSize=x",
        "PageSize=-1",
        "Page=x",
        "PageToken=x",
        "PageToken=PTAAAA",
        "Status=x",
        "MediaType=x",
        "DateCreatedAfter=x",
        "DateCreatedBefore=2026-13-01",
        "GroupingSid=%00&GroupingSid=RM1",
    ],
)
def test_filters_that_are_none(http: httpx.Client, query: str):
    check_error(http.get(f"/v1/Recordings?{query}"), 400, 20001)


def test_pages_name_the_host_that_was_called(live: LiveStore, http: httpx.Client):
    add_series(live.store, live.account.sid, count=3, type="audio")
    answer = http.get("/v1/Recordings?PageSize=2&MediaType=audio", headers={"Host": "video.example:8443"})
    meta = answer.json()["meta"]
    assert meta["key"] == "recordings"
    assert meta["page_size"] == 2
    assert meta["previous_page_url"] is None
    for name in ("url", "first_page_url", "next_page_url"):
        assert meta[name].startswith("http://video.example:8443/v1/Recordings?MediaType=audio&PageSize=2&Page=")
    bad = http.get("/v1/Recordings", headers={"Host": "a b<script>"})
    assert bad.status_code == 400 or "<script>" not in bad.text


def test_pages_lose_and_double_nothing_while_recordings_come_and_go(live: LiveStore, http: httpx.Client):
    sids = add_series(live.store, live.account.sid, count=6)
    first = http.get("/v1/Recordings?PageSize=2").json()
    add_series(live.store, live.account.sid, count=9, begin=MOMENT + timedelta(days=1))
    assert http.delete(f"/v1/Recordings/{sids[3]}").status_code == 204
    second = http.get(first["meta"]["next_page_url"]).json()
    assert sids[2] in [row["sid"] for row in second["recordings"]]
    assert not {row["sid"] for row in first["recordings"]} & {row["sid"] for row in second["recordings"]}


def test_rows_of_one_moment_are_paged_by_sid(live_on_each: LiveStore):
    sids = {add_recording(live_on_each.store, live_on_each.account.sid) for _ in range(7)}
    listed = live_on_each.sdk().video.v1.recordings.list(page_size=3)
    assert len(listed) == 7
    assert {row.sid for row in listed} == sids


def test_a_page_by_its_number(live: LiveStore, http: httpx.Client):
    sids = add_series(live.store, live.account.sid, count=5)
    page = http.get("/v1/Recordings?PageSize=2&Page=1").json()
    assert [row["sid"] for row in page["recordings"]] == sids[2:4]
    assert http.get(page["meta"]["previous_page_url"]).json()["recordings"][0]["sid"] == sids[0]
    assert http.get("/v1/Recordings?PageSize=2&Page=99999999").json()["recordings"] == []


def test_the_flat_page_has_no_other_members(live: LiveStore, http: httpx.Client):
    page = http.get(f"/2010-04-01/Accounts/{live.account.sid}/Recordings.json").json()
    assert set(page) == {
        "recordings", "page", "page_size", "start", "end", "uri",
        "first_page_uri", "previous_page_uri", "next_page_uri",
    }  # fmt: skip


def test_defects_are_answered_in_the_form_and_told_nobody(live: LiveStore, http: httpx.Client, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted-detail")

    monkeypatch.setattr("recording_storage.store.api.settings.get_settings", broken)
    answer = http.get("/v1/RecordingSettings/Default")
    check_error(answer, 500, 20500)
    assert "planted" not in answer.text


def test_a_database_that_is_away(live: LiveStore, http: httpx.Client, monkeypatch):
    def away(_: object) -> None:
        raise DatabaseUnavailableError("planted-host is down")

    monkeypatch.setattr(Database, "read", away)
    answer = http.get("/v1/RecordingSettings/Default")
    check_error(answer, 503, 20503)
    assert answer.headers["retry-after"]
    assert "planted" not in answer.text
