"""docs/operations.md as a program: the blocks that a test runs, and the steps in them that are not kubectl's."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
_BLOCK = re.compile(r"<!-- test: (?P<name>[^>]+) -->\n```sh\n(?P<text>.*?)```", re.DOTALL)

BLOCKS = {found["name"]: found["text"] for found in _BLOCK.finditer(PAGE.read_text())}


def follow(name: str, *, steps: Mapping[str, Callable[[], None]], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a block of the page as it stands there.

    Args:
        name: of the block.
        steps: what is done for the comments in it: each must be there.
        folder: where the commands run.
        environment: of the commands, beside PATH.
    """
    for part in re.split(r"^(# .*)\n", BLOCKS[name], flags=re.MULTILINE):
        if part.startswith("# "):
            steps[part.removeprefix("# ")]()
        elif part:
            _run(part, folder=folder, environment=environment)


def missing_tools() -> list[str]:
    return [tool for tool in ("kubectl", "jq", "sqlite3") if shutil.which(tool) is None]


def _run(commands: str, *, folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
