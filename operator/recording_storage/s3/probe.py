"""The probe of a destination: an upload in parts below the folder that never becomes an object."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from recording_storage.domain.backoff import doubled
from recording_storage.domain.failures import ABOUT_EVERY_REQUEST, PASSING, Capability, FailureClass, S3Failure
from recording_storage.domain.proof import FEW_PARTS, MOST_PARTS, Proof, Voucher, may_pass_soon
from recording_storage.s3.checksum_support import ChecksumSupport
from recording_storage.s3.client import S3Client
from recording_storage.s3.steps import Fault, Step, explain, unverified
from recording_storage.s3.types import Part

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

PROBE_NAME = ".recording-storage-verify-"
"""How the probe's key begins below the folder; random digits follow."""
_PROBE = b"recording-storage: is this destination usable?\n"
_METADATA = {"recording-sid": "RE00000000000000000000000000000000"}
"""As recordings have: a server that refuses the header shows it here."""
_NO_LISTING = frozenset({400, 404, 405, 501})
"""How servers answer ListMultipartUploads that don't know it."""
_ATTEMPTS = 3
_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
"""Seconds before something is asked again: the first pause, and the longest."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How the sequence ended."""

    ok: bool
    step: Step | None = None
    """The step that failed."""
    failure: S3Failure | None = None
    fault: Fault | None = None
    message: str = ""
    """What is wrong and what to do, in one line for a person."""
    leftover: str = ""
    """The id of an upload that could not be aborted; then `message` says so."""
    region: str = ""
    """The bucket's region, when it is known by now."""
    missing: frozenset[Capability] = frozenset()
    """What the server turned out not to know."""
    proof: Proof | None = None
    """What it vouches by; None where that could not be learnt."""
    granted: tuple[bool, ...] = ()
    """What each request that needs s3:PutObject below the folder was told of that right, in their order."""
    may_store: bool = False
    """The right to store is there, whatever else may be missing: a part was taken, and a completion not denied."""


