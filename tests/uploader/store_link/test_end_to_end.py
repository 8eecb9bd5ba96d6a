"""From the spool to the customer's bucket and back to the store's API, with the real store and a real uploader."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.s3.fixtures import Bucket, create_bucket
from tests.s3.servers import S3Server
from tests.tools.ports import free_port
from tests.uploader.store_link.real_store import PROGRAM, RealStore
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow


class Uploader:
    """`recording-storage uploader` on a spool, with the store."""

    def __init__(self, spool: Path, store: RealStore, token_file: Path) -> None:
        self.spool = spool
        self.log = spool.parent / "uploader.log"
        self._argv = [PROGRAM, "uploader", "--spool", spool, "--store", store.internal, "--token-file", token_file]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen([*self._argv, *options], stdout=log, stderr=log)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(SOON)
            self.process = None

    def ask(self, command: str, *arguments: str) -> list[dict[str, Any]]:
        argv = [PROGRAM, command, "--spool", self.spool, "--json", *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []

    def wait_for(self, condition: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Until the spool's recordings are as wanted."""
        deadline = time.monotonic() + SOON
        while not condition(items := self.ask("recordings")):
            assert time.monotonic() < deadline, f"{items}\n{self.log.read_text()[-3000:]}"
            time.sleep(0.1)
        return items


@pytest.fixture
def bucket(moto_server: S3Server) -> Bucket:
    return create_bucket(moto_server)


@pytest.fixture
def store(tmp_path: Path, moto_server: S3Server) -> Iterator[RealStore]:
    folder = tmp_path / "store"
    folder.mkdir()
    store = RealStore(folder, allow_endpoints=[moto_server.endpoint])
    yield store
    store.stop()


@pytest.fixture
def uploader(tmp_path: Path, store: RealStore) -> Iterator[Uploader]:
    spool = tmp_path / "spool"
    spool.mkdir()
    token_file = tmp_path / "token"
    token_file.write_text(store.token)
    uploader = Uploader(spool, store, token_file)
    yield uploader
    uploader.stop(signal.SIGKILL)


def enable(store: RealStore, bucket: Bucket) -> None:
    key = bucket.credentials
    credential = store.post(
        "/v1/Credentials/AWS", FriendlyName="main", Credentials=f"{key.access_key}:{key.secret_key}"
    )
    store.post(
        "/v1/VoiceRecordingSettings/Default",
        FriendlyName="e2e",
        AwsCredentialsSid=credential["sid"],
        AwsS3Url=bucket.url,
        Region=bucket.server.region,
        AwsStorageEnabled="true",
    )


def record(uploader: Uploader, name: str, *, size: int = 300_000) -> str:
    """A recorder's file, finished; its SHA-256."""
    content = os.urandom(size)
    (uploader.spool / name).write_bytes(content)
    (uploader.spool / f"{name}.done").touch()
    return hashlib.sha256(content).hexdigest()


def all_released(count: int) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda items: len(items) == count and all(item["state"] == "released" for item in items)


def at_store(store: RealStore, sid: str) -> Any:
    return store.get(f"/2010-04-01/Accounts/{store.account}/Recordings/{sid}.json")


def test_a_file_reaches_the_bucket_and_the_store_shows_where(store: RealStore, uploader: Uploader, bucket: Bucket):
    enable(store, bucket)
    uploader.start()
    digest = record(uploader, "call.wav")
    (item,) = uploader.wait_for(all_released(1))
    assert not (uploader.spool / "call.wav").exists()
    (key,) = bucket.keys()
    assert hashlib.sha256(bucket.read(key)).hexdigest() == digest
    shown = at_store(store, item["sid"])
    assert shown["status"] == "completed"
    assert shown["media_url"] == item["media_url"] == f"{bucket.url}/{item['sid']}.wav"
    assert shown["objects"] == item["objects"]
    assert shown["objects"][0]["key"] == key


def test_all_that_the_recorder_said_reaches_the_store(store: RealStore, uploader: Uploader, bucket: Bucket):
    enable(store, bucket)
    said = {"call_sid": "CA9", "channels": 2, "agent": "Zoë", "queue": {"id": 7}}
    (uploader.spool / "call.wav.recording.json").write_text(json.dumps(said))
    record(uploader, "call.wav")
    uploader.start()
    (item,) = uploader.wait_for(all_released(1))
    shown = at_store(store, item["sid"])
    assert (shown["call_sid"], shown["channels"]) == ("CA9", 2)
    assert shown["custom"] == {"agent": "Zoë", "queue": {"id": 7}}
    assert not (uploader.spool / "call.wav.recording.json").exists()


