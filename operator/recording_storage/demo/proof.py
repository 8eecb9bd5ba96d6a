"""At the end: is every recording in the bucket, byte for byte?"""

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from recording_storage.demo.outcome import Proof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_s3 import S3Client


def prove(
    recordings: "Sequence[Mapping[str, Any]]", *, written: "Mapping[str, tuple[str, int]]", s3: "S3Client", bucket: str
) -> list[Proof]:
    """Fetch each object with the customer's own rights and compare it with what was recorded."""
    proofs = []
    for recording in sorted(recordings, key=lambda each: str(each["file"])):
        if recording["file"] not in written:
            continue
        sha256, size = written[recording["file"]]
        media_url = recording.get("media_url") or ""
        proofs.append(
            Proof(
                sid=recording["sid"],
                file=recording["file"],
                state=recording["state"],
                media_url=media_url,
                size=size,
                sha256=sha256,
                verified=bool(media_url) and _digest(s3, bucket=bucket, url=media_url) == sha256,
            )
        )
    return proofs


def _digest(s3: "S3Client", *, bucket: str, url: str) -> str:
    """Hex SHA-256 of the object; empty where it can't be fetched."""
    key = unquote(urlsplit(url).path).removeprefix(f"/{bucket}/")
    digest = hashlib.sha256()
    try:
        for chunk in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(chunk)
    except (ClientError, BotoCoreError):
        return ""
    return digest.hexdigest()
