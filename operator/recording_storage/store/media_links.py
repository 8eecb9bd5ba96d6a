"""URLs that play a recording for a while without further proof, so that a browser's player can follow them."""

import hashlib
import hmac
import time
from urllib.parse import urlencode

from recording_storage.store.secrets_box import SecretsBox

DEFAULT_SECONDS = 3600
MAX_SECONDS = 6 * 3600


def sign(box: SecretsBox, *, path: str, account_sid: str, seconds: int = DEFAULT_SECONDS) -> str:
    """The path with a query that proves it until then."""
    expires = int(time.time()) + seconds
    signature = _signature(box, path, account_sid, expires)
    return f"{path}?{urlencode({'account': account_sid, 'expires': expires, 'signature': signature})}"


def check(box: SecretsBox, *, path: str, account_sid: str, expires: str, signature: str) -> bool:
    """Whether the query proves the path, and still does."""
    if not expires.isascii() or not expires.isdigit() or len(expires) > 12:  # noqa: PLR2004 - beyond any date
        return False
    right = _signature(box, path, account_sid, int(expires))
    return hmac.compare_digest(right.encode(), signature.encode(errors="replace")) and int(expires) >= time.time()


def _signature(box: SecretsBox, path: str, account_sid: str, expires: int) -> str:
    text = "\0".join((path, account_sid, str(expires)))
    return hmac.new(box.derive("media links"), text.encode(), hashlib.sha256).hexdigest()
