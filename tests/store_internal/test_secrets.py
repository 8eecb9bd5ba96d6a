"""A planted secret goes to the uploader that needs it, and is found nowhere else."""

import logging
from pathlib import Path

import pytest

from recording_storage.protocol.accounts import OpenAccount, OpenedAccount
from recording_storage.store.internal.identity import Authenticator
from recording_storage.store.secrets_box import SecretsBox
from tests.store_internal.messages import (
    SECRET,
    batch,
    enable,
    new_credential,
    new_spool,
    recording,
    sync_request,
)
from tests.store_internal.servers import Live, body
from tests.waiting import eventually

PLANTED = SECRET.get_secret_value()


def test_a_planted_secret_is_found_nowhere_but_in_the_plan(
    live_sqlite: Live, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    store = live_sqlite.store
    answers: list[str] = []
    with live_sqlite.client() as admin:
        opened = OpenedAccount.from_json(
            admin.put("/accounts:by-external-id/e", content=body(OpenAccount(friendly_name="f"))).content
        )
        sid = opened.account_sid
        enable(store, sid, credential_sid=new_credential(store, sid))
        token = live_sqlite.account_token(sid)
        with live_sqlite.client(token) as http:
            sync = f"/uploaders/{new_spool()}/sync"
            plan = http.post(sync, content=body(sync_request(sid)))
            assert PLANTED in plan.text
            assert plan.headers["Cache-Control"] == "no-store"
            answers += [
                http.post(sync, content=body(sync_request(sid, known=plan.json()["etag"]))).text,
                http.post("/recordings:batch", content=batch(new_spool(), recording(sid))).text,
                # As values, as names, and as what is no JSON at all:
                http.post(sync, json={"report": {"started_at": PLANTED, "states": {PLANTED: PLANTED}}}).text,
                http.post("/recordings:batch", json={"spool_id": PLANTED, "recordings": [PLANTED]}).text,
                http.post(sync, content=PLANTED).text,
            ]
        key = opened.api_key_secret.get_secret_value()
        wrong = {"namespace": "n", "api_key": {"api_key_sid": opened.api_key_sid, "api_key_secret": [PLANTED, key]}}
        answers += [
            admin.put(f"/accounts/{sid}/bindings/u", json=wrong).text,
            admin.get(f"/accounts/{sid}").text,
            admin.get(f"/accounts/{sid}/uploaders").text,
            admin.get(f"/accounts/{sid}/settings/voice").text,
            admin.get(f"{live_sqlite.listening.internal}/metrics").text,
        ]

        def broken(*_args: object, **_values: object) -> bytes:
            raise RuntimeError("a defect")

        monkeypatch.setattr(SecretsBox, "open", broken)
        with live_sqlite.client(token) as http:
            failed = http.post(sync, content=body(sync_request(sid)))
        assert (failed.status_code, failed.json()["code"]) == (500, "internal")
        answers.append(failed.text)
    # The test's own client is in the same process, and its log is not the store's.
    formatter = logging.Formatter()

    def so_far() -> str:
        return "\n".join(formatter.format(r) for r in caplog.records if not r.name.startswith("http"))

    # The server writes the traceback after its answer.
    eventually(lambda: "a defect" in so_far(), what="the traceback of a defect stands in the log")
    logged = so_far()
    files = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for secret in (PLANTED, key, token, live_sqlite.admin_token):
        assert not [answer for answer in answers if secret in answer]
        assert secret.encode() not in files
        assert secret not in logged
        assert secret not in repr(live_sqlite) + repr(opened) + repr(store)


def test_a_refused_token_is_remembered_by_its_hash_only(live_sqlite: Live) -> None:
    authenticator = live_sqlite.app.state.authenticator
    assert isinstance(authenticator, Authenticator)
    token = "eyJhbGciOi.planted.token"  # a JWT's form
    with live_sqlite.client(token) as http:
        refused = http.get("/accounts/AC" + "0" * 32)
    assert refused.status_code == 401
    assert "no cluster" in refused.json()["message"]
    assert token not in refused.text
    assert token not in repr(vars(authenticator))


def test_a_master_key_that_does_not_fit_is_told(live_sqlite: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    store = live_sqlite.store
    with live_sqlite.client() as admin:
        opened = admin.put("/accounts:by-external-id/e", content=body(OpenAccount(friendly_name="f"))).json()
    sid = opened["account_sid"]
    enable(store, sid, credential_sid=new_credential(store, sid))
    monkeypatch.setattr(store.box, "_keys", {})
    with live_sqlite.client(live_sqlite.account_token(sid)) as http:
        answer = http.post(f"/uploaders/{new_spool()}/sync", content=body(sync_request(sid)))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "master key" in answer.json()["message"]
