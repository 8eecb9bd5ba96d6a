"""Pauses between the beginnings of a watch: they grow while it brings nothing, so no refusal becomes a hot loop."""

import time
from collections.abc import Callable

from recording_storage.domain.backoff import doubled


class WatchBackoff:
    """Forgiven by an event, and by a watch that has lasted: that one has ended as watches do."""

    def __init__(
        self,
        *,
        first: float = 0.2,
        longest: float = 15.0,
        lasting: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the bounds, all in seconds.

        Args:
            first: pause after the first that brought nothing; each one after it is twice as long.
            longest: of the pauses.
            lasting: for which a watch has to stay open to be as good as one with an event.
            clock: never goes back.
        """
        self._first, self._longest, self._lasting = first, longest, lasting
        self._clock = clock
        self._began: float | None = None
        self._in_vain = 0
        self._event = False

    def next(self) -> float:
        """Seconds to wait before the watch is begun, which is then."""
        now = self._clock()
        good = self._began is None or self._event or now - self._began >= self._lasting
        self._in_vain = 0 if good else self._in_vain + 1
        pause = doubled(self._in_vain, first=self._first, most=self._longest) if self._in_vain else 0.0
        self._event = False
        self._began = now + pause
        return pause

    def event(self) -> None:
        """Take that the watch has brought something."""
        self._event = True
