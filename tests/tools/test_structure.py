"""Each rule of the structure turns red when it is broken."""

from pathlib import Path

import pytest

from tests.tools import structure

PAGE = "# How it is built\n\n1. `uploader/journal/rows.py:Rows.add` notes it\n"
ROWS = 'class Rows:\n    def add(self) -> None:\n        self.run("INSERT INTO recordings VALUES (?)")\n'


def write(root: Path, file: str, text: str) -> None:
    path = root / structure.PACKAGE / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/architecture.md").write_text(PAGE)
    write(tmp_path, "uploader/journal/rows.py", ROWS)
    return tmp_path


def test_a_tree_as_it_should_be_has_no_faults(tree: Path) -> None:
    write(tree, "uploader/app.py", '"""Nobody may DELETE FROM here."""\n\nTOLD = "an update that somebody set"\n')
    assert list(structure.faults(tree)) == []


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("uploader/app.py", 'import os\n\nos.run("DELETE FROM recordings")\n', "uploader/app.py:3: SQL"),
        ("uploader/spool/intake.py", 'x.run(f"SELECT {columns} FROM files")\n', "uploader/spool/intake.py:1: SQL"),
        ("uploader/spool/intake.py", 'x.run(f"UPDATE {table} SET a = 1")\n', "uploader/spool/intake.py:1: SQL"),
        ("uploader/spool/intake.py", "connection.execute(query)\n", "uploader/spool/intake.py:1: SQL"),
        ("controller/cluster/lease.py", "import kopf.on\n", "controller/cluster/lease.py:1: kopf has no place here"),
        (
            "domain/sids.py",
            "def made():\n    from somewhere import thing\n",
            "domain/sids.py:2: somewhere has no place",
        ),
        ("store/long.py", "x = 1\n" * (structure.LONGEST + 1), "store/long.py: 351 lines"),
        ("uploader/journal/rows.py", ROWS.replace("add", "put"), "architecture.md:3: uploader/journal/rows.py has no"),
    ],
)
def test_it_turns_red(tree: Path, file: str, text: str, fault: str) -> None:
    write(tree, file, text)
    (found,) = structure.faults(tree)
    assert fault in found


def test_a_file_that_the_page_leads_to_is_gone(tree: Path) -> None:
    (tree / structure.PACKAGE / "uploader/journal/rows.py").unlink()
    (found,) = structure.faults(tree)
    assert "lead to where it is done now" in found


def test_every_page_is_looked_at(tree: Path) -> None:
    (tree / "docs/extending.md").write_text(PAGE.replace("Rows.add", "Rows.put"))
    (found,) = structure.faults(tree)
    assert "docs/extending.md:3: uploader/journal/rows.py has no Rows.put" in found
