"""Is a destination usable, with no more rights than the feature documents?

List the open uploads, begin a multipart upload below the folder, send one part, list the parts, learn what vouches for
them (see `checksum_support`), abort, try the headers that a completion has. These are the four rights that an uploader
has (ListBucketMultipartUploads on the bucket; PutObject, ListMultipartUploadParts, AbortMultipartUpload below the
folder), and nothing becomes an object. Whatever happens on the way, what was begun is aborted, also when its beginning
was never acknowledged.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import Proof
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.client import S3Client
from recording_storage.s3.connection import Timeouts
from recording_storage.s3.probe import PROBE_NAME, Probe, Verification
from recording_storage.s3.steps import Fault
from recording_storage.s3.types import Credential, Destination


def verify(
    client: S3Client, *, prefix: str, owner: str = "", pause: Callable[[float], None] = time.sleep
) -> Verification:
    """Go through the probe.

    Args:
        client: reaches the destination.
        prefix: the folder, `""` or ending in `/`.
        owner: who asks, as part of the probe's key; see `learn`.
        pause: waits between the attempts to abort, in seconds.
    """
    key = f"{prefix}{PROBE_NAME}{owner}{secrets.token_hex(8)}"
    return Probe(client, key=key, pause=pause).run()


def learn(
    client: S3Client, *, prefix: str, size: int, owner: str = "", pause: Callable[[float], None] = time.sleep
) -> Proof:
    """What the destination vouches by for bodies of up to `size` bytes: the sequence without what lists.

    Args:
        client: reaches the destination.
        prefix: the folder, `""` or ending in `/`.
        size: of the longest body, bytes.
        owner: who asks, and nobody else at this moment: what it has left open before is aborted.
        pause: waits between the attempts to abort, in seconds.

    Raises:
        S3Failure: as the server or the network has it.
    """
    key = f"{prefix}{PROBE_NAME}{owner}{secrets.token_hex(8)}"
    probe = Probe(client, key=key, pause=pause)
    if owner:
        probe.sweep(f"{prefix}{PROBE_NAME}{owner}")
    return probe.learn(size)


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
