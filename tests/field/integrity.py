"""What a server does with the checksums that come with a body: nothing, unless a test says so."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from awscrt import checksums

from tests.field.exchange import Exchange, Refusal


class Check(StrEnum):
    IGNORE = "ignore"
    """Taken for a header that means nothing."""
    ECHO = "echo"
    """Given back as it came, compared with nothing."""
    STRIP = "strip"
    """Compared, and the answer says nothing of it."""
    CHECK = "check"
    """Compared, and given back."""


@dataclass(frozen=True, kw_only=True)
class Vouching:
    """For each way to say what the body should be, what becomes of it."""

    crc64nvme: Check = Check.IGNORE
    sha256: Check = Check.IGNORE
    md5: Check = Check.IGNORE
    payload: Check = Check.IGNORE
    """The body's SHA-256 that is part of the signature."""


def everything(check: Check = Check.CHECK) -> Vouching:
    return Vouching(crc64nvme=check, sha256=check, md5=check, payload=check)


def crc64nvme(body: bytes) -> str:
    return base64.b64encode(int(checksums.crc64nvme(body)).to_bytes(8, "big")).decode()


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


CHECKSUMS: tuple[tuple[str, str, Callable[[bytes], str]], ...] = (
    ("crc64nvme", "x-amz-checksum-crc64nvme", crc64nvme),
    ("sha256", "x-amz-checksum-sha256", sha256),
    ("md5", "content-md5", md5),
)


def judge(exchange: Exchange, vouching: Vouching) -> dict[str, str]:
    """The headers of the answer. Raises Refusal for a body that isn't what its request says."""
    given = {}
    for field, header, compute in CHECKSUMS:
        check, said = getattr(vouching, field), exchange.headers.get(header)
        if said is None or check is Check.IGNORE:
            continue
        if check is not Check.ECHO and compute(exchange.body) != said:
            raise Refusal(400, "BadDigest", f"The {header} you specified did not match the calculated checksum.")
        if check is not Check.STRIP and field != "md5":
            given[header] = said
    signed = exchange.headers.get("x-amz-content-sha256", "")
    if (
        vouching.payload in {Check.CHECK, Check.STRIP}
        and re.fullmatch("[0-9a-f]{64}", signed)
        and hashlib.sha256(exchange.body).hexdigest() != signed
    ):
        raise Refusal(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match.")
    return given
