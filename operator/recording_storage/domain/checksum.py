"""A checksum together with its algorithm: journal, receipts, reports and API say it in this one form."""

from enum import StrEnum
from typing import NamedTuple


class ChecksumAlgorithm(StrEnum):
    """As S3 names them."""

    CRC64NVME = "CRC64NVME"
    SHA256 = "SHA256"
    MD5 = "MD5"


class Checksum(NamedTuple):
    """Of an object's bytes as they were sent."""

    algorithm: str
    """A `ChecksumAlgorithm`; another text where a newer version wrote it, which is passed on as it is."""
    value: str
    """Base64, as S3 writes it."""
