"""The process as people and probes see it: exit codes, doors, standing by."""

import json
import subprocess
import sys
import threading
import urllib.request

import pytest

from tests.tools.ports import free_port
from tests.uploader.spools import SpoolFolder
from tests.waiting import SOON

pytestmark = pytest.mark.slow


def lines_of(child: "subprocess.Popen[str]", text: str) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if text in line:
            return
    raise AssertionError(f"it ended without {text!r}")


def tool(command: str, spool: SpoolFolder, *arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "recording_storage.cli.main", command, "--spool", str(spool.root), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=SOON, check=False)


def fetch(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SOON) as answer:
        return str(answer.read().decode())


def test_probes_and_metrics_while_working_and_while_standing_by(quick: SpoolFolder) -> None:
    ports = [free_port(), free_port()]
    with quick.process("--metrics-listen", f"127.0.0.1:{ports[0]}") as first:
        quick.put("a.wav")
        lines_of(first, "stored a.wav")
        with quick.process("--metrics-listen", f"127.0.0.1:{ports[1]}") as second:
            lines_of(second, "standing by")
            for port in ports:
                assert fetch(port, "/healthz") == "ok\n"
                assert fetch(port, "/readyz") == "ok\n"
            assert "recording_storage_uploader_stored_total 1.0" in fetch(ports[0], "/metrics")
            assert "recording_storage_uploader_standby 1.0" in fetch(ports[1], "/metrics")
            second.terminate()
            assert second.wait(SOON) == 0
        first.terminate()
        assert first.wait(SOON) == 0


def test_commands_ask_the_running_uploader_or_the_journal(gated: SpoolFolder, door) -> None:
    gated.write_config(policy=json.dumps({"retryWindow": "0s"}))
    door.refuse()
    gated.put("a.wav")
    with gated.process() as child:
        lines_of(child, "is parked")
        listed = json.loads(tool("recordings", gated, "--json").stdout)
        assert (listed["file"], listed["state"]) == ("a.wav", "parked")
        door.open()
        assert tool("retry", gated).returncode == 0
        lines_of(child, "stored a.wav")
        child.terminate()
        assert child.wait(SOON) == 0
    listed = json.loads(tool("recordings", gated, "--json").stdout)
    assert listed["state"] == "released"
    assert listed["media_url"].startswith(door.endpoint)
    gated.check_all_stored()


def test_exit_codes(quick: SpoolFolder) -> None:
    quick.put("one.wav", 1000)
    done = quick.once()
    assert done.returncode == 0
    assert "stored 1 recording (1000 B), released 1; 0 left" in done.stderr
    assert quick.once("--nonsense").returncode == 2
    both = subprocess.run(
        [*quick.command(), "--store", "http://127.0.0.1:1"], capture_output=True, text=True, check=False
    )
    assert both.returncode == 2
    quick.config.write_text("destination: {}")
    wrong = quick.once()
    assert wrong.returncode == 2
    assert "destination.url is missing; add it" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_once_says_in_one_line_what_it_leaves_and_why(gated: SpoolFolder, door) -> None:
    door.answer(r"^PUT ", 403, code="SignatureDoesNotMatch", times=5)
    gated.put("a.wav", 1000)
    (gated.root / "a.wav.done").touch()
    gated.put("b.wav", 1000)
    ended = gated.once("--completion", "marker")
    assert ended.returncode == 3
    (line,) = [line for line in ended.stderr.splitlines() if "work remains" in line]
    assert "1 held (SignatureDoesNotMatch: " in line
    assert "1 file not taken (b.wav: " in line
    assert "; mend the destination, run it again later" in line


def test_once_on_a_spool_that_is_served_says_by_whom(quick: SpoolFolder) -> None:
    quick.put("a.wav")
    with quick.process() as child:
        lines_of(child, "stored a.wav")
        refused = quick.once()
        assert refused.returncode == 1
        assert f"process {child.pid}" in refused.stderr


def test_no_secret_is_ever_shown(gated: SpoolFolder, door) -> None:
    door.answer(r"^PUT ", 403, code="SignatureDoesNotMatch", times=5)
    gated.put("a.wav")
    shown = gated.once("--log-level", "debug", "--log-format", "json")
    assert shown.returncode == 3
    secret = gated.bucket.credentials.secret_key
    assert secret not in shown.stderr
    journal = gated.root / ".recording-storage" / "journal.db"
    assert secret.encode() not in journal.read_bytes()
    assert all(json.loads(line)["message"] for line in shown.stderr.splitlines())


@pytest.mark.slow
def test_a_full_volume_stops_the_intake_and_loses_nothing(quick: SpoolFolder, tmp_path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small volume here")
    try:
        spool = SpoolFolder(small / "spool", quick.bucket)
        spool.put("first.wav")
        with spool.process() as child:
            lines_of(child, "stored first.wav")
            for number in range(50):
                spool.put(f"{number}.wav", 10_000)
            filler = small / "filler"
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            seen = threading.Event()
            lines_of(child, "nothing is lost")
            seen.set()
            filler.unlink()
            child.terminate()
            child.wait(SOON)
        assert spool.once().returncode == 0
        spool.check_all_stored()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)
