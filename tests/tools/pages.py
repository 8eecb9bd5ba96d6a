"""A page of docs/ as a program: the blocks that a test runs, and the steps in them that are not the page's programs'.

A block stands below `<!-- test: NAME -->`. A comment line in it, `# what`, is a step that the test does.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.tools import binaries, debian

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"<!-- test: (?P<name>[^>]+) -->\n```(?:sh|yaml)\n(?P<text>.*?)```", re.DOTALL)
LONG = 300.0
"""Seconds that the commands of a block may take: some of them wait for a cluster."""


class CommandFailedError(AssertionError):
    """With the commands, and what they have said."""


class Page:
    def __init__(
        self, name: str, *, tools: Sequence[str] = (), packages: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Read it.

        Args:
            name: of the file in docs/.
            tools: programs of its commands that are built where the machine has none.
            packages: Debian's, by the program that they bring where it is not installed, with their libraries.
        """
        text = (DOCS / name).read_text()
        self.blocks = {found["name"]: found["text"] for found in _BLOCK.finditer(text)}
        self._tools, self._packages = tools, packages or {}

    def follow(
        self,
        name: str,
        *,
        folder: Path,
        environment: Mapping[str, str],
        steps: Mapping[str, Callable[[], None]] | None = None,
    ) -> str:
        """Run a block as it stands there; what its commands have said. Raises CommandFailedError.

        Args:
            name: of the block.
            folder: where the commands run.
            environment: of the commands, beside PATH.
            steps: what is done for the comments in it: each must be there.
        """
        said = ""
        for part in re.split(r"^(# .*)\n", self.blocks[name], flags=re.MULTILINE):
            if part.startswith("# "):
                (steps or {})[part.removeprefix("# ")]()
            elif part:
                said += _run(part, folder=folder, environment={**self._programs(), **environment})
        return said

    def _programs(self) -> Mapping[str, str]:
        """Variables with which the page's programs are found."""
        missing = [names for program, names in self._packages.items() if not shutil.which(program)]
        roots = [debian.package(name) for names in missing for name in names]
        ours = Path(sys.executable).parent  # recording-storage is there, too
        folders = [*(binaries.find(tool).parent for tool in self._tools), *(root / "usr/bin" for root in roots), ours]
        path = os.pathsep.join((*map(str, folders), os.environ["PATH"]))
        return {"PATH": path, **({"LD_LIBRARY_PATH": debian.library_path(roots)} if roots else {})}


def _run(commands: str, *, folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={"HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    if done.returncode != 0:
        raise CommandFailedError(f"{commands}\n{done.stdout}\n{done.stderr}")
    return done.stdout
