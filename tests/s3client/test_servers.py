"""The client on real servers, with no more rights than the feature documents."""

import hashlib
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.s3 import checksums
from recording_storage.s3.types import Credential, Part
from tests.s3.fixtures import create_bucket
from tests.s3.servers import S3Server, User

pytestmark = pytest.mark.slow

K = FailureClass
MIB = 1 << 20


@contextmanager
def fails(*kinds):
    with pytest.raises(S3Failure) as caught:
        yield caught
    assert caught.value.kind in kinds, caught.value


def outcome(call):
    """None, or the class of the failure."""
    try:
        call()
    except S3Failure as failure:
        return failure.kind
    return None


def credential_of(user: User) -> Credential:
    return Credential(user.credentials.access_key, user.credentials.secret_key)


@pytest.fixture
def client(bucket, make_client):
    return make_client(bucket.server.endpoint, url=bucket.url, credential=credential_of(bucket.user))


@pytest.fixture
def file():
    with tempfile.TemporaryFile() as one:
        one.write(os.urandom(12 * MIB + 17))
        one.flush()
        yield one


def slices(file, size=5 * MIB):
    length = os.fstat(file.fileno()).st_size
    return [os.pread(file.fileno(), size, at) for at in range(0, length, size)]


def sha256(file):
    return hashlib.sha256(os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)).hexdigest()


def send(client, key, file, numbers=None):
    upload_id = client.create_multipart(key)
    parts = [
        client.upload_part(key, upload_id=upload_id, number=number, body=body)
        for number, body in enumerate(slices(file), 1)
        if numbers is None or number in numbers
    ]
    return upload_id, parts


KEYS = ["plain.wav", "a b+c.wav", "ü/€.wav", "%41&=?#.wav", "~!*'();:@,[].wav", "a//b.wav", "RE0/.hidden"]


@pytest.mark.parametrize("key", KEYS)
def test_a_put_arrives_whatever_its_key(bucket, client, key):
    if bucket.server.keeps_data and "//" in key:
        pytest.skip("its keys are paths of a file system")
    key = bucket.prefix + key
    stored = client.put_object(key, b"hello", metadata={"recording-sid": "RE1"}, content_type="audio/x-wav")
    head = bucket.admin.head_object(Bucket=bucket.name, Key=key)
    assert bucket.keys() == [key]
    assert bucket.read(key) == b"hello"
    assert (head["Metadata"], head["ContentType"]) == ({"recording-sid": "RE1"}, "audio/x-wav")
    assert head["ETag"].strip('"') == stored.etag


def test_an_empty_object_and_a_small_one(bucket, client):
    body = os.urandom(100_000)
    client.put_object("calls/empty", b"")
    client.put_object("calls/small", memoryview(body))
    assert bucket.read("calls/empty") == b""
    assert bucket.read("calls/small") == body


def test_a_multipart_upload_arrives(bucket, client, file):
    upload_id, parts = send(client, "calls/big", file)
    stored = client.complete_multipart("calls/big", upload_id=upload_id, parts=parts[::-1], if_none_match=True)
    data = bucket.read("calls/big")
    assert hashlib.sha256(data).hexdigest() == sha256(file)
    assert stored.checksum == ("CRC64NVME", checksums.encoded(checksums.crc64nvme(data)))
    assert bucket.uploads() == []


def test_parts_sent_by_threads_arrive(bucket, client, file):
    upload_id = client.create_multipart("calls/big")
    with ThreadPoolExecutor(4) as threads:
        parts = list(
            threads.map(
                lambda numbered: client.upload_part(
                    "calls/big", upload_id=upload_id, number=numbered[0], body=numbered[1]
                ),
                enumerate(slices(file), 1),
            )
        )
    client.complete_multipart("calls/big", upload_id=upload_id, parts=parts)
    assert hashlib.sha256(bucket.read("calls/big")).hexdigest() == sha256(file)


def test_an_upload_is_resumed_by_what_the_server_has(bucket, client, make_client, file):
    upload_id, first = send(client, "calls/big", file, numbers={2})
    client.close()
    other = make_client(bucket.server.endpoint, url=bucket.url, credential=credential_of(bucket.user))
    found = [one for one in other.list_multipart_uploads(prefix="calls/") if one.key == "calls/big"]
    assert [one.upload_id for one in found] == [upload_id]
    listed = other.list_parts("calls/big", upload_id=upload_id)
    assert [(p.number, p.size, p.etag) for p in listed] == [(p.number, p.size, p.etag) for p in first]
    rest = [
        other.upload_part("calls/big", upload_id=upload_id, number=number, body=body)
        for number, body in enumerate(slices(file), 1)
        if number != 2
    ]
    other.complete_multipart("calls/big", upload_id=upload_id, parts=[*first, *rest])
    assert hashlib.sha256(bucket.read("calls/big")).hexdigest() == sha256(file)


