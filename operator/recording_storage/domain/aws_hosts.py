"""The hosts of AWS's S3: which forms there are, what they name, which of them take uploads."""

import re
from dataclasses import dataclass, replace
from typing import Self

REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d{1,2}")
"""How a region's name looks; new ones appear, so there is no list."""

_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?"
    r"(?P<service>s3-fips|s3-external-1|s3-accelerate|s3express[a-z0-9-]*|s3-website[a-z0-9-]*|s3-control|s3)"
    rf"(?:-(?P<older>{REGION.pattern}))?"
    r"(?P<dualstack>\.dualstack)?"
    rf"(?:\.(?P<region>{REGION.pattern}))?"
    r"\.(?P<domain>amazonaws\.com(?:\.cn)?)"
)
_DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "aws.amazon.com", "api.aws")


@dataclass(frozen=True, kw_only=True)
class AwsHost:
    """A host of S3, read."""

    service: str
    bucket: str | None
    """Where the host names it."""
    region: str
    """"" where the host names none."""
    older: bool
    """The region stands behind a hyphen, `s3-eu-west-1`, as it did in the past."""
    dualstack: bool
    domain: str

    @classmethod
    def read(cls, host: str) -> Self | None:
        """Read a host in lower case; None when it is none of S3's."""
        found = _HOST.fullmatch(host)
        if found is None or (found["older"] and found["service"] not in ("s3", "s3-website")):
            return None
        if found["older"] and found["region"]:
            return None
        region = found["region"] or found["older"] or ("us-east-1" if found["service"] == "s3-external-1" else "")
        return cls(
            service=found["service"],
            bucket=found["bucket"],
            region=region,
            older=bool(found["older"]),
            dualstack=bool(found["dualstack"]),
            domain=found["domain"],
        )

    @classmethod
    def for_region(cls, region: str) -> Self:
        """The plain host of a region, or the global one when it is ""."""
        return cls(service="s3", bucket=None, region=region, older=False, dualstack=False, domain=domain_of(region))

    @property
    def fault(self) -> str:
        """Why no upload can go there, and what to write instead; "" when one can."""
        faults = (
            (self.service.startswith("s3-website"), "a website endpoint takes no uploads; write s3 in its place"),
            (self.service == "s3-control", "s3-control is no endpoint for objects; write s3 in its place"),
            (
                self.service.startswith("s3express"),
                "directory buckets (S3 Express) are not supported; name a general purpose bucket",
            ),
            (
                self.service == "s3-accelerate" and (self.bucket is None or "." in self.bucket),
                "transfer acceleration needs https://BUCKET.s3-accelerate.amazonaws.com and a bucket without dots",
            ),
            (
                self.service == "s3-accelerate" and bool(self.region),
                "a transfer acceleration host names no region; leave it out and set the region by itself",
            ),
            (
                self.domain.endswith(".cn") and not self.region,
                "in China the host names its region; write s3.REGION.amazonaws.com.cn",
            ),
            (
                self.dualstack and not self.region and self.service != "s3-accelerate",
                "a dual-stack host names its region; write s3.dualstack.REGION.amazonaws.com",
            ),
            (self.dualstack and self.older, "a dual-stack host is written s3.dualstack.REGION.amazonaws.com"),
            (
                self.service == "s3-fips" and not self.region,
                "a FIPS host names its region; write s3-fips.REGION.amazonaws.com",
            ),
            (
                bool(self.region) and domain_of(self.region) != self.domain,
                f"region {self.region} is reached at s3.{self.region}.{domain_of(self.region)}; write that",
            ),
        )
        return next((text for holds, text in faults if holds), "")

    @property
    def name(self) -> str:
        """The host in its present form, without the bucket: `s3-REGION` has become `s3.REGION`."""
        dualstack = ".dualstack" if self.dualstack else ""
        if self.service == "s3-accelerate":
            return f"s3-accelerate{dualstack}.{self.domain}"
        service = "s3" if self.service == "s3-external-1" else self.service
        return f"{service}{dualstack}.{self.region}.{self.domain}" if self.region else f"{service}.{self.domain}"

    def in_region(self, region: str) -> Self:
        """The same host of another region."""
        return replace(self, region=region, domain=domain_of(region))


def is_aws_name(host: str) -> bool:
    """Whether a host is AWS's at all, of S3 or not."""
    return any(host == domain or host.endswith(f".{domain}") for domain in _DOMAINS)


def domain_of(region: str) -> str:
    """The domain that a region's hosts are in."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
