"""What is known of the cluster in a folder: `cluster.json`, written by the process that holds it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.cluster.cluster import Cluster, clear
from tests.tools.cache import cache_dir, locked
from tests.tools.errors import ToolFailed
from tests.tools.progress import tail

State = dict[str, Any]
STOP_TIMEOUT = 60.0  # seconds


def default_folder() -> Path:
    return cache_dir() / "cluster"


def write(cluster: Cluster) -> None:
    new = cluster.data_dir / "cluster.json.new"
    new.write_text(cluster.as_json(pid=os.getpid()))
    new.replace(cluster.data_dir / "cluster.json")


def read(folder: Path) -> State | None:
    """The state of the cluster that runs in `folder`, None if none does."""
    try:
        state: State = json.loads((folder / "cluster.json").read_text())
    except FileNotFoundError:
        return None
    return state if _holds(state["pid"]) else None


def start_detached(folder: Path) -> State:
    """Starts a cluster in `folder` that outlives this process, or finds the one that runs there; says which."""
    folder = folder.absolute()
    with _lock(folder):
        if state := read(folder):
            return state | {"reused": True}
        (folder / "cluster.json").unlink(missing_ok=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = folder / "serve.log"
        argv = [sys.executable, "-m", "tests.cluster", "serve", "--detached", "--dir", str(folder)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            while process.poll() is None:
                if state := read(folder):
                    return state | {"reused": False}
                time.sleep(0.05)
        except BaseException:
            process.terminate()
            raise
        raise ToolFailed(tail(log))


def stop(folder: Path, *, keep: bool) -> bool:
    """Ends the cluster in `folder` and removes what it wrote there; False if none ran."""
    folder = folder.absolute()
    with _lock(folder):
        state = read(folder)
        if state is not None:
            os.kill(state["pid"], signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT
            while _holds(state["pid"]):
                if time.monotonic() > deadline:
                    raise ToolFailed(f"process {state['pid']} of the cluster in {folder} does not end")
                time.sleep(0.05)
        if not keep and (folder / "pki").exists():
            clear(folder)
        return state is not None


def _lock(folder: Path) -> AbstractContextManager[None]:
    # Not in the folder itself: `stop` removes that.
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return locked(cache_dir() / "locks" / name, what=f"cluster in {folder}")


def _holds(pid: int) -> bool:
    """Whether `pid` is a process that holds a cluster, and not a later one of the same number."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        return (
            status.rpartition(")")[2].split()[0] != "Z"
            and b"tests.cluster" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
    except OSError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
