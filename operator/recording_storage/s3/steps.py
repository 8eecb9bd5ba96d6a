"""The verify sequence's steps, and what a failure of one says to whoever made the settings."""

from collections.abc import Mapping
from enum import StrEnum

from recording_storage.domain.failures import FailureClass, S3Failure

UNVERIFIED = "Unverified"
"""The code of a server that vouches for nothing."""


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
    COMPLETE = "CompleteMultipartUpload"
    """Of the upload that was aborted: whether its headers are known."""


RIGHTS: Mapping[Step, str] = {
    Step.LIST_UPLOADS: "s3:ListBucketMultipartUploads on the bucket",
    Step.BEGIN: "s3:PutObject below the folder",
    Step.UPLOAD_PART: "s3:PutObject below the folder",
    Step.LIST_PARTS: "s3:ListMultipartUploadParts below the folder",
    Step.ABORT: "s3:AbortMultipartUpload below the folder",
    Step.COMPLETE: "s3:PutObject below the folder",
}
"""The right that each step needs."""


def unverified(operation: str) -> S3Failure:
    """The failure that a server is which vouches for nothing."""
    return S3Failure(
        FailureClass.HOLD,
        code=UNVERIFIED,
        message="the server takes bodies with wrong checksums, and its ETags are no MD5: nothing shows that it keeps"
        " what was sent",
        operation=operation,
    )


_FAULTS: Mapping[FailureClass, Fault] = {
    FailureClass.CREDENTIAL: Fault.CREDENTIAL,
    FailureClass.FATAL: Fault.ACCESS,
    FailureClass.HOLD: Fault.URL,
    FailureClass.REGION: Fault.URL,
    FailureClass.FILE: Fault.URL,
    FailureClass.REFUSED: Fault.URL,
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
    if failure.code == UNVERIFIED:
        remedy = f"{where} vouches for nothing: use a server that compares checksums, or set trustUnverified: true"
        return fault, f"{remedy} ({words})"
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
