"""Large buffers that are used again: a fresh 8 MiB costs 2,048 page faults each time."""

import threading

_SMALLEST = 64 << 10
_KEPT = 8
"""Of each size."""

_lock = threading.Lock()
_free: dict[int, list[bytearray]] = {}


def take(length: int) -> bytearray:
    """One for at least so many bytes; the one used last comes first: it is still in the cache."""
    size = max(_SMALLEST, 1 << max(length - 1, 0).bit_length())
    with _lock:
        free = _free.get(size)
        if free:
            return free.pop()
    return bytearray(size)


def give_back(buffer: bytearray) -> None:
    """Nobody may look at it any more."""
    with _lock:
        free = _free.setdefault(len(buffer), [])
        if len(free) < _KEPT:
            free.append(buffer)


def drop() -> None:
    """Keep none: there is nothing to do for now."""
    with _lock:
        _free.clear()
