"""The documents of multipart uploads: what is sent to complete one, what the answers say."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from recording_storage.domain.failures import FailureClass
from recording_storage.s3 import errors, xml
from recording_storage.s3.answer import Answer
from recording_storage.s3.types import OpenUpload, Part

_CHECKSUM = "ChecksumCRC64NVME"


def entity_tag(text: str) -> str:
    """An ETag without its quotes, and without the mark that a proxy put before it (`W/`)."""
    return text.strip().removeprefix("W/").strip('"')


def completion(parts: Sequence[Part], *, summed: bool) -> bytes:
    """The body of CompleteMultipartUpload; strict servers want each part's checksum named when it was sent with one."""
    pieces = ['<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">']
    for part in parts:
        checksum = f"<{_CHECKSUM}>{part.checksum}</{_CHECKSUM}>" if summed and part.checksum else ""
        pieces.append(
            f'<Part><ETag>"{xml.escaped(part.etag)}"</ETag>{checksum}<PartNumber>{part.number}</PartNumber></Part>'
        )
    pieces.append("</CompleteMultipartUpload>")
    return "".join(pieces).encode()


def upload_id(answer: Answer, *, operation: str) -> str:
    """The id of the upload that has begun."""
    found = _document(answer, "InitiateMultipartUpload", operation=operation).value("UploadId")
    if not found:
        raise errors.strange(
            "an answer without upload id: this is no S3 server", operation=operation, status=answer.status
        )
    return found


def completed(answer: Answer, *, operation: str) -> tuple[str, str]:
    """ETag and checksum of the whole object, the latter "" where the server gives none."""
    document = _document(answer, "CompleteMultipartUpload", operation=operation, kind=FailureClass.TRANSIENT)
    etag = entity_tag(document.value("ETag"))
    if not etag:
        raise errors.strange(
            "an answer without ETag", operation=operation, status=answer.status, kind=FailureClass.TRANSIENT
        )
    return etag, document.value(_CHECKSUM)


def uploads(answer: Answer, *, operation: str) -> tuple[list[OpenUpload], dict[str, str]]:
    """A page of open uploads, and the markers of the next page, none after the last."""
    document = _document(answer, "ListMultipartUploads", operation=operation)
    encoded = document.value("EncodingType") == "url"

    def key(text: str) -> str:
        return unquote_plus(text) if encoded else text

    page = [
        OpenUpload(key(node.value("Key")), node.value("UploadId"), _time(node.value("Initiated")))
        for node in document.all("Upload")
    ]
    if document.value("IsTruncated") != "true":
        return page, {}
    following = {
        "key-marker": key(document.value("NextKeyMarker")),
        "upload-id-marker": document.value("NextUploadIdMarker"),
    }
    return page, {name: value for name, value in following.items() if value}


def parts(answer: Answer, *, operation: str) -> tuple[list[Part], str]:
    """A page of parts, and the marker of the next page, "" after the last."""
    document = _document(answer, "ListParts", operation=operation)
    try:
        page = [
            Part(
                int(node.value("PartNumber")),
                int(node.value("Size")),
                entity_tag(node.value("ETag")),
                node.value(_CHECKSUM),
            )
            for node in document.all("Part")
        ]
    except ValueError as error:
        raise errors.strange(
            "a list of parts whose numbers are none", operation=operation, status=answer.status
        ) from error
    return page, document.value("NextPartNumberMarker") if document.value("IsTruncated") == "true" else ""


def _document(answer: Answer, name: str, *, operation: str, kind: FailureClass = FailureClass.HOLD) -> xml.Node:
    """The answer's document; moto names some roots `…Response`, which no SDK minds."""
    try:
        document = xml.parse(answer.body)
    except xml.DocumentError as error:
        raise errors.strange(
            f"an answer that S3 would not give: {error}", operation=operation, status=answer.status, kind=kind
        ) from error
    if document.name not in (f"{name}Result", f"{name}Response"):
        raise errors.strange(
            f"an answer that S3 would not give: <{document.name[:40]}>",
            operation=operation,
            status=answer.status,
            kind=kind,
        )
    return document


def _time(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
