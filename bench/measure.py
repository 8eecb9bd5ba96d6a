"""One run of one program, as a whole process: wall clock, CPU, peak memory."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_CHILD = Path(__file__).with_name("child.py")
_SHOWN = 2000
TIMEOUT = 600.0
"""Seconds that any program may take."""


class RunFailed(Exception):  # noqa: N818 - shown as one line
    """The measured program didn't do its work; `str()` has the end of what it said."""


@dataclass(frozen=True)
class Run:
    """`seconds` that the work took, `cpu` user and system seconds of all threads, `rss` bytes at the peak."""

    seconds: float
    cpu: float
    rss: int


class Measured:
    """A program that runs."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        self._argv = argv
        self._log = log
        self._child = subprocess.Popen(  # noqa: S603 - the programs of `clients`
            [sys.executable, "-I", "-S", str(_CHILD), str(TIMEOUT), str(log), *argv],
            env=dict(env),
            stdout=subprocess.PIPE,
            text=True,
        )

    def require_alive(self) -> None:
        """Raise RunFailed when it has ended: it was to run until it is stopped."""
        if self._child.poll() is not None:
            took = self.result()
            raise RunFailed(f"{self._argv[0]} ended by itself after {took.seconds:.1f} s: {self._tail()}")

    def stop(self) -> None:
        """Ask it to end."""
        if self._child.poll() is None:
            self._child.terminate()

    def result(self) -> Run:
        """What it took from its start to its end, which is waited for. Raises RunFailed."""
        said, _ = self._child.communicate()
        if not said:
            raise RunFailed(f"what measures {self._argv[0]} ended with {self._child.returncode}: {self._tail()}")
        result = json.loads(said)
        code = result.pop("code")
        if code != 0:
            raise RunFailed(f"{self._argv[0]} ended with {code} after {result['seconds']:.1f} s: {self._tail()}")
        return Run(**result)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-_SHOWN:].strip() if self._log.exists() else ""


@contextmanager
def started(argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> Iterator[Measured]:
    """A program that is stopped at the end, if it still runs."""
    measured = Measured(argv, env=env, log=log)
    try:
        yield measured
    finally:
        measured.stop()
        measured._child.wait()  # noqa: SLF001 - its own module


def run(argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> Run:
    """Run to the end, output to `log`. Raises RunFailed."""
    return Measured(argv, env=env, log=log).result()


def medians(runs: Sequence[Run]) -> Run:
    """Each figure's own median."""
    columns = [asdict(r) for r in runs]
    return Run(
        seconds=statistics.median(c["seconds"] for c in columns),
        cpu=statistics.median(c["cpu"] for c in columns),
        rss=int(statistics.median(c["rss"] for c in columns)),
    )
