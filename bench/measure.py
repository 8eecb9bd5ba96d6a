"""One run of one program, as a whole process: wall clock, CPU, peak memory."""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_CHILD = Path(__file__).with_name("child.py")
_SHOWN = 2000


class RunFailed(Exception):  # noqa: N818 - shown as one line
    """The measured program didn't do its work; `str()` has the end of what it said."""


@dataclass(frozen=True)
class Run:
    """`seconds` from exec to exit, `cpu` user and system seconds of all threads, `rss` bytes at the peak."""

    seconds: float
    cpu: float
    rss: int


def run(argv: Sequence[str], *, env: Mapping[str, str], log: Path, timeout: float = 300.0) -> Run:
    """Run to the end, output to `log`. Raises RunFailed."""
    measured = subprocess.run(  # noqa: S603 - the programs of `clients`
        [sys.executable, "-I", "-S", str(_CHILD), str(timeout), str(log), *argv],
        env=dict(env),
        check=True,
        capture_output=True,
        text=True,
    )
    result = json.loads(measured.stdout)
    code = result.pop("code")
    if code != 0:
        tail = log.read_text(errors="replace")[-_SHOWN:].strip()
        raise RunFailed(f"{argv[0]} ended with {code} after {result['seconds']:.1f} s: {tail}")
    return Run(**result)


def medians(runs: Sequence[Run]) -> Run:
    """Each figure's own median."""
    columns = [asdict(r) for r in runs]
    return Run(
        seconds=statistics.median(c["seconds"] for c in columns),
        cpu=statistics.median(c["cpu"] for c in columns),
        rss=int(statistics.median(c["rss"] for c in columns)),
    )
