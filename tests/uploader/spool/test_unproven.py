"""Files that may be finished for long and are not taken, because nothing proves it: people hear of them."""

import json
import os
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from recording_storage.cli.main import main
from recording_storage.protocol.sync import SpoolReport
from recording_storage.uploader import service
from recording_storage.uploader.spool import unfinished
from recording_storage.uploader.spool.writers import Writers
from recording_storage.uploader.status.metrics import PREFIX, UploaderCollector
from recording_storage.uploader.store_link.hooks import StoreHooks
from tests.uploader.spools import FakeClock, Running, SpoolFolder

HOUR = 3600.0


@pytest.fixture
def another_users_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lease can be had of them, and they were closed while no uploader ran."""
    monkeypatch.setattr("recording_storage.uploader.spool.evidence.writers", lambda _: Writers.UNKNOWN)


@pytest.fixture
def unproven(quick: SpoolFolder, another_users_files: None) -> Iterator[tuple[Running, FakeClock]]:
    quick.put("a.wav", age=3 * HOUR)
    quick.put("b.wav", age=2 * HOUR)
    clock = FakeClock()
    with quick.running(clock=clock) as running:
        running.rescan()
        assert running.uploader.view.status().unproven == [], "it has just been seen"
        clock.advance(unfinished.RESCAN)
        running.rescan()
        yield running, clock


def test_they_are_told_at_once_and_every_hour(
    unproven: tuple[Running, FakeClock], caplog: pytest.LogCaptureFixture
) -> None:
    running, clock = unproven
    words = "a.wav is not taken: nothing proves that it is finished"
    assert sum(words in record.getMessage() for record in caplog.get_records("setup")) == 1
    running.rescan()
    assert words not in caplog.text
    clock.advance(HOUR)
    running.rescan()
    assert caplog.text.count(words) == 1
    assert "--quiet-proof" in caplog.text


def test_the_commands_count_and_name_them(unproven: tuple[Running, FakeClock], quick: SpoolFolder) -> None:
    running, _ = unproven
    control = service._control(running.uploader)
    assert control is not None
    try:
        status = json.loads(run("status", quick, "--json"))
        assert status["growing"] == 2
        assert status["unproven"]["count"] == 2
        assert [one["file"] for one in status["unproven"]["files"]] == ["a.wav", "b.wav"]
        assert status["unproven"]["oldest"] == status["unproven"]["files"][0]["since"]
        text = run("status", quick)
        assert "NOT TAKEN  2 files" in text
        assert "a.wav: nothing proves" in text
        assert run("status", quick, "--check", code=3)
        one = json.loads(run("recordings", quick, "--json").splitlines()[0])
        assert (one["file"], one["state"], one["sid"]) == ("a.wav", "unproven", None)
        assert "NAME.EXT.done" in one["error"]["message"]
        assert len(run("recordings", quick, "--json", "--state", "unproven").splitlines()) == 2
        assert run("recordings", quick, "--json", "--state", "parked") == ""
        table = next(line for line in run("recordings", quick).splitlines() if "b.wav" in line)
        assert "unproven" in table
        assert "not taken: nothing proves" in table
    finally:
        control.close()


def run(command: str, spool: SpoolFolder, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, [command, "--spool", str(spool.root), *arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def test_the_metrics_count_them(unproven: tuple[Running, FakeClock]) -> None:
    running, clock = unproven
    collector = UploaderCollector(running.uploader.view, link=running.uploader.link_state, now=clock.now)
    values = {sample.name: sample.value for metric in collector.collect() for sample in metric.samples}
    assert values[f"{PREFIX}_unproven_files"] == 2
    assert values[f"{PREFIX}_oldest_unproven_age_seconds"] == pytest.approx(3 * HOUR + unfinished.RESCAN, abs=60)


def test_the_store_hears_of_them(unproven: tuple[Running, FakeClock]) -> None:
    uploader = unproven[0].uploader
    report = StoreHooks(uploader.parts, view=uploader.view, plans_changed=lambda: None).report()
    assert report.unproven == 2
    assert report.oldest_unproven is not None
    assert report.oldest_unproven.timestamp() == pytest.approx(time.time() - 3 * HOUR, abs=60)
    assert not SpoolReport.from_values({"uploader_version": "1", "started_at": report.started_at}).unproven


def test_the_word_that_was_missing_has_them_taken(unproven: tuple[Running, FakeClock], quick: SpoolFolder) -> None:
    running, _ = unproven
    for name in ("a.wav", "b.wav"):
        (quick.root / f"{name}.done").touch()
    running.uploader.intake.rescan()
    running.await_states({"a.wav": "released", "b.wav": "released"})
    assert running.uploader.view.status().unproven == []
    quick.check_all_stored()


def test_with_markers_only_a_call_that_is_open_is_not_among_them(quick: SpoolFolder) -> None:
    held = quick.put("on-hold.wav", age=HOUR)
    quick.put("closed.wav", age=HOUR)
    clock = FakeClock()
    with held.open("ab"), quick.running(clock=clock, marker_only=True) as running:
        running.rescan()
        clock.advance(unfinished.UNPROVEN)
        running.rescan()
        assert [one.path for one in running.uploader.view.status().unproven] == ["closed.wav"]


@pytest.mark.usefixtures("another_users_files")
def test_a_file_of_a_time_to_come_is_told_of_too(quick: SpoolFolder) -> None:
    os.utime(quick.put("a.wav"), (2**33, 2**33))
    clock = FakeClock()
    with quick.running(clock=clock) as running:
        running.rescan()
        clock.advance(unfinished.UNPROVEN)
        running.rescan()
        [one] = running.uploader.view.status().unproven
        assert clock.now() - one.since >= unfinished.UNPROVEN


def test_what_no_uploader_has_looked_at_is_never_an_all_clear(quick: SpoolFolder) -> None:
    quick.put("a.wav")
    assert quick.once().returncode == 0
    assert "NOT RUNNING" in run("status", quick, "--check")
    quick.put("late.wav")
    (quick.root / "late.wav.done").touch()
    text = run("status", quick, "--check", code=3)
    assert "files that no uploader has looked at: 1" in text
    assert json.loads(run("status", quick, "--json"))["growing"] == 1
