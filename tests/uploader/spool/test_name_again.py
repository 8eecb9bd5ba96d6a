"""A name that a recorder uses again is one recording more, whatever is going on with the one before."""

import threading
from collections.abc import Iterable

import pytest

from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.spool.walk import FoundFile
from tests.uploader.spools import SpoolFolder
from tests.waiting import SOON

pytestmark = pytest.mark.slow


def test_a_name_that_comes_back_just_while_its_release_is_forgotten_is_entered_once(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick.put("a.wav", seed=1)
    with quick.running() as running:
        intake = running.uploader.intake
        real_forget, real_look = intake.forget, intake._registration.is_mended
        held: list[Recording] = []
        released = threading.Event()

        def forget(recordings: Iterable[Recording]) -> None:
            held.extend(recordings)
            released.set()

        def look(file: FoundFile) -> bool:
            monkeypatch.setattr(intake, "forget", real_forget)
            real_forget(held)
            return real_look(file)

        monkeypatch.setattr(intake, "forget", forget)
        assert released.wait(SOON)
        monkeypatch.setattr(intake._registration, "is_mended", look)
        quick.put("a.wav", seed=2)
        running.await_recording("a.wav", lambda one: one.sid != held[0].sid and one.state == "released")
        assert len(running.uploader.view.recordings()) == 2
    assert len(quick.receipts) == len(quick.bucket.keys()) == 2
    assert quick.media() == []
