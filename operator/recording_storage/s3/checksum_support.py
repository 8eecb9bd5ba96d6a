"""What a server vouches by, learnt in pairs: the right value is taken, a wrong one is refused for being wrong.

Inside a multipart upload that is never completed, so nothing of it becomes an object.
"""

from collections.abc import Callable
from typing import Protocol

from recording_storage.domain.failures import Capability, S3Failure
from recording_storage.domain.proof import Proof, Voucher, is_digest_refusal, is_refusal
from recording_storage.s3.capabilities import Capabilities
from recording_storage.s3.types import Part

_PLAIN = (Voucher.SHA256, Voucher.CONTENT_MD5, Voucher.SIGNED_PAYLOAD)


class UploadPart(Protocol):
    """Raises S3Failure."""

    def __call__(self, *, upload_id: str, number: int, body: bytes, voucher: Voucher, wrong: bool = False) -> Part: ...


class ChecksumSupport:
    """For one upload; `begin_plain` begins another that was not announced to have CRC64NVMEs."""

    def __init__(
        self,
        upload_part: UploadPart,
        *,
        capabilities: Capabilities,
        number: int,
        body: bytes,
        size: int,
        begin_plain: Callable[[], str],
    ) -> None:
        """Take what is sent.

        Args:
            upload_part: sends a part of an upload.
            capabilities: the server's.
            number: of the part.
            body: the part's bytes.
            size: bytes of the body that goes with a wrong value: no less than what is to be vouched for.
            begin_plain: gives the other upload's id.
        """
        self._upload_part = upload_part
        self._capabilities = capabilities
        self._number = number
        self._body = body
        self._wrong = body + bytes(max(size - len(body), 0))
        self._begin_plain = begin_plain

    def learn(self, upload_id: str, first: Part, *, most_parts: int) -> Proof:
        """The first voucher that passes its pair. Raises S3Failure where an answer tells nothing.

        Args:
            upload_id: the upload's.
            first: the part as it was taken with its right CRC64NVME.
            most_parts: that the server takes.
        """

        def found(voucher: Voucher | None, part: Part = first) -> Proof:
            return Proof(
                voucher=voucher,
                told=voucher is not None and part.told,
                up_to=len(self._wrong) if voucher is not None else 0,
                most_parts=most_parts,
            )

        knows_crc = first.voucher is Voucher.CRC64NVME and Capability.CHECKSUM in self._capabilities
        if knows_crc and self._refuses_wrong(upload_id, Voucher.CRC64NVME):
            return found(Voucher.CRC64NVME)
        plain = self._begin_plain()
        for voucher in _PLAIN:
            part = self._takes_right(plain, voucher)
            if part is not None and self._refuses_wrong(plain, voucher):
                return found(voucher, part)
        part = self._takes_right(plain, Voucher.ETAG)
        return found(Voucher.ETAG if part is not None and part.voucher is Voucher.ETAG else None)

    def _takes_right(self, upload_id: str, voucher: Voucher) -> Part | None:
        try:
            return self._upload_part(upload_id=upload_id, number=self._number, body=self._body, voucher=voucher)
        except S3Failure as failure:
            if not is_refusal(failure):
                raise
            return None

    def _refuses_wrong(self, upload_id: str, voucher: Voucher) -> bool:
        """Twice: where several servers stand behind one address, the next one may be lax."""
        return all(self._is_refused(upload_id, voucher, body) for body in (self._wrong, self._body))

    def _is_refused(self, upload_id: str, voucher: Voucher, body: bytes) -> bool:
        try:
            self._upload_part(upload_id=upload_id, number=self._number, body=body, voucher=voucher, wrong=True)
        except S3Failure as failure:
            if not is_refusal(failure):
                raise
            return is_digest_refusal(failure)
        return False
