"""Whatever a server or the network does becomes one failure with the right decision, and no secret in it."""

import logging
import socket
import threading
import traceback
from pathlib import Path

import pytest

from recording_storage.domain.bucket_url import parse_bucket_url
from recording_storage.domain.failures import S3Failure
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.client import S3Client
from recording_storage.s3.types import Credential, Destination, Part
from tests.s3client.conftest import SECRET
from tests.s3client.fake_server import CLOSE, RESET, STALL, FakeServer, answer, error
from tests.s3client.replies import OK, PARTS, K, fails, replies
from tests.waiting import eventually


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
    with FakeServer(lambda _: STALL) as server, fails(K.TRANSIENT, "ReadTimeout", uncertain=True):
        make_client(server.endpoint, read_timeout=0.3).put_object("k", b"hello")


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


@pytest.mark.parametrize("tls", [False, True])
def test_a_success_before_the_body_s_end_is_none(make_client, certificates, tls):
    certificate = certificates["good"] if tls else None
    bundle = Path(certificates["good"][0]).read_text() if tls else None
    with (
        FakeServer(lambda _: OK, body_limit=1000, certificate=certificate) as server,
        fails(K.TRANSIENT, "ConnectionLost"),
    ):
        make_client(server.endpoint, ca_bundle=bundle).put_object("k", b"x" * (16 << 20))


@pytest.mark.parametrize("tls", [False, True])
def test_a_success_that_is_there_before_the_last_piece_is_sent_is_none(make_client, certificates, tls):
    """The server reads on: nothing breaks."""

    def hasty(request, _read):
        request.drained = True
        return OK

    certificate = certificates["good"] if tls else None
    bundle = Path(certificates["good"][0]).read_text() if tls else None
    with (
        FakeServer(lambda _: OK, early=hasty, certificate=certificate) as server,
        fails(K.TRANSIENT, "ConnectionLost", uncertain=True) as caught,
    ):
        make_client(server.endpoint, ca_bundle=bundle).put_object("k", b"x" * (64 << 20))
    assert "before the whole request was sent" in caught.value.message


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
            for number in range(1, 4):
                client.put_object("k", b"hello")
                eventually(lambda: server.closed == number, what="the server has closed it")  # noqa: B023 - in this round
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
        others = {"x_amz_checksum_crc64nvme": "AAAAAAAAAAA=", "x_amz_checksum_sha256": f"{'A' * 43}="}
        with FakeServer(lambda _: answer(200, ETag="e", **others)) as server:
            client = make_client(server.endpoint)
            with fails(K.DIGEST, "ChecksumMismatch"):
                client.put_object("k", b"hello")
            with fails(K.DIGEST, "ChecksumMismatch"):
                client.upload_part("k", upload_id="u", number=1, body=b"hello")


class TestLooseAnswers:
    """Servers and proxies that S3's clients forgive."""

    BEFORE = (b"", b"\n", b"   \r\n  ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n ", b"\n\xef\xbb\xbf")
    DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'

    @pytest.mark.parametrize("before", BEFORE)
    def test_what_comes_before_the_declaration_is_passed_over(self, make_client, before):
        documents = {
            "POST ?uploads=": b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
            "POST ?uploadId=u": b'<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>',
            "GET ?uploadId=u": b"<ListPartsResult><Part><PartNumber>1</PartNumber><Size>5</Size><ETag>W/&quot;e&quot;"
            b"</ETag></Part></ListPartsResult>",
            "GET ?uploads=": b"<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId></Upload>"
            b"</ListMultipartUploadsResult>",
        }

        def reply(request):
            kind = "uploads=" if "uploads=" in request.target else "uploadId=u"
            return answer(200, before + self.DECLARATION + documents[f"{request.method} ?{kind}"])

        with FakeServer(reply) as server:
            client = make_client(server.endpoint)
            assert client.create_multipart("k") == "u"
            assert client.list_parts("k", upload_id="u") == [Part(1, 5, "e", "")]
            assert [one.upload_id for one in client.list_multipart_uploads()] == ["u"]
            assert client.complete_multipart("k", upload_id="u", parts=PARTS).etag == "e-1"
        assert len(server.requests) == 4

    @pytest.mark.parametrize("before", BEFORE)
    def test_an_error_is_understood_all_the_same(self, make_client, before):
        body = before + self.DECLARATION + b"<Error><Code>NoSuchUpload</Code><Message>no</Message></Error>"
        with FakeServer(lambda _: answer(404, body)) as server, fails(K.MULTIPART_LOST, "NoSuchUpload"):
            make_client(server.endpoint).complete_multipart("k", upload_id="u", parts=PARTS)

    @pytest.mark.parametrize("etag", ['"e"', "e", 'W/"e"', ' W/"e" '])
    def test_an_etag_may_be_weak_or_bare(self, make_client, etag):
        with FakeServer(lambda _: answer(200, ETag=etag)) as server:
            assert make_client(server.endpoint).upload_part("k", upload_id="u", number=1, body=b"hello").etag == "e"


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


def test_no_secret_is_in_what_fails(make_client, caplog):
    leak = f"StringToSign with {SECRET} and hunter3-the-session-token\u202e"
    with FakeServer(lambda _: error(403, "SignatureDoesNotMatch", leak)) as server, caplog.at_level(logging.DEBUG):
        client = make_client(server.endpoint)
        with fails(K.CREDENTIAL) as caught:
            client.put_object("k", b"hello")
    text = "".join(traceback.format_exception(caught.value)) + repr(client) + repr(client.destination) + caplog.text
    assert "hunter" not in text
    assert "\u202e" not in text
