"""The API's form of an error: `{"code", "message", "more_info", "status"}`.

Never with `type` or `title`: SDKs take a body that has them for another form of error.
"""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from recording_storage.store.database.engine import DatabaseUnavailableError
from recording_storage.store.errors import ErrorCode, StoreError
from recording_storage.store.secrets_box import SealedSecretError

logger = logging.getLogger(__name__)

MORE_INFO = "https://www.twilio.com/docs/errors/"
"""The hosted service documents the codes; 20409 and above 20413 are ours and follow the HTTP status."""
RETRY_SECONDS = "5"
_BY_STATUS = {
    400: ErrorCode.INVALID_PARAMETER,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.TOO_LARGE,
}


def error_response(
    code: ErrorCode, message: str, *, status: int, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = {"code": int(code), "message": message, "more_info": f"{MORE_INFO}{int(code)}", "status": status}
    headers = dict(headers or {})
    if code is ErrorCode.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="recording-storage", charset="UTF-8"'
    if code is ErrorCode.UNAVAILABLE:
        headers.setdefault("Retry-After", RETRY_SECONDS)
    return JSONResponse(body, status_code=status, headers=headers)


def install_error_handlers(app: FastAPI) -> None:
    """Give every failure of a request that form; only what is a defect of ours is logged with its traceback."""

    @app.exception_handler(StoreError)
    async def refused(_request: Request, error: StoreError) -> JSONResponse:
        return error_response(error.code, error.message, status=error.status)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        code = _BY_STATUS.get(error.status_code, ErrorCode.INTERNAL)
        message = {
            ErrorCode.NOT_FOUND: f"The requested resource {request.url.path} was not found",
            ErrorCode.METHOD_NOT_ALLOWED: f"{request.method} is not allowed on {request.url.path}",
        }.get(code, str(error.detail))
        return error_response(code, message, status=error.status_code, headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, _error: RequestValidationError) -> JSONResponse:
        return error_response(ErrorCode.INVALID_PARAMETER, "The request can't be read", status=400)

    @app.exception_handler(DatabaseUnavailableError)
    async def unavailable(_request: Request, error: DatabaseUnavailableError) -> JSONResponse:
        logger.error("the database can't be asked: %s", error)
        return error_response(
            ErrorCode.UNAVAILABLE, "The store can't reach its database at the moment; try again", status=503
        )

    @app.exception_handler(SealedSecretError)
    async def sealed(_request: Request, error: SealedSecretError) -> JSONResponse:
        logger.error("%s", error)
        return error_response(ErrorCode.INTERNAL, str(error), status=500)

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises it again behind this answer, and the server logs it with its traceback.
        logger.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
        return error_response(ErrorCode.INTERNAL, "Something went wrong in the store; it is logged there", status=500)
