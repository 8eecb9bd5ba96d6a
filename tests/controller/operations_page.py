"""docs/operations.md as a program: the blocks that a test runs, and the steps in them that are not kubectl's."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from tests.tools import binaries, debian

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


PACKAGES = {"jq": ("jq", "libjq1", "libonig5"), "sqlite3": ("sqlite3", "libsqlite3-0", "libreadline8", "libtinfo6")}
"""Debian's, of the programs that the page uses beside kubectl, with their libraries."""


@cache
def _programs() -> Mapping[str, str]:
    """Variables with which the page's programs are found; those that are not installed come from packages."""
    roots = [debian.package(name) for tool, names in PACKAGES.items() if not shutil.which(tool) for name in names]
    folders = [str(binaries.find("kubectl").parent), *(f"{root}/usr/bin" for root in roots), os.environ["PATH"]]
    return {"PATH": os.pathsep.join(folders), **({"LD_LIBRARY_PATH": debian.library_path(roots)} if roots else {})}


def _run(commands: str, *, folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**_programs(), "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
