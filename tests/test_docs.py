"""The prose is held against what it describes."""

import re
from pathlib import Path

import pytest
import yaml

from recording_storage.cli.main import COMMANDS
from recording_storage.domain.states import RecordingState

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text()
PACKAGE = CHECKOUT / "operator" / "recording_storage"
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


def test_every_resource_shown_in_the_readme_is_one_of_the_example_files() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    files = {path.read_text().rstrip() for path in (CHECKOUT / "docs" / "examples").glob("*.yaml")}
    assert shown
    assert [block for block in shown if block.rstrip() not in files] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`recording-storage {command}`" in README


@pytest.mark.parametrize("state", RecordingState)
def test_every_state_is_explained(state: RecordingState) -> None:
    assert f"| `{state}` |" in (CHECKOUT / "docs" / "recordings.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_file_that_is_named_is_there(page: Path) -> None:
    named = set(re.findall(r"`([\w./-]+\.py)`", page.read_text())) - {"cli/NAME.py"}
    short = {path.name for path in PACKAGE.rglob("*.py")}
    assert [name for name in sorted(named) if name not in short and not _is_there(name)] == []


def test_what_the_recipes_have_one_touch_is_there() -> None:
    text = (CHECKOUT / "docs" / "extending.md").read_text()
    named = set(re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.md)`", text)) - {"cli/NAME.py"}
    assert len(named) > 60
    assert [name for name in sorted(named) if not _is_there(name)] == []


def test_the_glossary_is_short() -> None:
    _, _, words = (CHECKOUT / "docs" / "architecture.md").read_text().partition("## Words")
    _, _, rows = words.partition("|---|---|\n")
    assert 0 < len([row for row in rows.splitlines() if row.startswith("| ")]) <= 20


@pytest.mark.parametrize("path", sorted((CHECKOUT / "docs" / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_readable(path: Path) -> None:
    assert all(isinstance(document, dict) for document in yaml.safe_load_all(path.read_text()))


def _is_there(name: str) -> bool:
    return (PACKAGE / name).exists() or (CHECKOUT / name).exists()
