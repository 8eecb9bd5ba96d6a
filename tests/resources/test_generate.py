"""The files in crds/ are what the models say."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from recording_storage.resources.generate import main

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    assert CliRunner().invoke(main, ["--out", str(tmp_path)]).exit_code == 0
    return tmp_path


def test_files_of_the_checkout_are_fresh() -> None:
    result = CliRunner().invoke(main, ["--check", "--out", str(CRDS)])
    assert (result.exit_code, result.output) == (0, "")


def test_check_names_a_file_that_was_changed(fresh: Path) -> None:
    file = fresh / "recordingstorage.dev_publickeys.yaml"
    file.write_text(file.read_text().replace("Sid of the key", "Some key"))
    result = CliRunner().invoke(main, ["--check", "--out", str(fresh)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{file} is stale: run `python -m recording_storage.resources.generate")


def test_check_names_a_file_that_is_missing(fresh: Path) -> None:
    file = fresh / "recordingstorage.dev_recordingspools.yaml"
    file.unlink()
    result = CliRunner().invoke(main, ["--check", "--out", str(fresh)])
    assert result.exit_code == 1
    assert str(file) in result.stderr


def test_file_of_a_kind_that_is_gone_is_named_and_removed(fresh: Path) -> None:
    file = fresh / "recordingstorage.dev_faxes.yaml"
    file.touch()
    assert str(file) in CliRunner().invoke(main, ["--check", "--out", str(fresh)]).stderr
    CliRunner().invoke(main, ["--out", str(fresh)])
    assert not file.exists()


def test_check_changes_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--check", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []
