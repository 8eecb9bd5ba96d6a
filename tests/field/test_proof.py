"""What a server vouches by is learnt in pairs; an answer alone proves nothing."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from recording_storage.domain.bucket_url import parse_bucket_url
from recording_storage.domain.failures import Capability, FailureClass, S3Failure
from recording_storage.domain.proof import Proof, Voucher, is_digest_refusal, is_refusal, may_pass_soon
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.client import S3Client
from recording_storage.s3.steps import Fault, Step
from recording_storage.s3.types import Credential, Destination
from recording_storage.s3.verify import learn, verify
from tests.field.actions import lose, refuse
from tests.field.exchange import ALL, WRITES, Action, Exchange, Moment, Operation
from tests.field.integrity import Check, Vouching, everything
from tests.field.server import FieldBucket, FieldServer

MIB = 1 << 20
V = Voucher
MakeClient = Callable[..., S3Client]


@pytest.fixture(autouse=True)
def _believes_all(field: FieldServer) -> None:
    field.vouching = Vouching()


@pytest.fixture
def make_client(field_bucket: FieldBucket) -> Iterator[MakeClient]:
    clients = []

    def make(**destination: object) -> S3Client:
        endpoint, who = field_bucket.server.endpoint, field_bucket.credentials
        location = parse_bucket_url(field_bucket.url, allowed_endpoints=[endpoint], allow_http=True)
        clients.append(
            S3Client(
                Destination(location, **destination),  # type: ignore[arg-type]
                credential=Credential(who.access_key, who.secret_key),
                guard=AddressGuard([endpoint]),
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def any_etag(_body: bytes) -> str:
    return secrets.token_hex(16)


NOTHING, CHECKED = Vouching(), everything()


def put_only(exchange: Exchange) -> Vouching:
    return CHECKED if exchange.operation is Operation.PUT else NOTHING


def up_to_a_mib(exchange: Exchange) -> Vouching:
    return CHECKED if exchange.size <= MIB else NOTHING


MD5, KMS = "md5", "aws:kms"
VERDICTS: dict[str, tuple[Vouching | Callable[[Exchange], Vouching], str, str, Voucher | None]] = {
    # how it checks, its ETags, the encryption that its answers name; what it vouches by
    "checks everything": (CHECKED, "", "", V.CRC64NVME),
    "strips the answer's header": (everything(Check.STRIP), "", "", V.CRC64NVME),
    "a proxy strips the request's CRC64NVME": (Vouching(sha256=Check.CHECK, payload=Check.CHECK), "", "", V.SHA256),
    "knows Content-MD5 alone": (Vouching(md5=Check.CHECK), "", "", V.CONTENT_MD5),
    "checks signed payloads alone": (Vouching(payload=Check.CHECK), "", "", V.SIGNED_PAYLOAD),
    "echoes the checksum": (everything(Check.ECHO), "", "", None),
    "echoes, with honest ETags": (everything(Check.ECHO), MD5, "", V.ETAG),
    "honest MD5 ETags and nothing else": (NOTHING, MD5, "", V.ETAG),
    "KMS by the bucket's default": (NOTHING, "", KMS, None),
    "KMS by the bucket's default, with MD5 ETags": (NOTHING, MD5, KMS, None),
    "KMS by the bucket's default, checks": (CHECKED, "", KMS, V.CRC64NVME),
    "checks PutObject only": (put_only, "", "", None),
    "vouches for nothing": (NOTHING, "", "", None),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict(field: FieldServer, field_bucket: FieldBucket, make_client: MakeClient, name: str) -> None:
    field.vouching, etags, encryption, expected = VERDICTS[name]
    if not etags:
        field_bucket.storage.etag_of = any_etag
    if encryption:
        field.answer_headers["x-amz-server-side-encryption"] = encryption
    result = verify(make_client(), prefix="calls/")
    assert result.proof is not None, result.message
    assert result.proof.voucher is expected
    assert result.ok is (expected is not None)
    if expected is None:
        assert result.failure is not None
        assert (result.fault, result.failure.code, result.failure.kind) == (Fault.URL, "Unverified", FailureClass.HOLD)
        assert "trustUnverified" in result.message
    assert (field_bucket.keys(), field_bucket.uploads()) == ([], [])


def test_no_more_is_asked_than_needed(field: FieldServer, make_client: MakeClient) -> None:
    field.vouching = CHECKED
    learn(make_client(), prefix="calls/", size=10)
    assert [one.operation for one in field.exchanges] == [
        Operation.BEGIN,
        Operation.PART,
        Operation.PART,
        Operation.PART,
        Operation.ABORT,
    ]


def test_who_trusts_it_may_use_it_all_the_same(field_bucket: FieldBucket, make_client: MakeClient) -> None:
    field_bucket.storage.etag_of = any_etag
    result = verify(make_client(trust_unverified=True), prefix="calls/")
    assert result.ok
    assert result.proof is not None
    assert result.proof.voucher is None


@pytest.mark.parametrize("check", [Check.CHECK, Check.STRIP])
def test_that_answers_name_the_checksum_is_noted(field: FieldServer, make_client: MakeClient, check: Check) -> None:
    field.vouching = everything(check)
    assert learn(make_client(), prefix="calls/", size=10).told is (check is Check.CHECK)


def test_a_server_that_checks_small_bodies_only_vouches_for_those(
    field: FieldServer, field_bucket: FieldBucket, make_client: MakeClient
) -> None:
    field.vouching = up_to_a_mib
    field_bucket.storage.etag_of = any_etag
    small = learn(make_client(), prefix="calls/", size=10)
    large = learn(make_client(), prefix="calls/", size=2 * MIB)
    assert (small.voucher, small.covers(47), small.covers(2 * MIB)) == (V.CRC64NVME, True, False)
    assert large.voucher is None


def test_one_strict_backend_of_two_is_not_enough(
    field: FieldServer, field_bucket: FieldBucket, make_client: MakeClient
) -> None:
    """They take turns; whichever begins."""
    field_bucket.storage.etag_of = any_etag
    for first in (0, 1):
        field.vouching = lambda _, first=first: CHECKED if len(field.exchanges) % 2 == first else NOTHING
        assert learn(make_client(), prefix="calls/", size=10).voucher is None


@pytest.mark.parametrize(
    ("refusal", "vouches"),
    [
        (refuse(400, "BadDigest"), True),
        (refuse(400, "XAmzContentChecksumMismatch"), True),
        (refuse(400, "XAmzContentSHA256Mismatch"), True),
        (refuse(400, "InvalidDigest"), True),
        (refuse(400, "InvalidArgument"), False),
        (refuse(400, "InvalidRequest", "the checksum is wrong"), False),
        (refuse(403, "AccessDenied"), False),
        (refuse(403, "SignatureDoesNotMatch"), False),
        (refuse(500, "InternalError"), False),
        (refuse(501, "NotImplemented"), False),
        (refuse(400), False),
    ],
)
def test_only_a_digest_s_code_proves_anything(
    field: FieldServer, field_bucket: FieldBucket, make_client: MakeClient, refusal: Action, *, vouches: bool
) -> None:
    field_bucket.storage.etag_of = any_etag
    field.on(Operation.PART, refusal, skip=1, times=2)
    client = make_client()
    assert learn(client, prefix="calls/", size=10).voucher is (V.CRC64NVME if vouches else None)
    assert not client.capabilities.missing, "a wrong value that is refused costs nothing"
    assert field_bucket.uploads() == []


@pytest.mark.parametrize("odd", [(refuse(503, "SlowDown"), Moment.BODY, 2), (lose, Moment.ANSWER, 3)])
def test_a_server_that_has_no_answer_for_each_few_of_them_is_asked_again(
    field: FieldServer, make_client: MakeClient, odd: tuple[Action, Moment, int]
) -> None:
    """More have to succeed in a row than it ever answers in a row."""
    action, moment, every = odd
    field.vouching = CHECKED
    rule = field.on(WRITES, action, at=moment, every=every, skip=1)
    assert learn(make_client(), prefix="calls/", size=10, pause=lambda _: None).voucher is V.CRC64NVME
    assert rule.acted > 1


@pytest.mark.parametrize("reply", [refuse(503, "SlowDown"), refuse(429), refuse(504)])
def test_an_answer_that_asks_for_patience_decides_nothing(
    field: FieldServer, field_bucket: FieldBucket, make_client: MakeClient, reply: Action
) -> None:
    field.on(Operation.PART, reply, skip=1)
    with pytest.raises(S3Failure):
        learn(make_client(), prefix="calls/", size=10)
    assert field_bucket.uploads() == []


class TestPartNumbers:
    @pytest.mark.parametrize(("limit", "most"), [(10_000, 10_000), (1_000, 1_000), (5_000, 1_000)])
    @pytest.mark.parametrize("words", ["Part number must be at most {limit}", "too many pieces"])
    def test_the_highest_is_tried(
        self, field_bucket: FieldBucket, make_client: MakeClient, limit: int, most: int, words: str
    ) -> None:
        field_bucket.storage.part_limit = limit
        field_bucket.storage.part_refusal = (400, "InvalidArgument", words)
        result = verify(make_client(), prefix="calls/")
        assert result.ok, result.message
        assert result.proof is not None
        assert result.proof.most_parts == most

    def test_a_server_that_takes_none_of_them_is_not_usable(
        self, field_bucket: FieldBucket, make_client: MakeClient
    ) -> None:
        field_bucket.storage.part_limit = 10
        result = verify(make_client(), prefix="calls/")
        assert (result.ok, result.step) == (False, Step.UPLOAD_PART)
        assert field_bucket.uploads() == []


class TestListing:
    @pytest.mark.parametrize("status", [400, 404, 405, 501])
    def test_a_server_that_can_t_list_uploads_is_usable(
        self, field: FieldServer, field_bucket: FieldBucket, make_client: MakeClient, status: int
    ) -> None:
        field.on(Operation.LIST_UPLOADS, refuse(status))
        result = verify(make_client(), prefix="calls/")
        assert result.ok, result.message
        assert result.missing == {Capability.LIST_UPLOADS}
        assert field_bucket.uploads() == []

    def test_where_nothing_works_the_step_is_named_that_uploads_need(
        self, field: FieldServer, make_client: MakeClient
    ) -> None:
        field.on(ALL, refuse(404))
        result = verify(make_client(), prefix="calls/")
        assert (result.ok, result.step, result.missing) == (False, Step.BEGIN, frozenset())

    @pytest.mark.parametrize("operation", [Operation.LIST_UPLOADS, Operation.LIST_PARTS])
    @pytest.mark.parametrize("status", [500, 501, 503])
    def test_a_list_that_always_fails_decides_nothing(
        self, field: FieldServer, make_client: MakeClient, operation: Operation, status: int
    ) -> None:
        field.on(operation, refuse(status))
        assert verify(make_client(), prefix="calls/").ok

    @pytest.mark.parametrize("reply", [refuse(404, "NoSuchBucket"), refuse(403, "AccessDenied")])
    def test_what_says_more_is_believed(self, field: FieldServer, make_client: MakeClient, reply: Action) -> None:
        field.on(Operation.LIST_UPLOADS, reply)
        result = verify(make_client(), prefix="calls/")
        assert (result.ok, result.step) == (False, Step.LIST_UPLOADS)


@pytest.mark.parametrize("reply", [refuse(501), refuse(400), refuse(400, "InvalidArgument")])
@pytest.mark.parametrize(
    ("header", "capability"),
    [("if-none-match", Capability.IF_NONE_MATCH), ("x-amz-mp-object-size", Capability.OBJECT_SIZE)],
)
def test_the_headers_of_a_completion_are_tried(
    field: FieldServer,
    field_bucket: FieldBucket,
    make_client: MakeClient,
    *,
    reply: Action,
    header: str,
    capability: Capability,
) -> None:
    field.on(ALL, reply, when=lambda exchange: header in exchange.headers)
    result = verify(make_client(), prefix="calls/")
    assert result.ok, result.message
    assert result.missing == {capability}
    assert field_bucket.keys() == []


@pytest.mark.parametrize(
    ("kind", "status", "refusal", "digest"),
    [
        (FailureClass.DIGEST, 400, True, True),
        (FailureClass.DIGEST, None, False, False),
        (FailureClass.FILE, 400, True, False),
        (FailureClass.THROTTLED, 400, False, False),
        (FailureClass.TRANSIENT, 500, True, False),
        (FailureClass.TRANSIENT, 503, False, False),
        (FailureClass.TRANSIENT, None, False, False),
    ],
)
def test_what_counts_as_a_refusal(kind: FailureClass, *, status: int | None, refusal: bool, digest: bool) -> None:
    failure = S3Failure(kind, code="C", message="m", status=status)
    assert (is_refusal(failure), is_digest_refusal(failure)) == (refusal, digest)


@pytest.mark.parametrize(
    ("kind", "code", "status", "retry_after", "soon"),
    [
        (FailureClass.THROTTLED, "SlowDown", 503, None, True),
        (FailureClass.THROTTLED, "SlowDown", 503, 1.0, True),
        (FailureClass.THROTTLED, "SlowDown", 503, 60.0, False),
        (FailureClass.TRANSIENT, "HTTP504", 504, None, True),
        (FailureClass.TRANSIENT, "ConnectionLost", None, None, True),
        (FailureClass.TRANSIENT, "ConnectTimeout", None, None, False),
        (FailureClass.TRANSIENT, "ReadTimeout", None, None, False),
        (FailureClass.TRANSIENT, "InternalError", 500, None, False),
        (FailureClass.DIGEST, "BadDigest", 400, None, False),
        (FailureClass.FATAL, "AccessDenied", 403, None, False),
        (FailureClass.HOLD, "AddressRefused", None, None, False),
    ],
)
def test_what_is_asked_again_at_once(
    kind: FailureClass, code: str, status: int | None, retry_after: float | None, *, soon: bool
) -> None:
    failure = S3Failure(kind, code=code, message="m", status=status, retry_after=retry_after)
    assert may_pass_soon(failure, within=1.0) is soon


@pytest.mark.parametrize("voucher", [*Voucher, None])
def test_a_proof_covers_what_was_tried(voucher: Voucher | None) -> None:
    proof = Proof(voucher=voucher, up_to=100)
    assert proof.covers(100)
    assert proof.covers(101) is (voucher in (None, Voucher.ETAG))
