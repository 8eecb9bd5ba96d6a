"""What vouches for a body needs of the server, and what the answer says of it."""

from recording_storage.domain.failures import Capability
from recording_storage.domain.proof import Voucher
from recording_storage.s3 import documents, errors
from recording_storage.s3.answer import Answer
from recording_storage.s3.checksum_headers import ECHOED, HEADERS


def capabilities_for(voucher: Voucher) -> frozenset[Capability]:
    return frozenset({Capability.CHECKSUM}) if voucher is Voucher.CRC64NVME else frozenset()


def taken(answer: Answer, voucher: Voucher, checksum: str, *, operation: str) -> tuple[str, bool]:
    """The ETag of what was stored, once the answer is one of S3's; whether it names our checksum.

    Raises:
        S3Failure: `DIGEST`: it names another than `checksum`, where that is not "".
    """
    etag = documents.entity_tag(answer.headers.get("etag", ""))
    if not etag:
        raise errors.strange("an answer without ETag: this is no S3 server", operation=operation, status=answer.status)
    theirs = answer.headers.get(HEADERS[voucher], "") if voucher in ECHOED else ""
    if theirs and checksum and theirs != checksum:
        raise errors.mismatch(operation=operation, ours=checksum, theirs=theirs)
    return etag, bool(theirs)
