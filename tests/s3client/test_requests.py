"""What is sent, and what becomes of what a server does not know: headers, capabilities, regions, slices, pages."""

import logging

import pytest

from recording_storage.domain.failures import Capability, FailureClass, S3Failure
from recording_storage.s3.types import Credential, Part
from tests.s3client.fake_server import FakeServer, answer, error
from tests.s3client.replies import OK, K, fails, replies


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
            "x-amz-checksum-sha256": stored.checksum.value,
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
        assert all("x-amz-checksum-sha256" in r.headers for r in server.requests)

    def test_an_unnamed_one_is_found_by_leaving_out(self, make_client):
        with FakeServer(self.lacking("x-amz-tagging", answer(501))) as server:
            client = make_client(server.endpoint, tags={"a": "b"})
            client.put_object("k", b"hello", if_none_match=True)
            client.put_object("k", b"hello", if_none_match=True)
        assert Capability.TAGGING in client.capabilities.missing
        assert Capability.SHA256 not in client.capabilities.missing

    @pytest.mark.parametrize(
        ("unknown", "known", "missing"),
        [
            ("x-amz-checksum-sha256", "x-amz-checksum-crc64nvme", Capability.SHA256),
            ("x-amz-checksum-crc64nvme", "x-amz-checksum-sha256", Capability.CHECKSUM),
        ],
    )
    @pytest.mark.parametrize("words", ["The header {} is not known", "Checksum algorithm provided is unsupported."])
    def test_a_server_that_lacks_one_checksum_is_still_sent_the_other(
        self, make_client, unknown, known, missing, words
    ):
        reply = error(400, "InvalidArgument", words.format(unknown))
        with FakeServer(self.lacking(unknown, reply)) as server:
            client = make_client(server.endpoint)
            for _ in range(2):
                client.put_object("k", b"hello")
                client.upload_part("k", upload_id="u", number=1, body=b"hello")
        assert client.capabilities.missing == {missing}
        assert sum(unknown in request.headers for request in server.requests) == 1
        assert sum(known in request.headers for request in server.requests) == 2

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

    @pytest.mark.parametrize(
        "refusal", [answer(400), error(400, "InvalidArgument"), error(400, "InvalidRequest", "no")]
    )
    @pytest.mark.parametrize(
        ("header", "capability"),
        [
            ("if-none-match", Capability.IF_NONE_MATCH),
            ("x-amz-tagging", Capability.TAGGING),
            ("x-amz-storage-class", Capability.STORAGE_CLASS),
            ("x-amz-checksum-sha256", Capability.SHA256),
        ],
    )
    def test_a_bare_refusal_of_the_first_request_may_be_a_header_s(self, make_client, refusal, header, capability):
        with FakeServer(self.lacking(header, refusal)) as server:
            client = make_client(server.endpoint, tags={"a": "b"}, storage_class="STANDARD_IA")
            for _ in range(2):
                client.put_object("k", b"hello", if_none_match=True)
        assert client.capabilities.missing == {capability}
        assert sum(header in request.headers for request in server.requests) < 5

    def test_a_bare_refusal_is_to_be_asked_back_where_all_has_worked_before(self, make_client):
        with FakeServer(replies(OK, answer(400))) as server:
            client = make_client(server.endpoint, tags={"a": "b"})
            client.put_object("k", b"hello", if_none_match=True)
            with fails(K.REFUSED, "HTTP400"):
                client.put_object("k", b"hello", if_none_match=True)
        assert len(server.requests) == 2
        assert not client.capabilities.missing

    def test_a_bare_refusal_of_everything_costs_no_capability(self, make_client):
        with FakeServer(lambda _: answer(400)) as server:
            client = make_client(server.endpoint)
            with fails(K.REFUSED, "HTTP400"):
                client.put_object("k", b"hello", if_none_match=True)
        assert not client.capabilities.missing

    def test_encryption_is_never_left_out(self, make_client):
        reply = error(501, "NotImplemented", "not implemented", "<Header>x-amz-server-side-encryption</Header>")
        with FakeServer(self.lacking("x-amz-server-side-encryption", reply)) as server, fails(K.HOLD, "NotImplemented"):
            make_client(server.endpoint, sse="S3").put_object("k", b"hello")
        assert len(server.requests) == 1


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
        with fails(K.REFUSED, "InvalidRequest"):
            client.complete_multipart("k", upload_id="u", parts=[Part(1, 5, "e", "AAAAAAAAAAA=")])
    assert not client.capabilities.missing


def test_an_expired_credential_sends_nothing(make_client):
    end = 1_769_860_800.0
    moment = end - 1
    credential = Credential("AKIDEXAMPLE", "hunter2-the-secret-key", None, end)
    with FakeServer(lambda _: answer(200, ETag='"e"')) as server:
        client = make_client(server.endpoint, credential=credential, options={"clock": lambda: moment})
        client.put_object("calls/a.wav", b"x")
        moment = end
        with pytest.raises(S3Failure, match="has expired at 2026-01-31T12:00:00Z") as caught:
            client.put_object("calls/b.wav", b"x")
        assert [request.target for request in server.requests] == ["/bucket/calls/a.wav"]
    assert (caught.value.kind, caught.value.code) == (FailureClass.CREDENTIAL, "ExpiredToken")
    assert not caught.value.uncertain
