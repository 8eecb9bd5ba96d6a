"""Blanks before a document: what a server sends to keep a connection open while it works."""

from tests.field.actions import rewrite
from tests.field.exchange import ALL, Moment
from tests.field.table.row import ONLY_MULTIPART, Holds, Row


def _before(blanks: bytes):
    change = rewrite(lambda body: blanks + body if body.startswith(b"<") else body)
    return lambda server, _: server.on(ALL, change, at=Moment.ANSWER)


ROWS = tuple(
    Row(f"{word} before every document", _before(blanks), Holds.STORED, ONLY_MULTIPART, sent_once=True)
    for word, blanks in (
        ("a line feed", b"\n"),
        ("many blanks", b" " * 300 + b"\n"),
        ("CR LF twice", b"\r\n\r\n"),
        ("a byte order mark", b"\xef\xbb\xbf"),
        ("a byte order mark and a line feed", b"\xef\xbb\xbf\n"),
    )
)
