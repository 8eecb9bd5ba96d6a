"""Is a destination usable, with no more rights than the feature documents?

List the open uploads, begin a multipart upload below the folder, send one part, list the parts, abort. These are the
four rights that an uploader has (ListBucketMultipartUploads on the bucket; PutObject, ListMultipartUploadParts,
AbortMultipartUpload below the folder), and nothing becomes an object. Whatever happens on the way, what was begun is
aborted, also when its beginning was never acknowledged.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from recording_storage.domain.failures import Capability, FailureClass, S3Failure
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.client import S3Client
from recording_storage.s3.connection import Timeouts
from recording_storage.s3.types import Credential, Destination

PROBE_NAME = ".recording-storage-verify-"
"""How the probe's key begins below the folder; random digits follow."""
_PROBE = b"recording-storage: is this destination usable?\n"
_ATTEMPTS = 3
_PAUSE = 0.2


class Fault(StrEnum):
    """Which of the settings is at fault."""

    URL = "url"
    """The bucket's URL, its region, or how its server is trusted."""
    CREDENTIAL = "credential"
    """The key pair is unknown, wrong or expired."""
    KEY = "key"
    """The KMS key: disabled, missing, or not ours to use."""
    ACCESS = "access"
    """A right is missing."""
    SERVER = "server"
    """Nothing that the settings could mend: the server or the network fails."""


class Step(StrEnum):
    """The sequence's steps, by S3's names of the operations."""

    LIST_UPLOADS = "ListMultipartUploads"
    BEGIN = "CreateMultipartUpload"
    UPLOAD_PART = "UploadPart"
    LIST_PARTS = "ListParts"
    ABORT = "AbortMultipartUpload"


RIGHTS: Mapping[Step, str] = {
    Step.LIST_UPLOADS: "s3:ListBucketMultipartUploads on the bucket",
    Step.BEGIN: "s3:PutObject below the folder",
    Step.UPLOAD_PART: "s3:PutObject below the folder",
    Step.LIST_PARTS: "s3:ListMultipartUploadParts below the folder",
    Step.ABORT: "s3:AbortMultipartUpload below the folder",
}
"""The right that each step needs."""


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


def verify(client: S3Client, *, prefix: str, pause: Callable[[float], None] = time.sleep) -> Verification:
    """Go through the sequence.

    Args:
        client: reaches the destination.
        prefix: the folder, `""` or ending in `/`.
        pause: waits between the attempts to abort, in seconds.
    """
    key = f"{prefix}{PROBE_NAME}{secrets.token_hex(8)}"
    return _Sequence(client, key=key, pause=pause).run()


def verify_destination(
    destination: Destination,
    *,
    credential: Credential,
    guard: AddressGuard,
    timeouts: Timeouts | None = None,
) -> Verification:
    """Verify a destination with a client of its own."""
    try:
        client = S3Client(destination, credential=credential, guard=guard, timeouts=timeouts)
    except S3Failure as failure:
        fault = Fault.CREDENTIAL if failure.kind is FailureClass.CREDENTIAL else Fault.URL
        return Verification(ok=False, failure=failure, fault=fault, message=failure.message)
    try:
        return verify(client, prefix=destination.location.prefix)
    finally:
        client.close()


def checks_signatures(
    destination: Destination,
    *,
    credential: Credential,
    guard: AddressGuard,
    timeouts: Timeouts | None = None,
) -> bool:
    """Whether the server refuses a request that is signed with another secret; one that doesn't takes any key pair.

    For a destination that has passed `verify`: the step that is repeated changes nothing there. Whatever is no plain
    answer is taken for a refusal.
    """
    another = replace(credential, secret_access_key=secrets.token_hex(20))
    try:
        client = S3Client(destination, credential=another, guard=guard, timeouts=timeouts)
    except S3Failure:
        return True
    try:
        for _ in client.list_multipart_uploads(prefix=f"{destination.location.prefix}{PROBE_NAME}"):
            break
    except S3Failure:
        return True
    finally:
        client.close()
    return False


