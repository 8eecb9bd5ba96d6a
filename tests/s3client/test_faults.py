"""Whatever a server or the network does becomes one failure with the right decision, and no secret in it."""

import logging
import os
import socket
import tempfile
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import pytest

from recording_storage.domain.bucket_url import parse_bucket_url
from recording_storage.domain.failures import Capability, FailureClass, S3Failure
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.client import S3Client
from recording_storage.s3.types import Credential, Destination, FileSlice, Part
from tests.s3client.conftest import SECRET
from tests.s3client.fake_server import CLOSE, RESET, STALL, FakeServer, answer, error

K = FailureClass
OK = answer(200, ETag='"e"')
COMPLETED = answer(200, b'<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>')
PARTS = [Part(1, 5, "e", "")]


@contextmanager
def fails(kind, code="", *, uncertain=None):
    with pytest.raises(S3Failure) as caught:
        yield caught
    failure = caught.value
    assert failure.kind is kind, failure
    assert not code or failure.code == code
    assert failure.operation
    if uncertain is not None:
        assert failure.uncertain is uncertain


def replies(*each):
    left = list(each)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]


def test_a_put_carries_what_was_asked_for(make_client):
    with FakeServer(lambda _: answer(200, ETag='"e"', x_amz_version_id="v1")) as server:
        client = make_client(
            server.endpoint,
            expected_bucket_owner="111122223333",
            storage_class="STANDARD_IA",
            sse="KMS",
            kms_key_id="arn:k",
            tags={"team": "a b", "x": "ü"},
        )
        stored = client.put_object(
            "calls/a b.wav",
            b"hello",
            metadata={"Recording-Sid": "RE1", "name": "Müller"},
            content_type="audio/wav",
            if_none_match=True,
        )
    request = server.requests[0]
    assert (request.method, request.target, request.body) == ("PUT", "/bucket/calls/a%20b.wav", b"hello")
    assert (stored.etag, stored.version_id) == ("e", "v1")
    assert (
        request.headers.items()
        >= {
            "content-type": "audio/wav",
            "content-length": "5",
            "if-none-match": "*",
            "x-amz-checksum-crc64nvme": stored.checksum,
            "x-amz-expected-bucket-owner": "111122223333",
            "x-amz-meta-recording-sid": "RE1",
            "x-amz-meta-name": "=?utf-8?q?M=C3=BCller?=",
            "x-amz-security-token": "hunter3-the-session-token",
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": "arn:k",
            "x-amz-storage-class": "STANDARD_IA",
            "x-amz-tagging": "team=a+b&x=%C3%BC",
        }.items()
    )
    assert request.headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD", "nothing else protects it over http"


def test_over_tls_the_payload_is_not_hashed(make_client, certificates):
    with FakeServer(lambda _: OK, certificate=certificates["good"]) as server:
        client = make_client(server.endpoint, ca_bundle=Path(certificates["good"][0]).read_text())
        client.put_object("k", b"hello")
        client.put_object("k", b"hello")
    assert {r.headers["x-amz-content-sha256"] for r in server.requests} == {"UNSIGNED-PAYLOAD"}
    assert server.connections == 1


@pytest.mark.parametrize(("name", "says"), [("other", "127.0.0.1"), ("expired", "expired"), ("good", "self-signed")])
def test_a_certificate_that_is_not_trusted_is_a_hold(make_client, certificates, name, says):
    bundle = None if name == "good" else Path(certificates[name][0]).read_text()
    with FakeServer(lambda _: OK, certificate=certificates[name]) as server:
        client = make_client(server.endpoint, ca_bundle=bundle)
        with fails(K.HOLD, "CertificateRefused", uncertain=False) as caught:
            client.put_object("k", b"hello")
    assert says in str(caught.value)
    assert not server.requests


def test_a_bundle_that_is_none_is_a_hold(make_client):
    with pytest.raises(S3Failure) as caught:
        make_client("https://127.0.0.1:1", ca_bundle="no certificate")
    assert (caught.value.kind, caught.value.code) == (K.HOLD, "InvalidCaBundle")


