"""Killed at any moment and started again, an uploader loses nothing, doubles nothing, and leaves no upload open."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recording_storage.uploader.core.fault_points import FAULT_POINTS, PUT_BACK_POINTS
from tests.s3.fixtures import create_bucket
from tests.s3.servers import S3Server
from tests.uploader.spools import MIB, SpoolFolder
from tests.waiting import SOON, eventually

KILLED = -signal.SIGKILL
SINGLE = {"before-put", "after-put"}
"""Passed only where the server compares single requests, too."""


@pytest.fixture
def checked(tmp_path: Path, versity_server: S3Server) -> SpoolFolder:
    """On a server that does."""
    return SpoolFolder(tmp_path / "spool", create_bucket(versity_server))


@pytest.fixture
def fitting(request: pytest.FixtureRequest, point: str) -> SpoolFolder:
    """On a server where that point is passed."""
    spool: SpoolFolder = request.getfixturevalue("checked" if point.partition(":")[0] in SINGLE else "quick")
    return spool


def fill(spool: SpoolFolder) -> None:
    for number in range(8):
        spool.put(f"call-{number}.wav", 20_000 - number)
    spool.put("room/track.mkv", 20 * MIB)
    (spool.root / "call-1.wav.done").touch()
    (spool.root / "call-2.wav.recording.json").write_text('{"call_sid": "CA1"}')


@pytest.mark.slow
@pytest.mark.parametrize("point", FAULT_POINTS)
def test_killed_at_a_named_point_the_next_start_finishes_everything(fitting: SpoolFolder, point: str) -> None:
    fill(fitting)
    crashed = fitting.once(fault=point)
    assert crashed.returncode == KILLED, f"{point} was not passed: {crashed.stderr}"
    finished = fitting.once()
    assert finished.returncode == 0, finished.stderr
    fitting.check_all_stored()


REPLACED_WHILE_RELEASED = """
import os, sys
from pathlib import Path
from recording_storage.uploader.spool import filesystem, removal

spool, names, way = Path(sys.argv.pop(1)), sys.argv.pop(1).split(","), sys.argv.pop(1)
passed = removal.fault_point
if way == "by a second name":
    filesystem._rename_exclusively = lambda *_: 22

def replace(name):
    for media in names:
        fresh = spool / f".fresh-{media}"
        fresh.write_bytes(f"{name} of {media}".encode())
        os.utime(fresh, (1.7e9, 1.7e9 + len(name)))
        if (spool / media).exists():
            os.link(spool / media, spool.parent / f"keeps-the-inode-{name}")
        fresh.rename(spool / media)

def act(name):
    if name == "marker-removed" or (way == "its name is taken" and name == "not-ours"):
        replace(name)
        names.clear() if name == "not-ours" or way != "its name is taken" else None
    passed(name)

removal.fault_point = act
from recording_storage.cli.main import main
main()
"""
"""The uploader, with a recorder that replaces a file just when it is moved aside."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "way"),
    [
        *[(point, "in one step") for point in PUT_BACK_POINTS if point in {"not-ours", "put-back"}],
        *[(point, "by a second name") for point in PUT_BACK_POINTS if point != "put-back-elsewhere"],
        *[(point, "its name is taken") for point in PUT_BACK_POINTS if point != "put-back-linked"],
    ],
)
@pytest.mark.parametrize("lost", [False, True])
def test_killed_while_a_file_that_is_not_ours_is_aside(quick: SpoolFolder, point: str, way: str, *, lost: bool) -> None:
    quick.put("a.wav")
    content = quick.contents["a.wav"]
    command = [sys.executable, "-c", REPLACED_WHILE_RELEASED, str(quick.root), "a.wav", way]
    crashed = subprocess.run(
        [*command, *quick.command("--once")[3:]],
        env={**os.environ, "RECORDING_STORAGE_FAULT": point},
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )
    assert crashed.returncode == KILLED, f"{point} was not passed: {crashed.stderr}"
    if lost:
        for part in (quick.root / ".recording-storage").glob("journal.db*"):
            part.unlink()
    finished = quick.once()
    assert finished.returncode == 0, finished.stderr
    wanted = {content, b"marker-removed of a.wav"}
    if way == "its name is taken":
        wanted.add(b"not-ours of a.wav")
    assert sorted(map(quick.bucket.read, quick.bucket.keys())) == sorted(wanted)
    assert quick.media() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    ["after-part:2", "after-put:3", "journal-after-commit:4", "receipt-written", "moved-aside:2", "media-removed:2"],
)
def test_killed_twice_at_the_same_point(fitting: SpoolFolder, point: str) -> None:
    fill(fitting)
    assert fitting.once(fault=point).returncode == KILLED
    fitting.once(fault=point)
    finished = fitting.once()
    assert finished.returncode == 0, finished.stderr
    fitting.check_all_stored()