@pytest.mark.slow
def test_without_external_storage_the_store_keeps_and_plays_the_media(store: RealStore, uploader: Uploader):
    uploader.start()
    digest = record(uploader, "call.wav")
    (item,) = uploader.wait_for(all_released(1))
    assert item["sha256"] == digest
    assert hashlib.sha256(download(store, f"{item['sid']}.wav")).hexdigest() == digest


@pytest.mark.slow
def test_a_store_that_is_down_keeps_no_recording_from_its_bucket(store, uploader, bucket):
    enable(store, bucket)
    uploader.start()
    record(uploader, "first.wav")
    uploader.wait_for(all_released(1))
    store.stop()
    record(uploader, "second.wav")
    uploader.wait_for(lambda items: [i["state"] for i in items] == ["released", "stored"])
    assert (uploader.spool / "second.wav").exists()
    store.start()
    uploader.wait_for(all_released(2))


@pytest.mark.slow
def test_started_without_a_store_recordings_wait_for_it(store, uploader, bucket):
    enable(store, bucket)
    uploader.start()
    record(uploader, "first.wav")
    uploader.wait_for(all_released(1))
    uploader.stop()
    store.stop()
    record(uploader, "second.wav")
    uploader.start()
    items = uploader.wait_for(lambda items: len(items) == 2 and items[1]["error"] is not None)
    assert items[1]["error"]["code"] == "NoPlan"
    assert uploader.ask("status")[0]["store"]["plan"] == "awaited"
    assert items[1]["state"] == "waiting"
    store.start()
    uploader.wait_for(all_released(2))


@pytest.mark.slow
def test_the_stores_retry_command_moves_what_is_parked(store, uploader, bucket):
    enable(store, bucket)
    sid = "RE" + "1" * 32
    key = f"{bucket.prefix}{sid}.wav"
    bucket.admin.put_object(Bucket=bucket.name, Key=key, Body=b"somebody else's")
    uploader.start()
    (uploader.spool / "call.wav.recording.json").write_text(json.dumps({"recording_sid": sid}))
    record(uploader, "call.wav")
    uploader.wait_for(lambda items: [i["state"] for i in items] == ["parked"])
    bucket.admin.delete_object(Bucket=bucket.name, Key=key)
    store.operator("POST", f"/accounts/{store.account}/commands", {"kind": "retry_all"})
    uploader.wait_for(all_released(1))


@pytest.mark.slow
def test_no_secret_is_in_the_journal_or_the_log(store, uploader, bucket):
    enable(store, bucket)
    uploader.start()
    record(uploader, "call.wav")
    uploader.wait_for(all_released(1))
    uploader.stop()
    secrets = [bucket.credentials.secret_key.encode(), store.token.encode()]
    for path in [uploader.log, *(uploader.spool / ".recording-storage").iterdir()]:
        content = path.read_bytes() if path.is_file() else b""
        assert not any(secret in content for secret in secrets), path


@pytest.mark.slow
def test_metrics_and_status_tell_of_the_store_and_of_what_is_done(store, uploader, bucket):
    enable(store, bucket)
    port = free_port()
    uploader.start("--metrics-listen", f"127.0.0.1:{port}")
    record(uploader, "call.wav")
    uploader.wait_for(all_released(1))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=SOON) as answer:
        text = answer.read().decode()
    assert "recording_storage_uploader_store_up 1.0" in text
    assert "recording_storage_uploader_stored_total 1.0" in text
    assert bucket.credentials.secret_key not in text
    (status,) = uploader.ask("status")
    assert status["running"]
    assert status["store"] == {"mode": "store", "connected": True, "error": "", "plan": "in_force", "assigned": True}
    assert list(status["revisions"]) == [store.account]
    store.stop()
    assert eventually(lambda: uploader.ask("status")[0]["store"]["error"], what="it is told that the store is gone")
    assert not uploader.ask("status")[0]["store"]["connected"]


def download(store: RealStore, name: str) -> bytes:
    url = f"{store.public}/2010-04-01/Accounts/{store.account}/Recordings/{urllib.parse.quote(name)}"
    basic = base64.b64encode(f"{store.account}:{store._auth_token}".encode()).decode()
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"Authorization": f"Basic {basic}"}), timeout=SOON
    ) as answer:
        return bytes(answer.read())
