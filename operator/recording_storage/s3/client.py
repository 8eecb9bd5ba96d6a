"""The S3 client: what an uploader needs of S3, and no more.

Low-level on purpose: retries, resuming and every decision belong to the caller's journal. One client serves one
destination with one credential, from any number of threads.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from recording_storage.domain.bucket_url import BucketLocation
from recording_storage.domain.checksum import Checksum, ChecksumAlgorithm
from recording_storage.domain.failures import Capability, FailureClass, S3Failure
from recording_storage.domain.proof import Voucher
from recording_storage.s3 import checksums, documents, errors
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.answer import Answer
from recording_storage.s3.bodies import capabilities_for, taken
from recording_storage.s3.capabilities import Capabilities
from recording_storage.s3.checksum_headers import HEADERS, Misstated, carried, names_encryption
from recording_storage.s3.connection import Timeouts
from recording_storage.s3.headers import DestinationHeaders
from recording_storage.s3.payload import Buffer, InMemory
from recording_storage.s3.requests import Requests
from recording_storage.s3.types import Credential, Destination, OpenUpload, Part, StoredObject

_NONE: Mapping[str, str] = {}
_BINARY = "application/octet-stream"
_MAX_PAGES = 10_000
_EMPTY = InMemory(b"", summed=False)


class S3Client:
    """Speaks S3 with one destination. Every failure is an `S3Failure`."""

    def __init__(
        self,
        destination: Destination,
        *,
        credential: Credential,
        guard: AddressGuard,
        timeouts: Timeouts | None = None,
        user_agent: str = "recording-storage",
        clock: Callable[[], float] = time.time,
        capabilities: Capabilities | None = None,
        sign_payload: bool | None = None,
    ) -> None:
        """Make a client; nothing is connected to yet.

        Args:
            destination: where to, and how objects are stored there.
            credential: the key pair to sign with.
            guard: judges every address before it is connected to.
            timeouts: seconds to wait for connections and answers.
            user_agent: how the requests introduce themselves.
            clock: POSIX time; signatures follow the server's clock once it has said that ours is wrong.
            capabilities: what the server is known to lack, shared between the clients of one destination.
            sign_payload: whether the body's SHA-256 is signed. None: only over plain http, where nothing else protects
                the body from being changed under way. TLS does, and hashing costs more than all the rest.

        Raises:
            S3Failure: the CA bundle or an option can't be used (`HOLD`), or the key pair can't (`CREDENTIAL`).
        """
        self.destination = destination
        self.capabilities = capabilities if capabilities is not None else Capabilities()
        self._requests = Requests(
            destination,
            credential=credential,
            guard=guard,
            timeouts=timeouts or Timeouts(),
            user_agent=user_agent,
            clock=clock,
        )
        self._sign_payload = sign_payload if sign_payload is not None else destination.location.scheme == "http"
        self._headers = DestinationHeaders(destination)

    def __repr__(self) -> str:
        return f"S3Client({self.location.url!r})"

    @property
    def location(self) -> BucketLocation:
        """The destination's location, in the region that the server named where the URL names none."""
        return self._requests.location

    @property
    def clock_offset(self) -> float:
        """Seconds by which the server's clock is ahead of ours; 0.0 until it has refused a request for that."""
        return self._requests.clock_offset

    def put_object(
        self,
        key: str,
        body: Buffer,
        *,
        metadata: Mapping[str, str] = _NONE,
        content_type: str = _BINARY,
        if_none_match: bool = False,
        sha256: str = "",
        voucher: Voucher = Voucher.SHA256,
        wrong: bool = False,
    ) -> StoredObject:
        """Store an object in one request.

        Args:
            key: the full key, prefix included.
            body: the object's bytes.
            metadata: user metadata, names without `x-amz-meta-`.
            content_type: the object's media type.
            if_none_match: fail with `PRECONDITION` when the key is taken, where the server knows how.
            sha256: of the body, in hexadecimal, for a caller who has it; the server may compare it with what came.
            voucher: what shall vouch for the body besides, where it is not the SHA-256.
            wrong: carry a false value of `voucher`; a server that compares it refuses (`DIGEST`).

        Raises:
            S3Failure: `uncertain` when the object may have been stored nevertheless.
        """
        operation = "PutObject"
        described = self._headers.of_object(content_type=content_type, metadata=metadata)
        wanted = {Capability.SHA256, *described.capabilities}
        if if_none_match:
            wanted.add(Capability.IF_NONE_MATCH)
        signed = self._sign_payload or voucher is Voucher.SIGNED_PAYLOAD
        payload = InMemory(body, summed=False, sha256=sha256)
        checksum = checksums.encoded_sha256(payload.sha256())
        sent = Misstated(payload) if wrong and voucher is Voucher.SIGNED_PAYLOAD else payload
        carrying = carried(voucher, payload, wrong=wrong) if wrong or voucher is not Voucher.SHA256 else {}

        def attempt(active: frozenset[Capability]) -> StoredObject:
            headers = described.among(active)
            summed = Capability.SHA256 in active
            if summed:
                headers[HEADERS[Voucher.SHA256]] = checksum
            headers.update(carrying)
            if Capability.IF_NONE_MATCH in active:
                headers["if-none-match"] = "*"
            try:
                answer = self._requests.send(
                    operation,
                    "PUT",
                    key=key,
                    headers=headers,
                    payload=sent,
                    signed=signed,
                    repeatable=Capability.IF_NONE_MATCH not in active,
                )
            except S3Failure as failure:
                if failure.capability is Capability.CHECKSUM:
                    failure.capability = Capability.SHA256  # what a server says of checksums is about this one
                raise
            etag, told = taken(answer, Voucher.SHA256, "" if wrong else checksum, operation=operation)
            by = voucher if summed or voucher is not Voucher.SHA256 else None
            return StoredObject(etag, Checksum(ChecksumAlgorithm.SHA256, checksum), answer.version_id, by, told)

        return self.capabilities.adapt(attempt, wanted=wanted, operation=operation, once=wrong)

    def create_multipart(
        self,
        key: str,
        *,
        metadata: Mapping[str, str] = _NONE,
        content_type: str = _BINARY,
        voucher: Voucher = Voucher.CRC64NVME,
    ) -> str:
        """Begin a multipart upload, whose parts `voucher` shall vouch for; gives its upload id."""
        operation = "CreateMultipartUpload"
        described = self._headers.of_object(content_type=content_type, metadata=metadata)

        def attempt(active: frozenset[Capability]) -> str:
            headers = described.among(active)
            if Capability.CHECKSUM in active:
                headers["x-amz-checksum-algorithm"] = "CRC64NVME"
                headers["x-amz-checksum-type"] = "FULL_OBJECT"
            answer = self._requests.send(
                operation, "POST", key=key, query={"uploads": ""}, headers=headers, payload=_EMPTY, repeatable=False
            )
            return documents.upload_id(answer, operation=operation)

        wanted = {*capabilities_for(voucher), *described.capabilities}
        return self.capabilities.adapt(attempt, wanted=wanted, operation=operation)

    def upload_part(
        self,
        key: str,
        *,
        upload_id: str,
        number: int,
        body: Buffer,
        voucher: Voucher = Voucher.CRC64NVME,
        wrong: bool = False,
    ) -> Part:
        """Send a part; `number` counts from 1. Sending a number again replaces the part.

        Args:
            key: the full key, prefix included.
            upload_id: as `create_multipart` gave it.
            number: of the part.
            body: its bytes.
            voucher: what shall vouch for them.
            wrong: carry a false value of `voucher`; a server that compares it refuses (`DIGEST`).
        """
        operation = "UploadPart"
        query = {"partNumber": str(number), "uploadId": upload_id}

        by_crc = voucher is Voucher.CRC64NVME
        payload = InMemory(body, summed=by_crc)
        sent = Misstated(payload) if wrong and voucher is Voucher.SIGNED_PAYLOAD else payload
        carrying = carried(voucher, payload, wrong=wrong)

        def attempt(active: frozenset[Capability]) -> Part:
            summed = Capability.CHECKSUM in active
            headers = dict(self._headers.for_request)
            if summed or not by_crc:
                headers.update(carrying)
            answer = self._requests.send(
                operation,
                "PUT",
                key=key,
                query=query,
                headers=headers,
                payload=sent,
                signed=self._sign_payload or voucher is Voucher.SIGNED_PAYLOAD,
                repeatable=True,
            )
            mine = "" if wrong else carrying.get(HEADERS.get(voucher, ""), "")
            etag, told = taken(answer, voucher, mine, operation=operation)
            by: Voucher | None = voucher
            if (by_crc and not summed) or (
                voucher is Voucher.ETAG and (etag != payload.md5().hex() or names_encryption(answer.headers))
            ):
                by = None
            return Part(number, payload.length, etag, payload.checksum if summed else "", by, told)

        wanted = capabilities_for(voucher)
        return self.capabilities.adapt(attempt, wanted=wanted, operation=operation, once=wrong)

    def complete_multipart(
        self, key: str, *, upload_id: str, parts: Sequence[Part], if_none_match: bool = False, gone: bool = False
    ) -> StoredObject:
        """Make the parts one object.

        Never repeated by itself: when the acknowledgement is lost the failure is `uncertain`, and a repetition with the
        same upload id finds out.

        Args:
            key: the full key, prefix included.
            upload_id: as `create_multipart` gave it.
            parts: what `upload_part` gave, or `list_parts`.
            if_none_match: fail with `PRECONDITION` when the key is taken, where the server knows how.
            gone: the upload was aborted; only whether the server knows the request's headers is asked.

        Raises:
            S3Failure: also when the server answers 200 with an error in the body.
        """
        operation = "CompleteMultipartUpload"
        ordered = sorted(parts, key=lambda part: part.number)
        whole = checksums.of_parts(ordered)
        wanted = {Capability.OBJECT_SIZE}
        if whole:
            wanted.add(Capability.CHECKSUM)
        if if_none_match:
            wanted.add(Capability.IF_NONE_MATCH)

        def attempt(active: frozenset[Capability]) -> StoredObject:
            summed = Capability.CHECKSUM in active
            headers = {**self._headers.for_request, "content-type": "application/xml"}
            if summed:
                headers["x-amz-checksum-type"] = "FULL_OBJECT"
                headers[HEADERS[Voucher.CRC64NVME]] = whole
            if Capability.OBJECT_SIZE in active:
                headers["x-amz-mp-object-size"] = str(sum(part.size for part in ordered))
            if Capability.IF_NONE_MATCH in active:
                headers["if-none-match"] = "*"
            payload = InMemory(documents.completion(ordered, summed=summed), summed=False)
            query = {"uploadId": upload_id}
            try:
                answer = self._requests.send(
                    operation, "POST", key=key, query=query, headers=headers, payload=payload, repeatable=False
                )
            except S3Failure as failure:
                if gone and failure.kind is FailureClass.MULTIPART_LOST:
                    return StoredObject("", None)
                raise
            etag, theirs = documents.completed(answer, operation=operation)
            if summed and theirs and not theirs.partition("-")[1] and theirs != whole:
                raise errors.mismatch(operation=operation, ours=whole, theirs=theirs)
            checksum = Checksum(ChecksumAlgorithm.CRC64NVME, whole) if whole else None
            return StoredObject(etag, checksum, answer.version_id)

        return self.capabilities.adapt(attempt, wanted=wanted, operation=operation)

    def abort_multipart(self, key: str, *, upload_id: str) -> None:
        """Give a multipart upload up; that it is gone already is success."""
        operation = "AbortMultipartUpload"
        try:
            self._requests.send(
                operation,
                "DELETE",
                key=key,
                query={"uploadId": upload_id},
                headers=dict(self._headers.for_request),
                payload=_EMPTY,
                repeatable=True,
            )
        except S3Failure as failure:
            if failure.kind is not FailureClass.MULTIPART_LOST:
                raise

    def list_multipart_uploads(self, *, prefix: str = "") -> Iterator[OpenUpload]:
        """The open uploads whose keys begin with `prefix`, page by page as they are asked for."""
        operation = "ListMultipartUploads"
        marker: dict[str, str] = {}
        for _ in range(_MAX_PAGES):
            query = {"uploads": "", "prefix": prefix, "encoding-type": "url", "max-uploads": "1000", **marker}
            answer = self._list(operation, key=None, query=query)
            page, following = documents.uploads(answer, operation=operation)
            yield from page
            if not following or following == marker:
                return
            marker = following

    def list_parts(self, key: str, *, upload_id: str) -> list[Part]:
        """The parts that the server has of an upload, in order."""
        operation = "ListParts"
        found: list[Part] = []
        marker = ""
        for _ in range(_MAX_PAGES):
            query = {"uploadId": upload_id, "max-parts": "1000"}
            if marker:
                query["part-number-marker"] = marker
            answer = self._list(operation, key=key, query=query)
            page, following = documents.parts(answer, operation=operation)
            found += page
            if not following or following == marker:
                break
            marker = following
        return sorted(found, key=lambda part: part.number)

    def close(self) -> None:
        """Close the connections that are idle; those in use end with their requests."""
        self._requests.close()

    def _list(self, operation: str, *, key: str | None, query: dict[str, str]) -> Answer:
        return self._requests.send(
            operation,
            "GET",
            key=key,
            query=query,
            headers=dict(self._headers.for_request),
            payload=_EMPTY,
            repeatable=True,
        )
