"""What runs, for tests that look whether something was left behind."""

import time
from collections.abc import Callable
from pathlib import Path


def mentioning(text: str) -> list[int]:
    """Pids of the processes with `text` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if text.encode() in line:
            found.append(int(entry.name))
    return found


def gone(text: str, *, within: float = 10.0) -> bool:
    """Whether no process mentions `text`, at last after `within` seconds."""
    return _soon(lambda: not mentioning(text), within)


def removed(path: Path, *, within: float = 10.0) -> bool:
    """Whether `path` is gone: a supervisor removes it after the last process has ended."""
    return _soon(lambda: not path.exists(), within)


def exists(path: Path, *, within: float = 10.0) -> bool:
    """Whether a process has made `path`, at last after `within` seconds."""
    return _soon(path.exists, within)


def _soon(holds: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
