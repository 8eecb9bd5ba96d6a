"""Refusals that are said of a request and mean the destination: none of them is the recording's fault."""

from tests.field.actions import refuse
from tests.field.exchange import ALL, WRITES, Action, Moment
from tests.field.table.row import Holds, Row

_HTML = b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"

_WORDS: tuple[tuple[str, Action], ...] = (
    ("400 InvalidArgument about the key pair", refuse(400, "InvalidArgument", "Credential access key has length 21")),
    (
        "400 InvalidRequest about the signature",
        refuse(400, "InvalidRequest", "Missing required header for this request"),
    ),
    ("400 with a code that nobody knows", refuse(400, "XVendorPolicyMissing", "Bucket is not provisioned")),
    ("400 without a word", refuse(400)),
    ("400 in plain text", refuse(400, body=b"Client sent an HTTP request to an HTTPS server.\n")),
    ("400 as a page", refuse(400, body=_HTML)),
    ("400 MalformedXML", refuse(400, "MalformedXML", "The XML you provided was not well-formed")),
    ("400 InvalidURI", refuse(400, "InvalidURI", "Couldn't parse the specified URI.")),
    ("402 AccountProblem", refuse(402, "AccountProblem", "There is a problem with your account")),
    ("403 as a page of a proxy", refuse(403, body=b"<html><h1>403 Forbidden</h1></html>")),
    ("404 NoSuchBucket", refuse(404, "NoSuchBucket", "The specified bucket does not exist")),
    ("404 without a word", refuse(404)),
    ("405 MethodNotAllowed", refuse(405, "MethodNotAllowed", "not allowed against this resource")),
    ("409 with a code that nobody knows", refuse(409, "XVendorLocked", "the bucket is being moved")),
    ("411 without a word", refuse(411)),
    ("413 of a proxy", refuse(413, body=b"<html><h1>413 Request Entity Too Large</h1></html>")),
    ("418 without a word", refuse(418)),
    ("422 with a code that nobody knows", refuse(422, "XVendorUnprocessable", "no")),
    ("431 without a word", refuse(431)),
    ("507 QuotaExceeded", refuse(507, "QuotaExceeded", "The quota of this bucket is exceeded")),
)


def _always(action: Action, moment: Moment):
    return lambda server, _: server.on(ALL, action, at=moment)


ROWS = (
    *(Row(f"{word} to everything", _always(action, Moment.BODY), Holds.COMES_BACK) for word, action in _WORDS),
    *(
        Row(f"{word} to everything before its body", _always(action, Moment.HEAD), Holds.COMES_BACK)
        for word, action in _WORDS[:5]
    ),
    *(
        Row(
            f"{word} to every write, while lists are answered",
            lambda server, _, action=action: server.on(WRITES, action),
            Holds.COMES_BACK,
        )
        for word, action in _WORDS[:5]
    ),
)
