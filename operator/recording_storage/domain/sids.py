"""Sids: two letters that say the kind, and 32 lower-case hexadecimal digits."""

import hashlib
import re
import uuid
from enum import StrEnum

_SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")


class SidPrefix(StrEnum):
    ACCOUNT = "AC"
    API_KEY = "SK"
    CREDENTIAL = "CR"
    """An AWS credential or a public key; both have the same letters, as in the hosted service."""
    VOICE_RECORDING = "RE"
    VIDEO_RECORDING = "RT"
    ROOM = "RM"
    COMPOSITION = "CJ"


def new_sid(prefix: SidPrefix) -> str:
    return f"{prefix}{uuid.uuid4().hex}"


def is_sid(text: str, prefix: SidPrefix | None = None) -> bool:
    return _SID.fullmatch(text) is not None and (prefix is None or text.startswith(prefix))


def derived_sid(prefix: SidPrefix, *, spool_id: str, path: str, size: int, mtime_ns: int) -> str:
    """The sid of a file that came without one: the same for the same file, so a rebuilt journal finds it again.

    `path` is relative to the spool, `size` in bytes.
    """
    identity = "\0".join((spool_id, path, str(size), str(mtime_ns)))
    return f"{prefix}{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