def test_tls_spoken_to_a_plain_server_is_transient(make_client):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            sock, _ = listener.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        with fails(K.TRANSIENT, "TlsFailed", uncertain=False):
            make_client(f"https://127.0.0.1:{listener.getsockname()[1]}").put_object("k", b"hello")


def test_a_refused_connection_is_transient(make_client):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with fails(K.TRANSIENT, "ConnectionRefused", uncertain=False):
        make_client(f"http://127.0.0.1:{port}").put_object("k", b"hello")


def test_a_name_that_does_not_resolve_is_transient(make_client):
    with fails(K.TRANSIENT, "NameNotResolved", uncertain=False):
        make_client("http://nowhere.invalid:9000").put_object("k", b"hello")


def test_a_refused_address_is_a_hold_and_nothing_is_sent():
    with FakeServer(lambda _: OK) as server:
        location = parse_bucket_url(f"{server.endpoint}/bucket", allowed_endpoints=[server.endpoint], allow_http=True)
        client = S3Client(Destination(location), credential=Credential("A", "s"), guard=AddressGuard())
        with fails(K.HOLD, "AddressRefused", uncertain=False):
            client.put_object("k", b"hello")
    assert server.connections == 0


def test_redirects_are_not_followed(make_client):
    with (
        FakeServer(lambda _: OK) as elsewhere,
        FakeServer(lambda _: answer(307, Location=f"{elsewhere.endpoint}/bucket/k")) as server,
        fails(K.HOLD, "HTTP307"),
    ):
        make_client(server.endpoint).put_object("k", b"hello")
    assert elsewhere.connections == 0


def test_a_server_that_stalls_is_given_up(make_client):
    with FakeServer(lambda _: STALL) as server:
        started = time.monotonic()
        with fails(K.TRANSIENT, "ReadTimeout", uncertain=True):
            make_client(server.endpoint, read_timeout=0.3).put_object("k", b"hello")
        assert time.monotonic() - started < 3


def test_a_server_that_takes_no_bytes_is_given_up(make_client):
    with FakeServer(lambda _: STALL, body_limit=1) as server, fails(K.TRANSIENT, "ReadTimeout", uncertain=False):
        make_client(server.endpoint, read_timeout=0.3).put_object("k", b"x" * (16 << 20))


@pytest.mark.parametrize("end", [RESET, CLOSE])
def test_a_connection_that_ends_after_the_request_leaves_it_uncertain(make_client, end):
    with FakeServer(lambda _: end) as server:
        client = make_client(server.endpoint)
        with fails(K.TRANSIENT, "ConnectionLost", uncertain=True):
            client.put_object("k", b"hello")
        with fails(K.TRANSIENT, "ConnectionLost", uncertain=True):
            client.complete_multipart("k", upload_id="u", parts=PARTS)
        with fails(K.TRANSIENT, "ConnectionLost", uncertain=False):
            client.list_parts("k", upload_id="u")
    assert len(server.requests) == 3, "nothing is tried again on a fresh connection"


def test_a_reset_in_the_middle_of_the_body_is_certain(make_client):
    with FakeServer(lambda _: RESET, body_limit=100_000) as server, fails(K.TRANSIENT, uncertain=False):
        make_client(server.endpoint).put_object("k", b"x" * (64 << 20))


