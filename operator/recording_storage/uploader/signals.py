"""Ending by a signal, whatever the main thread is doing when it comes."""

from __future__ import annotations

import queue
import signal
import threading


def stop_event(*numbers: int) -> threading.Event:
    """An event that any of the signals sets; for the main thread, once.

    A handler runs in the main thread between two of its steps, also inside `Event.wait` with the event's lock held:
    setting that event there would wait for ever. Putting into a SimpleQueue takes no lock that the thread may hold.
    """
    stop = threading.Event()
    came: queue.SimpleQueue[int] = queue.SimpleQueue()

    def pass_on() -> None:
        came.get()
        stop.set()

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, lambda number, _frame: came.put(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)  # whoever has begun anew kept them for us meanwhile
    return stop
