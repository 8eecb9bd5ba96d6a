"""Servers that don't know ListMultipartUploads or ListParts: what is searched for never decides about uploads."""

from tests.field.actions import refuse
from tests.field.exchange import Action, Operation
from tests.field.table.row import BOTH, ONLY_MULTIPART, Holds, Row

_WORDS: tuple[tuple[str, Action], ...] = (
    ("501 NotImplemented", refuse(501, "NotImplemented", "A header you provided implies functionality")),
    ("501 without a word", refuse(501)),
    ("404 without a word", refuse(404)),
    ("404 as a page", refuse(404, body=b"<html>no such page</html>")),
    ("405 MethodNotAllowed", refuse(405, "MethodNotAllowed", "The specified method is not allowed")),
    ("400 InvalidArgument", refuse(400, "InvalidArgument", "unknown query parameter uploads")),
    ("400 without a word", refuse(400)),
    ("403 AccessDenied", refuse(403, "AccessDenied", "Access Denied")),
    ("500 InternalError", refuse(500, "InternalError", "We encountered an internal error.")),
    ("a page in place of a list", refuse(200, body=b"<html>hello</html>")),
)
_OF_PARTS = tuple((word, action) for word, action in _WORDS if not word.startswith("403"))
"""Not the denial: by that the destination is held."""


def _without(action: Action):
    return lambda server, _: server.on(Operation.LIST_UPLOADS, action)


def _and_a_trouble(action: Action, operation: Operation):
    def odd(server, storage):
        _without(action)(server, storage)
        server.on(operation, refuse(503, "SlowDown", "Please reduce your request rate."), times=4)

    return odd


def _without_parts(action: Action):
    """An upload that is interrupted can't be gone on with."""

    def odd(server, _):
        server.on(Operation.LIST_PARTS, action)
        server.on(Operation.COMPLETE, refuse(503, "SlowDown", "Please reduce your request rate."), times=1)

    return odd


ROWS = (
    *(Row(f"{word} to ListParts", _without_parts(action), Holds.STORED, ONLY_MULTIPART) for word, action in _OF_PARTS),
    *(Row(f"{word} to ListMultipartUploads", _without(action), Holds.STORED, BOTH) for word, action in _WORDS),
    *(
        Row(
            f"{word} to ListMultipartUploads and 503 to {operation}",
            _and_a_trouble(action, operation),
            Holds.STORED,
            ONLY_MULTIPART,
        )
        for word, action in _WORDS
        for operation in (Operation.BEGIN, Operation.COMPLETE)
    ),
)