def test_an_answer_cut_short_is_uncertain(make_client):
    with (
        FakeServer(lambda _: b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Le", close_after=True) as server,
        fails(K.TRANSIENT, "ConnectionLost", uncertain=True),
    ):
        make_client(server.endpoint).put_object("k", b"hello")


def test_a_refusal_before_the_body_s_end_is_read(make_client):
    with (
        FakeServer(lambda _: error(403, "AccessDenied", "no"), body_limit=1000) as server,
        fails(K.FATAL, "AccessDenied"),
    ):
        make_client(server.endpoint).put_object("k", b"x" * (16 << 20))


def test_what_speaks_no_http_is_transient(make_client):
    with (
        FakeServer(lambda _: b"SSH-2.0-OpenSSH_9\r\n\r\n", close_after=True) as server,
        fails(K.TRANSIENT, uncertain=True),
    ):
        make_client(server.endpoint).put_object("k", b"hello")


class TestStaleConnections:
    """A connection that the server closed while it was idle says nothing of the request that finds it closed."""

    def test_one_seen_closed_is_not_used(self, make_client):
        with FakeServer(lambda _: OK, close_after=True) as server:
            client = make_client(server.endpoint)
            for _ in range(3):
                client.put_object("k", b"hello")
                time.sleep(0.05)
        assert (len(server.requests), server.connections) == (3, 3)

    def test_a_repeatable_request_goes_again_on_a_fresh_one(self, make_client):
        with FakeServer(replies(OK, CLOSE, OK)) as server:
            client = make_client(server.endpoint)
            client.put_object("k", b"hello")
            client.put_object("k", b"hello")
        assert [r.connection for r in server.requests] == [1, 1, 2]

    def test_it_does_so_once(self, make_client):
        with FakeServer(replies(OK, CLOSE)) as server:
            client = make_client(server.endpoint)
            client.put_object("k", b"hello")
            with fails(K.TRANSIENT, uncertain=True):
                client.put_object("k", b"hello")
        assert len(server.requests) == 3

    def test_a_complete_is_not_repeated_blindly(self, make_client):
        with FakeServer(replies(OK, CLOSE)) as server:
            client = make_client(server.endpoint)
            client.put_object("k", b"hello")
            with fails(K.TRANSIENT, "ConnectionLost", uncertain=True):
                client.complete_multipart("k", upload_id="u", parts=PARTS)
        assert len(server.requests) == 2

    def test_a_conditional_put_is_not_repeated_blindly(self, make_client):
        with FakeServer(replies(OK, CLOSE)) as server:
            client = make_client(server.endpoint)
            client.put_object("k", b"hello")
            with fails(K.TRANSIENT, uncertain=True):
                client.put_object("k", b"hello", if_none_match=True)
        assert len(server.requests) == 2


class TestSuccessThatIsNone:
    def test_an_error_in_the_body_of_a_complete(self, make_client):
        with (
            FakeServer(lambda _: error(200, "InternalError", "We encountered an internal error")) as server,
            fails(K.TRANSIENT, "InternalError", uncertain=True),
        ):
            make_client(server.endpoint).complete_multipart("k", upload_id="u", parts=PARTS)

    @pytest.mark.parametrize("body", [b"", b"<html>Welcome</html>", b"<x", b"<CompleteMultipartUploadResult/>"])
    def test_a_complete_without_result_is_uncertain(self, make_client, body):
        with FakeServer(lambda _: answer(200, body)) as server, fails(K.TRANSIENT, "InvalidAnswer", uncertain=True):
            make_client(server.endpoint).complete_multipart("k", upload_id="u", parts=PARTS)

    def test_a_put_without_etag_reached_no_s3_server(self, make_client):
        with FakeServer(lambda _: answer(200, b"<html>Welcome to the Wi-Fi</html>")) as server:
            client = make_client(server.endpoint)
            with fails(K.HOLD, "InvalidAnswer"):
                client.put_object("k", b"hello")
            with fails(K.HOLD, "InvalidAnswer"):
                client.upload_part("k", upload_id="u", number=1, body=b"hello")
            with fails(K.HOLD, "InvalidAnswer"):
                client.create_multipart("k")
            with fails(K.HOLD, "InvalidAnswer"):
                list(client.list_multipart_uploads())

    def test_another_checksum_is_a_digest_failure(self, make_client):
        with FakeServer(lambda _: answer(200, ETag="e", x_amz_checksum_crc64nvme="AAAAAAAAAAA=")) as server:
            client = make_client(server.endpoint)
            with fails(K.DIGEST, "ChecksumMismatch"):
                client.put_object("k", b"hello")
            with fails(K.DIGEST, "ChecksumMismatch"):
                client.upload_part("k", upload_id="u", number=1, body=b"hello")


class TestCapabilities:
    def lacking(self, header, reply):
        return lambda request: reply if header in request.headers else OK

    def test_a_named_one_is_dropped_and_stays_dropped(self, make_client, caplog):
        reply = error(
            501, "NotImplemented", "A header you provided is not implemented", "<Header>If-None-Match</Header>"
        )
        with FakeServer(self.lacking("if-none-match", reply)) as server:
            client = make_client(server.endpoint)
            with caplog.at_level(logging.WARNING):
                for _ in range(3):
                    client.put_object("k", b"hello", if_none_match=True)
        assert client.capabilities.missing == {Capability.IF_NONE_MATCH}
        assert len(server.requests) == 4
        assert len(caplog.records) == 1
        assert all("x-amz-checksum-crc64nvme" in r.headers for r in server.requests)

    def test_an_unnamed_one_is_found_by_leaving_out(self, make_client):
        with FakeServer(self.lacking("x-amz-tagging", answer(501))) as server:
            client = make_client(server.endpoint, tags={"a": "b"})
            client.put_object("k", b"hello", if_none_match=True)
            client.put_object("k", b"hello", if_none_match=True)
        assert Capability.TAGGING in client.capabilities.missing
        assert Capability.CHECKSUM not in client.capabilities.missing

    def test_an_unknown_checksum_is_dropped(self, make_client):
        reply = error(400, "InvalidRequest", "Checksum algorithm provided is unsupported")
        with FakeServer(self.lacking("x-amz-checksum-crc64nvme", reply)) as server:
            client = make_client(server.endpoint)
            assert client.upload_part("k", upload_id="u", number=1, body=b"hello").checksum == ""
        assert client.capabilities.missing == {Capability.CHECKSUM}

    def test_what_can_t_be_left_out_is_a_hold(self, make_client):
        with FakeServer(lambda _: answer(501)) as server:
            client = make_client(server.endpoint)
            with fails(K.HOLD, "HTTP501"):
                client.put_object("k", b"hello", if_none_match=True)
        assert not client.capabilities.missing, "a guess that did not help is none"

    def test_encryption_is_never_left_out(self, make_client):
        reply = error(501, "NotImplemented", "not implemented", "<Header>x-amz-server-side-encryption</Header>")
        with FakeServer(self.lacking("x-amz-server-side-encryption", reply)) as server, fails(K.HOLD, "NotImplemented"):
            make_client(server.endpoint, sse="S3").put_object("k", b"hello")
        assert len(server.requests) == 1


class TestClock:
    def test_the_server_s_time_is_learnt(self, make_client):
        now = 1_795_240_800.0 - 7200
        skewed = error(403, "RequestTimeTooSkewed", "too far", Date="Sat, 21 Nov 2026 06:00:00 GMT")
        with FakeServer(replies(skewed, OK)) as server:
            client = make_client(server.endpoint, options={"clock": lambda: now})
            with fails(K.TRANSIENT, "RequestTimeTooSkewed", uncertain=False):
                client.put_object("k", b"hello")
            client.put_object("k", b"hello")
        assert client.clock_offset == 7200
        assert [r.headers["x-amz-date"] for r in server.requests] == ["20261121T040000Z", "20261121T060000Z"]


class TestRegions:
    WRONG = error(400, "AuthorizationHeaderMalformed", "expecting 'eu-west-1'", "<Region>eu-west-1</Region>")

    def by_region(self, request):
        return OK if "/eu-west-1/s3/" in request.headers["authorization"] else self.WRONG

    def test_one_that_nobody_named_is_learnt(self, make_client):
        with FakeServer(self.by_region) as server:
            client = make_client(server.endpoint)
            client.put_object("k", b"hello", if_none_match=True)
            client.put_object("k", b"hello")
        assert client.location.region == "eu-west-1"
        assert len(server.requests) == 3

    def test_one_that_was_named_is_not_replaced(self, make_client):
        with FakeServer(self.by_region) as server:
            client = make_client(server.endpoint, region="us-west-2")
            with fails(K.REGION, uncertain=False) as caught:
                client.put_object("k", b"hello")
        assert caught.value.region == "eu-west-1"

    def test_a_server_that_sends_us_round_is_left(self, make_client):
        with FakeServer(lambda _: self.WRONG) as server, fails(K.HOLD):
            make_client(server.endpoint).put_object("k", b"hello")
        assert len(server.requests) == 2


class TestFiles:
    def test_a_file_that_is_shorter_is_read_again(self, make_client):
        with FakeServer(lambda _: OK) as server, tempfile.TemporaryFile() as file:
            file.write(b"hello")
            file.flush()
            with fails(K.DIGEST, "FileChanged"):
                make_client(server.endpoint).put_object("k", FileSlice(file.fileno(), 0, 6))
        assert not server.requests

    def test_a_file_that_can_t_be_read_is_the_file_s_fault(self, make_client, tmp_path):
        fd = os.open(tmp_path, os.O_RDONLY)
        try:
            with fails(K.FILE, "FileUnreadable"):
                make_client("http://127.0.0.1:1").put_object("k", FileSlice(fd, 0, 6))
        finally:
            os.close(fd)

    def test_a_body_that_fails_half_way_leaves_no_connection_behind(self, make_client, monkeypatch):
        monkeypatch.setattr("recording_storage.s3.payload.BUFFERED", 1000)
        monkeypatch.setattr("recording_storage.s3.payload.PIECE", 64 << 10)
        with FakeServer(lambda _: OK) as server, tempfile.TemporaryFile() as file:
            file.write(os.urandom(1_000_000))
            file.flush()
            client = make_client(server.endpoint)
            client.put_object("k", b"hello")
            original = os.preadv
            calls = []

            def truncated(fd, buffers, offset):
                calls.append(offset)
                return 0 if len(calls) > 20 else original(fd, buffers, offset)

            monkeypatch.setattr("os.preadv", truncated)
            with fails(K.DIGEST, "FileChanged"):
                client.put_object("k", FileSlice(file.fileno(), 0, 1_000_000))
            monkeypatch.setattr("os.preadv", original)
            client.put_object("k", b"hello")
        assert [r.connection for r in server.requests if r.complete] == [1, 2]


class TestLists:
    def test_pages_are_followed_and_keys_decoded(self, make_client):
        key = "calls/a%2Bb+%C3%BC"
        first = f"<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>u1</NextUploadIdMarker>"

        def reply(request):
            number, more = (2, "") if "key-marker" in request.target else (1, f"<IsTruncated>true</IsTruncated>{first}")
            upload = f"<Key>{key}</Key><UploadId>u{number}</UploadId><Initiated>2026-11-21T06:00:00.000Z</Initiated>"
            return answer(
                200,
                f"<ListMultipartUploadsResult><EncodingType>url</EncodingType><Upload>{upload}</Upload>{more}"
                "</ListMultipartUploadsResult>".encode(),
            )

        with FakeServer(reply) as server:
            found = list(make_client(server.endpoint).list_multipart_uploads(prefix="calls/"))
        assert [(one.key, one.upload_id, one.initiated) for one in found] == [
            ("calls/a+b ü", "u1", 1795240800.0),
            ("calls/a+b ü", "u2", 1795240800.0),
        ]
        assert "key-marker=calls%2Fa%2Bb%20%C3%BC" in server.requests[1].target

    def test_a_list_that_never_ends_is_left(self, make_client):
        marker = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>"
        body = f"<ListPartsResult>{marker}</ListPartsResult>".encode()
        with FakeServer(lambda _: answer(200, body)) as server:
            assert make_client(server.endpoint).list_parts("k", upload_id="u") == []
        assert len(server.requests) == 2

    def test_numbers_that_are_none(self, make_client):
        body = b"<ListPartsResult><Part><PartNumber>x</PartNumber><Size>1</Size></Part></ListPartsResult>"
        with FakeServer(lambda _: answer(200, body)) as server, fails(K.HOLD, "InvalidAnswer"):
            make_client(server.endpoint).list_parts("k", upload_id="u")


def test_aborting_what_is_gone_is_success(make_client):
    with FakeServer(lambda _: error(404, "NoSuchUpload")) as server:
        make_client(server.endpoint).abort_multipart("k", upload_id="u")


def test_no_secret_is_in_what_fails(make_client, caplog):
    leak = f"StringToSign with {SECRET} and hunter3-the-session-token\u202e"
    with FakeServer(lambda _: error(403, "SignatureDoesNotMatch", leak)) as server, caplog.at_level(logging.DEBUG):
        client = make_client(server.endpoint)
        with fails(K.CREDENTIAL) as caught:
            client.put_object("k", b"hello")
    text = "".join(traceback.format_exception(caught.value)) + repr(client) + repr(client.destination) + caplog.text
    assert "hunter" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("metadata", [{"bad name": "x"}, {"x": "a\r\nEvil: y"}, {"": "x"}])
def test_metadata_that_is_no_header_is_refused(make_client, metadata):
    with pytest.raises(ValueError, match="metadata"):
        make_client("http://127.0.0.1:1").put_object("k", b"hello", metadata=metadata)


@pytest.mark.parametrize("content_type", ["", "a/b\r\nEvil: y", "ü/x"])
def test_a_media_type_that_is_no_header_is_refused(make_client, content_type):
    with pytest.raises(ValueError, match="media type"):
        make_client("http://127.0.0.1:1").put_object("k", b"hello", content_type=content_type)


@pytest.mark.parametrize("option", ["storage_class", "expected_bucket_owner", "kms_key_id"])
@pytest.mark.parametrize("value", ["a\r\nEvil: y", "ü", " x"])
def test_an_option_that_is_no_header_is_a_hold(make_client, option, value):
    with pytest.raises(S3Failure) as caught:
        make_client("http://127.0.0.1:1", sse="KMS", **{option: value})
    assert (caught.value.kind, caught.value.code) == (K.HOLD, "InvalidOption")


@pytest.mark.parametrize(
    "credential", [Credential("A\r\nEvil: y", "s"), Credential("", "s"), Credential("A", "s", "t\n")]
)
def test_a_key_pair_that_is_no_header_is_refused(make_client, credential):
    with pytest.raises(S3Failure) as caught:
        make_client("http://127.0.0.1:1", credential=credential)
    assert caught.value.kind is K.CREDENTIAL


def test_long_metadata_stays_on_one_line(make_client):
    with FakeServer(lambda _: OK) as server:
        make_client(server.endpoint).put_object("k", b"hello", metadata={"name": "Überraschung " * 40})
    assert server.requests[0].headers["x-amz-meta-name"].startswith("=?utf-8?")


@pytest.mark.parametrize(("status", "kind"), [(307, K.TRANSIENT), (301, K.HOLD)])
def test_a_redirect_to_where_we_are(make_client, status, kind):
    reply = error(status, "TemporaryRedirect", "there", x_amz_bucket_region="eu-west-1")
    with FakeServer(lambda _: reply) as server, fails(kind):
        make_client(server.endpoint, region="eu-west-1").put_object("k", b"hello")
    assert len(server.requests) == 1


def test_a_refusal_on_other_grounds_costs_no_capability(make_client):
    reply = error(400, "InvalidRequest", "The complete request must include the checksum for each part")
    with FakeServer(lambda _: reply) as server:
        client = make_client(server.endpoint)
        with fails(K.FILE, "InvalidRequest"):
            client.complete_multipart("k", upload_id="u", parts=[Part(1, 5, "e", "AAAAAAAAAAA=")])
    assert not client.capabilities.missing
