"""The folder that keeps what is built or fetched once, and the lock that makes parallel runs do so once."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "recording-storage"


def tell(line: str) -> None:
    """Progress goes to stderr, so that stdout stays free for results."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def locked(path: Path, *, what: str) -> Iterator[None]:
    """Holds an exclusive lock on `path`; who has to wait for it says so every 15 s.

    The lock is the kernel's: it ends with its holder, however that dies. The file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        started = said = time.monotonic()
        waiting = False
        while not _try_lock(file.fileno()):
            now = time.monotonic()
            if not waiting or now - said >= 15:
                tell(f"{what}: waiting for another run that is at it ({now - started:.0f} s)")
                waiting, said = True, now
            time.sleep(0.2)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
