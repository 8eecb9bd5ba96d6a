"""Nothing beyond a link is opened, stored or removed: also when a folder becomes one after it was walked."""

import contextlib
import os
from pathlib import Path

import pytest

from recording_storage.uploader.core.recording import Reason
from recording_storage.uploader.spool import release
from recording_storage.uploader.spool.openat import located, open_folder
from recording_storage.uploader.spool.walk import Walker, open_media
from tests.s3.gate import Gate
from tests.uploader.spools import SpoolFolder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A spool with a file three folders deep, a link to the first of them, and a link out of it."""
    root = tmp_path / "spool"
    (root / "a/b/c").mkdir(parents=True)
    (root / "a/b/c/call.wav").write_bytes(b"inside")
    outside = tmp_path / "outside"
    (outside / "b/c").mkdir(parents=True)
    (outside / "b/c/call.wav").write_bytes(b"outside")
    (root / "out").symlink_to(outside)
    (root / "again").symlink_to(root / "a")
    (root / "call.wav").symlink_to(outside / "b/c/call.wav")
    return root


def test_a_file_deep_in_the_spool_is_reached(tree: Path) -> None:
    with located(str(tree), "a/b/c/call.wav") as media:
        fd = media.open()
        assert os.read(fd, 100) == b"inside"
        os.close(fd)
        status = media.status()
        assert status is not None
        assert status.st_size == len(b"inside")
        assert media.sibling("none").status() is None
        assert media.sibling("n" * 300).status() is None


@pytest.mark.parametrize("path", ["out/b/c/call.wav", "again/b/c/call.wav", "call.wav"])
def test_what_is_beyond_a_link_is_not(tree: Path, path: str) -> None:
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        open_media(tree, path)
    with pytest.raises(OSError, match="Not a directory"):
        open_folder(str(tree), "a/b/c/call.wav")


@pytest.mark.parametrize("path", ["gone/call.wav", "a/gone/call.wav", "a/b/gone.wav"])
def test_what_is_gone_is_told_as_such(tree: Path, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        open_media(tree, path)


def test_nothing_stays_open(tree: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("a/b/c/call.wav", "a/b/none/call.wav", "out/b/c/call.wav"):
        with contextlib.suppress(OSError):
            os.close(open_media(tree, path))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_that_becomes_a_link_while_the_spool_is_walked(tree: Path) -> None:
    told: list[str] = []

    def seen(folder: str) -> None:
        if folder == "a/b":
            (tree / "a/b").rename(tree / ".b")
            (tree / "a/b").symlink_to(tree.parent / "outside/b")

    walker = Walker(tree, folder_seen=seen, left_aside=lambda *_: None, odd=lambda path, _: told.append(path))
    assert [file.path for file in walker.walk()] == []
    assert "a/b" in told
    assert walker.one("a/b/c/call.wav") is None


def link_instead(spool: SpoolFolder, outside: Path) -> None:
    """Its folder goes elsewhere, with a link to it in its place."""
    outside.mkdir()
    (spool.root / "sub").rename(outside / "sub")
    (spool.root / "sub").symlink_to(outside / "sub")


@pytest.mark.slow
def test_a_folder_that_becomes_a_link_before_the_upload(gated: SpoolFolder, door: Gate, tmp_path: Path) -> None:
    door.refuse()
    gated.put("sub/a.wav")
    with gated.running() as running:
        running.await_states({"sub/a.wav": "waiting"})
        link_instead(gated, tmp_path / "outside")
        door.open()
        running.uploader.view.retry(None)
        parked = running.await_states({"sub/a.wav": "parked"})["sub/a.wav"]
        assert parked.error is not None
        assert parked.error.code == Reason.UNREADABLE
        assert gated.bucket.keys() == []
        assert (tmp_path / "outside/sub/a.wav").read_bytes() == gated.contents["sub/a.wav"]


@pytest.mark.slow
def test_a_folder_that_becomes_a_link_before_the_release(
    quick: SpoolFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    quick.put("sub/a.wav")

    def passed(point: str) -> None:
        if point == "before-release" and not outside.exists():
            link_instead(quick, outside)

    monkeypatch.setattr(release, "fault_point", passed)
    with quick.running() as running:
        one = running.await_recording("sub/a.wav", lambda one: one.error is not None)
        assert one.state == "reported"
        assert one.error is not None
        assert one.error.code == Reason.NOT_REMOVABLE
        assert "link" in one.error.message
        assert (outside / "sub/a.wav").exists()
    (quick.root / "sub").unlink()
    (outside / "sub").rename(quick.root / "sub")
    with quick.running() as running:
        running.await_states({"sub/a.wav": "released"})
    quick.check_all_stored()