class _Sequence:
    def __init__(self, client: S3Client, *, key: str, pause: Callable[[float], None]) -> None:
        self._client = client
        self._key = key
        self._pause = pause
        self._step = Step.LIST_UPLOADS
        self._upload_id = ""

    def run(self) -> Verification:
        failure: S3Failure | None = None
        try:
            self._go()
        except S3Failure as error:
            failure = error
        step = self._step
        begun = bool(self._upload_id) or (failure is not None and failure.uncertain)
        left, abort_failure = self._clean_up() if begun else ("", None)
        if failure is None and abort_failure is not None:
            step, failure = Step.ABORT, abort_failure
        region, missing = self._client.location.region, self._client.capabilities.missing
        if failure is None:
            return Verification(ok=True, region=region, missing=missing)
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
        )

    def _go(self) -> None:
        self._retried_on_skew(self._open_uploads)
        self._step = Step.BEGIN
        self._upload_id = self._client.create_multipart(self._key)
        self._step = Step.UPLOAD_PART
        part = self._client.upload_part(self._key, upload_id=self._upload_id, number=1, body=_PROBE)
        self._step = Step.LIST_PARTS
        listed = self._client.list_parts(self._key, upload_id=self._upload_id)
        if [(one.number, one.size) for one in listed] != [(part.number, part.size)]:
            raise S3Failure(
                FailureClass.HOLD,
                code="PartNotListed",
                message="the server does not list the part that it has just taken",
                operation=Step.LIST_PARTS,
            )

    def _open_uploads(self) -> list[str]:
        return [
            found.upload_id for found in self._client.list_multipart_uploads(prefix=self._key) if found.key == self._key
        ]

    def _retried_on_skew(self, call: Callable[[], object]) -> None:
        """The first request may be refused for our clock; by then the client has learnt the server's."""
        try:
            call()
        except S3Failure as failure:
            if failure.code != "RequestTimeTooSkewed":
                raise
            call()

    def _clean_up(self) -> tuple[str, S3Failure | None]:
        """Abort what was begun: the id of what is left, and why."""
        failure: S3Failure | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._pause(_PAUSE * 2**attempt)
            try:
                # an upload whose beginning was not acknowledged is found by its key alone
                for upload_id in [self._upload_id] if self._upload_id else self._open_uploads():
                    self._client.abort_multipart(self._key, upload_id=upload_id)
            except S3Failure as error:
                failure = error
            else:
                return "", None
        return self._upload_id or "(id unknown)", failure


_FAULTS: Mapping[FailureClass, Fault] = {
    FailureClass.CREDENTIAL: Fault.CREDENTIAL,
    FailureClass.FATAL: Fault.ACCESS,
    FailureClass.HOLD: Fault.URL,
    FailureClass.REGION: Fault.URL,
    FailureClass.FILE: Fault.URL,
    FailureClass.UNSUPPORTED: Fault.URL,
}

_CREDENTIAL_REMEDY: Mapping[str, str] = {
    "InvalidAccessKeyId": "the server does not know the access key id: check it, or create the key pair anew",
    "SignatureDoesNotMatch": "the secret does not belong to the access key id: enter the key pair anew",
    "ExpiredToken": "the temporary key pair has expired: give a present one",
}


def explain(step: Step, failure: S3Failure, *, where: str) -> tuple[Fault, str]:
    """Which setting is at fault, and what to do about it.

    Args:
        step: the step that failed.
        failure: how.
        where: the destination's URL, for the message.
    """
    words = f"{failure.code}: {failure.message}"
    if failure.code.startswith("KMS") or "kms" in failure.message.lower():
        return Fault.KEY, f"the KMS key can't be used for {where}: enable it, or let this key pair use it ({words})"
    fault = _FAULTS.get(failure.kind, Fault.SERVER)
    if fault is Fault.ACCESS:
        remedy = f"grant {RIGHTS[step]}"
        if step is Step.LIST_UPLOADS:  # once that has worked, the bucket is there, and this account may see it
            remedy = f"either the bucket does not exist or belongs to somebody else: check its name; or {remedy}"
        return fault, f"{step.value} is refused at {where}: {remedy} ({words})"
    if fault is Fault.CREDENTIAL:
        remedy = _CREDENTIAL_REMEDY.get(failure.code, "the key pair is refused: check it")
        return fault, f"{remedy} ({words})"
    if failure.code == "NameNotResolved":
        fault, remedy = Fault.URL, f"the host of {where} is not found: check the URL"
    elif failure.kind is FailureClass.REGION:
        remedy = f"the bucket of {where} is in region {failure.region}: name that region"
    elif failure.code == "NoSuchBucket":
        remedy = f"there is no bucket for {where}: check its name, or create it"
    elif fault is Fault.SERVER:
        remedy = f"{where} fails at {step.value}: try again later, or ask the server's operator"
    else:
        remedy = f"{where} can't be used, {step.value} fails: check the URL and its options"
    return fault, f"{remedy} ({words})"
