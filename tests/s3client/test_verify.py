"""The verify sequence tells what is wrong, and leaves nothing behind however it ends."""

import pytest

from recording_storage.domain.bucket_url import parse_bucket_url
from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import MOST_PARTS
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.probe import PROBE_NAME
from recording_storage.s3.steps import RIGHTS, Fault, Step, explain
from recording_storage.s3.types import Credential, Destination
from recording_storage.s3.verify import verify, verify_destination
from tests.s3.servers import least_rights
from tests.s3client.fake_server import FakeServer, answer, error
from tests.s3client.test_servers import credential_of

pytestmark = pytest.mark.slow

ACTIONS = {
    Step.LIST_UPLOADS: "s3:ListBucketMultipartUploads",
    Step.BEGIN: "s3:PutObject",
    Step.LIST_PARTS: "s3:ListMultipartUploadParts",
    Step.ABORT: "s3:AbortMultipartUpload",
}


@pytest.fixture
def client(bucket, gate, make_client):
    return make_client(gate.endpoint, url=bucket.url_at(gate.endpoint), credential=credential_of(bucket.user))


def run(client):
    return verify(client, prefix=client.location.prefix, pause=lambda _seconds: None)


def test_with_the_least_rights_it_passes_and_leaves_nothing(bucket, client):
    result = run(client)
    assert result.ok, result.message
    assert (bucket.keys(), bucket.uploads()) == ([], [])


@pytest.mark.parametrize("step", ACTIONS)
def test_a_missing_right_is_named(bucket, client, step):
    policy = least_rights(bucket.name, bucket.prefix)
    for statement in policy["Statement"]:
        if "Action" in statement:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            statement["Action"] = [action for action in actions if action != ACTIONS[step]] or ["s3:GetObject"]
    bucket.server.set_policy(bucket.user.name, policy)
    result = run(client)
    assert not result.ok
    assert (result.step, result.fault) == (step, Fault.ACCESS), result.message
    assert ACTIONS[step] in result.message
    assert bool(result.leftover) is (step is Step.ABORT)
    assert bool(bucket.uploads()) is (step is Step.ABORT)
    if result.leftover:
        assert result.leftover in result.message


def test_a_failure_half_way_leaves_nothing(bucket, client, gate):
    gate.answer("^PUT .*partNumber", 500, code="InternalError", times=100)
    result = run(client)
    assert (result.ok, result.fault, result.leftover) == (False, Fault.SERVER, "")
    assert bucket.uploads() == []


@pytest.mark.parametrize("pattern", ["^PUT .*partNumber", "^GET .*uploadId", "^GET .*uploads"])
def test_one_fault_of_the_server_is_no_refusal(bucket, client, gate, pattern):
    fault = gate.answer(pattern, 500, code="InternalError")
    result = run(client)
    assert fault.done.is_set()
    assert result.ok, result.message
    assert result.proof is not None
    assert result.proof.most_parts == MOST_PARTS
    assert bucket.uploads() == []


@pytest.mark.parametrize("pattern", ["^PUT .*partNumber", "^POST .*uploadId"])
def test_a_denial_of_what_was_just_granted_is_asked_again(bucket, client, gate, pattern):
    denied = gate.answer(pattern, 403, code="AccessDenied")
    result = run(client)
    assert denied.done.is_set()
    assert result.ok, result.message
    assert False in result.granted, "it is evidence all the same"
    gate.answer(pattern, 403, code="AccessDenied", times=100)
    result = run(client)
    assert (result.ok, result.fault) == (False, Fault.ACCESS)
    assert bucket.uploads() == []


def test_an_abort_that_fails_once_is_repeated(bucket, client, gate):
    gate.answer("^DELETE ", 503, code="ServiceUnavailable", times=2)
    assert run(client).ok
    assert bucket.uploads() == []


def test_an_abort_that_keeps_failing_names_what_is_left(bucket, client, gate):
    gate.answer("^DELETE ", 503, code="ServiceUnavailable", times=100)
    result = run(client)
    assert (result.ok, result.step, result.fault) == (False, Step.ABORT, Fault.SERVER)
    assert set(result.leftover.split(", ")) == {one["UploadId"] for one in bucket.uploads()}


def test_a_beginning_that_was_not_acknowledged_is_found_and_aborted(bucket, client, gate):
    gate.lose_answer("^POST .*uploads")
    result = run(client)
    assert (result.ok, result.step, result.fault) == (False, Step.BEGIN, Fault.SERVER)
    assert bucket.uploads() == []


