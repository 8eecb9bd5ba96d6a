"""What can't be measured is refused; what is measured ends when it is told to, else that is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.measure import RunFailed, started

from tests.waiting import SOON

USAGE = 2


@pytest.mark.parametrize(("code", "told"), [(0, "ended by itself after"), (3, "ended with 3 after")])
def test_a_program_that_ends_early_is_told(tmp_path: Path, code: int, told: str) -> None:
    argv = ["sh", "-c", f"echo no bucket; exit {code}"]
    with started(argv, env={"PATH": os.environ["PATH"]}, log=tmp_path / "log") as program:
        program._child.wait(SOON)
        with pytest.raises(RunFailed, match=rf"sh {told} .* s: no bucket"):
            program.require_alive()


@pytest.mark.parametrize(
    ("program", "arguments", "told"),
    [
        ("uploader", ["--against", "/nowhere"], "/nowhere/.venv/bin/recording-storage is not there"),
        ("uploader", ["--against", ".", "--unleased"], "not allowed with"),
        ("uploader", ["--small-count", "0"], "--small-count: 0 is no whole number above 0"),
        ("spools", ["--spools", "0"], "--spools: 0 is no whole number above 0"),
        ("spools", ["--seconds", "-1"], "--seconds: -1 is no whole number above 0"),
    ],
)
def test_what_measures_nothing_is_refused_before_anything_is_started(
    program: str, arguments: list[str], told: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", f"bench.{program}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=SOON,
    )
    assert ended.returncode == USAGE
    assert told in ended.stderr
