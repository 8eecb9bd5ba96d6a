"""The settings that a RecordingSettings asks for, in the store's own words, and how the store's answer differs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recording_storage.domain.policy import ServerSideEncryption
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.resources.recording_settings import RecordingSettingsSpec

HOSTED = (
    "friendly_name",
    "aws_credentials_sid",
    "aws_s3_url",
    "aws_storage_enabled",
    "encryption_key_sid",
    "encryption_enabled",
)
"""What the hosted service knows; the rest is the bundled store's own."""
_SPEC_FIELDS = {
    "region": "awsStorage.region",
    "ca_bundle": "awsStorage.caBundleRef",
    "expected_bucket_owner": "awsStorage.expectedBucketOwner",
    "retry_window": "upload.retryWindow",
    "fatal_error_policy": "upload.fatalErrorPolicy",
    "denial_grace": "upload.denialGrace",
    "key_template": "upload.keyTemplate",
    "storage_class": "awsStorage.storageClass",
    "server_side_encryption": "awsStorage.serverSideEncryption",
    "kms_key_id": "awsStorage.serverSideEncryption.kmsKeyArn",
    "tags": "awsStorage.tags",
    "object_metadata": "awsStorage.objectMetadata",
    "trust_unverified": "awsStorage.trustUnverified",
    "status_callback": "statusCallback.url",
    "status_callback_method": "statusCallback.method",
}


@dataclass(frozen=True, kw_only=True)
class References:
    """What the references of the spec stand for at the store; empty where there is none."""

    credential_sid: str = ""
    """The one to be in force: the successor, while a rotation is under way."""
    public_key_sid: str = ""
    ca_bundle: str = ""


def parameters(spec: RecordingSettingsSpec, refs: References, *, hosted: bool) -> dict[str, str]:
    """The form of a POST; complete, so that one request makes the settings what they should be."""
    storage, encryption, upload = spec.aws_storage, spec.encryption, spec.upload
    form = {
        "FriendlyName": spec.friendly_name,
        "AwsStorageEnabled": _boolean(storage.enabled),
        "AwsS3Url": storage.url,
        "AwsCredentialsSid": refs.credential_sid,
        "EncryptionEnabled": _boolean(encryption.enabled),
        "EncryptionKeySid": refs.public_key_sid,
    }
    if hosted:
        return {name: value for name, value in form.items() if value}
    sse = storage.server_side_encryption
    return form | {
        "Region": storage.region,
        "CaBundle": refs.ca_bundle,
        "ExpectedBucketOwner": storage.expected_bucket_owner,
        "RetryWindow": upload.retry_window,
        "FatalErrorPolicy": upload.fatal_error_policy.value,
        "DenialGrace": upload.denial_grace,
        "KeyTemplate": upload.key_template,
        "StorageClass": storage.storage_class,
        "ServerSideEncryption": sse.type.value,
        "KmsKeyId": (sse.kms_key_arn or "") if sse.type is ServerSideEncryption.KMS else "",
        "Tags": json.dumps(storage.tags, sort_keys=True) if storage.tags else "",
        "ObjectMetadata": storage.object_metadata.value,
        "TrustUnverified": _boolean(storage.trust_unverified),
        "StatusCallback": spec.status_callback.url,
        "StatusCallbackMethod": spec.status_callback.method.value,
    }


def differences(form: Mapping[str, str], present: StoreSettings, *, hosted: bool) -> tuple[str, ...]:
    """Names of the values that the store has otherwise, in its own words.

    Raises:
        SettingsError: the form itself can't be taken.
    """
    wanted = StoreSettings().updated(form)
    # The hosted service's form leaves out what is empty, and so what was there before stays, as it may.
    names = [name for name in HOSTED if getattr(wanted, name) != ""] if hosted else list(wanted.to_values())
    return tuple(name for name in names if getattr(wanted, name) != getattr(present, name))


def beyond_hosted(spec: RecordingSettingsSpec, refs: References) -> tuple[str, ...]:
    """Fields of the spec that a hosted service has nothing for, and that don't have their default."""
    wanted = StoreSettings().updated(parameters(spec, refs, hosted=False))
    default = StoreSettings()
    return tuple(_SPEC_FIELDS[name] for name in _SPEC_FIELDS if getattr(wanted, name) != getattr(default, name))


def listing(names: Iterable[str]) -> str:
    return ", ".join(names)


def _boolean(value: bool) -> str:  # noqa: FBT001 - its only argument
    return "true" if value else "false"
