"""Runs a long command and says how it goes on."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.tools.cache import tell

INTERVAL = 15.0  # seconds between two lines


def run(
    argv: Sequence[str],
    *,
    what: str,
    expected: float,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Runs `argv` with its output in `log` and returns its exit code; `expected` is the usual time in seconds."""
    about = f"about {expected:.0f} s" if expected < 90 else f"about {expected / 60:.0f} min"
    tell(f"{what}: takes {about}, once")
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=env
        )
        try:
            while True:
                try:
                    code = process.wait(INTERVAL)
                    break
                except subprocess.TimeoutExpired:
                    tell(f"{what}: {time.monotonic() - started:.0f} s of {about}")
        except BaseException:
            process.kill()
            process.wait()
            raise
    tell(f"{what}: {'done' if code == 0 else 'failed'} after {time.monotonic() - started:.0f} s")
    return code


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log, for an error message."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:])
