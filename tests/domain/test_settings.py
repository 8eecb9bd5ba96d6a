"""Recording settings: what a POST may say, what it keeps, and what has to be proved again."""

import json
from dataclasses import replace

import pytest

from recording_storage.domain.bucket_url import parse_bucket_url
from recording_storage.domain.policy import FatalErrorPolicy, ObjectMetadata, ServerSideEncryption
from recording_storage.domain.settings import RecordingSettings, destination_id
from recording_storage.domain.settings_parameters import SettingsError
from recording_storage.domain.states import Product

CR = "CR" + "0" * 32
ENABLED = RecordingSettings(
    friendly_name="production",
    aws_credentials_sid=CR,
    aws_s3_url="https://bucket.s3.eu-west-1.amazonaws.com/calls",
    aws_storage_enabled=True,
)
DEFAULTS = RecordingSettings()
VOICE = Product.VOICE
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def post(settings: RecordingSettings = DEFAULTS, **parameters: str) -> RecordingSettings:
    return settings.updated({"FriendlyName": "x"} | parameters)


@pytest.mark.parametrize(
    ("parameter", "text", "field", "value"),
    [
        ("FriendlyName", " production ", "friendly_name", "production"),
        ("AwsCredentialsSid", CR, "aws_credentials_sid", CR),
        ("AwsStorageEnabled", "True", "aws_storage_enabled", True),
        ("EncryptionEnabled", "false", "encryption_enabled", False),
        ("Region", "eu-central-1", "region", "eu-central-1"),
        ("CaBundle", CERTIFICATE.replace("\n", "\r\n"), "ca_bundle", CERTIFICATE),
        ("ExpectedBucketOwner", "123456789012", "expected_bucket_owner", "123456789012"),
        ("RetryWindow", "90m", "retry_window", "90m"),
        ("RetryWindow", "7200", "retry_window", "7200s"),
        ("RetryWindow", "", "retry_window", "2h"),
        ("FatalErrorPolicy", "Delete", "fatal_error_policy", FatalErrorPolicy.DELETE),
        ("DenialGrace", "0", "denial_grace", "0s"),
        ("DenialGrace", "1h30m", "denial_grace", "1h30m"),
        ("DenialGrace", "", "denial_grace", "10m"),
        ("KeyTemplate", "{year}/{recording_sid}{ext}", "key_template", "{year}/{recording_sid}{ext}"),
        ("KeyTemplate", "", "key_template", "{recording_sid}{ext}"),
        ("StorageClass", "STANDARD_IA", "storage_class", "STANDARD_IA"),
        ("StorageClass", "", "storage_class", "STANDARD"),
        ("ServerSideEncryption", "S3", "server_side_encryption", ServerSideEncryption.S3),
        ("Tags", '{"team": "a b"}', "tags", {"team": "a b"}),
        ("Tags", "", "tags", {}),
        ("ObjectMetadata", "All", "object_metadata", ObjectMetadata.ALL),
        ("ObjectMetadata", "", "object_metadata", ObjectMetadata.SIDS),
        ("TrustUnverified", "True", "trust_unverified", True),
        ("TrustUnverified", "false", "trust_unverified", False),
        ("TrustUnverified", "", "trust_unverified", False),
        ("StatusCallback", "https://example.com/cb?x=1", "status_callback", "https://example.com/cb?x=1"),
        ("StatusCallbackMethod", "get", "status_callback_method", "GET"),
    ],
)
def test_what_is_taken(parameter: str, text: str, field: str, value: object):
    assert getattr(post(**{parameter: text}), field) == value


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        ("FriendlyName", ""),
        ("FriendlyName", "x" * 257),
        ("FriendlyName", "a\nb"),
        ("AwsCredentialsSid", "CR1"),
        ("AwsCredentialsSid", "AC" + "0" * 32),
        ("EncryptionKeySid", "x"),
        ("AwsStorageEnabled", "yes"),
        ("AwsStorageEnabled", ""),
        ("AwsS3Url", "https://" + "x" * 3000),
        ("Region", "eu west"),
        ("CaBundle", "x"),
        ("CaBundle", CERTIFICATE + "-----BEGIN PRIVATE KEY-----\n"),
        ("ExpectedBucketOwner", "1"),
        ("RetryWindow", "soon"),
        ("RetryWindow", "-1h"),
        ("RetryWindow", "366d"),
        ("RetryWindow", "9" * 400),
        ("FatalErrorPolicy", "delete"),
        ("DenialGrace", "never"),
        ("DenialGrace", "366d"),
        ("KeyTemplate", "{call_sid}"),
        ("KeyTemplate", "{unknown}{recording_sid}"),
        ("StorageClass", "cold"),
        ("ServerSideEncryption", "AES256"),
        ("KmsKeyId", "arn:aws:kms:x"),
        ("ServerSideEncryption", "KMS"),
        ("Tags", "[1]"),
        ("Tags", '{"a": 1}'),
        ("Tags", '{"aws:a": "1"}'),
        ("Tags", json.dumps({str(number): "" for number in range(11)})),
        ("Tags", "{" * 5000),
        ("ObjectMetadata", "all"),
        ("TrustUnverified", "yes"),
        ("StatusCallback", "example.com"),
        ("StatusCallback", "ftp://example.com"),
        ("StatusCallback", "http://[::1"),
        ("StatusCallback", "http://h:99999/"),
        ("StatusCallbackMethod", "PUT"),
    ],
)
def test_what_is_refused_is_named(parameter: str, text: str):
    with pytest.raises(SettingsError) as refused:
        post(**{parameter: text})
    assert parameter in str(refused.value) or "KmsKeyId" in str(refused.value)
    assert len(str(refused.value)) < 400


