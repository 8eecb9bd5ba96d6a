"""What the operating system refuses, in words for a person: no numbers, no names of functions or libraries."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator, Mapping

_WORDS: Mapping[int, str] = {
    errno.ENOENT: "it does not exist",
    errno.EEXIST: "something of that name is there already",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EISDIR: "it is a folder, not a file",
    errno.EACCES: "this user has no right to it",
    errno.EPERM: "this user has no right to it",
    errno.EROFS: "its volume is read-only",
    errno.ENOSPC: "its volume is full",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ECONNREFUSED: "nobody listens there (connection refused)",
    errno.ECONNRESET: "the connection was ended by the other side",
    errno.EHOSTUNREACH: "there is no way to that host",
    errno.ENETUNREACH: "there is no way to that network",
    errno.EADDRINUSE: "the port is in use: end what uses it, or choose another one",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def plain_reason(error: BaseException) -> str:
    """Why it failed, as a clause: `it does not exist`.

    Libraries wrap what the system said, and repeat it with numbers and names of their own: the innermost error counts.
    """
    innermost = error
    for cause in _causes(error):
        if isinstance(cause, OSError):
            innermost = cause
    if isinstance(innermost, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({innermost.verify_message or 'no reason given'})"
    if isinstance(innermost, ssl.SSLError):
        return (
            f"TLS fails ({str(getattr(innermost, 'reason', None) or 'the connection ended').replace('_', ' ').lower()})"
        )
    if isinstance(innermost, socket.gaierror):
        return "the host's name is not found"
    if isinstance(innermost, TimeoutError):
        return "no answer in time"
    if isinstance(innermost, OSError) and innermost.errno:
        return _WORDS.get(innermost.errno) or os.strerror(innermost.errno)
    return str(innermost) or type(innermost).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from, outermost first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        several = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = several or cause.__cause__ or cause.__context__
