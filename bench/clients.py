"""The two that are compared: how each is called for the same work."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.servers import BUCKET, PREFIX, Target

PART_MIB = 8
BIG_PARTS_AT_ONCE = 4
"""Concurrent parts of the one big file, for both."""
SMALL_AT_ONCE = 8
"""Concurrent small files, for both."""


@dataclass(frozen=True)
class Call:
    argv: list[str]
    env: Mapping[str, str]


def s5cmd(target: Target, *, folder: Path, work: Path) -> Call:
    """Copies a folder; its defaults but for parts of 8 MiB and the same number at once as ours."""
    del work
    files = list(folder.iterdir())
    from tests.tools import binaries  # noqa: PLC0415 - may build it

    argv = [
        str(binaries.find("s5cmd")),
        "--endpoint-url", target.endpoint,
        "--numworkers", str(SMALL_AT_ONCE),
        "--log", "error",
        "cp",
        "--part-size", str(PART_MIB),
        "--concurrency", str(BIG_PARTS_AT_ONCE),
        f"{folder}/*" if len(files) > 1 else str(files[0]),
        f"s3://{BUCKET}/{PREFIX}/",
    ]  # fmt: skip
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder.parent),
        "AWS_ACCESS_KEY_ID": target.access_key,
        "AWS_SECRET_ACCESS_KEY": target.secret_key,
        "AWS_REGION": "us-east-1",
        "AWS_CA_BUNDLE": str(target.ca_file),
    }
    return Call(argv, env)


def ours(target: Target, *, folder: Path, work: Path) -> Call:
    """The whole uploader: journal, checksums, proof before deleting, receipts, deleting the local files."""
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
    program = shutil.which("recording-storage", path=str(Path(sys.executable).parent))
    assert program is not None, "recording-storage is not installed beside this Python"
    argv = [program, "uploader", "--spool", str(folder), "--config", str(config), "--once", "--log-level", "warning"]
    return Call(argv, {"PATH": os.environ["PATH"], "HOME": str(work)})