def test_the_friendly_name_is_required_each_time():
    with pytest.raises(SettingsError, match="FriendlyName"):
        ENABLED.updated({"AwsStorageEnabled": "false"})


def test_what_is_omitted_keeps_its_value_and_what_is_empty_goes():
    after = post(ENABLED, Region="eu-west-1")
    assert after == replace(ENABLED, friendly_name="x", region="eu-west-1")
    assert post(after, Region="", AwsCredentialsSid="").region == ""


def test_unknown_parameters_are_no_fault():
    assert post(Bogus="1") == post()


def test_values_of_another_version_are_read():
    values = ENABLED.to_values() | {"of_a_newer_version": 1}
    del values["tags"]
    assert RecordingSettings.from_values(json.loads(json.dumps(values))) == ENABLED


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({}, False),
        ({"friendly_name": "y"}, False),
        ({"retry_window": "5m"}, False),
        ({"denial_grace": "5m"}, False),
        ({"fatal_error_policy": FatalErrorPolicy.DELETE}, False),
        ({"key_template": "{recording_sid}"}, False),
        ({"status_callback": "https://example.com"}, False),
        ({"encryption_enabled": True}, False),
        ({"aws_storage_enabled": False, "aws_s3_url": "https://other-bucket.s3.amazonaws.com"}, False),
        ({"aws_s3_url": "https://other-bucket.s3.amazonaws.com"}, True),
        ({"aws_credentials_sid": "CR" + "1" * 32}, True),
        ({"region": "eu-west-1"}, True),
        ({"ca_bundle": CERTIFICATE}, True),
        ({"expected_bucket_owner": "123456789012"}, True),
        ({"storage_class": "GLACIER_IR"}, True),
        ({"server_side_encryption": ServerSideEncryption.S3}, True),
        ({"tags": {"a": "b"}}, True),
        ({"trust_unverified": True}, True),
    ],
)
def test_when_the_bucket_is_tried(*, change: dict[str, object], needed: bool):
    assert replace(ENABLED, **change).needs_verification(ENABLED) is needed


def test_enabling_is_always_proved():
    assert ENABLED.needs_verification(replace(ENABLED, aws_storage_enabled=False))


def test_the_destination_is_named_by_where_and_how_objects_are_stored():
    location = parse_bucket_url(ENABLED.aws_s3_url)
    same = destination_id(location, ENABLED, product=VOICE)
    assert len(same) == 32
    for change in (
        {"aws_credentials_sid": ""},
        {"tags": {"a": "b"}},
        {"friendly_name": "y"},
        {"encryption_key_sid": CR},
    ):
        assert destination_id(location, replace(ENABLED, **change), product=VOICE) == same
    others = {
        destination_id(location, replace(ENABLED, key_template="x{recording_sid}"), product=VOICE),
        destination_id(location, replace(ENABLED, encryption_key_sid=CR, encryption_enabled=True), product=VOICE),
        destination_id(parse_bucket_url(ENABLED.aws_s3_url + "/deeper"), ENABLED, product=VOICE),
        destination_id(
            parse_bucket_url("https://other-bucket.s3.eu-west-1.amazonaws.com/calls"), ENABLED, product=VOICE
        ),
        destination_id(location, ENABLED, product=Product.VIDEO),
    }
    assert len(others | {same}) == 6
