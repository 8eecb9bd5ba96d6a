"""Named points at which a test can have the process killed, as a power cut would; they cost nothing otherwise.

`RECORDING_STORAGE_FAULT=NAME[:N]` kills the process with SIGKILL when it passes the point for the Nth time (default:
the first).
"""

from __future__ import annotations

import os
import signal
import threading

FAULT_POINTS = (
    "spool-id-written",
    "journal-before-commit",
    "journal-after-commit",
    "found-journalled",
    "claimed",
    "before-put",
    "after-put",
    "multipart-created",
    "upload-id-journalled",
    "after-part",
    "before-complete",
    "after-complete",
    "before-stored",
    "after-stored",
    "before-receipt",
    "receipt-written",
    "receipt-synced",
    "after-reported",
    "before-release",
    "marker-removed",
    "moved-aside",
    "media-removed",
    "metadata-removed",
    "before-released",
    "after-released",
)
"""Every point, in the order of a recording's life; tests go through all of them."""
PUT_BACK_POINTS = ("not-ours", "put-back-linked", "put-back-elsewhere", "put-back")
"""Those that are passed only when another file was moved aside than the recorded one; tests go through them, too."""
RECEIPT_POINTS = ("receipts-put-aside",)
"""Passed only when the file of receipts has grown; the tests of that file go through it."""

_name, _, _count = os.environ.get("RECORDING_STORAGE_FAULT", "").partition(":")
_lock = threading.Lock()
_left = int(_count or "1")


def _kill(name: str) -> None:
    global _left  # noqa: PLW0603 - one process, one fault
    if name != _name:
        return
    with _lock:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _pass(name: str) -> None:
    del name


_POINTS = FAULT_POINTS + PUT_BACK_POINTS + RECEIPT_POINTS
if _name and _name not in _POINTS:
    raise ValueError(f"RECORDING_STORAGE_FAULT={_name}: unknown; one of {', '.join(_POINTS)}")
fault_point = _kill if _name else _pass
"""Called with one of these points."""
