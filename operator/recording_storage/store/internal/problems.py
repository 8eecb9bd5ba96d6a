"""Every answer that is no success has the body of a `protocol.base.Problem`; what was sent is not repeated in it."""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from recording_storage.protocol.base import Problem
from recording_storage.store.database.engine import DatabaseUnavailableError
from recording_storage.store.errors import StoreError
from recording_storage.store.secrets_box import SealedSecretError

logger = logging.getLogger(__name__)

RETRY_SECONDS = "2"


class ProblemError(Exception):
    """A request that is refused, in the words of the answer."""

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def unauthorized(message: str) -> ProblemError:
    return ProblemError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


def not_found(message: str) -> ProblemError:
    return ProblemError(404, "not_found", message)


def conflict(message: str, *, headers: Mapping[str, str] | None = None) -> ProblemError:
    return ProblemError(409, "conflict", message, headers=headers)


def invalid(message: str) -> ProblemError:
    return ProblemError(422, "invalid", message)


def unavailable(message: str) -> ProblemError:
    return ProblemError(503, "unavailable", message, headers={"Retry-After": RETRY_SECONDS})


_CODES = {400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 413: "too_large"}


def install_problem_handlers(app: FastAPI) -> None:
    """Give every failure that form; only a defect of ours is logged with its traceback."""

    @app.exception_handler(ProblemError)
    async def refused(_request: Request, error: ProblemError) -> Response:
        return _answer(error)

    @app.exception_handler(StoreError)
    async def refused_by_service(_request: Request, error: StoreError) -> Response:
        code = _CODES.get(error.status, "unavailable" if error.status >= 500 else "invalid")  # noqa: PLR2004 - HTTP's classes
        return _answer(ProblemError(error.status, code, error.message))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        message = {
            404: "there is no such path here",
            405: f"{request.method} is not allowed on this path",
        }.get(error.status_code, "the request can't be taken")
        code = _CODES.get(error.status_code, "invalid")
        return _answer(ProblemError(error.status_code, code, message, headers=error.headers))

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> Response:
        where = [".".join(map(str, fault["loc"][:2])) for fault in error.errors()]
        return _answer(invalid(f"not well-formed: {', '.join(where)}"))

    @app.exception_handler(DatabaseUnavailableError)
    async def no_database(_request: Request, error: DatabaseUnavailableError) -> Response:
        logger.error("the database can't be asked: %s", error)
        return _answer(unavailable("the store can't reach its database at the moment; try again"))

    @app.exception_handler(SealedSecretError)
    async def sealed(_request: Request, error: SealedSecretError) -> Response:
        logger.error("%s", error)
        return _answer(unavailable(str(error)))

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> Response:
        # Starlette raises it again behind this answer, and the server logs it with its traceback.
        logger.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
        return _answer(ProblemError(500, "internal", "something went wrong in the store; it is logged there"))


def _answer(error: ProblemError) -> Response:
    body = Problem(status=error.status, code=error.code, message=error.message)
    return Response(body.to_json(), status_code=error.status, headers=error.headers, media_type="application/json")
