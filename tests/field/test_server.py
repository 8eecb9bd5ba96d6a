"""The scriptable server stores as S3 does, and does what it is told to at the moment it is told."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from recording_storage.domain.bucket_url import parse_bucket_url
from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.client import S3Client
from recording_storage.s3.types import Credential, Destination, Part
from recording_storage.s3.verify import verify
from recording_storage.uploader.transfer.worker_pool import MAX_CONCURRENCY
from tests.field.actions import corrupt, lose, refuse, rewrite, stall, strip_request, succeed_early
from tests.field.exchange import Exchange, Moment, Operation
from tests.field.integrity import Check, Vouching, crc64nvme, everything, md5, sha256
from tests.field.server import FieldBucket, FieldServer
from tests.s3client.replies import fails
from tests.uploader.spools import MIB, SpoolFolder
from tests.waiting import SOON


@pytest.fixture
def client(field_bucket: FieldBucket):
    location = parse_bucket_url(field_bucket.url, allowed_endpoints=[field_bucket.server.endpoint], allow_http=True)
    who = field_bucket.credentials
    client = S3Client(
        Destination(location),
        credential=Credential(who.access_key, who.secret_key),
        guard=AddressGuard([field_bucket.server.endpoint]),
    )
    yield client
    client.close()


def test_an_uploader_finds_nothing_odd_about_it(field: FieldServer, field_spool: SpoolFolder) -> None:
    field.vouching = everything()
    for number in range(2 * MAX_CONCURRENCY):  # the first ones go in a part, until more is known of the server
        field_spool.put(f"{number}.wav", 2000)
    field_spool.put("b.mkv", 20 * MIB)
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    field_spool.check_all_stored()
    sent = {one.operation for one in field.seen(status=200)}
    assert sent >= {Operation.PUT, Operation.BEGIN, Operation.PART, Operation.COMPLETE}


def test_it_speaks_tls(tmp_path: Path) -> None:
    with FieldServer(pki=tmp_path / "pki") as server:
        spool = SpoolFolder(tmp_path / "spool", server.bucket())
        spool.put("a.wav", 2000)
        assert spool.once().returncode == 0
        spool.check_all_stored()


def test_it_passes_the_verify_sequence_and_keeps_nothing(client: S3Client, field_bucket: FieldBucket) -> None:
    assert verify(client, prefix="calls/").ok
    assert (field_bucket.keys(), field_bucket.uploads()) == ([], [])


class TestObjects:
    def test_a_key_is_taken_once(self, client: S3Client, field_bucket: FieldBucket) -> None:
        client.put_object("k", b"first", metadata={"recording-sid": "RE1"}, if_none_match=True)
        with fails(FailureClass.PRECONDITION):
            client.put_object("k", b"second", if_none_match=True)
        assert field_bucket.read("k") == b"first"
        assert field_bucket.objects["k"].metadata == {"recording-sid": "RE1"}
        assert field_bucket.storage.overwritten == []

    def test_a_bucket_that_ignores_the_condition_tells_the_test(self, client, field_bucket: FieldBucket) -> None:
        field_bucket.storage.honours_if_none_match = False
        for body in (b"first", b"second"):
            client.put_object("k", body, if_none_match=True)
        assert field_bucket.read("k") == b"second"
        assert field_bucket.storage.overwritten == ["k"]

    def test_parts_become_an_object_and_the_upload_is_gone(self, client, field_bucket: FieldBucket) -> None:
        upload = client.create_multipart("k")
        bodies = [b"a" * (5 * MIB), b"b"]
        parts = [
            client.upload_part("k", upload_id=upload, number=number, body=body)
            for number, body in enumerate(bodies, start=1)
        ]
        assert [part.size for part in client.list_parts("k", upload_id=upload)] == [5 * MIB, 1]
        client.complete_multipart("k", upload_id=upload, parts=parts, if_none_match=True)
        assert field_bucket.read("k") == b"".join(bodies)
        with fails(FailureClass.MULTIPART_LOST, "NoSuchUpload"):
            client.complete_multipart("k", upload_id=upload, parts=parts)

    @pytest.mark.parametrize(
        ("named", "code"),
        [([Part(1, 1, "0" * 32, "")], "InvalidPart"), ([], "EntityTooSmall"), ([Part(2, 1, "x", "")], "InvalidPart")],
    )
    def test_a_completion_that_names_other_parts_is_refused(self, client, named: list[Part], code: str) -> None:
        upload = client.create_multipart("k")
        client.upload_part("k", upload_id=upload, number=1, body=b"x")
        with fails(FailureClass.MULTIPART_LOST, code):
            client.complete_multipart("k", upload_id=upload, parts=named)

    def test_parts_beyond_its_limit_are_refused(self, client, field_bucket: FieldBucket) -> None:
        field_bucket.storage.part_limit = 3
        upload = client.create_multipart("k")
        client.upload_part("k", upload_id=upload, number=3, body=b"x")
        with pytest.raises(S3Failure, match="between 1 and 3"):
            client.upload_part("k", upload_id=upload, number=4, body=b"x")

    def test_another_bucket_is_none(self, client: S3Client, field: FieldServer) -> None:
        field.buckets.clear()
        with fails(FailureClass.HOLD, "NoSuchBucket"):
            client.put_object("k", b"x")


class TestIntegrity:
    """What is checked is refused when it is wrong; what isn't goes in as it came."""

    @pytest.mark.parametrize("check", Check)
    @pytest.mark.parametrize(
        ("header", "compute"),
        [("x-amz-checksum-crc64nvme", crc64nvme), ("x-amz-checksum-sha256", sha256), ("content-md5", md5)],
    )
    def test_of_a_part(self, client, field: FieldServer, check: Check, header: str, compute) -> None:
        name = header.rsplit("-", maxsplit=1)[-1]

        def put(said: str) -> Exchange:
            def claim(exchange: Exchange) -> None:
                exchange.headers.pop("x-amz-checksum-crc64nvme", None)
                exchange.headers[header] = said

            rule = field.on(Operation.PART, claim)
            with suppress(S3Failure):
                client.upload_part("k", upload_id=upload, number=1, body=b"body")
            field.mend(rule)
            return field.seen(Operation.PART)[-1]

        field.vouching = Vouching(**{name: check})
        upload = client.create_multipart("k")
        right, wrong = put(compute(b"body")), put(compute(b"other"))
        assert right.status == 200
        assert right.answer.headers.get(header) == (
            compute(b"body") if check in {Check.ECHO, Check.CHECK} and name != "md5" else None
        )
        assert wrong.status == (400 if check in {Check.CHECK, Check.STRIP} else 200)

    @pytest.mark.parametrize(("check", "status"), [(Check.CHECK, 400), (Check.IGNORE, 200)])
    def test_of_the_payload_that_is_signed(self, client, field: FieldServer, check: Check, status: int) -> None:
        field.vouching = Vouching(payload=check)
        field.on(Operation.PUT, corrupt)
        with suppress(S3Failure):
            client.put_object("k", b"body")
        assert field.seen(Operation.PUT)[0].status == status

    def test_a_body_that_arrives_otherwise_is_stored_so_where_nothing_is_checked(self, client, field, field_bucket):
        field.vouching = Vouching()
        field.on(Operation.PUT, corrupt)
        client.put_object("k", b"body")
        assert field_bucket.read("k") == b"cody"


