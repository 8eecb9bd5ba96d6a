"""Receipts: where an uploader runs alone, each stored recording leaves one JSON line beside the journal."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from recording_storage.uploader.core.stored_objects import objects_of
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.spool.sidecar_file import CUSTOM
from recording_storage.uploader.standalone.receipt_file import ReceiptFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from recording_storage.uploader.core.ports import Outbox
    from recording_storage.uploader.core.recording import Recording

log = logging.getLogger(__name__)

_GROUP = 1000
_PAUSE = 2.0
"""Seconds until a file that took nothing is tried again."""


class Receipts:
    """The port `Reporter`, kept in a file. A sid has one line, whatever crash came between line and journal."""

    tells_ends = False

    def __init__(self, folder: Path) -> None:
        self._file = ReceiptFile(folder)
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="receipts", daemon=True)
        self._outbox: Outbox | None = None
        self._written: set[tuple[str, str, str]] = set()
        """Sid, place and contents of what is in the file and perhaps not in the journal.

        Not the time: when the journal was lost, an object that is found to be there gets another.
        """

    def start(self, outbox: Outbox) -> None:
        """See the port."""
        self._outbox = outbox
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """See the port."""
        self._wake.set()

    def close(self) -> None:
        """See the port."""
        self._closing = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._file.close()

    def _run(self) -> None:
        failing = False
        while True:
            self._wake.wait(_PAUSE if failing else None)
            self._wake.clear()
            closing = self._closing
            try:
                while self._one_group():
                    pass
                failing = False
            except (OSError, JournalError) as error:
                if not failing:
                    log.error("receipts can't be written, files stay until they can: %s", error)  # noqa: TRY400
                failing = True
            if closing:
                return

    def _one_group(self) -> bool:
        assert self._outbox is not None
        group = self._outbox.stored(_GROUP)
        if not group:
            return False
        if not self._file.is_open:
            self._open()
        # one that was told before has come back from `parked`: its receipt is there
        marks = [_mark_of(recording) for recording in group]
        known = [mark in self._written for mark in marks]
        self._write([one for one, is_known in zip(group, known, strict=True) if not (one.told_seq or is_known)])
        self._written.update(marks)
        self._outbox.taken(group)
        self._written.difference_update(marks)  # from here on the journal knows
        return True

    def _open(self) -> None:
        for line in self._file.open():
            try:
                told = json.loads(line)
                self._written.add((told["sid"], told["media_url"], told["sha256"]))
            except (ValueError, KeyError, TypeError):
                continue

    def _write(self, recordings: Sequence[Recording]) -> None:
        if not recordings:
            return
        try:
            self._file.append([receipt_of(recording) for recording in recordings])
        except OSError:
            self._file.close()  # what it holds now is read again before the next try
            raise


def receipt_of(recording: Recording) -> Mapping[str, Any]:
    """What the line for a stored recording says, besides its place in the chain."""
    stored = recording.stored
    assert stored is not None
    return {
        "sid": recording.sid,
        "file": recording.path,
        "media_url": stored.media_url,
        "size": stored.size,
        "sha256": stored.sha256,
        "etag": stored.etag,
        "encryption_details": dict(stored.encryption_details) if stored.encryption_details else None,
        "stored_at": _time(stored.stored_at),
        "objects": objects_of(recording),
        "metadata": {name: value for name, value in recording.metadata.items() if name != CUSTOM},
        "custom": recording.metadata.get(CUSTOM, {}),
    }


def _mark_of(recording: Recording) -> tuple[str, str, str]:
    stored = recording.stored
    assert stored is not None
    return recording.sid, stored.media_url, stored.sha256


def _time(posix: float) -> str:
    return datetime.fromtimestamp(posix, UTC).isoformat(timespec="milliseconds")
