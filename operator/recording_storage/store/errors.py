"""What the store's services refuse, and why; both ports turn it into their own form."""

from enum import IntEnum


class ErrorCode(IntEnum):
    """The public API's error codes. 53610 to 53615 are the hosted service's own for recording settings."""

    INVALID_PARAMETER = 20001
    UNAUTHORIZED = 20003
    METHOD_NOT_ALLOWED = 20004
    FORBIDDEN = 20403
    NOT_FOUND = 20404
    CONFLICT = 20409
    TOO_LARGE = 20413
    UNSUPPORTED_MEDIA_TYPE = 20415
    INTERNAL = 20500
    NOT_AVAILABLE = 20501
    UNAVAILABLE = 20503
    INVALID_BUCKET_URL = 53610
    """The URL: its form, a refused address, no such bucket, nothing there that answers."""
    INVALID_AWS_CREDENTIALS = 53611
    """The key pair is refused by the bucket's service."""
    INVALID_PUBLIC_KEY = 53612
    """The encryption key can't wrap."""
    AWS_CREDENTIALS_NOT_FOUND = 53613
    """The Credential resource is not there."""
    PUBLIC_KEY_NOT_FOUND = 53614
    """The PublicKey resource is not there."""
    BUCKET_ACCESS_DENIED = 53615
    """The key pair is right, but its rights don't suffice."""


STATUS = {
    ErrorCode.INVALID_PARAMETER: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.CONFLICT: 409,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.INTERNAL: 500,
    ErrorCode.NOT_AVAILABLE: 501,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INVALID_BUCKET_URL: 400,
    ErrorCode.INVALID_AWS_CREDENTIALS: 400,
    ErrorCode.INVALID_PUBLIC_KEY: 400,
    ErrorCode.AWS_CREDENTIALS_NOT_FOUND: 400,
    ErrorCode.PUBLIC_KEY_NOT_FOUND: 400,
    ErrorCode.BUCKET_ACCESS_DENIED: 400,
}


class StoreError(Exception):
    """A request that is refused. The message is for the caller: it says what to do and holds no secret."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """HTTP status."""
        return STATUS[self.code]


def invalid(message: str) -> StoreError:
    return StoreError(ErrorCode.INVALID_PARAMETER, message)


def not_found(path: str) -> StoreError:
    return StoreError(ErrorCode.NOT_FOUND, f"The requested resource {path} was not found")
