"""A recorder that uses its names again at once, while what had them before is released: no content is ever lost."""

import itertools
import os
import random
import threading
import time
from pathlib import Path

import pytest

from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.core.clock import SystemClock
from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.spool.folder import Spool
from recording_storage.uploader.spool.release import Releaser
from recording_storage.uploader.spool.walk import Walker, identity_of
from tests.waiting import SOON

NAMES = [f"call-{number}.wav" for number in range(4)]
ROUNDS = int(os.environ.get("RACE_ROUNDS", "1500"))


class Recorder(threading.Thread):
    """Renames a new file over a name as soon as the last one's content is stored: it loses nothing itself."""

    def __init__(self, root: Path, *, stored: set[bytes]) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._stored = stored
        self.made: set[bytes] = set()
        self.begun = threading.Event()
        self.ends = threading.Event()

    def run(self) -> None:
        chance = random.Random(20260131)
        last: dict[str, bytes] = {}
        while not self.ends.is_set():
            name = chance.choice(NAMES)
            if name in last and last[name] not in self._stored:
                time.sleep(0)  # the other thread's turn
                continue
            content = f"{name} {len(self.made)} ".encode() * chance.randint(1, 50)
            fresh = self._root / f".fresh-{name}"
            fresh.write_bytes(content)
            for _ in range(chance.randint(0, 300)):
                pass
            self.made.add(content)
            last[name] = content
            fresh.rename(self._root / name)
            self.begun.set()


@pytest.mark.slow
def test_nothing_is_lost_whoever_is_faster(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.make_folder()
    journal = Journal.open(spool.folder, known_spool=False)
    releaser = Releaser(tmp_path, journal=journal, clock=SystemClock())
    walker = Walker(tmp_path, folder_seen=lambda _: None, left_aside=releaser.recover, odd=lambda *_: None)
    stored: set[bytes] = set()
    recorder = Recorder(tmp_path, stored=stored)
    recorder.start()
    assert recorder.begun.wait(SOON)
    released = 0
    try:
        for number in itertools.count():
            if number >= ROUNDS and released > ROUNDS / 20:  # however seldom the recorder is slower
                break
            recording = store(journal, tmp_path / NAMES[number % len(NAMES)], number=number, stored=stored)
            if recording is None:
                continue
            released += len(releaser.release([recording]))
            if number % 100 == 0:
                list(walker.walk())
    finally:
        recorder.ends.set()
        recorder.join()
    list(walker.walk())
    journal.close()
    left = {path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    lost = recorder.made - stored - left
    assert not lost, f"{len(lost)} of {len(recorder.made)} are lost, {released} were released"
    assert not list(tmp_path.glob(".*.releasing"))


def store(journal: Journal, path: Path, *, number: int, stored: set[bytes]) -> Recording | None:
    """As an upload does: the content of one file, whatever its name leads to afterwards."""
    try:
        with path.open("rb") as file:
            identity = identity_of(os.fstat(file.fileno()))
            content = file.read()
    except FileNotFoundError:
        return None
    sid = f"RE{number:032x}"
    new = records.NewRecording(
        sid=sid,
        account_sid="AC" + "0" * 32,
        product=Product.VOICE,
        path=path.name,
        identity=identity,
        content_type="audio/wav",
        state=RecordingState.REPORTED,
        pinned=True,
    )
    journal.run(lambda connection: records.add(connection, [new], now=time.time()))
    [recording] = journal.run(lambda connection: records.select(connection, "r.sid=?", (sid,)))
    stored.add(content)  # from now on the recorder may use the name again
    return recording
