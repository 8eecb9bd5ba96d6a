"""The two that are compared, each at the same work: how it is called, and what counts as done."""

import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.measure import Measured, Run, run, started
from bench.servers import BUCKET, PREFIX, Target
from bench.workloads import MIB

PART_MIB = 8
PARTS_AT_ONCE = 4
"""Concurrent parts of the one big file, as ours sends."""
_OWN_FOLDER = ".recording-storage"
_WARM_UP = "warm-up.wav"
_ANOTHER_USER = 12_345
_LOOK_EVERY = 0.02
"""Seconds between two looks whether all are released; a look may take a twentieth of the time between them."""


class Client(Protocol):
    def __call__(self, target: Target, *, files: Path, small: bool) -> Run:
        """Upload what is in the folder. Raises RunFailed."""


@dataclass(frozen=True)
class S5cmd:
    """Copies a folder, from the start of the process to its end."""

    workers: int
    """Files at once."""
    concurrency: int = PARTS_AT_ONCE
    """Parts of each at once."""

    def __str__(self) -> str:
        return f"s5cmd --numworkers {self.workers}, --concurrency {self.concurrency}"

    def __call__(self, target: Target, *, files: Path, small: bool) -> Run:
        from tests.tools import binaries  # noqa: PLC0415 - may build it

        argv = [
            str(binaries.find("s5cmd")),
            "--endpoint-url", target.endpoint,
            "--numworkers", str(self.workers),
            "--log", "error",
            "cp",
            "--part-size", str(PART_MIB),
            "--concurrency", str(self.concurrency),
            f"{files}/*" if small else str(next(files.iterdir())),
            f"s3://{BUCKET}/{PREFIX}/",
        ]  # fmt: skip
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(files.parent),
            "AWS_ACCESS_KEY_ID": target.access_key,
            "AWS_SECRET_ACCESS_KEY": target.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_CA_BUNDLE": str(target.ca_file),
        }
        return run(argv, env=env, log=files.parent / "log")


@dataclass(frozen=True)
class Ours:
    """The whole uploader: journal, checksums, proof before deleting, receipts, deleting the local files.

    Small files are renamed, each with its `.done`, into the spool of an uploader that runs: its seconds are from the
    first rename until the last is released, its CPU seconds those of the whole process, start and end included. The
    big file waits for an uploader that works through the spool once: its seconds are those of the process.
    """

    python: Path = Path(sys.executable)
    """Of the checkout whose uploader it is."""
    leased: bool = True
    """False: the files are another user's, and it has no capability, so the kernel gives it no lease of any."""

    def __str__(self) -> str:
        return f"the uploader of {self.python.parent}" + ("" if self.leased else ", without leases")

    def __call__(self, target: Target, *, files: Path, small: bool) -> Run:
        work = files.parent
        config = work / "uploader.yaml"
        destination = {
            "url": target.url,
            "region": "us-east-1",
            "accessKeyId": target.access_key,
            "secretAccessKey": target.secret_key,
            "caFile": str(target.ca_file),
        }
        # JSON is YAML.
        config.write_text(json.dumps({"destination": destination, "settle": "0s"}))
        program = self.python.with_name("recording-storage")
        spool = work / "spool" if small else files
        argv = [str(program), "uploader", "--spool", str(spool), "--config", str(config), "--log-level", "warning"]
        env = {"PATH": os.environ["PATH"], "HOME": str(work)}
        if not self.leased:
            argv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *argv]
            for path in files.iterdir():
                os.chown(path, _ANOTHER_USER, -1)
        if not small:
            return run([*argv, "--once"], env=env, log=work / "log")
        spool.mkdir()
        with started(argv, env=env, log=work / "log") as uploader:
            return _fed(uploader, files=files, spool=spool)


def _fed(uploader: Measured, *, files: Path, spool: Path) -> Run:
    names = sorted(path.name for path in files.iterdir())
    for name in names:
        (files / f"{name}.done").touch()
    _hand_over(_warm_up(files), spool=spool)
    _await_empty(spool, uploader)
    began = time.monotonic()
    for name in names:
        _hand_over(files / name, spool=spool)
    _await_empty(spool, uploader)
    seconds = time.monotonic() - began
    uploader.stop()
    return replace(uploader.result(), seconds=seconds)


def _warm_up(files: Path) -> Path:
    """One that shows, when it is gone, that the uploader runs; empty ones are not uploaded."""
    path = files / _WARM_UP
    path.write_bytes(os.urandom(MIB // 10))
    path.with_name(f"{_WARM_UP}.done").touch()
    return path


def _hand_over(path: Path, *, spool: Path) -> None:
    path.rename(spool / path.name)
    path.with_name(f"{path.name}.done").rename(spool / f"{path.name}.done")


def _await_empty(spool: Path, uploader: Measured) -> None:
    """Until the last file is removed: nothing is left but the uploader's own folder. Raises RunFailed."""
    while True:
        began = time.monotonic()
        left = [entry.name for entry in os.scandir(spool) if entry.name != _OWN_FOLDER]
        if not left and (spool / _OWN_FOLDER).exists():
            return
        uploader.require_alive()
        time.sleep(max(_LOOK_EVERY, 20 * (time.monotonic() - began)))