def test_each_setting_s_fault_is_told_apart(bucket, make_client):
    endpoint, user = bucket.server.endpoint, credential_of(bucket.user)

    def result(url=bucket.url, credential=user):
        return run(make_client(endpoint, url=url, credential=credential))

    wrong = result(credential=Credential(user.access_key_id, "wrong-secret-wrong-secret"))
    assert (wrong.fault, wrong.failure.code) == (Fault.CREDENTIAL, "SignatureDoesNotMatch")
    unknown = result(credential=Credential("AKIAUNKNOWNUNKNOWN00", "x" * 40))
    assert (unknown.fault, unknown.failure.code) == (Fault.CREDENTIAL, "InvalidAccessKeyId")
    assert result(url=f"{endpoint}/{bucket.name}/elsewhere").fault is Fault.ACCESS
    root = Credential(bucket.server.root.access_key, bucket.server.root.secret_key)
    missing = result(url=f"{endpoint}/no-such-bucket/calls", credential=root)
    assert (missing.fault, missing.failure.code) == (Fault.URL, "NoSuchBucket")
    assert "no-such-bucket" in missing.message


def test_an_address_that_is_refused_is_the_url_s_fault():
    location = parse_bucket_url("https://127.0.0.1:9/bucket", allowed_endpoints=["https://127.0.0.1:9"])
    result = verify_destination(Destination(location), credential=Credential("A", "hunter2"), guard=AddressGuard())
    assert (result.ok, result.fault, result.failure.code) == (False, Fault.URL, "AddressRefused")
    assert "loopback" in result.message
    assert "hunter2" not in repr(result)


def test_a_bundle_that_is_none_is_the_url_s_fault():
    location = parse_bucket_url("https://bucket/calls")
    result = verify_destination(
        Destination(location, ca_bundle="x"), credential=Credential("A", "s"), guard=AddressGuard()
    )
    assert (result.ok, result.fault, result.failure.code) == (False, Fault.URL, "InvalidCaBundle")


def test_a_region_that_is_another_is_named(make_client):
    reply = error(301, "PermanentRedirect", "elsewhere", x_amz_bucket_region="eu-west-1")
    with FakeServer(lambda _: reply) as server:
        result = run(make_client(server.endpoint, region="us-west-2"))
    assert (result.fault, result.region) == (Fault.URL, "eu-west-1")
    assert "name that region" in result.message


def test_a_clock_that_is_off_does_not_fail_it(make_client):
    state = {"skewed": True}
    upload = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    parts = (
        b"<ListPartsResult><Part><PartNumber>10000</PartNumber><Size>47</Size><ETag>e</ETag></Part></ListPartsResult>"
    )

    def reply(request):
        if state.pop("skewed", False):
            return error(403, "RequestTimeTooSkewed", "off", Date="Sat, 21 Nov 2026 06:00:00 GMT")
        if "uploadId" in request.target and request.method == "POST":
            return error(404, "NoSuchUpload")
        checksum = request.headers.get("x-amz-checksum-crc64nvme")
        if checksum is not None and state.setdefault("right", checksum) != checksum:
            return error(400, "BadDigest")
        if request.method == "GET":
            return answer(200, parts if "uploadId" in request.target else b"<ListMultipartUploadsResult/>")
        return answer(200, upload) if request.method == "POST" else answer(200, ETag="e")

    with FakeServer(reply) as server:
        result = run(make_client(server.endpoint))
    assert result.ok, result.message
    assert PROBE_NAME in server.requests[-1].target


@pytest.mark.parametrize(
    ("kind", "code", "message", "fault"),
    [
        (FailureClass.HOLD, "KMS.DisabledException", "the key is disabled", Fault.KEY),
        (FailureClass.FATAL, "AccessDenied", "not authorized to perform: kms:GenerateDataKey", Fault.KEY),
        (FailureClass.FATAL, "AccessDenied", "no", Fault.ACCESS),
        (FailureClass.CREDENTIAL, "ExpiredToken", "no", Fault.CREDENTIAL),
        (FailureClass.HOLD, "CertificateRefused", "no", Fault.URL),
        (FailureClass.TRANSIENT, "NameNotResolved", "no", Fault.URL),
        (FailureClass.TRANSIENT, "ReadTimeout", "no", Fault.SERVER),
        (FailureClass.THROTTLED, "SlowDown", "no", Fault.SERVER),
        (FailureClass.REFUSED, "InvalidArgument", "no", Fault.URL),
    ],
)
def test_every_failure_has_one_setting_at_fault_and_a_remedy(kind, code, message, fault):
    found, words = explain(Step.BEGIN, S3Failure(kind, code=code, message=message), where="https://b/")
    assert found is fault
    assert code in words
    assert ":" in words


@pytest.mark.parametrize("step", list(Step))
def test_a_refused_first_step_may_mean_that_there_is_no_such_bucket(step):
    _, words = explain(step, S3Failure(FailureClass.FATAL, code="AccessDenied", message="no"), where="https://b/")
    assert RIGHTS[step] in words
    assert ("does not exist or belongs to somebody else" in words) is (step is Step.LIST_UPLOADS)


def test_every_step_has_its_right():
    assert set(RIGHTS) == set(Step)