@pytest.mark.slow
def test_killed_after_it_was_sent_and_then_before_it_was_sent_again(checked: SpoolFolder) -> None:
    fill(checked)
    assert checked.once(fault="after-put").returncode == KILLED
    assert checked.once(fault="claimed").returncode == KILLED
    finished = checked.once()
    assert finished.returncode == 0, finished.stderr
    checked.check_all_stored()


@pytest.mark.slow
def test_killed_thirty_times_at_random(spool: SpoolFolder) -> None:
    seed = int(os.environ.get("CRASH_SEED", "20260131"))
    chance = random.Random(seed)
    for number in range(40):
        spool.put(f"call-{number}.wav", 50_000 + number)
    spool.put("room/track.mkv", 40 * MIB)
    kills = 0
    for _ in range(30):
        with spool.process("--once", "--log-level", "error") as child:
            try:
                child.wait(timeout=chance.uniform(0.15, 0.9))
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                kills += 1
    finished = spool.once()
    assert finished.returncode == 0, f"seed {seed}, killed {kills} times: {finished.stderr}"
    spool.check_all_stored()


@pytest.mark.slow
def test_a_second_uploader_stands_by_and_takes_over(quick: SpoolFolder) -> None:
    with quick.process() as first:
        wait_for_line(first, "stored", put=quick)
        with quick.process() as second:
            wait_for_line(second, "standing by")
            first.send_signal(signal.SIGKILL)
            first.wait()
            wait_for_line(second, "taking over")
            quick.put("later.wav")
            wait_for_line(second, "stored later.wav")
            second.send_signal(signal.SIGTERM)
            assert second.wait(timeout=SOON) == 0
    quick.check_all_stored()


def wait_for_line(child: "subprocess.Popen[str]", text: str, *, put: SpoolFolder | None = None) -> None:
    if put is not None:
        put.put("first.wav")
    deadline = time.monotonic() + SOON
    assert child.stderr is not None
    for line in child.stderr:
        if text in line:
            return
        assert time.monotonic() < deadline, f"no {text!r}"
    raise AssertionError(f"it ended without {text!r}")


@pytest.mark.slow
def test_sigterm_in_the_middle_of_a_large_file_is_gone_on_with(quick: SpoolFolder) -> None:
    quick.put("large.mkv", 64 * MIB)
    with quick.process("--grace", "0s", "--log-level", "debug") as child:
        eventually(quick.bucket.uploads, what="its upload in parts has begun")
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=SOON) == 0
    finished = quick.once()
    assert finished.returncode == 0, finished.stderr
    quick.check_all_stored()


@pytest.mark.slow
def test_a_recorder_that_breaks_a_lease_does_not_end_it(quick: SpoolFolder) -> None:
    quick.put("large.mkv", 64 * MIB)
    with quick.process() as child:
        eventually(quick.bucket.uploads, what="its upload in parts has begun")
        child.send_signal(signal.SIGIO)  # as the kernel does
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=SOON) == 0


def lose_journal(spool: SpoolFolder) -> None:
    for part in (spool.root / ".recording-storage").glob("journal.db*"):
        part.unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    ["after-part:2", "before-complete", "after-complete", "after-stored", "receipt-synced", "moved-aside"],
)
def test_a_journal_that_is_lost_is_rebuilt_with_the_same_sids(spool: SpoolFolder, point: str) -> None:
    fill(spool)
    assert spool.once(fault=point).returncode == KILLED
    lose_journal(spool)
    finished = spool.once()
    assert finished.returncode == 0, finished.stderr
    spool.check_all_stored()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["after-put", "after-put:3"])
def test_a_journal_that_is_lost_after_a_single_request(checked: SpoolFolder, point: str) -> None:
    fill(checked)
    assert checked.once(fault=point).returncode == KILLED
    lose_journal(checked)
    finished = checked.once()
    assert finished.returncode == 0, finished.stderr
    checked.check_all_stored()


@pytest.mark.slow
def test_a_damaged_journal_is_moved_aside_and_rebuilt(checked: SpoolFolder) -> None:
    fill(checked)
    assert checked.once(fault="after-put:2").returncode == KILLED
    folder = checked.root / ".recording-storage"
    (folder / "journal.db-wal").unlink()
    (folder / "journal.db").write_bytes(b"this is no database" * 1000)
    finished = checked.once()
    assert finished.returncode == 0, finished.stderr
    assert list(folder.glob("journal.db.damaged-*"))
    checked.check_all_stored()
