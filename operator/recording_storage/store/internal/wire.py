"""Messages on the wire: read with a limit, refused without repeating them, answered."""

import asyncio
from types import MappingProxyType
from typing import TypeVar

from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from recording_storage.protocol.base import PROTOCOL_VERSION, MalformedError, Message
from recording_storage.store.internal.problems import ProblemError, invalid

M = TypeVar("M", bound=Message)

MAX_BODY = 16 * 2**20
"""Bytes; a thousand recordings with every field filled are a fifth of it."""
MAX_REPORT = 2**20
"""Bytes of a `sync`: it is kept for each of the spool's accounts."""
MESSAGE_SECONDS = 60.0
"""How long a message may take to arrive."""
PROTOCOL_HEADER = "Recording-Storage-Protocol"
_CLOSE = MappingProxyType({"Connection": "close"})


async def read_body(request: Request, *, limit: int | None = None) -> bytes:
    """The request's body. Raises ProblemError (400, 408, 413), and the connection ends, whatever is still to come."""
    limit = MAX_BODY if limit is None else limit
    declared = request.headers.get("Content-Length", "0")
    if not declared.isdigit() or int(declared) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(MESSAGE_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
    except TimeoutError:
        raise too_slow() from None
    except ClientDisconnect:
        raise ProblemError(400, "incomplete", "the connection broke") from None
    return b"".join(parts)


async def read_message(request: Request, model: type[M], *, limit: int | None = None) -> M:
    """The request's body as a message. Raises ProblemError (400, 408, 413, 422)."""
    body = await read_body(request, limit=limit)
    try:
        return model.from_json(body)
    except MalformedError as error:
        raise invalid(f"{model.__name__} is not well-formed: {error}") from None


def too_slow() -> ProblemError:
    return ProblemError(408, "too_slow", "nothing more came for too long; send it again", headers=_CLOSE)


def _too_large(limit: int) -> ProblemError:
    return ProblemError(413, "too_large", f"a message has at most {limit} bytes here", headers=_CLOSE)


def require_protocol(version: str) -> None:
    """Raise ProblemError unless the major version is ours; the minor one is free."""
    major = PROTOCOL_VERSION.partition(".")[0]
    if version.partition(".")[0] != major:
        raise ProblemError(
            400,
            "protocol_unsupported",
            f"this store speaks protocol {PROTOCOL_VERSION} and any other {major}.x, but not what was asked for; "
            "use an uploader and an operator of a version that fits the store's",
        )


async def check_protocol_header(request: Request) -> None:
    require_protocol(request.headers.get(PROTOCOL_HEADER, PROTOCOL_VERSION))


def answer(message: Message, *, status: int = 200) -> Response:
    """JSON; secrets stay stars."""
    return Response(message.to_json(), status_code=status, media_type="application/json")


def answer_with_secrets(message: Message, *, status: int = 200) -> Response:
    """JSON with the secrets in it: for a plan, and for the key of an account that was opened, and nothing else."""
    return Response(
        message.to_json(reveal=True),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
