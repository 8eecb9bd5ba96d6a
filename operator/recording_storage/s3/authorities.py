"""Whose certificates are believed: those of the system's authorities, and of a destination's own CA bundle."""

import ssl
import threading
from functools import lru_cache

_lock = threading.Lock()
_ahead: list[ssl.SSLContext] = []


def load_ahead() -> None:
    """Load the system's authorities in a thread: that takes tens of milliseconds, without the interpreter's lock."""
    threading.Thread(target=_load_ahead, name="authorities").start()  # not left alone in OpenSSL when we end


def _load_ahead() -> None:
    with _lock:
        _ahead.append(ssl.create_default_context())


def trust(ca_bundle: str | None) -> ssl.SSLContext:
    """A context that trusts the system's authorities, and the given PEM certificates besides; made once for each.

    Raises:
        ValueError: the bundle holds no certificate that can be read.
    """
    with _lock:
        return _context(ca_bundle or "")


@lru_cache(maxsize=16)
def _context(ca_bundle: str) -> ssl.SSLContext:
    context = _ahead.pop() if _ahead else ssl.create_default_context()
    if ca_bundle:
        try:
            context.load_verify_locations(cadata=ca_bundle)
        except ssl.SSLError as error:
            raise ValueError(f"the CA bundle can't be read: {error.reason or error}") from error
    return context
