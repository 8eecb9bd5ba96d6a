"""Where recordings go: reading the bucket's URL in every form that people write.

Reading order: an endpoint that the operator allowed → AWS → a single-label host that is the bucket itself → an error
that names the fault and the remedy. Nothing here resolves a name: where a name leads is the address guard's matter.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Self
from urllib.parse import quote, unquote_to_bytes

from recording_storage.domain.aws_hosts import REGION, AwsHost, is_aws_name
from recording_storage.domain.bucket_name import bucket_name_fault

MAX_URL = 2048
"""Characters of a URL; S3's keys end at 1,024 bytes anyway."""
MAX_PREFIX = 512
"""Bytes of a prefix: leaves half of S3's 1,024 to the key template."""

_RFC3986 = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SIGNING_REGION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_DEFAULT_PORTS = {"https": 443, "http": 80}


class BucketUrlError(ValueError):
    """A bucket URL that can't be used; the message names the value, the fault and the remedy."""


class Addressing(StrEnum):
    """Where a request names the bucket."""

    VIRTUAL = "virtual"
    """In the host: `bucket.s3.REGION.amazonaws.com`."""
    PATH = "path"
    """As the path's first segment. Also for AWS buckets with a dot in the name: no certificate covers their host."""


@dataclass(frozen=True, kw_only=True)
class BucketLocation:
    """A bucket and a folder in it, ready to be reached."""

    endpoint: str
    """`https://host[:port]` without the bucket; the port only where it is not the scheme's own."""
    bucket: str
    prefix: str = ""
    """`""` or ends in `/`; as in the key, not percent-encoded."""
    region: str = ""
    """`""` when neither the URL nor a setting named it."""
    style: Addressing = Addressing.PATH
    allow_http: bool = False

    @cached_property
    def scheme(self) -> str:
        return self.endpoint.partition("://")[0]

    @cached_property
    def host(self) -> str:
        """The host to connect to and to be named in `Host`, with the port where the URL needs one."""
        authority = self.endpoint.partition("://")[2]
        return f"{self.bucket}.{authority}" if self.style is Addressing.VIRTUAL else authority

    @property
    def hostname(self) -> str:
        """The host without port and brackets: what is resolved, and what the certificate must name."""
        return _split_port(self.host)[0].strip("[]")

    @property
    def port(self) -> int:
        return _split_port(self.host)[1] or _DEFAULT_PORTS[self.scheme]

    @property
    def is_aws(self) -> bool:
        return self._aws_host() is not None

    @cached_property
    def path(self) -> str:
        """What stands before `/key` in a request's path: `""`, or `/bucket`."""
        return "" if self.style is Addressing.VIRTUAL else f"/{self.bucket}"

    def object_url(self, key: str) -> str:
        """The URL of an object; `key` is the full key, prefix included."""
        return f"{self.scheme}://{self.host}{self.path}/{quote(key, safe='/-._~')}"

    @cached_property
    def url(self) -> str:
        """The location itself in one canonical form, which `parse_bucket_url` reads back to the same location."""
        return self.object_url(self.prefix)

    def in_region(self, region: str) -> Self:
        """The same bucket, reached in `region`: an AWS endpoint changes with it, any other keeps its host."""
        host = self._aws_host()
        if host is None:
            return replace(self, region=region)
        return replace(self, region=region, endpoint=f"https://{host.in_region(region).name}")

    def _aws_host(self) -> AwsHost | None:
        return AwsHost.read(self.endpoint.removeprefix("https://"))


def parse_bucket_url(
    url: str, *, region: str = "", allowed_endpoints: Collection[str] = (), allow_http: bool = False
) -> BucketLocation:
    """Read a bucket's URL.

    Args:
        url: as a person wrote it; the path after the bucket is the folder, `…/calls` means `calls/`.
        region: where the URL names none; one that contradicts the URL's is an error.
        allowed_endpoints: `scheme://host[:port]` of S3-compatible servers that may be used, in path style.
        allow_http: whether an allowed endpoint may be reached in the clear.

    Raises:
        BucketUrlError: the URL or the region can't be used.
    """
    _check_region(region)
    parts = _split(url)
    allowed = {_endpoint(endpoint) for endpoint in allowed_endpoints}
    endpoint = f"{parts.scheme}://{parts.authority}"
    if parts.scheme == "http" and not (allow_http and endpoint in allowed):
        raise BucketUrlError(
            f"{_shown(url)}: http sends recordings in the clear; use https"
            + (", or allow http for this endpoint explicitly" if endpoint in allowed else "")
        )
    aws = AwsHost.read(parts.host) if parts.port is None and parts.scheme == "https" else None
    if endpoint in allowed and aws is None:
        bucket, prefix = _bucket_and_prefix(parts, url)
        return BucketLocation(
            endpoint=endpoint, bucket=bucket, prefix=prefix, region=region, allow_http=parts.scheme == "http"
        )
    if aws is not None:
        return _aws_location(aws, parts, url=url, region=region)
    if is_aws_name(parts.host):
        raise BucketUrlError(
            f"{_shown(url)}: {parts.host!r} is no S3 endpoint that this reads; write "
            "https://BUCKET.s3.REGION.amazonaws.com/FOLDER, or have the endpoint allowed"
        )
    if _is_single_label(parts):
        bucket, prefix = _checked_bucket(parts.host, url), _prefix(parts.segments, url)
        return _on_aws(AwsHost.for_region(region), bucket=bucket, prefix=prefix)
    raise BucketUrlError(
        f"{_shown(url)}: {parts.authority!r} is neither AWS nor an allowed endpoint; write "
        "https://BUCKET.s3.REGION.amazonaws.com/FOLDER, or have "
        f"{endpoint} allowed (store: --allow-endpoint {endpoint})"
    )


