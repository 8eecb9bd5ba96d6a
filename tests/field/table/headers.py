"""Servers that refuse a header that they don't know, by whatever answer."""

from tests.field.actions import refuse
from tests.field.exchange import ALL, Action, Exchange
from tests.field.table.row import BOTH, ONLY_MULTIPART, ONLY_SINGLE, Holds, Row, Way

_WORDS: tuple[tuple[str, Action], ...] = (
    (
        "501 NotImplemented",
        refuse(501, "NotImplemented", "A header you provided implies functionality that is not implemented."),
    ),
    ("501 without a word", refuse(501)),
    ("400 without a word", refuse(400)),
    ("400 InvalidArgument without a name", refuse(400, "InvalidArgument", "Invalid Argument")),
    ("400 InvalidRequest without a name", refuse(400, "InvalidRequest", "Unsupported header")),
    ("400 in plain text", refuse(400, body=b"bad header\n")),
)
_HEADERS = (
    ("if-none-match", BOTH),
    ("x-amz-checksum-sha256", ONLY_SINGLE),
    ("x-amz-checksum-crc64nvme", ONLY_MULTIPART),
    ("x-amz-checksum-algorithm", ONLY_MULTIPART),
    ("x-amz-checksum-type", ONLY_MULTIPART),
    ("x-amz-mp-object-size", ONLY_MULTIPART),
    ("x-amz-meta-recording-sid", BOTH),
)


def _refusing(header: str, action: Action):
    def has_it(exchange: Exchange) -> bool:
        return header in exchange.headers

    return lambda server, _: server.on(ALL, action, when=has_it)


def _row(header: str, ways: tuple[Way, ...], word: str, action: Action) -> Row:
    return Row(f"{word} to {header}", _refusing(header, action), Holds.STORED, ways)


ROWS = tuple(_row(header, ways, word, action) for header, ways in _HEADERS for word, action in _WORDS)