def test_a_resumed_upload_is_completed_with_the_listed_parts_alone(bucket, client, file):
    upload_id, _ = send(client, "calls/big", file)
    client.complete_multipart(
        "calls/big", upload_id=upload_id, parts=client.list_parts("calls/big", upload_id=upload_id)
    )
    assert hashlib.sha256(bucket.read("calls/big")).hexdigest() == sha256(file)


def test_a_lost_acknowledgement_of_complete_leads_to_one_object(bucket, gate, make_client, file):
    client = make_client(gate.endpoint, url=bucket.url_at(gate.endpoint), credential=credential_of(bucket.user))
    upload_id, parts = send(client, "calls/big", file)
    gate.lose_answer("^POST .*uploadId=")
    with fails(K.TRANSIENT) as caught:
        client.complete_multipart("calls/big", upload_id=upload_id, parts=parts, if_none_match=True)
    assert caught.value.uncertain
    # the repetition succeeds, or is told in one of two ways that the first one held
    assert outcome(
        lambda: client.complete_multipart("calls/big", upload_id=upload_id, parts=parts, if_none_match=True)
    ) in (
        None,
        K.MULTIPART_LOST,
        K.PRECONDITION,
    )
    assert bucket.keys() == ["calls/big"]
    assert hashlib.sha256(bucket.read("calls/big")).hexdigest() == sha256(file)
    again, parts = send(client, "calls/big", file)
    with fails(K.PRECONDITION):
        client.complete_multipart("calls/big", upload_id=again, parts=parts, if_none_match=True)
    client.abort_multipart("calls/big", upload_id=again)
    assert bucket.uploads() == []


def test_an_abort_leaves_nothing_and_may_be_repeated(bucket, client, file):
    upload_id, _ = send(client, "calls/big", file, numbers={1})
    client.abort_multipart("calls/big", upload_id=upload_id)
    client.abort_multipart("calls/big", upload_id=upload_id)
    assert bucket.uploads() == []
    with fails(K.MULTIPART_LOST):
        client.list_parts("calls/big", upload_id=upload_id)


def test_a_key_that_is_taken_is_not_overwritten(bucket, client):
    client.put_object("calls/x", b"first", if_none_match=True)
    with fails(K.PRECONDITION) as caught:
        client.put_object("calls/x", b"second", if_none_match=True)
    assert caught.value.status == 412
    assert bucket.read("calls/x") == b"first"


def test_parts_that_are_none_are_a_lost_upload(client, file):
    upload_id, parts = send(client, "calls/big", file, numbers={1})
    wrong = Part(7, parts[0].size, parts[0].etag, parts[0].checksum)
    with fails(K.MULTIPART_LOST):
        client.complete_multipart("calls/big", upload_id=upload_id, parts=[wrong])
    client.abort_multipart("calls/big", upload_id=upload_id)


def test_outside_the_folder_access_is_denied(client):
    with fails(K.FATAL):
        client.put_object("elsewhere/x", b"hello")
    with fails(K.FATAL):
        client.create_multipart("elsewhere/x")


def test_without_its_bucket_it_is_a_hold(bucket, make_client):
    server: S3Server = bucket.server
    root = Credential(server.root.access_key, server.root.secret_key)
    client = make_client(server.endpoint, url=f"{server.endpoint}/no-such-bucket/calls", credential=root)
    for call in (
        lambda: client.put_object("calls/x", b"hello"),
        lambda: client.create_multipart("calls/x"),
        lambda: list(client.list_multipart_uploads()),
    ):
        with fails(K.HOLD) as caught:
            call()
        assert caught.value.code == "NoSuchBucket"


def test_an_unknown_or_wrong_key_pair_is_told_apart(bucket, make_client):
    known = bucket.user.credentials.access_key
    for credential, code in (
        (Credential("AKIAUNKNOWNUNKNOWN00", "x" * 40), "InvalidAccessKeyId"),
        (Credential(known, "wrong-secret-wrong-secret"), "SignatureDoesNotMatch"),
    ):
        client = make_client(bucket.server.endpoint, url=bucket.url, credential=credential)
        with fails(K.CREDENTIAL) as caught:
            client.put_object("calls/x", b"hello")
        assert caught.value.code == code
    assert bucket.keys() == []


