"""Connections that break, and troubles that a server has for a while."""

from tests.field.actions import lose, refuse, reset
from tests.field.exchange import Action, Moment, Operation, is_recording
from tests.field.table.row import ONLY_MULTIPART, ONLY_SINGLE, Holds, Row

_OPERATIONS = (Operation.PUT, Operation.BEGIN, Operation.PART, Operation.COMPLETE)


def _ways(operation: Operation):
    return ONLY_SINGLE if operation is Operation.PUT else ONLY_MULTIPART


def _once(operation: Operation, moment: Moment, action: Action, *, times: int = 1):
    return lambda server, _: server.on(operation, action, at=moment, times=times, when=is_recording)


_BROKEN = tuple(
    Row(
        f"{operation} broken by {word} at the {moment}",
        _once(operation, moment, action),
        Holds.STORED,
        _ways(operation),
    )
    for operation in _OPERATIONS
    for moment in Moment
    for word, action in (("close", lose), ("reset", reset))
)

_LOST_AGAIN = (
    Row("two answers to PutObject lost", _once(Operation.PUT, Moment.ANSWER, lose, times=2), Holds.STORED, ONLY_SINGLE),
    Row(
        "two answers to CompleteMultipartUpload lost",
        _once(Operation.COMPLETE, Moment.ANSWER, lose, times=2),
        Holds.STORED,
        ONLY_MULTIPART,
    ),
)

_TROUBLES: tuple[tuple[str, Action], ...] = (
    ("500 InternalError", refuse(500, "InternalError", "We encountered an internal error. Please try again.")),
    ("502 of a proxy", refuse(502, body=b"<html><h1>502 Bad Gateway</h1></html>")),
    ("503 SlowDown", refuse(503, "SlowDown", "Please reduce your request rate.", headers={"retry-after": "3"})),
    ("503 without a word", refuse(503)),
    ("504 in plain text", refuse(504, body=b"upstream request timeout")),
    ("429 without S3's words", refuse(429)),
    ("408 RequestTimeout", refuse(408, "RequestTimeout", "Your socket connection was not read from in time")),
    ("409 OperationAborted", refuse(409, "OperationAborted", "A conflicting conditional operation is in progress")),
    ("400 RequestTimeout", refuse(400, "RequestTimeout", "Your socket connection was not read from in time")),
)

_PASSING = tuple(
    Row(f"{name} to {operation}", _once(operation, Moment.BODY, action, times=3), Holds.STORED, _ways(operation))
    for name, action in _TROUBLES
    for operation in _OPERATIONS
)

_ERROR_IN_SUCCESS = tuple(
    Row(
        f"200 with an error to CompleteMultipartUpload {word}",
        _once(Operation.COMPLETE, moment, refuse(200, "InternalError", "We encountered an internal error."), times=2),
        Holds.STORED,
        ONLY_MULTIPART,
    )
    for word, moment in (("that did nothing", Moment.BODY), ("that has made the object", Moment.ANSWER))
)

ROWS = (*_BROKEN, *_LOST_AGAIN, *_PASSING, *_ERROR_IN_SUCCESS)