def normalised_endpoint(endpoint: str) -> str:
    """An allowed endpoint in the one form in which endpoints are compared: `scheme://host[:port]`, lower case."""
    return _endpoint(endpoint)


def named_endpoint(url: str) -> str:
    """The S3-compatible endpoint that a URL names, to be allowed where its writer may decide that; "" for AWS's own.

    Raises:
        BucketUrlError: it is no URL.
    """
    parts = _split(url)
    if parts.scheme == "https" and parts.port is None and (is_aws_name(parts.host) or _is_single_label(parts)):
        return ""
    return f"{parts.scheme}://{parts.authority}"


@dataclass(frozen=True)
class _Parts:
    scheme: str
    host: str
    port: int | None
    segments: tuple[str, ...]

    @property
    def authority(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def _split(url: str) -> _Parts:
    """Take the URL apart by hand: `urllib.parse` lets through, or silently drops, what has to be refused here."""
    if not url:
        raise BucketUrlError("the bucket's URL is empty; write https://BUCKET.s3.REGION.amazonaws.com/FOLDER")
    if len(url) > MAX_URL:
        raise BucketUrlError(f"the bucket's URL has {len(url)} characters; at most {MAX_URL} are read")
    fault = _RFC3986.match(url)
    assert fault is not None
    if fault.end() != len(url):
        raise BucketUrlError(
            f"{_shown(url)}: character {url[fault.end()]!r} is not allowed in a URL (RFC 3986); percent-encode it"
        )
    if found := _PERCENT.search(url):
        raise BucketUrlError(
            f"{_shown(url)}: '%' at character {found.start() + 1} is not followed by two hexadecimal digits; write %25"
        )
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise BucketUrlError(
            f"{_shown(url)}: a bucket's URL starts with https://"
            + (" ; write https://BUCKET.s3.REGION.amazonaws.com/FOLDER for s3://BUCKET/FOLDER" * (scheme == "s3"))
        )
    for mark, name in (("?", "a query"), ("#", "a fragment")):
        if mark in rest:
            raise BucketUrlError(f"{_shown(url)}: {name} has no meaning here; leave out all from {mark!r} on")
    authority, _, path = rest.partition("/")
    if "@" in authority:
        raise BucketUrlError(
            f"{_shown(url)}: user name and password don't belong into the URL; put the key pair into a credential"
        )
    host, port = _host_and_port(authority, url=url, scheme=scheme)
    return _Parts(scheme, host, port, tuple(path.split("/")) if path else ())


def _host_and_port(authority: str, *, url: str, scheme: str) -> tuple[str, int | None]:
    host, port = _split_port(authority)
    has_port = len(authority) > len(host)
    if has_port and not (port is not None and 0 < port < 65536):  # noqa: PLR2004 - TCP's range
        raise BucketUrlError(f"{_shown(url)}: the port is a number from 1 to 65535")
    host = host.lower().removesuffix(".") if not host.startswith("[") else host.lower()
    if not host:
        raise BucketUrlError(f"{_shown(url)}: the host is missing; write https://BUCKET.s3.REGION.amazonaws.com/FOLDER")
    if host.startswith("["):
        if not re.fullmatch(r"\[[0-9a-f:.]+\]", host):
            raise BucketUrlError(f"{_shown(url)}: {host} is no IPv6 address without zone; write [ADDRESS]")
    elif not all(_LABEL.fullmatch(label) for label in host.split(".")) or len(host) > 253:  # noqa: PLR2004 - DNS's limit
        raise BucketUrlError(
            f"{_shown(url)}: {host!r} is no DNS name: labels of 1 to 63 letters, digits and hyphens, joined by dots"
        )
    return host, None if port == _DEFAULT_PORTS[scheme] else port


def _split_port(authority: str) -> tuple[str, int | None]:
    """Host (brackets kept) and port; a port that is no number comes back as None."""
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        host += bracket
        text = rest.removeprefix(":") if rest.startswith(":") else ""
        return (host, int(text) if text.isdecimal() and len(text) < 6 else None) if rest else (host, None)  # noqa: PLR2004
    host, _, text = authority.partition(":")
    return host, int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None  # noqa: PLR2004


def _endpoint(endpoint: str) -> str:
    parts = _split(endpoint)
    if any(parts.segments):
        raise BucketUrlError(f"{_shown(endpoint)}: an endpoint is scheme, host and port alone; leave out the path")
    return f"{parts.scheme}://{parts.authority}"


def _aws_location(host: AwsHost, parts: _Parts, *, url: str, region: str) -> BucketLocation:
    if host.fault:
        raise BucketUrlError(f"{_shown(url)}: {host.fault}")
    if host.region and region and host.region != region:
        raise BucketUrlError(
            f"{_shown(url)}: the URL names region {host.region}, the setting names {region}; leave the setting "
            "empty or make them equal"
        )
    if host.bucket is None:
        bucket, prefix = _bucket_and_prefix(parts, url)
    else:
        bucket, prefix = _checked_bucket(host.bucket, url), _prefix(parts.segments, url)
    return _on_aws(host.in_region(region) if region else host, bucket=bucket, prefix=prefix)


def _on_aws(host: AwsHost, *, bucket: str, prefix: str) -> BucketLocation:
    if host.region and not REGION.fullmatch(host.region):
        raise BucketUrlError(f"region {host.region!r} is none of AWS's; write one as eu-west-1, or leave it empty")
    style = Addressing.PATH if "." in bucket else Addressing.VIRTUAL
    return BucketLocation(
        endpoint=f"https://{host.name}", bucket=bucket, prefix=prefix, region=host.region, style=style
    )


def _is_single_label(parts: _Parts) -> bool:
    return parts.scheme == "https" and parts.port is None and "." not in parts.host and not parts.host.startswith("[")


def _bucket_and_prefix(parts: _Parts, url: str) -> tuple[str, str]:
    if not parts.segments or not parts.segments[0]:
        raise BucketUrlError(
            f"{_shown(url)}: the bucket is missing; write {parts.scheme}://{parts.authority}/BUCKET/FOLDER"
        )
    return _checked_bucket(_decoded(parts.segments[0], url), url), _prefix(parts.segments[1:], url)


def _checked_bucket(bucket: str, url: str) -> str:
    if fault := bucket_name_fault(bucket):
        raise BucketUrlError(f"{_shown(url)}: {bucket!r} is no bucket's name: it {fault}; name a DNS-compliant bucket")
    return bucket


def _prefix(segments: tuple[str, ...], url: str) -> str:
    decoded = [_decoded(segment, url) for segment in segments]
    if decoded and not decoded[-1]:
        decoded.pop()
    for segment in decoded:
        if segment in (".", ".."):
            raise BucketUrlError(f"{_shown(url)}: the folder has the segment {segment!r}; write the folder's full path")
        if not segment:
            raise BucketUrlError(f"{_shown(url)}: the folder has an empty segment ('//'); write one slash")
        if "/" in segment:
            raise BucketUrlError(f"{_shown(url)}: the folder has an encoded slash (%2F); write '/'")
    prefix = "".join(f"{segment}/" for segment in decoded)
    if len(prefix.encode()) > MAX_PREFIX:
        raise BucketUrlError(f"{_shown(url)}: the folder has more than {MAX_PREFIX} bytes; shorten it")
    return prefix


def _decoded(segment: str, url: str) -> str:
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise BucketUrlError(f"{_shown(url)}: {segment!r} does not decode to UTF-8; percent-encode UTF-8") from error
    if any(ord(character) < 32 or ord(character) == 127 for character in text):  # noqa: PLR2004 - ASCII's controls
        raise BucketUrlError(f"{_shown(url)}: {segment!r} holds a control character; leave it out")
    return text


def _check_region(region: str) -> None:
    """Regions of other servers have names of all kinds; AWS's become part of a host, and are looked at more closely."""
    if region and not _SIGNING_REGION.fullmatch(region):
        raise BucketUrlError(f"region {region[:80]!r} is no region's name; write one as eu-west-1, or leave it empty")


def _shown(url: str) -> str:
    """The URL for a message: shortened, and without a password, should somebody have written one."""
    text = re.sub(r"//[^/@]*@", "//…@", url)
    text = re.sub(r"[?#].*", lambda found: found.group()[0] + "…", text)
    return repr(text if len(text) <= 200 else text[:200] + "…")  # noqa: PLR2004
