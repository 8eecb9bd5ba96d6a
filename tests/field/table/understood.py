"""Answers that are odd to read, and mean success: weak ETags, other namespaces."""

import re

from tests.field.actions import add_header, refuse, rewrite
from tests.field.exchange import ALL, BODIES, Moment, Operation
from tests.field.table.row import BOTH, ONLY_MULTIPART, Holds, Row


def _rewritten(pattern: bytes, by: bytes):
    change = rewrite(lambda body: re.sub(pattern, by, body))
    return lambda server, _: server.on(ALL, change, at=Moment.ANSWER)


def _weak(server, _storage):
    server.on(BODIES, add_header("etag", lambda etag: f"W/{etag}"), at=Moment.ANSWER)
    _rewritten(rb"<ETag>", b"<ETag>W/")(server, _storage)


def _weak_and_resumed(server, storage):
    """The upload is gone on with: what the parts' ETags are in the list must be understood, too."""
    _weak(server, storage)
    _rewritten(rb"<ChecksumCRC64NVME>[^<]*</ChecksumCRC64NVME>", b"")(server, storage)
    server.on(Operation.COMPLETE, refuse(503), times=5)


def _bare(server, _storage):
    server.on(BODIES, add_header("etag", lambda etag: etag.strip('"')), at=Moment.ANSWER)
    _rewritten(rb"&quot;", b"")(server, _storage)


_NAMESPACE = b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'

ROWS = (
    Row("weak ETags", _weak, Holds.STORED, BOTH, sent_once=True),
    Row("weak ETags of an upload that goes on", _weak_and_resumed, Holds.STORED, ONLY_MULTIPART, sent_once=True),
    Row("ETags without quotes", _bare, Holds.STORED, BOTH, sent_once=True),
    Row(
        "documents without a declaration",
        _rewritten(rb"^<\?xml[^>]*>\n", b""),
        Holds.STORED,
        ONLY_MULTIPART,
        sent_once=True,
    ),
    Row(
        "S3's namespace in every document",
        _rewritten(rb"(?<=Result)>(?=<)", _NAMESPACE),
        Holds.STORED,
        ONLY_MULTIPART,
        sent_once=True,
    ),
)
