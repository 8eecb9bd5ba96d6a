"""Real recorders' ways of writing, each with and without a lease: the object is the whole final file, once."""

import os
import random
import subprocess

import pytest

from tests.recorders import programs
from tests.recorders.harness import Recorder, Site, site
from tests.recorders.programs import PROGRAMS, folder_of_its_own
from tests.recorders.uploader_process import LOSE
from tests.s3.fixtures import Bucket
from tests.uploader.spools import SpoolFolder

SETTLE = 1.0
"""Seconds; longer than any recorder here needs from a close to the next open."""


def _can(*command: str) -> bool:
    return subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0


needs_users = pytest.mark.skipif(
    os.geteuid() != 0 or not _can("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=12345"),
    reason="NOT TESTED: recorders and uploaders of other users need root and setpriv",
)
needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or not _can("unshare", "--mount"),
    reason="NOT TESTED: volumes below a spool need root and unshare",
)

pytestmark = [pytest.mark.slow, needs_users]

WAYS = {
    "with a lease, of the same user": {"lease": True, "same_user": True},
    "with a lease, of another user": {"lease": True, "same_user": False},
    "without a right, of the same user": {"lease": False, "same_user": True},
    "without a lease, of another user": {"lease": False, "same_user": False},
}

NAMED_WHILE_OPEN = frozenset(
    program.__name__ for program in (programs.renamed_while_open, programs.linked_while_open, programs.unnamed)
)
"""A rename or a link is their word that a file is finished, unless somebody was seen to have it open."""


def play(site: Site, *, folder: str = "") -> set[str]:
    """All of them at once, each in its silence while everything is looked at; the paths of what is told."""
    at_work = [site.record(program, program, folder=folder) for program in PROGRAMS]
    while at_work := [recorder for recorder in at_work if recorder.go_on()]:
        site.nothing_is_taken()
        for recorder in at_work:
            recorder.talker.say()
    return site.verdict()


@pytest.mark.parametrize("way", WAYS)
def test_a_recorder_loses_nothing(quick_bucket: Bucket, way: str) -> None:
    with site(lambda root: SpoolFolder(root, quick_bucket), settle=SETTLE, **WAYS[way]) as here:
        assert play(here) == set(), "an uploader that was there all the time has a proof of each"
        assert here.ask()["remembered"] == 0


@needs_mounts
@pytest.mark.parametrize("way", ["with a lease, of another user", "without a lease, of another user"])
def test_nor_on_a_volume_that_is_mounted_below(quick_bucket: Bucket, way: str) -> None:
    with site(lambda root: SpoolFolder(root, quick_bucket), settle=SETTLE, mount="volume", **WAYS[way]) as here:
        assert play(here, folder="volume/") == set()
        assert here.ask()["remembered"] == 0


@pytest.mark.timeout(600)  # each restart is an interpreter that has to start
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("disturbed", [False, True])
def test_nor_do_many_at_once_in_any_order(quick_bucket: Bucket, way: str, seed: int, *, disturbed: bool) -> None:
    """Each goes on when chance wants it to; others begin and end meanwhile, and everything is looked at in between.

    A call in a new folder lasts until that is watched: what becomes of shorter ones is another test's. `disturbed`:
    now and then the kernel's events are lost, or the uploader is another one; without leases some are told then.
    """
    chance = random.Random(seed)
    with site(lambda root: SpoolFolder(root, quick_bucket), settle=SETTLE, **WAYS[way]) as here:
        without = NAMED_WHILE_OPEN if disturbed and "another user" in way and not WAYS[way]["lease"] else frozenset()
        coming = [
            (chance.choice([one for one in PROGRAMS if one not in without]), f"call-{number}")
            for number in range(30 if disturbed else 60)
        ]
        silent: list[Recorder] = []
        while coming or silent:
            if coming and (len(silent) < 5 or chance.random() < 0.4):
                recorder = here.record(*coming.pop())
            else:
                recorder = silent.pop(chance.randrange(len(silent)))
                recorder.talker.say()
            if recorder.go_on():
                silent.append(recorder)
            if disturbed and (chosen := chance.random()) < 0.2:
                if chosen < 0.1:
                    here.restart()
                else:
                    here.nothing_is_taken(LOSE)
            if recorder.program == folder_of_its_own.__name__ or chance.random() < 0.1:
                here.nothing_is_taken()
        told = here.verdict()
        assert not told or (disturbed and not WAYS[way]["lease"])


@pytest.mark.parametrize("way", ["with a lease, of another user", "without a lease, of another user"])
def test_a_flood_of_renamed_files_is_taken_whole(quick_bucket: Bucket, way: str) -> None:
    """More events than the kernel keeps, while the uploader is busy with the first."""
    with site(lambda root: SpoolFolder(root, quick_bucket), settle=0.0, **WAYS[way]) as here:
        flood = here.record("flood", "flood")
        assert not flood.go_on()
        answer = here.ask()
        assert set(answer["states"]) == set(flood.files)
        assert answer["told"] == {}


@pytest.mark.parametrize("way", WAYS)
def test_what_came_in_a_new_folder_before_that_was_watched_is_taken_or_told(quick_bucket: Bucket, way: str) -> None:
    with site(lambda root: SpoolFolder(root, quick_bucket), settle=SETTLE, **WAYS[way]) as here:
        folders = here.record("new_folders", "call")
        assert not folders.go_on()
        told = here.verdict()
        assert not told or not WAYS[way]["lease"]


def test_what_can_not_be_taken_as_it_is_is_told_until_it_is_mended(quick_bucket: Bucket) -> None:
    with site(lambda root: SpoolFolder(root, quick_bucket), settle=0.0, lease=False, same_user=False) as here:
        odd = here.record("odd", "odd")
        assert odd.go_on()
        told = here.ask()["told"]
        assert sorted(told) == ["'odd-\\udcff.wav'", "odd-closed", "odd-link.wav"]
        assert "let uid 0 read it" in told["odd-closed"]
        assert "symbolic link" in told["odd-link.wav"]
        assert "UTF-8" in told["'odd-\\udcff.wav'"]
        odd.talker.say()
        assert not odd.go_on()
        assert here.verdict() == set()
        assert here.ask()["told"] == {}
