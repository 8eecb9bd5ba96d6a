"""Each answer has one class, and the class is the decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording_storage.domain.error_codes import BY_CODE, BY_STATUS, classify
from recording_storage.domain.failures import Capability, FailureClass, S3Failure
from recording_storage.domain.retry_after import retry_after_of

K = FailureClass


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (500, "", K.TRANSIENT),
        (502, "", K.TRANSIENT),
        (503, "", K.TRANSIENT),
        (504, "", K.TRANSIENT),
        (500, "InternalError", K.TRANSIENT),
        (503, "ServiceUnavailable", K.TRANSIENT),
        (400, "RequestTimeout", K.TRANSIENT),
        (408, "", K.TRANSIENT),
        (409, "", K.TRANSIENT),
        (409, "OperationAborted", K.TRANSIENT),
        (409, "ConditionalRequestConflict", K.TRANSIENT),
        (200, "InternalError", K.TRANSIENT),
        (200, "SomethingNew", K.TRANSIENT),
        (503, "SlowDown", K.THROTTLED),
        (429, "", K.THROTTLED),
        (400, "ThrottlingException", K.THROTTLED),
        (400, "ThrottledByTheMoon", K.THROTTLED),
        (503, "SlowDownRead", K.THROTTLED),
        (503, "SlowDownWrite", K.THROTTLED),
        (200, "SlowDown", K.THROTTLED),
        (403, "RequestTimeTooSkewed", K.TRANSIENT),
        (400, "ExpiredToken", K.CREDENTIAL),
        (403, "InvalidAccessKeyId", K.CREDENTIAL),
        (403, "SignatureDoesNotMatch", K.CREDENTIAL),
        (401, "", K.CREDENTIAL),
        (403, "AccessDenied", K.FATAL),
        (403, "AllAccessDisabled", K.FATAL),
        (400, "KMS.AccessDeniedException", K.FATAL),
        (400, "KMS.AccessDenied", K.FATAL),
        (403, "", K.HOLD),
        (400, "KMS.DisabledException", K.HOLD),
        (400, "KMS.NotFoundException", K.HOLD),
        (400, "KMS.SomethingNew", K.HOLD),
        (404, "NoSuchBucket", K.HOLD),
        (301, "PermanentRedirect", K.HOLD),
        (400, "InvalidBucketName", K.HOLD),
        (404, "", K.HOLD),
        (302, "", K.HOLD),
        (403, "QuotaExceeded", K.HOLD),
        (507, "", K.HOLD),
        (507, "XMinioStorageFull", K.HOLD),
        (404, "NoSuchUpload", K.MULTIPART_LOST),
        (400, "InvalidPart", K.MULTIPART_LOST),
        (400, "InvalidPartOrder", K.MULTIPART_LOST),
        (400, "BadDigest", K.DIGEST),
        (400, "XAmzContentSHA256Mismatch", K.DIGEST),
        (412, "PreconditionFailed", K.PRECONDITION),
        (412, "", K.PRECONDITION),
        (400, "EntityTooLarge", K.FILE),
        (413, "", K.FILE),
        (400, "KeyTooLong", K.FILE),
        (400, "KeyTooLongError", K.FILE),
        (400, "InvalidArgument", K.REFUSED),
        (400, "InvalidRequest", K.REFUSED),
        (400, "InvalidTag", K.REFUSED),
        (400, "SomethingElse", K.REFUSED),
        (400, "", K.REFUSED),
        (418, "", K.REFUSED),
        (431, "", K.REFUSED),
        (501, "NotImplemented", K.UNSUPPORTED),
        (501, "", K.UNSUPPORTED),
        (599, "", K.TRANSIENT),
        (700, "", K.HOLD),
    ],
)
def test_every_row_of_the_table(status, code, expected):
    assert classify(status=status, code=code, headers={}).kind is expected


@pytest.mark.parametrize(
    ("status", "code", "message", "header", "capability"),
    [
        (
            501,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            "If-None-Match",
            Capability.IF_NONE_MATCH,
        ),
        (501, "NotImplemented", "conditional writes are not implemented", "", Capability.IF_NONE_MATCH),
        (400, "InvalidRequest", "Checksum algorithm provided is unsupported.", "", Capability.CHECKSUM),
        (400, "InvalidArgument", "The header x-amz-checksum-algorithm is not known", "", Capability.CHECKSUM),
        (400, "InvalidRequest", "The value of x-amz-mp-object-size is not supported", "", Capability.OBJECT_SIZE),
        (501, "NotImplemented", "", "x-amz-tagging", Capability.TAGGING),
        (400, "InvalidStorageClass", "The storage class you specified is not valid", "", Capability.STORAGE_CLASS),
        (400, "InvalidArgument", "unknown x-amz-storage-class", "", Capability.STORAGE_CLASS),
        (501, "NotImplemented", "", "", None),
    ],
)
def test_what_the_server_lacks_is_read_from_its_words(status, code, message, header, capability):
    verdict = classify(status=status, code=code, message=message, header_named=header, headers={})
    assert (verdict.kind, verdict.capability) == (K.UNSUPPORTED, capability)


@pytest.mark.parametrize("header", ["x-amz-server-side-encryption", "x-amz-expected-bucket-owner"])
def test_a_protection_is_never_dropped(header):
    verdict = classify(status=501, code="NotImplemented", header_named=header, headers={})
    assert (verdict.kind, verdict.capability) == (K.HOLD, None)


@pytest.mark.parametrize(
    ("status", "code", "message", "headers", "region"),
    [
        (301, "PermanentRedirect", "", {"x-amz-bucket-region": "eu-west-1"}, "eu-west-1"),
        (307, "TemporaryRedirect", "", {"x-amz-bucket-region": "eu-west-1"}, "eu-west-1"),
        (
            400,
            "AuthorizationHeaderMalformed",
            "the region 'us-east-1' is wrong; expecting 'eu-central-1'",
            {},
            "eu-central-1",
        ),
        (301, "", "", {"x-amz-bucket-region": "us-gov-west-1"}, "us-gov-west-1"),
    ],
)
def test_another_region_is_named(status, code, message, headers, region):
    verdict = classify(status=status, code=code, message=message, headers=headers)
    assert (verdict.kind, verdict.region) == (K.REGION, region)


@pytest.mark.parametrize("region", ["evil.example/", "eu-west-1.evil.example", "EU-WEST-1", "x" * 200])
def test_what_does_not_look_like_a_region_is_none(region):
    verdict = classify(status=301, code="PermanentRedirect", headers={"x-amz-bucket-region": region})
    assert (verdict.kind, verdict.region) == (K.HOLD, None)


def test_a_region_beside_an_access_denied_changes_nothing():
    verdict = classify(status=403, code="AccessDenied", headers={"x-amz-bucket-region": "eu-west-1"})
    assert (verdict.kind, verdict.region) == (K.FATAL, "eu-west-1")


DATE = "Sat, 21 Nov 2026 06:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        ("Sat, 21 Nov 2026 06:01:00 GMT", 60.0),
        ("Sat, 21 Nov 2026 05:00:00 GMT", 0.0),
        ("999999999999", 86400.0),
        ("soon", None),
        ("-4", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_server_s_clock(value, seconds):
    assert classify(status=503, headers={"retry-after": value, "date": DATE}).retry_after == seconds


def test_a_date_in_an_answer_without_one_of_its_own_counts_by_our_clock():
    headers = {"retry-after": "Thu, 01 Jan 2026 12:01:00 GMT"}
    assert retry_after_of(headers, clock=lambda: 1767268800.0) == 60.0


def test_the_server_s_date_is_read():
    assert classify(status=403, code="RequestTimeTooSkewed", headers={"date": DATE}).server_date == 1795240800.0
    assert classify(status=403, headers={"date": "yesterday"}).server_date is None


@pytest.mark.parametrize(
    ("status", "code", "uncertain"),
    [
        (500, "InternalError", True),
        (504, "", True),
        (200, "InternalError", True),
        (503, "SlowDown", False),
        (409, "OperationAborted", False),
        (403, "RequestTimeTooSkewed", False),
        (403, "AccessDenied", False),
    ],
)
def test_a_server_s_fault_may_have_taken_effect(status, code, uncertain):
    assert classify(status=status, code=code, headers={}).uncertain is uncertain


def test_every_class_is_reached():
    reached = {*BY_CODE.values(), *BY_STATUS.values(), K.REGION}
    assert reached == set(FailureClass)


@given(
    status=st.integers(100, 999),
    code=st.sampled_from(sorted(BY_CODE)) | st.text(max_size=30),
    message=st.text(max_size=100),
    headers=st.dictionaries(st.sampled_from(["date", "retry-after", "x-amz-bucket-region"]), st.text(max_size=40)),
)
def test_any_answer_has_a_class(status, code, message, headers):
    verdict = classify(status=status, code=code, message=message, headers=headers)
    assert isinstance(verdict.kind, FailureClass)
    assert (verdict.kind is K.REGION) <= (verdict.region is not None)
    assert verdict.retry_after is None or verdict.retry_after >= 0


def test_a_failure_tells_operation_code_and_status():
    failure = S3Failure(K.HOLD, code="NoSuchBucket", message="there is none", status=404, operation="PutObject")
    assert str(failure) == "PutObject: NoSuchBucket (HTTP 404): there is none"
    assert repr(failure) == "S3Failure(hold, PutObject: NoSuchBucket (HTTP 404): there is none)"
