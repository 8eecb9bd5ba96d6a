"""A secret that was given to the store is found nowhere but in the caller's own hands."""

import logging
import queue
from logging.handlers import QueueHandler
from pathlib import Path

import httpx
import pytest
from prometheus_client import generate_latest

from recording_storage.store.database.models import AwsCredential
from recording_storage.store.health import REGISTRY
from recording_storage.store.services.accounts import add_api_key
from recording_storage.store.services.credentials import open_credential
from tests.store.conftest import LiveStore
from tests.waiting import SOON

PLANTED = "planted-0123456789-secret"


def everything(folder: Path) -> bytes:
    """All files of the store: database, its log, master key, media."""
    return b"\0".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_no_file_log_answer_or_metric_has_a_secret(live: LiveStore, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    answers = []
    with live.http() as http:
        made = http.post("/v1/Credentials/AWS", data={"Credentials": f"AKIA:{PLANTED}", "FriendlyName": "c"})
        sid = made.json()["sid"]
        answers += [made, http.get("/v1/Credentials/AWS"), http.get(f"/v1/Credentials/AWS/{sid}")]
        answers.append(http.post(f"/v1/Credentials/AWS/{sid}", data={"FriendlyName": "d", "Credentials": PLANTED}))
        # Also when it is refused, or stands where it doesn't belong.
        for wrong in ({"Credentials": PLANTED}, {"Credentials": f"A:{PLANTED} x"}, {"Credentials": f"A B:{PLANTED}"}):
            refused = http.post("/v1/Credentials/AWS", data=wrong)
            assert refused.status_code == 400
            answers.append(refused)
        answers.append(http.get(f"/v1/Recordings?secret={PLANTED}"))
        settings = {"FriendlyName": "x", "AwsCredentialsSid": sid, "AwsStorageEnabled": "true"}
        url = f"https://user:{PLANTED}@bucket.s3.amazonaws.com/x"
        answers.append(http.post("/v1/RecordingSettings/Default", data=settings | {"AwsS3Url": url}))
        key = http.post(f"/2010-04-01/Accounts/{live.account.sid}/Keys.json", data={"FriendlyName": "k"}).json()
        answers.append(http.get(f"/2010-04-01/Accounts/{live.account.sid}/Keys.json"))
        answers.append(http.get(f"/2010-04-01/Accounts/{live.account.sid}.json"))
    wrong_auth = httpx.get(f"{live.url}/v1/Recordings", auth=(live.account.sid, PLANTED), timeout=SOON)
    assert wrong_auth.status_code == 401
    answers.append(wrong_auth)
    with live.store.database.write() as session:
        kept = add_api_key(session, live.store.box, account_sid=live.account.sid, keep_secret=True)
    # The test's own client logs the URLs that it calls.
    ours = "".join(str(vars(record)) for record in caplog.records if not record.name.startswith(("httpx", "httpcore")))
    assert "recording_storage.store.access" in ours
    secrets = [PLANTED, live.account.auth_token, key["secret"], kept.secret]
    places = {
        "files": everything(tmp_path),
        "log": ours.encode(),
        "metrics": generate_latest(REGISTRY),
        "reprs": repr([live, live.store, kept, live.account]).encode(),
        # A client follows its own filters from page to page; a list's links repeat the query that it sent itself.
        "answers": b"\0".join(answer.content for answer in answers if "secret=" not in str(answer.url)),
    }
    for secret in secrets:
        assert [place for place, content in places.items() if secret.encode() in content] == []
    with live.store.database.read() as session:
        row = session.get(AwsCredential, sid)
        assert row is not None
        assert open_credential(live.store.box, row).secret_access_key == PLANTED, "it is there, but sealed"


def test_access_lines_have_neither_query_nor_forged_lines(live: LiveStore):
    lines: queue.Queue[logging.LogRecord] = queue.Queue()
    handler, access = QueueHandler(lines), logging.getLogger("recording_storage.store.access")
    access.addHandler(handler)
    access.setLevel(logging.INFO)
    try:
        with live.http() as http:
            http.get("/v1/Recordings?signature=planted")
            first = lines.get(timeout=SOON).getMessage()  # it is written when the answer is out
            http.get("/v1/x%0aforged%20line")
            second = lines.get(timeout=SOON).getMessage()
    finally:
        access.removeHandler(handler)
        access.setLevel(logging.NOTSET)
    assert first.startswith("GET '/v1/Recordings' 200 ")
    assert first.endswith(live.account.sid)
    assert "\n" not in second
