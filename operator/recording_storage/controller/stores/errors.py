"""What can go wrong with a settings store, as the operator sees it; both ports translate to these."""

import httpx

from recording_storage.domain.retry_after import heeded
from recording_storage.domain.system_errors import plain_reason


class StoreFailure(Exception):  # noqa: N818 - the base of the failures below
    """Base of all; the message is for people and holds no secret."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        retry_after: float | None = None,
        uncertain: bool = False,
    ) -> None:
        super().__init__(message)
        self.uncertain = uncertain
        """Whether a write may have taken effect all the same."""
        self.message = message
        self.status = status
        self.code = code
        self.retry_after = retry_after


class StoreUnavailable(StoreFailure):
    """Not reached, too busy or broken for now; it may work later as it stands."""


class StoreUnauthorized(StoreFailure):
    """It doesn't take who we say we are."""


class StoreNotFound(StoreFailure):
    """It answers, but what was asked for isn't there."""


class StoreNotAllowed(StoreFailure):
    """Its address is none that the operator may connect to."""


class StoreRefused(StoreFailure):
    """It understood and said no; `code` is the API's own."""


_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TIMEOUT, _THROTTLED, _SERVER = 401, 403, 404, 408, 429, 500


def failure_of(status: int, *, where: str, code: str, message: str, retry_after: float | None) -> StoreFailure:
    """The failure that an answer stands for.

    Args:
        status: HTTP's, of any that is no success.
        where: the store, for people.
        code: the API's own code.
        message: the API's own words.
        retry_after: seconds that it asks to be left alone.
    """
    said = message or f"HTTP {status}"
    if status == _UNAUTHORIZED:
        return StoreUnauthorized(said, status=status, code=code)
    if status == _NOT_FOUND:
        return StoreNotFound(said, status=status, code=code)
    if status >= _SERVER or status in {_THROTTLED, _TIMEOUT} or status < _FORBIDDEN - 3:
        pause = heeded(retry_after)
        asked = f", and asks for a pause of {retry_after:.0f} s: tried again after {pause:.0f} s" if pause else ""
        return StoreUnavailable(
            f"{where} answers {status}: {said}{asked}",
            status=status,
            code=code,
            retry_after=pause,
            uncertain=status != _THROTTLED,
        )
    return StoreRefused(said, status=status, code=code)


def unreachable(error: httpx.HTTPError | httpx.InvalidURL, *, where: str) -> StoreUnavailable:
    """Of a transport error: no answer came, or not all of it."""
    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.InvalidURL)
    # A library's words for what is not HTTP repeat it, and it may repeat a secret that was sent.
    odd = isinstance(error, httpx.RemoteProtocolError)
    reason = "it ends the connection, or what it answers is not HTTP" if odd else plain_reason(error)
    return StoreUnavailable(f"{where} can't be reached: {reason}", uncertain=not unsent)
