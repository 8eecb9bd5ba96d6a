"""A spool with files of known bytes, and uploaders that work on it: as a process, or in this one."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.app import Options, Uploader
from recording_storage.uploader.core.ports import Clock
from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.spool.folder import Spool, SpoolLock
from recording_storage.uploader.standalone.receipt_chain import Check
from recording_storage.uploader.standalone.receipt_file import FILE_NAME
from tests.s3.fixtures import Bucket
from tests.waiting import SOON, eventually

MIB = 1 << 20


def write_finished(path: Path, size: int, *, seed: int | str | None = None, age: float = 60.0) -> bytes:
    """A file of known bytes that was finished `age` seconds ago; gives them."""
    content = random.Random(seed if seed is not None else str(path)).randbytes(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    moment = time.time() - age
    with path.open("wb", buffering=0) as file:
        file.write(content)
        os.utime(file.fileno(), (moment, moment))  # before the close: whoever takes it then sees no later change
    return content


@dataclass
class SpoolFolder:
    """A spool under test."""

    root: Path
    bucket: Bucket
    contents: dict[str, bytes] = field(default_factory=dict)
    extra: str = ""
    endpoint: str = ""

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True)
        self.config.parent.mkdir(exist_ok=True)
        self.write_config()

    @property
    def config(self) -> Path:
        return self.root.parent / f"{self.root.name}.yaml"

    @property
    def receipts(self) -> list[dict[str, Any]]:
        path = self.root / ".recording-storage" / "receipts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def write_config(self, *, access_key: str = "", secret_key: str = "", url: str = "", policy: str = "") -> None:
        who = self.bucket.credentials
        ca = self.bucket.server.ca_file
        document = {
            "destination": {
                "url": url or self.bucket.url_at(self.endpoint or self.bucket.server.endpoint),
                "region": self.bucket.server.region,
                "accessKeyId": access_key or who.access_key,
                "secretAccessKey": secret_key or who.secret_key,
                **({"caFile": str(ca)} if ca else {}),
            },
            "allowHttp": True,
            "settle": "0s",
            "policy": json.loads(policy or "{}"),
        }
        fresh = self.config.with_suffix(".new")
        fresh.write_text(json.dumps(document))
        fresh.rename(self.config)

    def put(self, name: str, size: int = 1000, *, seed: int | None = None, age: float = 60.0) -> Path:
        """A file that was finished `age` seconds ago."""
        path = self.root / name
        self.contents[name] = write_finished(path, size, seed=seed if seed is not None else name, age=age)
        return path

    def media(self) -> list[str]:
        """Files that are left, but the uploader's own."""
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and ".recording-storage" not in path.parts
        )

    def check_all_stored(self) -> None:
        """Nothing lost, doubled or overwritten; no upload left open; nothing left on the spool."""
        keys = self.bucket.keys()
        receipts = {receipt["file"]: receipt for receipt in self.receipts}
        assert sorted(receipts) == sorted(self.contents)
        assert len(self.receipts) == len(receipts), "a receipt is there twice"
        assert len(keys) == len(self.contents), keys
        for name, content in self.contents.items():
            receipt = receipts[name]
            key = receipt["media_url"].partition(f"/{self.bucket.name}/")[2]
            assert key in keys
            assert self.bucket.read(key) == content
            assert receipt["sha256"] == hashlib.sha256(content).hexdigest()
            assert receipt["size"] == len(content)
        check = Check()
        with (self.root / ".recording-storage" / FILE_NAME).open("rb") as lines:
            assert check.file(FILE_NAME, lines), check.broken
        assert check.last.seq == len(receipts)
        assert self.bucket.uploads() == []
        assert self.media() == []

    # As a process of its own.

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "recording_storage.cli.main",
            "uploader",
            "--spool",
            str(self.root),
            "--config",
            str(self.config),
            *arguments,
        ]

    def once(self, *arguments: str, fault: str = "", timeout: float = SOON) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "RECORDING_STORAGE_FAULT": fault}
        finished = subprocess.run(
            self.command("--once", *arguments),
            env=environment,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
        sys.stderr.write(finished.stderr)  # shown by pytest where a test fails
        return finished

    @contextmanager
    def process(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        child = subprocess.Popen(self.command(*arguments), stderr=subprocess.PIPE, text=True)
        try:
            yield child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait()
            assert child.stderr is not None
            child.stderr.close()

    # In this process.

    def source_options(self) -> dict[str, Any]:
        """Where its settings come from: `Options`' fields."""
        return {"config": self.config}

    @contextmanager
    def running(self, *, clock: Clock | None = None, **options: Any) -> Iterator["Running"]:
        settings = {"grace": 5.0, **self.source_options(), **options}
        with running_at(self.root, clock=clock, **settings) as running:
            yield running


@contextmanager
def running_at(root: Path, *, clock: Clock | None = None, **options: Any) -> Iterator["Running"]:
    """An uploader of that spool in this process; `options` are fields of `Options`."""
    spool = Spool(root)
    spool.make_folder()
    lock = SpoolLock(spool)
    lock.acquire()
    spool.prepare()
    uploader = Uploader(Options(spool=root, **options), spool=spool, clock=clock)
    uploader.start()
    try:
        yield Running(uploader)
    finally:
        uploader.close()
        lock.release()


class _Looked(threading.local):
    at: float | None = None


class FakeClock:
    """Time that passes only when a test says so.

    Time may pass between a thread's look at the clock and its wait for what it has worked out from that: it is counted
    from the first look that the thread has had since it waited last.
    """

    LOOPS = frozenset({"scheduler", "intake"})
    """Threads that wait so; the others wait from the moment on when they begin to."""

    def __init__(self) -> None:
        self._start = time.time()
        self._passed = 0.0
        self._looked = _Looked()

    def now(self) -> float:
        return self._start + self._look()

    def monotonic(self) -> float:
        return 1000.0 + self._look()

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        since, self._looked.at = self._looked.at, None
        if since is None or threading.current_thread().name not in self.LOOPS:
            since = self._passed
        while not event.wait(0.002):
            if timeout is not None and self._passed >= since + timeout:
                return event.is_set()
        return True

    def _look(self) -> float:
        passed = self._passed
        if self._looked.at is None:
            self._looked.at = passed
        return passed

    def advance(self, seconds: float) -> None:
        self._passed += seconds


@dataclass
class Running:
    """An uploader in this process."""

    uploader: Uploader

    def recordings(self, **wanted: Any) -> dict[str, Recording]:
        """By path."""
        return {one.path: one for one in self.uploader.view.recordings(**wanted)}

    def await_states(self, wanted: dict[str, RecordingState | str], *, timeout: float = SOON) -> dict[str, Recording]:
        """Wait until every file is in its state."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.recordings()
            states = {path: found[path].state.value for path in wanted if path in found}
            if states == {path: str(state) for path, state in wanted.items()}:
                return found
            if time.monotonic() > deadline:
                late = [path for path, state in wanted.items() if states.get(path) != str(state)][:5]
                raise AssertionError({path: (wanted[path], states.get(path), found.get(path)) for path in late})
            time.sleep(0.02)

    def await_recording(self, path: str, wanted: Callable[[Recording], bool], *, timeout: float = SOON) -> Recording:
        """Wait until the latest recording of that name is as wanted."""
        deadline = time.monotonic() + timeout
        while True:
            one = self.recordings().get(path)
            if one is not None and wanted(one):
                return one
            assert time.monotonic() < deadline, one
            time.sleep(0.005)

    def await_empty(self, spool: SpoolFolder, *, timeout: float = SOON) -> None:
        """Wait until no file is left, and nothing is still to be released."""
        eventually(
            lambda: not spool.media() and all(one.state == "released" for one in self.recordings().values()),
            what="all are released",
            within=timeout,
        )

    def await_none(self, *, timeout: float = SOON) -> None:
        """Wait until the journal has forgotten all."""
        eventually(lambda: not self.recordings(), what="the journal has forgotten all", within=timeout)

    def rescan(self, *, times: int = 1, timeout: float = SOON) -> None:
        """Wait until so many walks over the spool have begun and ended."""
        number = self.uploader.intake.scans + 1 + times  # one may be under way
        deadline = time.monotonic() + timeout
        while self.uploader.intake.scans < number:
            self.uploader.intake.rescan()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def await_attempt(self, path: str, *, after: int, timeout: float = SOON) -> Recording:
        """Wait until an attempt later than the `after`th has ended."""
        deadline = time.monotonic() + timeout
        while True:
            one = self.recordings()[path]
            if one.attempts > after and one.state != "uploading":
                return one
            assert time.monotonic() < deadline, one
            time.sleep(0.002)
