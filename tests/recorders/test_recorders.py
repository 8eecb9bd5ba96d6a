"""Real recorders' ways of writing, each with and without a lease: the object is the whole final file, once."""

import os
import subprocess

import pytest

from tests.recorders.harness import Site, site
from tests.recorders.programs import PROGRAMS
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


@needs_mounts
@pytest.mark.parametrize("way", ["with a lease, of another user", "without a lease, of another user"])
def test_nor_on_a_volume_that_is_mounted_below(quick_bucket: Bucket, way: str) -> None:
    with site(lambda root: SpoolFolder(root, quick_bucket), settle=SETTLE, mount="volume", **WAYS[way]) as here:
        assert play(here, folder="volume/") == set()
