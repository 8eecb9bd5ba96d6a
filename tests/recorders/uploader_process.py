"""An uploader in a process of its own, which may thus have another user and other rights; asked over its input.

`python -m tests.recorders.uploader_process SPOOL CONFIG SETTLE`: each line on its input is answered, after the whole
spool was walked twice, by how everything stands, as JSON. What the kernel has to tell when the line is `lose` is lost.
"""

# ruff: noqa: T201 - it talks to the test over its output
from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from recording_storage.uploader.app import Options, Uploader
from recording_storage.uploader.spool import unfinished
from recording_storage.uploader.spool.folder import Spool, SpoolLock
from recording_storage.uploader.spool.writers import ignore_lease_breaks
from tests.uploader.open_elsewhere import lose_events
from tests.waiting import SOON

LOSE = "lose"


def main(root: str, config: str, settle: str) -> None:
    ignore_lease_breaks()
    unfinished.UNPROVEN = unfinished.RESCAN = 0.0  # what is not taken is told at once
    spool = Spool(Path(root))
    spool.make_folder()
    lock = SpoolLock(spool)
    lock.acquire()
    spool.prepare()
    uploader = Uploader(Options(spool=spool.root, config=Path(config), grace=5.0, settle=float(settle)), spool=spool)
    uploader.start()
    assert uploader.intake.scanned.wait(SOON)
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == LOSE:
            lose_events(uploader.intake)
        scans = uploader.intake.scans
        while uploader.intake.scans < scans + 2:
            uploader.intake.rescan()
            time.sleep(0.005)
        while uploader.intake.settling:
            time.sleep(0.005)
        status = uploader.view.status()
        print(
            json.dumps(
                {
                    "told": {one.path: one.why for one in status.unproven},
                    "states": {one.path: one.state.value for one in uploader.view.recordings(limit=100_000)},
                    "growing": dict(uploader.intake.unfinished()),
                    "remembered": len(uploader.intake._file_events),
                }
            ),
            flush=True,
        )
    uploader.close()
    lock.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
