"""A denial of access must last before it ends anything: the evidence, and what follows from it.

Only requests that need the right to store count: PutObject, CreateMultipartUpload, UploadPart and
CompleteMultipartUpload, of uploads and of the verify sequence. One of them that passes clears all evidence. A denied
list or abort says nothing of that right.
"""

import threading
from collections.abc import Iterable
from enum import StrEnum

from recording_storage.domain.policy import FatalErrorPolicy, UploadPolicy
from recording_storage.domain.states import Product

NEEDS_PUT = frozenset({"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"})
"""The operations that need s3:PutObject below the folder."""
LEAST_DENIED = 12
"""Requests that must have been denied before anything is deleted."""


class Ending(StrEnum):
    """What a denial means for what is there for the destination."""

    NONE = "none"
    """It waits, held."""
    REJECT = "reject"
    """All is told as rejected, kept, and tried again by itself when the destination grants access."""
    DELETE = "delete"
    """What was itself denied is deleted; the rest is rejected."""


class Denial:
    """What one destination has answered, since this start of the process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[str] = set()
        self._first = self._last = 0.0
        self.count = 0
        """Requests that were denied, without one that passed among them."""

    def denied(self, at: float, *, key: str = "") -> None:
        """One was, at a monotonic time in seconds; `key` is that of a recording's object, empty for a probe."""
        with self._lock:
            if not self.count:
                self._first = at
            self._last = at
            self.count += 1
            if key:
                self._keys.add(key)

    def allowed(self) -> None:
        """One has passed."""
        if self.count:  # every upload comes by here
            with self._lock:
                self._keys.clear()
                self.count = 0

    def lasts(self, grace: float, *, least: int = 1) -> bool:
        """Whether at least so many were denied in a row, the last of them `grace` seconds after the first or later.

        From the first answer to the last, not until now: that nobody has asked for a while is no evidence.
        """
        with self._lock:
            return self.count >= least and self._last - self._first >= grace

    def keys(self) -> list[str]:
        """Of the recordings that were themselves denied."""
        with self._lock:
            return sorted(self._keys)

    def forget(self, keys: Iterable[str]) -> None:
        """These recordings have ended."""
        with self._lock:
            self._keys.difference_update(keys)

    def ending(self, policy: UploadPolicy, *, product: Product, proven: bool) -> Ending:
        """What follows for a product's recordings; `proven`: something was stored there before."""
        grace = policy.grace(product)
        deletes = policy.fatal_error_policy is FatalErrorPolicy.DELETE and proven
        if not self.lasts(grace, least=LEAST_DENIED if deletes and grace else 1):
            return Ending.NONE
        return Ending.DELETE if deletes else Ending.REJECT
