"""The demo leaves nothing behind, says what failed in one line, and always gives the summary that was asked for."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from recording_storage.demo.errors import DemoError
from recording_storage.demo.folder import open_folder, remove_leftovers, require_space
from recording_storage.demo.kubeconfig import copy_kubeconfig
from recording_storage.demo.recorder import Recorder, left_out, own_files, takes
from recording_storage.demo.samples import EXAMPLES, SETTINGS, SHORT_WINDOW, bucket_url, with_port

COMMAND = Path(sys.executable).with_name("recording-storage")
HOLD = """
import sys, time
from recording_storage.demo.folder import open_folder
print(open_folder(None).root, flush=True)
time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def other(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A demo that runs, as far as its folder goes."""
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_the_folder_of_a_demo_that_was_killed_is_removed(other: tuple[subprocess.Popen[str], Path]) -> None:
    process, root = other
    (root / "spool" / "call.wav").write_bytes(b"x")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert remove_leftovers() == [root]
    assert not root.exists()


def test_the_folder_of_a_demo_that_runs_is_left_alone(other: tuple[subprocess.Popen[str], Path]) -> None:
    _, root = other
    mine = open_folder(None)
    assert remove_leftovers() == []
    assert root.is_dir()
    mine.close()
    assert not mine.root.exists()


def test_what_merely_has_such_a_name_is_left_alone(temporary: Path) -> None:
    (temporary / "recording-storage-demo-notes").mkdir()
    (temporary / "recording-storage-demo-file").touch()
    (temporary / "recording-storage-demo-link").symlink_to(temporary / "recording-storage-demo-notes")
    assert remove_leftovers() == []
    assert len(list(temporary.iterdir())) == 3


def test_a_folder_of_the_persons_own_has_to_be_empty_and_stays(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "mine")
    folder.close()
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["spool"]
    with pytest.raises(DemoError, match="something in it"):
        open_folder(tmp_path / "mine")


def test_a_volume_that_is_too_full_is_told_before_anything_starts(tmp_path: Path) -> None:
    require_space(tmp_path, media=0, needed=1)
    with pytest.raises(DemoError, match=r"free, the demo needs 1024.0 TiB: .*TMPDIR"):
        require_space(tmp_path, media=1 << 49, needed=0)


def test_a_person_s_files_are_those_that_an_uploader_takes(tmp_path: Path) -> None:
    media, spool = tmp_path / "media", tmp_path / "spool"
    names = ["a b.wav", "Übergabe.wav", "new\nline.wav", "sub/in.mkv", "notes.json"]
    others = [".hidden.wav", "x.part", "x.tmp", "x.done", ".git/config", "lonely.wav.recording.json"]
    for name in (*names, *others, "a b.wav.recording.json"):
        (media / name).parent.mkdir(parents=True, exist_ok=True)
        (media / name).write_text(name)

    assert {str(path.relative_to(media)) for path in own_files(media)} == set(names)
    assert {str(path.relative_to(media)) for path in left_out(media)} == set(others)
    own = [take for take in takes(media) if take.name.startswith("media/")]
    recorder = Recorder(spool=spool, takes=own, say=lambda _line: None)
    recorder.start()
    recorder.join()
    assert set(recorder.written) == {f"media/{name}" for name in names}
    assert (spool / "media" / "a b.wav.recording.json").read_text() == "a b.wav.recording.json"


def test_a_recorder_that_cannot_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "calls").touch()
    recorder = Recorder(spool=tmp_path, takes=takes(None), say=lambda _line: None)
    recorder.start()
    recorder.join()
    assert "calls/first-call.wav" in recorder.error
    assert not recorder.finished


def test_the_copy_of_a_kubeconfig_works_from_its_new_place(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    source, target = tmp_path / "home" / "config", tmp_path / "copy"
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "https://h", "certificate-authority": "ca.crt"}}],
        "users": [{"name": "u", "user": {"client-certificate": "/abs/crt", "client-key": "keys/k"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    source.write_text(yaml.safe_dump(content))
    copy_kubeconfig(source, target, namespace="recording-demo")
    copied = yaml.safe_load(target.read_text())
    assert copied["clusters"][0]["cluster"]["certificate-authority"] == str(tmp_path / "home" / "ca.crt")
    assert copied["users"][0]["user"] == {
        "client-certificate": "/abs/crt",
        "client-key": str(tmp_path / "home" / "keys" / "k"),
    }
    assert copied["contexts"][0]["context"]["namespace"] == "recording-demo"
    assert target.stat().st_mode & 0o077 == 0


def test_the_short_window_differs_from_the_settings_in_nothing_else() -> None:
    settings, short = (yaml.safe_load((EXAMPLES / name).read_text()) for name in (SETTINGS, SHORT_WINDOW))
    assert short["spec"].pop("upload") == {"retryWindow": "20s"}
    assert short == settings


def test_with_another_port_the_samples_are_copies_that_name_it(tmp_path: Path) -> None:
    assert with_port(9000, folder=tmp_path / "none") == EXAMPLES
    copies = with_port(41234, folder=tmp_path / "copies")
    assert bucket_url(copies) == bucket_url().replace(":9000/", ":41234/")
    assert ":41234/" in (copies / SHORT_WINDOW).read_text()


class _Refuses(BaseHTTPRequestHandler):
    def _refuse(self) -> None:
        status = 200 if self.path == "/version" else 403
        body = json.dumps({"message": "user nobody may not do that", "gitVersion": "v1"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PATCH = do_POST = do_DELETE = _refuse  # noqa: N815 - the server's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    """An API server that refuses everything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refuses)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["refusing", "absent"])
def test_a_failure_gives_the_summary_and_one_line_and_leaves_nothing(
    kind: str, tmp_path: Path, temporary: Path, refusing: str
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    server = refusing if kind == "refusing" else "http://127.0.0.1:9"
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    kubeconfig.write_text(yaml.safe_dump(content))
    environment = {**os.environ, "TMPDIR": str(temporary), "KUBECONFIG": str(kubeconfig)}

    ended = subprocess.run(
        [COMMAND, "demo", "--once", "--json"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    summary = json.loads(ended.stdout)
    assert (summary["ok"], summary["settings_ready"], summary["recordings"]) == (False, False, [])
    assert ended.stderr.splitlines()[-1] == f"recording-storage: {summary['error']}"
    assert server in summary["error"]
    assert ("user nobody may not do that" in summary["error"]) == (kind == "refusing")
    assert list(temporary.iterdir()) == []
