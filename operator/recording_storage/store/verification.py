"""Trying a bucket before settings are enabled, and telling which of them is at fault."""

import ssl
import threading

from recording_storage.domain.bucket_url import BucketLocation, normalised_endpoint
from recording_storage.domain.settings import RecordingSettings
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.connection import Timeouts
from recording_storage.s3.probe import Verification
from recording_storage.s3.steps import UNVERIFIED, Fault
from recording_storage.s3.types import Credential, Destination
from recording_storage.s3.verify import verify_destination
from recording_storage.store.config import StoreConfig
from recording_storage.store.errors import ErrorCode, StoreError
from recording_storage.store.health import VERIFICATION_SECONDS, VERIFICATIONS

_TIMEOUTS = Timeouts(connect=5.0, read=20.0, answer=30.0)
"""Seconds; somebody waits for the answer to a POST."""

_slots = threading.BoundedSemaphore(12)
"""Slow buckets must not take every thread from the requests that need none."""
_SLOT_SECONDS = 2.0

CODES = {
    Fault.URL: ErrorCode.INVALID_BUCKET_URL,
    Fault.CREDENTIAL: ErrorCode.INVALID_AWS_CREDENTIALS,
    Fault.KEY: ErrorCode.BUCKET_ACCESS_DENIED,  # the KMS key: a matter of rights; 53612 is the recordings' own key
    Fault.ACCESS: ErrorCode.BUCKET_ACCESS_DENIED,
    Fault.SERVER: ErrorCode.UNAVAILABLE,
}
"""Which code a fault has."""


def verify_bucket(config: StoreConfig, destination: Destination, *, credential: Credential) -> None:
    """Go through the verify sequence; nothing is left in the bucket. Raises StoreError with the code of the fault."""
    if not _slots.acquire(timeout=_SLOT_SECONDS):
        raise StoreError(ErrorCode.UNAVAILABLE, "Too many buckets are being tried at the moment; try again")
    try:
        with VERIFICATION_SECONDS.time():
            result = verify_destination(
                destination, credential=credential, guard=AddressGuard(config.allow_endpoint), timeouts=_TIMEOUTS
            )
    finally:
        _slots.release()
    VERIFICATIONS.labels(result="ok" if result.ok else str(result.fault)).inc()
    if not result.ok:
        raise StoreError(_code(result), f"The bucket can't be used, nothing was changed: {_message(result)}")


def is_allowed(config: StoreConfig, location: BucketLocation) -> bool:
    """Whether the store's operator has allowed the endpoint, whatever address it has."""
    return location.endpoint in {normalised_endpoint(endpoint) for endpoint in config.allow_endpoint}


def check_ca_bundle(settings: RecordingSettings) -> None:
    """Raise StoreError unless the certificates can be read."""
    if not settings.ca_bundle:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=settings.ca_bundle)
    except (ssl.SSLError, ValueError):
        raise StoreError(
            ErrorCode.INVALID_PARAMETER, "CaBundle: a certificate in it can't be read; give PEM certificates"
        ) from None


def _message(result: Verification) -> str:
    """Its own words, but for those that name a setting as configuration files have it."""
    if result.failure is None or result.failure.code != UNVERIFIED:
        return result.message
    return (
        f"TrustUnverified: {result.failure.message}; use a server that compares checksums, or set TrustUnverified to"
        " true to use this one all the same"
    )


def _code(result: Verification) -> ErrorCode:
    assert result.fault is not None
    return CODES[result.fault]
