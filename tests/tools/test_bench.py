"""What is measured ends when it is told to; else that is told, with what it has said."""

import os
from pathlib import Path

import pytest
from bench.measure import RunFailed, started

from tests.waiting import SOON


@pytest.mark.parametrize(("code", "told"), [(0, "ended by itself after"), (3, "ended with 3 after")])
def test_a_program_that_ends_early_is_told(tmp_path: Path, code: int, told: str) -> None:
    argv = ["sh", "-c", f"echo no bucket; exit {code}"]
    with started(argv, env={"PATH": os.environ["PATH"]}, log=tmp_path / "log") as program:
        program._child.wait(SOON)
        with pytest.raises(RunFailed, match=rf"sh {told} .* s: no bucket"):
            program.require_alive()