def test_a_key_pair_that_was_deactivated(bucket, client):
    if not bucket.server.deactivates_keys:
        pytest.skip("this server does not look")
    client.put_object("calls/x", b"hello")
    bucket.server.deactivate_key(bucket.user)
    with fails(K.CREDENTIAL):
        client.put_object("calls/x", b"hello")
    bucket.server.deactivate_key(bucket.user, active=True)
    client.put_object("calls/x", b"hello")


def test_a_server_that_went_away_and_came_back(bucket, gate, make_client):
    client = make_client(gate.endpoint, url=bucket.url_at(gate.endpoint), credential=credential_of(bucket.user))
    client.put_object("calls/x", b"hello")
    gate.refuse()
    with fails(K.TRANSIENT):
        client.put_object("calls/x", b"hello")
    gate.open()
    client.put_object("calls/x", b"hello")


@pytest.fixture
def strict(versity_server):
    """A bucket on the server that checks what it is sent."""
    return create_bucket(versity_server)


@pytest.fixture
def over_tls(versity_tls_server, make_client):
    """A bucket, and a client that trusts its server."""
    bucket = create_bucket(versity_tls_server)
    bundle = versity_tls_server.ca_file.read_text()
    credential = credential_of(bucket.user)
    return bucket, make_client(versity_tls_server.endpoint, url=bucket.url, credential=credential, ca_bundle=bundle)


@pytest.mark.slow
class TestIntegrity:
    def test_a_body_tampered_with_on_its_way_is_refused(self, over_tls):
        bucket, client = over_tls
        with fails(K.DIGEST):
            client.put_object("calls/x", b"hello", sha256=hashlib.sha256(b"other").hexdigest())
        assert bucket.keys() == []

    def test_a_part_tampered_with_on_its_way_is_refused(self, over_tls, monkeypatch):
        bucket, client = over_tls
        original = checksums.crc64nvme
        upload_id = client.create_multipart("calls/x")
        monkeypatch.setattr("recording_storage.s3.checksums.crc64nvme", lambda *a, **k: original(*a, **k) ^ 1)
        with fails(K.DIGEST):
            client.upload_part("calls/x", upload_id=upload_id, number=1, body=b"hello")
        client.abort_multipart("calls/x", upload_id=upload_id)
        assert bucket.uploads() == []

    def test_over_http_the_signature_covers_the_body(self, strict, make_client, monkeypatch):
        client = make_client(strict.server.endpoint, url=strict.url, credential=credential_of(strict.user))
        monkeypatch.setattr(
            "recording_storage.s3.payload.InMemory.sha256", lambda _self: hashlib.sha256(b"other").hexdigest()
        )
        with fails(K.DIGEST):
            client.put_object("calls/x", b"hello")
        assert strict.keys() == []

    def test_a_wrong_checksum_of_the_whole_is_refused(self, strict, make_client, file):
        client = make_client(strict.server.endpoint, url=strict.url, credential=credential_of(strict.user))
        upload_id, parts = send(client, "calls/big", file)
        parts[0] = Part(1, parts[0].size, parts[0].etag, parts[1].checksum)
        with fails(K.DIGEST, K.MULTIPART_LOST):
            client.complete_multipart("calls/big", upload_id=upload_id, parts=parts)
        client.abort_multipart("calls/big", upload_id=upload_id)
        assert strict.keys() == []

    def test_a_clock_an_hour_off_is_put_right(self, strict, make_client):
        client = make_client(
            strict.server.endpoint,
            url=strict.url,
            credential=credential_of(strict.user),
            options={"clock": lambda: time.time() - 3600},
        )
        with fails(K.TRANSIENT) as caught:
            client.put_object("calls/x", b"hello")
        assert caught.value.code == "RequestTimeTooSkewed"
        client.put_object("calls/x", b"hello")
        assert abs(client.clock_offset - 3600) < 5


@pytest.mark.slow
def test_over_tls_with_a_bundle(over_tls, file):
    bucket, client = over_tls
    upload_id, parts = send(client, "calls/big", file)
    client.complete_multipart("calls/big", upload_id=upload_id, parts=parts, if_none_match=True)
    client.put_object("calls/small", os.pread(file.fileno(), 100_000, 0), if_none_match=True)
    assert hashlib.sha256(bucket.read("calls/big")).hexdigest() == sha256(file)
    assert bucket.read("calls/small") == os.pread(file.fileno(), 100_000, 0)
