"""A signal ends the uploader wherever the main thread is when it comes."""

import subprocess
import sys

from tests.waiting import SOON

PROGRAM = """
import os, signal
from recording_storage.uploader.signals import stop_event

stop = stop_event(signal.SIGTERM, signal.SIGINT)
with stop._cond:  # as inside Event.wait, which holds it while it begins and ends to wait
    os.kill(os.getpid(), signal.{name})
assert stop.wait(60)
print("ended")
"""


def test_a_signal_that_comes_while_the_events_lock_is_held_is_heard() -> None:
    for name in ("SIGTERM", "SIGINT"):
        program = [sys.executable, "-c", PROGRAM.format(name=name)]
        ended = subprocess.run(program, capture_output=True, text=True, timeout=SOON, check=False)
        assert ended.stdout == "ended\n", ended.stderr
