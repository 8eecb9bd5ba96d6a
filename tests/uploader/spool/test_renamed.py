"""One file is stored once: renamed while it waits, goes up or is removed, or under two names at a time."""

import errno
import os

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.spool import intake, release
from tests.s3.gate import Gate
from tests.uploader.spools import MIB, SpoolFolder

pytestmark = pytest.mark.slow


@pytest.fixture(params=["watched", "rescans alone"])
def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How names that come and go are noticed."""

    def none(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "no instance of inotify left")

    if request.param != "watched":
        monkeypatch.setattr(intake, "SpoolWatch", none)
        monkeypatch.setattr(intake, "RESCAN", 0.1)


def rename(spool: SpoolFolder, name: str, target: str) -> None:
    (spool.root / target).parent.mkdir(exist_ok=True)
    (spool.root / name).rename(spool.root / target)
    spool.contents[target] = spool.contents.pop(name)


def check_stored_once(spool: SpoolFolder) -> None:
    [key] = spool.bucket.keys()
    [content] = set(spool.contents.values())
    assert spool.bucket.read(key) == content
    assert len(spool.receipts) == 1
    assert spool.bucket.uploads() == []
    assert spool.media() == []


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("target", ["b.wav", "sub/a.wav"])
def test_renamed_while_it_waits(gated: SpoolFolder, door: Gate, target: str) -> None:
    door.refuse()
    gated.put("a.wav")
    with gated.running() as running:
        [waiting] = running.await_states({"a.wav": "waiting"}).values()
        rename(gated, "a.wav", target)
        door.open()
        running.uploader.view.retry(None)
        released = running.await_states({target: "released"})
        assert [one.sid for one in released.values()] == [waiting.sid]
    gated.check_all_stored()


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("size", [1000, 12 * MIB], ids=["single", "multipart"])
def test_renamed_while_its_upload_hangs(gated: SpoolFolder, door: Gate, size: int) -> None:
    door.stall()
    gated.put("a.wav", size)
    with gated.running() as running:
        running.await_states({"a.wav": "uploading"})
        rename(gated, "a.wav", "b.wav")
        running.await_recording("b.wav", lambda one: one.state == "uploading")
        door.open()
        running.await_states({"b.wav": "released"})
    check_stored_once(gated)


@pytest.mark.usefixtures("watch")
def test_missed_before_its_new_name_is_seen(gated: SpoolFolder, door: Gate) -> None:
    """It goes by way of a name that nobody looks at."""
    door.refuse()
    gated.put("a.wav")
    with gated.running() as running:
        running.await_states({"a.wav": "waiting"})
        (gated.root / "a.wav").rename(gated.root / ".moving")
        door.open()
        running.uploader.view.retry(None)
        running.await_states({"a.wav": "parked"})
        (gated.root / ".moving").rename(gated.root / "b.wav")
        gated.contents["b.wav"] = gated.contents.pop("a.wav")
        running.await_states({"b.wav": "released"})
    gated.check_all_stored()


@pytest.mark.usefixtures("watch")
def test_renamed_when_it_is_to_be_removed(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has heard of its end by the time that the new name is seen."""
    quick.put("a.wav")
    names = ["a.wav", "b.wav"]

    def passed(point: str) -> None:
        if point == "before-release" and names:
            (quick.root / names.pop(0)).rename(quick.root / ".moving")
        elif point == "after-released" and names:
            (quick.root / ".moving").rename(quick.root / names.pop(0))

    monkeypatch.setattr(release, "fault_point", passed)
    with quick.running() as running:
        running.await_states({"a.wav": "released"})
        running.await_empty(quick)
    check_stored_once(quick)


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("links", [["b.wav"], ["0.wav", "sub/a.wav", "z.wav"]], ids=len)
def test_hard_links_are_one_recording(quick: SpoolFolder, links: list[str]) -> None:
    path = quick.put("a.wav")
    for name in links:
        (quick.root / name).parent.mkdir(exist_ok=True)
        os.link(path, quick.root / name)
    with quick.running() as running:
        running.await_empty(quick)
        [one] = running.recordings().values()
        assert one.state == "released"
    check_stored_once(quick)


