"""The files in crds/, and the chart's templates of the same, are what the models say."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recording_storage.resources.generate import main

ROOT = Path(__file__).parents[2]
FOLDERS = ("crds", "chart")


def generate(root: Path, *options: str) -> Result:
    return CliRunner().invoke(main, [*options, "--out", str(root / "crds"), "--chart", str(root / "chart")])


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    assert generate(tmp_path).exit_code == 0
    return tmp_path


def test_files_of_the_checkout_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, ["--check"])
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("folder", FOLDERS)
def test_check_names_a_file_that_was_changed(fresh: Path, folder: str) -> None:
    file = fresh / folder / "recordingstorage.dev_publickeys.yaml"
    file.write_text(file.read_text().replace("Sid of the key", "Some key"))
    result = generate(fresh, "--check")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{file} is stale: run `python -m recording_storage.resources.generate")


@pytest.mark.parametrize("folder", FOLDERS)
def test_check_names_a_file_that_is_missing(fresh: Path, folder: str) -> None:
    file = fresh / folder / "recordingstorage.dev_recordingspools.yaml"
    file.unlink()
    result = generate(fresh, "--check")
    assert result.exit_code == 1
    assert str(file) in result.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_file_of_a_kind_that_is_gone_is_named_and_removed(fresh: Path, folder: str) -> None:
    file = fresh / folder / "recordingstorage.dev_faxes.yaml"
    file.touch()
    assert str(file) in generate(fresh, "--check").stderr
    generate(fresh)
    assert not file.exists()


def test_check_changes_nothing(tmp_path: Path) -> None:
    result = generate(tmp_path, "--check")
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []
