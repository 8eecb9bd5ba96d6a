"""What is uploaded: files that are made once, and copied anew for each run."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True)
class Workload:
    name: str
    files: int
    size: int
    """Bytes of each."""

    @property
    def is_small(self) -> bool:
        return self.files > 1

    @property
    def total(self) -> int:
        return self.files * self.size


def make_template(folder: Path, workload: Workload) -> Path:
    folder.mkdir()
    for number in range(workload.files):
        with (folder / f"call-{number:05}.wav").open("wb") as file:
            left = workload.size
            while left:
                left -= file.write(os.urandom(min(left, 8 * MIB)))
    return folder


@contextmanager
def fresh_folder(template: Path) -> Iterator[Path]:
    """Copies, which the page cache holds for one client as for the other.

    No links: a recorder's file has one name, and the uploader asks for the others of one that has several.
    """
    work = Path(tempfile.mkdtemp(dir=template.parent))
    files = work / "files"
    files.mkdir()
    for path in template.iterdir():
        shutil.copyfile(path, files / path.name)
    os.sync()  # what earlier runs left to be written must not be paid for by this one
    yield files
    shutil.rmtree(work)