class Probe:
    """One upload of the probe's key, from its beginning to its abort."""

    def __init__(self, client: S3Client, *, key: str, pause: Callable[[float], None]) -> None:
        self._client = client
        self._key = key
        self._pause = pause
        self._step = Step.LIST_UPLOADS
        self._begun: list[str] = []
        """Ids of uploads that are still there."""
        self._parts: list[Part] = []
        self._granted: list[bool] = []

    def run(self) -> Verification:
        failure: S3Failure | None = None
        proof: Proof | None = None
        try:
            proof = self._go()
        except S3Failure as error:
            failure = error
        step = self._step
        upload_id = self._begun[0] if self._begun else ""
        left, abort_failure = self._clean_up(failure)
        if failure is None and abort_failure is not None:
            step, failure = Step.ABORT, abort_failure
        elif failure is None:
            step = Step.COMPLETE
            failure = self._try_completion(upload_id) or self._unverified(proof)
        region, missing = self._client.location.region, self._client.capabilities.missing
        if failure is None:
            return Verification(
                ok=True, region=region, missing=missing, proof=proof, granted=tuple(self._granted), may_store=True
            )
        fault, message = explain(step, failure, where=self._client.location.url)
        if left:
            message += f"; the open upload {left} of {self._key} stays behind: abort it"
        return Verification(
            ok=False,
            step=step,
            failure=failure,
            fault=fault,
            message=message,
            leftover=left,
            region=failure.region or region,
            missing=missing,
            proof=proof,
            granted=tuple(self._granted),
            may_store=bool(self._parts) and step is not Step.COMPLETE,
        )

    def sweep(self, beginning: str) -> None:
        """Abort what was left open by one that was killed. Nothing depends on it."""
        try:
            for found in list(self._client.list_multipart_uploads(prefix=beginning)):
                self._client.abort_multipart(found.key, upload_id=found.upload_id)
        except S3Failure as failure:
            _log.debug("%s: leftovers are not searched for: %s", self._client.location.url, failure)

    def learn(self, size: int) -> Proof:
        failure: S3Failure | None = None
        try:
            self._retried_on_skew(self._begin)
            return self._pairs(self._send_part(), size=size)
        except S3Failure as error:
            failure = error
            raise
        finally:
            left, why = self._clean_up(failure)
            if left:
                _log.warning(
                    "%s: the open upload %s of %s stays behind: %s", self._client.location.url, left, self._key, why
                )

    def _go(self) -> Proof:
        try:
            listed = self._retried_on_skew(self._search)
        except S3Failure as failure:
            if failure.kind is FailureClass.FATAL:  # says nothing of the right to store: that is asked, too
                with contextlib.suppress(S3Failure):
                    self._begin()
                    self._send_part()
                self._step = Step.LIST_UPLOADS
            raise
        self._step = Step.BEGIN
        self._begin()
        if not listed:  # all but this works
            self._client.capabilities.drop(Capability.LIST_UPLOADS)
        part = self._send_part()
        self._step = Step.LIST_PARTS
        self._compare_parts(part)
        self._step = Step.UPLOAD_PART
        return self._pairs(part, size=len(_PROBE))

    def _compare_parts(self, part: Part) -> None:
        """A server that can't list parts is usable: what was interrupted begins anew there."""
        try:
            found = self._client.list_parts(self._key, upload_id=self._begun[0])
        except S3Failure as failure:
            if failure.status is None or failure.kind in (*ABOUT_EVERY_REQUEST, FailureClass.FATAL):
                raise
            _log.warning(
                "%s: an upload that is interrupted will begin anew, its parts can't be listed: %s",
                self._client.location.url,
                failure,
            )
            return
        if [(one.number, one.size) for one in found] != [(part.number, part.size)]:
            raise S3Failure(
                FailureClass.HOLD,
                code="PartNotListed",
                message="the server does not list the part that it has just taken",
                operation=Step.LIST_PARTS,
            )

    def _begin(self, voucher: Voucher = Voucher.CRC64NVME) -> str:
        self._step = Step.BEGIN
        create = partial(self._client.create_multipart, self._key, voucher=voucher, metadata=_METADATA)
        self._begun.append(self._ask(create))
        return self._begun[-1]

    def _send_part(self) -> Part:
        """Under the highest number that uploads may have; where that is refused, the highest of many servers."""
        self._step = Step.UPLOAD_PART
        try:
            part = self._numbered_part(MOST_PARTS)
        except S3Failure as failure:
            # Servers have any word for a number that is too high; one that takes the lower one meant that.
            if failure.status is None or failure.kind in ABOUT_EVERY_REQUEST:
                raise
            granted = len(self._granted)
            try:
                part = self._numbered_part(FEW_PARTS)
            except S3Failure:
                raise failure from None
            if failure.kind is FailureClass.FATAL:
                self._granted = [True, *self._granted[granted:]]  # it was about the number, not about the right
        self._parts = [part]
        return part

    def _numbered_part(self, number: int) -> Part:
        send = partial(self._upload_part, upload_id=self._begun[0], number=number, body=_PROBE)
        try:
            return send()
        except S3Failure as failure:
            if failure.kind not in PASSING or failure.status is None:
                raise
            return send()  # one fault of the server's is no refusal

    def _pairs(self, part: Part, *, size: int) -> Proof:
        def begin_plain() -> str:
            upload_id = self._begin(Voucher.ETAG)
            self._step = Step.UPLOAD_PART
            return upload_id

        pairs = ChecksumSupport(
            self._upload_part,
            capabilities=self._client.capabilities,
            number=part.number,
            body=_PROBE,
            size=size,
            begin_plain=begin_plain,
        )
        return pairs.learn(self._begun[0], part, most_parts=part.number)

    def _upload_part(
        self,
        *,
        upload_id: str,
        number: int,
        body: bytes,
        voucher: Voucher = Voucher.CRC64NVME,
        wrong: bool = False,
    ) -> Part:
        send = partial(
            self._client.upload_part,
            self._key,
            upload_id=upload_id,
            number=number,
            body=body,
            voucher=voucher,
            wrong=wrong,
        )
        return self._ask(send, patient=True)

    def _try_completion(self, upload_id: str) -> S3Failure | None:
        """Of an upload that is gone, with the headers that uploads have. Only what they would fail by counts."""
        try:
            self._ask(
                lambda: self._client.complete_multipart(
                    self._key, upload_id=upload_id, parts=self._parts, if_none_match=True, gone=True
                )
            )
        except S3Failure as failure:
            return failure if failure.kind is FailureClass.FATAL else None
        return None

    def _unverified(self, proof: Proof | None) -> S3Failure | None:
        if self._client.destination.trust_unverified or (proof is not None and proof.voucher is not None):
            return None
        return unverified(Step.UPLOAD_PART)

    def _search(self) -> bool:
        """Whether the server knows how to list open uploads: leftovers are searched for so, nothing else."""
        try:
            self._open_uploads()
        except S3Failure as failure:
            if failure.kind in PASSING and failure.status is not None:
                return True  # what follows tells whether it is the list alone that fails
            if failure.status not in _NO_LISTING or failure.code == "NoSuchBucket":
                raise
            if failure.kind in (*ABOUT_EVERY_REQUEST, FailureClass.FATAL):
                raise
            return False
        return True

    def _ask(self, call: Callable[[], _Result], *, patient: bool = False) -> _Result:
        """Of what needs the right to store; what the server says of that is noted.

        A denial where the right was granted just before contradicts it: it is asked again. So is, when `patient`, what
        has no answer or one that asks for patience: a busy server has none for several in a row.
        """
        for attempt in range(_ATTEMPTS):
            pause = doubled(attempt + 1, first=_PAUSE, most=_LONGEST_PAUSE)
            try:
                result = call()
            except S3Failure as failure:
                denied = failure.kind is FailureClass.FATAL
                if denied:
                    self._granted.append(False)
                again = any(self._granted) if denied else patient and may_pass_soon(failure, within=pause)
                if attempt + 1 == _ATTEMPTS or not again:
                    raise
                self._pause(pause)
            else:
                self._granted.append(True)
                return result
        raise AssertionError("the last round returns or raises")

    def _open_uploads(self) -> list[str]:
        return [
            found.upload_id for found in self._client.list_multipart_uploads(prefix=self._key) if found.key == self._key
        ]

    def _retried_on_skew(self, call: Callable[[], _Result]) -> _Result:
        """The first request may be refused for our clock; by then the client has learnt the server's."""
        try:
            return call()
        except S3Failure as failure:
            if failure.code != "RequestTimeTooSkewed":
                raise
            return call()

    def _clean_up(self, failure: S3Failure | None) -> tuple[str, S3Failure | None]:
        """Abort what was begun: the id of what is left, and why. `failure`: how it went."""
        unacknowledged = self._step is Step.BEGIN and failure is not None and failure.uncertain
        if not (self._begun or unacknowledged):
            return "", None
        failure = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._pause(doubled(attempt + 1, first=_PAUSE, most=_LONGEST_PAUSE))
            try:
                while self._begun:
                    self._client.abort_multipart(self._key, upload_id=self._begun[-1])
                    self._begun.pop()
                # an upload whose beginning was not acknowledged is found by its key alone
                for upload_id in self._open_uploads() if unacknowledged else ():
                    self._client.abort_multipart(self._key, upload_id=upload_id)
            except S3Failure as error:
                failure = error
            else:
                return "", None
        return ", ".join(self._begun) or "(id unknown)", failure