class TestRules:
    def test_a_refusal_happens_as_often_as_it_is_told_to(self, client, field: FieldServer) -> None:
        rule = field.on(Operation.PUT, refuse(503, "SlowDown"), skip=1, times=2, every=2)
        got = []
        for number in range(6):
            try:
                client.put_object(f"k{number}", b"x")
                got.append("ok")
            except S3Failure as failure:
                got.append(failure.code)
        assert got == ["ok", "SlowDown", "ok", "SlowDown", "ok", "ok"]
        assert (rule.hits, rule.acted) == (6, 2)

    def test_an_early_refusal_is_heard_by_who_still_sends(self, client, field: FieldServer, field_bucket) -> None:
        field.on(Operation.PUT, refuse(403, "AccessDenied", "no"), at=Moment.HEAD)
        with fails(FailureClass.FATAL, "AccessDenied"):
            client.put_object("k", b"x" * (16 * MIB))
        assert field_bucket.keys() == []

    def test_an_early_success_stores_nothing(self, client, field: FieldServer, field_bucket) -> None:
        rule = field.on(Operation.PUT, succeed_early(), at=Moment.HEAD, reads=1000, times=1)
        with suppress(S3Failure):
            client.put_object("k", b"x" * (16 * MIB))
        assert rule.met.is_set()
        assert field_bucket.keys() == []

    @pytest.mark.parametrize(("moment", "keys"), [(Moment.BODY, []), (Moment.ANSWER, ["k"])])
    def test_an_answer_is_lost_before_or_after_the_deed(self, client, field, field_bucket, moment, keys) -> None:
        field.on(Operation.PUT, lose, at=moment)
        with fails(FailureClass.TRANSIENT, "ConnectionLost", uncertain=True):
            client.put_object("k", b"x", if_none_match=True)
        assert field_bucket.keys() == keys

    def test_what_stalls_goes_on_when_it_is_let(self, client, field: FieldServer, field_bucket) -> None:
        go = threading.Event()
        rule = field.on(Operation.PUT, stall(go))
        sender = threading.Thread(target=client.put_object, args=("k", b"x"))
        sender.start()
        assert rule.met.wait(SOON)
        assert field_bucket.keys() == []
        go.set()
        sender.join(30)
        assert field_bucket.keys() == ["k"]

    def test_headers_and_answers_change_on_the_way(self, client, field: FieldServer) -> None:
        field.vouching = everything()
        seen = {}
        field.on(Operation.PUT, strip_request("x-amz-checksum-sha256"), at=Moment.HEAD)
        field.on(Operation.PUT, lambda exchange: seen.update(exchange.headers))
        field.on(Operation.BEGIN, rewrite(lambda _: b"<html/>"), at=Moment.ANSWER)
        client.put_object("k", b"x")
        assert "x-amz-checksum-sha256" not in seen
        assert "x-amz-content-sha256" in seen
        with fails(FailureClass.HOLD, "InvalidAnswer"):
            client.create_multipart("k")

    def test_what_is_mended_is_forgotten(self, client, field: FieldServer, field_bucket) -> None:
        one, other = (field.on(Operation.PUT, refuse(status), when=lambda _: True) for status in (500, 501))
        field.mend(one)
        field.mend(other)
        client.put_object("k", b"x")
        assert field_bucket.keys() == ["k"]

    def test_connections_beyond_its_limit_are_cut(self) -> None:
        with FieldServer(connection_limit=1) as server:
            where = "127.0.0.1", urlsplit(server.endpoint).port
            with socket.create_connection(where):
                # it may be cut before it is known to be there
                with suppress(ConnectionResetError), socket.create_connection(where, timeout=SOON) as second:
                    assert second.recv(1) == b""
                assert server.connections == 1