@pytest.mark.usefixtures("watch")
def test_a_link_that_is_made_while_it_waits(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    path = gated.put("a.wav")
    with gated.running() as running:
        running.await_states({"a.wav": "waiting"})
        os.link(path, gated.root / "b.wav")
        running.rescan()
        door.open()
        running.uploader.view.retry(None)
        running.await_states({"a.wav": "released"})
    check_stored_once(gated)


@pytest.mark.usefixtures("watch")
def test_linked_and_unlinked_while_it_waits(gated: SpoolFolder, door: Gate) -> None:
    """As a recorder renames that can't."""
    door.refuse()
    path = gated.put("a.wav")
    with gated.running() as running:
        running.await_states({"a.wav": "waiting"})
        os.link(path, gated.root / "b.wav")
        running.rescan()
        path.unlink()
        door.open()
        running.uploader.view.retry(None)
        running.await_recording("b.wav", lambda one: one.state == "released")
    check_stored_once(gated)


def test_the_name_that_has_metadata_is_the_one_that_counts(quick: SpoolFolder) -> None:
    path = quick.put("a.wav")
    os.link(path, quick.root / "b.wav")
    (quick.root / "b.wav.recording.json").write_text('{"call_sid": "CA1"}')
    with quick.running() as running:
        one = running.await_recording("b.wav", lambda one: one.state == "released")
        assert one.metadata == {"call_sid": "CA1"}
        running.await_empty(quick)
    check_stored_once(quick)


@pytest.mark.parametrize(
    "point", ["after-reported", "marker-removed", "moved-aside", "media-removed", "before-released"]
)
@pytest.mark.parametrize("passed", [1, 2])
def test_hard_links_survive_a_crash_at_their_removal(quick: SpoolFolder, point: str, passed: int) -> None:
    path = quick.put("a.wav")
    os.link(path, quick.root / "b.wav")
    crashed = quick.once(fault=f"{point}:{passed}")
    if passed == 1:
        assert crashed.returncode < 0
    with quick.running() as running:
        running.await_empty(quick)
    check_stored_once(quick)


def test_a_copy_is_a_recording_of_its_own(quick: SpoolFolder) -> None:
    """Of the same bytes and times: another file all the same."""
    quick.put("a.wav", seed=1)
    quick.put("b.wav", seed=1)
    for name in ("a.wav", "b.wav"):
        os.utime(quick.root / name, (1.7e9, 1.7e9))
    with quick.running() as running:
        running.await_states(dict.fromkeys(("a.wav", "b.wav"), RecordingState.RELEASED))
    quick.check_all_stored()


def test_a_name_that_is_taken_by_another_file_after_the_rename(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    gated.put("a.wav", seed=1)
    with gated.running() as running:
        running.await_states({"a.wav": "waiting"})
        rename(gated, "a.wav", "b.wav")
        gated.put("a.wav", 500, seed=2)
        running.await_states({"b.wav": "waiting", "a.wav": "waiting"})
        door.open()
        running.uploader.view.retry(None)
        running.await_states({"b.wav": "released", "a.wav": "released"})
    gated.check_all_stored()


def test_renamed_over_another_one_that_waits(gated: SpoolFolder, door: Gate) -> None:
    """What was overwritten is the recorder's loss; what came is stored once, and the entry without a file is told."""
    door.refuse()
    gated.put("a.wav", seed=1)
    gated.put("b.wav", seed=2)
    with gated.running() as running:
        running.await_states({"a.wav": "waiting", "b.wav": "waiting"})
        (gated.root / "b.wav").replace(gated.root / "a.wav")
        running.rescan()
        door.open()
        running.uploader.view.retry(None)
        running.await_states({"a.wav": "released", "b.wav": "parked"})
        [key] = gated.bucket.keys()
        assert gated.bucket.read(key) == gated.contents["b.wav"]
        assert gated.media() == []
