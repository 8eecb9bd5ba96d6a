"""When an object is looked at for what its uploader reports: each such look may write its status."""

from recording_storage.controller.core.keys import Key

GAP = 5.0
"""Seconds between two looks at one object."""
MOST = 20.0
"""Looks a second, at all of them."""


class Pace:
    """With many that change all the time, each waits its turn; what it then shows is of that moment."""

    def __init__(self) -> None:
        self._planned: dict[Key, float] = {}
        self._next = 0.0

    def after(self, key: Key, *, now: float) -> float | None:
        """Seconds until the next look, which is planned by that; None: it was planned already. `now` is monotonic."""
        planned = self._planned.get(key)
        if planned is not None and planned > now:
            return None
        self._next = max(self._next, now)
        due = self._next if planned is None else max(planned + GAP, self._next)
        self._next += 1 / MOST
        self._planned[key] = due
        return due - now

    def forget(self, *, now: float) -> None:
        """Those that have had no look for so long that the next one is free."""
        self._planned = {key: planned for key, planned in self._planned.items() if planned + GAP > now}
