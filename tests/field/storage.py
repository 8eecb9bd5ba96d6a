"""Objects and multipart uploads in memory, as S3 keeps them."""

import hashlib
import itertools
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from tests.field.exchange import Exchange, Refusal
from tests.field.integrity import Check, Vouching, crc64nvme

MIN_PART = 5 << 20
_CRC64NVME = "x-amz-checksum-crc64nvme"


@dataclass
class StoredObject:
    key: str
    body: bytes
    etag: str
    """Without quotes."""
    headers: dict[str, str]
    """Of the request that made it: content type, metadata."""
    parts: int = 0
    """How many it was made of; 0: it came in one request."""
    version: str = ""

    @property
    def metadata(self) -> dict[str, str]:
        start = "x-amz-meta-"
        return {name[len(start) :]: value for name, value in self.headers.items() if name.startswith(start)}


@dataclass
class StoredPart:
    body: bytes
    etag: str
    checksum: str


@dataclass
class OpenUpload:
    key: str
    headers: dict[str, str]
    parts: dict[int, StoredPart] = field(default_factory=dict)
    initiated: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"))


@dataclass
class Storage:
    """One bucket. Whoever calls holds the server's lock."""

    honours_if_none_match: bool = True
    part_limit: int = 10_000
    part_refusal: tuple[int, str, str] = (
        400,
        "InvalidArgument",
        "Part number must be an integer between 1 and {limit}, inclusive",
    )
    min_part: int = MIN_PART
    repeats_complete: bool = False
    """Whether a completion that is asked for again succeeds again, as AWS does; else the upload is gone."""
    versioned: bool = False
    etag_of: Callable[[bytes], str] = lambda body: hashlib.md5(body).hexdigest()
    """The ETag of what came in one request, in hexadecimal: an MD5, or anything."""
    objects: dict[str, StoredObject] = field(default_factory=dict)
    uploads: dict[str, OpenUpload] = field(default_factory=dict)
    overwritten: list[str] = field(default_factory=list)
    """The key of each object that another one has replaced."""
    replaced: list[bytes] = field(default_factory=list)
    """What was in each of them."""
    completed: dict[str, StoredObject] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def put(self, exchange: Exchange) -> StoredObject:
        etag = self.etag_of(exchange.body)
        return self._keep(exchange, StoredObject(exchange.key, exchange.body, etag, exchange.headers))

    def begin(self, exchange: Exchange) -> str:
        upload_id = f"upload-{next(self._numbers)}"
        self.uploads[upload_id] = OpenUpload(exchange.key, exchange.headers)
        return upload_id

    def put_part(self, exchange: Exchange, vouching: Vouching) -> StoredPart:
        upload = self._upload(exchange)
        number = exchange.part_number
        if not 1 <= number <= self.part_limit:
            status, code, message = self.part_refusal
            raise Refusal(status, code, message.format(limit=self.part_limit))
        known = "" if vouching.crc64nvme is Check.IGNORE else exchange.headers.get(_CRC64NVME, "")
        part = StoredPart(exchange.body, self.etag_of(exchange.body), known)
        upload.parts[number] = part
        return part

    def complete(self, exchange: Exchange, vouching: Vouching) -> StoredObject:
        if self.repeats_complete and exchange.upload_id in self.completed:
            return self.completed[exchange.upload_id]
        upload = self._upload(exchange)
        chosen = self._chosen(exchange, upload)
        body = b"".join(part.body for part in chosen)
        said = exchange.headers.get(_CRC64NVME)
        if vouching.crc64nvme in {Check.CHECK, Check.STRIP} and said is not None and crc64nvme(body) != said:
            raise Refusal(400, "BadDigest", "The CRC64NVME of the object did not match.")
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in chosen)).hexdigest()
        whole = StoredObject(exchange.key, body, f"{digest}-{len(chosen)}", upload.headers, parts=len(chosen))
        self._keep(exchange, whole)
        self.completed[exchange.upload_id] = whole
        del self.uploads[exchange.upload_id]
        return whole

    def abort(self, exchange: Exchange) -> None:
        self._upload(exchange)
        del self.uploads[exchange.upload_id]

    def parts(self, exchange: Exchange) -> bytes:
        """The document of ListParts, in one page."""
        items = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{len(part.body)}</Size><ETag>&quot;{part.etag}&quot;</ETag>"
            + (f"<ChecksumCRC64NVME>{part.checksum}</ChecksumCRC64NVME>" if part.checksum else "")
            + "</Part>"
            for number, part in sorted(self._upload(exchange).parts.items())
        )
        return f"<ListPartsResult><IsTruncated>false</IsTruncated>{items}</ListPartsResult>".encode()

    def listing(self, exchange: Exchange) -> bytes:
        """The document of ListMultipartUploads, in one page."""
        items = "".join(
            f"<Upload><Key>{escape(upload.key)}</Key><UploadId>{upload_id}</UploadId>"
            f"<Initiated>{upload.initiated}</Initiated></Upload>"
            for upload_id, upload in self.uploads.items()
            if upload.key.startswith(exchange.query.get("prefix", ""))
        )
        return (
            f"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{items}</ListMultipartUploadsResult>".encode()
        )

    def _upload(self, exchange: Exchange) -> OpenUpload:
        upload = self.uploads.get(exchange.upload_id)
        if upload is None or upload.key != exchange.key:
            raise Refusal(404, "NoSuchUpload", "The specified upload does not exist.")
        return upload

    def _chosen(self, exchange: Exchange, upload: OpenUpload) -> list[StoredPart]:
        named = [(int(_text(part, "PartNumber")), _text(part, "ETag").strip('"')) for part in _parts_of(exchange.body)]
        if [number for number, _ in named] != sorted({number for number, _ in named}):
            raise Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        chosen = []
        for number, etag in named:
            part = upload.parts.get(number)
            if part is None or part.etag != etag.removeprefix("W/").strip('"'):
                raise Refusal(400, "InvalidPart", "One or more of the specified parts could not be found.")
            chosen.append(part)
        if not chosen or any(len(part.body) < self.min_part for part in chosen[:-1]):
            raise Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed.")
        return chosen

    def _keep(self, exchange: Exchange, made: StoredObject) -> StoredObject:
        if made.key in self.objects:
            if self.honours_if_none_match and exchange.headers.get("if-none-match") == "*":
                raise Refusal(
                    412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
                )
            self.overwritten.append(made.key)
            self.replaced.append(self.objects[made.key].body)
        if self.versioned:
            made.version = f"version-{next(self._numbers)}"
        self.objects[made.key] = made
        return made


def _parts_of(body: bytes) -> list[ET.Element]:
    try:
        return [element for element in ET.fromstring(body) if element.tag.endswith("Part")]
    except ET.ParseError as error:
        raise Refusal(400, "MalformedXML", "The XML you provided was not well-formed.") from error


def _text(part: ET.Element, name: str) -> str:
    return next((element.text or "" for element in part if element.tag.endswith(name)), "")
