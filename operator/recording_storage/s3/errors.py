"""The border: what fails on the way to S3, or is answered by it, becomes an `S3Failure` here and nowhere else."""

import socket
import ssl

from recording_storage.domain.error_codes import classify
from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.s3 import xml
from recording_storage.s3.address_guard import AddressRefusedError
from recording_storage.s3.answer import Answer
from recording_storage.s3.transport import ExchangeError
from recording_storage.s3.types import Credential

_MESSAGE = 300


def from_answer(
    answer: Answer, *, operation: str, credential: Credential, document: xml.Node | None = None
) -> S3Failure:
    """The failure that an answer is.

    Args:
        answer: the server's answer, of any status.
        operation: the S3 operation that it answers.
        credential: the key pair in use; should the server echo its secret, the failure won't.
        document: the body's error element where it has been read already.
    """
    if document is None and answer.body:
        try:
            document = xml.error_of(xml.parse(answer.body))
        except xml.DocumentError:
            document = None
    code = message = named = region = request_id = ""
    if document is not None:
        code, message = document.value("Code"), document.value("Message")
        named, region = document.value("Header"), document.value("Region")
        request_id = document.value("RequestId")
    headers = answer.headers
    if region and "x-amz-bucket-region" not in headers:
        headers = {**headers, "x-amz-bucket-region": region}
    verdict = classify(status=answer.status, code=code, message=message, header_named=named, headers=headers)
    return S3Failure(
        verdict.kind,
        code=_clean(code, credential)[:80] or f"HTTP{answer.status}",
        message=_clean(message, credential) or "the server gave no reason",
        status=answer.status,
        retry_after=verdict.retry_after,
        region=verdict.region,
        server_date=verdict.server_date,
        uncertain=verdict.uncertain,
        capability=verdict.capability,
        operation=operation,
        request_id=_clean(headers.get("x-amz-request-id", request_id), credential)[:80],
    )


def from_exchange(error: ExchangeError, *, operation: str, host: str, changes: bool) -> S3Failure:
    """The failure that a request without an answer is.

    Args:
        error: what ended it.
        operation: the S3 operation.
        host: whom it was sent to.
        changes: whether the operation changes anything: then it may have, unseen.
    """
    cause = error.cause
    kind, code, message = FailureClass.TRANSIENT, "ConnectionLost", f"{host}: {cause}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        kind, code = FailureClass.HOLD, "CertificateRefused"
        reason = cause.verify_message or "the certificate is not trusted"
        message = f"{host}: {reason}; give its CA bundle, or mend the certificate"
    elif isinstance(cause, ssl.SSLError) and not error.connected:
        code, message = "TlsFailed", f"{host}: TLS failed: {cause.reason or 'the connection ended'}"
    elif isinstance(cause, socket.gaierror):
        code, message = "NameNotResolved", f"{host}: {cause.strerror or 'the name does not resolve'}"
    elif isinstance(cause, TimeoutError):
        code = "ReadTimeout" if error.connected else "ConnectTimeout"
        message = f"{host} did not {'answer' if error.connected else 'accept a connection'} in time"
    elif isinstance(cause, ConnectionRefusedError):
        code, message = "ConnectionRefused", f"{host} refused the connection"
    elif not error.connected:
        code, message = "ConnectFailed", f"{host}: {cause.strerror if isinstance(cause, OSError) else cause}"
    return S3Failure(kind, code=code, message=message, operation=operation, uncertain=changes and error.sent)


def from_refusal(error: AddressRefusedError, *, operation: str) -> S3Failure:
    """The failure that an address is which the guard refuses."""
    return S3Failure(FailureClass.HOLD, code="AddressRefused", message=str(error), operation=operation)


def mismatch(*, operation: str, ours: str, theirs: str) -> S3Failure:
    """The failure that a checksum is which the server computed otherwise."""
    return S3Failure(
        FailureClass.DIGEST,
        code="ChecksumMismatch",
        message=f"the server has the checksum {theirs[:48]!r}, sent was {ours!r}",
        operation=operation,
    )


def strange(message: str, *, operation: str, status: int, kind: FailureClass = FailureClass.HOLD) -> S3Failure:
    """The failure that a success is which S3 would not answer: of a proxy, a portal, some web server."""
    return S3Failure(kind, code="InvalidAnswer", message=message, status=status, operation=operation, uncertain=True)


def _clean(text: str, credential: Credential) -> str:
    for secret in (credential.secret_access_key, credential.session_token):
        if secret:
            text = text.replace(secret, "…")
    return "".join(character if character.isprintable() else " " for character in text).strip()[:_MESSAGE]
