"""What the uploader's command line takes and refuses, before anything runs."""

from math import inf
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from recording_storage.cli.uploader import command
from recording_storage.uploader import logs, service
from recording_storage.uploader.app import Options
from recording_storage.uploader.journal.pinning import STALE_PLAN_AFTER


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """The options of what would have been served."""
    found: list[Options] = []

    def serve(options: Options, **_: Any) -> bool:
        found.append(options)
        return True

    monkeypatch.setattr(service, "serve", serve)
    monkeypatch.setattr(logs, "set_up", lambda **_: None)  # this process has other tests' logs
    return found


@pytest.mark.parametrize(
    ("given", "seconds"), [([], STALE_PLAN_AFTER), (["Never"], inf), (["never"], inf), (["90s"], 90.0), (["0"], 0.0)]
)
def test_how_long_a_plan_of_before_waits(
    tmp_path: Path, begun: list[Options], given: list[str], seconds: float
) -> None:
    (tmp_path / "token").write_text("t")
    more = ["--stale-plan-after", *given] if given else []
    store = ["--store", "https://store.example", "--token-file", str(tmp_path / "token")]

    done = CliRunner().invoke(command, ["--spool", str(tmp_path), *store, *more])

    assert done.exit_code == 0, done.output
    assert [options.stale_plan_after for options in begun] == [seconds]


@pytest.mark.parametrize("value", ["5m", "Never"])
def test_alone_no_plan_is_of_before(tmp_path: Path, begun: list[Options], value: str) -> None:
    config = tmp_path / "uploader.yaml"
    config.write_text("{}")

    done = CliRunner().invoke(command, ["--spool", str(tmp_path), "--config", str(config), "--stale-plan-after", value])

    assert (done.exit_code, begun) == (2, [])
    assert "--stale-plan-after goes with --store" in done.output
