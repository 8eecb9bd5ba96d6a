"""AWS Signature Version 4 for S3, for requests whose payload hash is known beforehand.

Its own code because it is on the path of every request: a key derived once a day, one pass over the headers. The tests
hold it against botocore's `S3SigV4Auth`.
"""

import hashlib
import hmac
import time
from urllib.parse import quote

from recording_storage.s3.types import Credential

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_UNSIGNED_HEADERS = frozenset({"connection", "content-length", "expect", "transfer-encoding", "user-agent"})
"""What a proxy may change on the way, and what botocore leaves out, too."""


def encoded_path(path: str) -> str:
    """The path as S3 signs it: percent-encoded once, slashes kept, nothing normalised."""
    return quote(path, safe="/-._~")


def encoded_query(parameters: dict[str, str]) -> str:
    """The query string, in the order in which it is signed and sent."""
    pairs = sorted((quote(name, safe="-._~"), quote(value, safe="-._~")) for name, value in parameters.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


class Signer:
    """Signs with one credential. Thread-safe: a key derived twice at midnight is the same key."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self._derived: tuple[str, str, hmac.HMAC | None] = ("", "", None)

    def headers(
        self, method: str, *, path: str, query: str, headers: dict[str, str], payload_hash: str, region: str, now: float
    ) -> dict[str, str]:
        """The request's headers with date, payload hash, token and `authorization` added.

        Args:
            method: the HTTP method.
            path: encoded path.
            query: encoded query, "" for none.
            headers: names in lower case, values as they will be sent; `host` among them.
            payload_hash: SHA-256 of the body in hexadecimal, or `UNSIGNED_PAYLOAD`.
            region: the signing region.
            now: POSIX time by the server's clock.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        signed = {**headers, "x-amz-content-sha256": payload_hash, "x-amz-date": stamp}
        if self._credential.session_token:
            signed["x-amz-security-token"] = self._credential.session_token
        names = sorted(signed.keys() - _UNSIGNED_HEADERS)
        signed_names = ";".join(names)
        canonical_headers = "".join([f"{name}:{' '.join(signed[name].split())}\n" for name in names])
        canonical = f"{method}\n{path}\n{query}\n{canonical_headers}\n{signed_names}\n{payload_hash}"
        scope = f"{stamp[:8]}/{region}/s3/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        keyed = self._keyed(stamp[:8], region).copy()  # `hmac.digest` would let go of the interpreter's lock
        keyed.update(to_sign.encode())
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._credential.access_key_id}/{scope},"
            f"SignedHeaders={signed_names},Signature={keyed.hexdigest()}"
        )
        return signed

    def _keyed(self, day: str, region: str) -> hmac.HMAC:
        known_day, known_region, known = self._derived
        if known is not None and known_day == day and known_region == region:
            return known
        key = hmac.digest(f"AWS4{self._credential.secret_access_key}".encode(), day.encode(), "sha256")
        for step in (region, "s3", "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        keyed = hmac.new(key, digestmod="sha256")
        self._derived = (day, region, keyed)
        return keyed
