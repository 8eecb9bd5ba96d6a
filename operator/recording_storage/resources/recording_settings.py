"""RecordingSettings: where an account's recordings go, and how."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from recording_storage.domain.object_key import DEFAULT_TEMPLATE, FIELDS
from recording_storage.domain.policy import FatalErrorPolicy, ObjectMetadata, ServerSideEncryption
from recording_storage.domain.settings_parameters import DEFAULT_GRACE, DEFAULT_STORAGE_CLASS, DEFAULT_WINDOW
from recording_storage.domain.states import Product
from recording_storage.resources.common import (
    ATOMIC,
    SET,
    Column,
    Count,
    CredentialSid,
    DataKey,
    Duration,
    FixedAccountRef,
    FriendlyName,
    Int64,
    LocalRef,
    Names,
    ObjectName,
    Part,
    Resource,
    Status,
    Union,
    map_list,
)
from recording_storage.resources.rules import Between, Reason, http_url, rule, rules


class CallbackMethod(StrEnum):
    GET = "GET"
    POST = "POST"


class Mode(StrEnum):
    MANAGE = "Manage"
    OBSERVE = "Observe"


class SettingsDeletionPolicy(StrEnum):
    RETAIN = "Retain"
    DISABLE = "Disable"


class CaBundleRef(Part):
    """A key of a ConfigMap in the same namespace."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName
    """Name of the ConfigMap."""
    key: DataKey = "ca.crt"
    """The ConfigMap's key that holds the certificates as PEM; ca.crt if not given."""


class ServerSideEncryptionSpec(Union):
    """Encryption by the bucket's side."""

    members: ClassVar[Mapping[str, str | None]] = {
        ServerSideEncryption.NONE: None,
        ServerSideEncryption.S3: None,
        ServerSideEncryption.KMS: "kmsKeyArn",
    }

    type: ServerSideEncryption = ServerSideEncryption.NONE
    """None: the bucket's own default. S3: keys that S3 manages (AES256). KMS: the key of kmsKeyArn (aws:kms)."""
    kms_key_arn: Annotated[str, Field(min_length=1, max_length=2048, pattern="^arn:[!-~]+$")] | None = None
    """ARN of the KMS key; required when type is KMS, and only then."""


TagValue = Annotated[str, Field(max_length=256, pattern=r"^[\p{L}\p{N}\s+=._:/@-]*$")]
TAGS = rules(
    rule(
        "self.all(key, size(key) >= 1 && size(key) <= 128)",
        message="a tag's key has 1 to 128 characters",
    ),
    rule(
        "self.all(key, !key.startsWith('aws:'))",
        message="tags that begin with aws: are reserved",
        reason=Reason.FORBIDDEN,
    ),
)

URL = rules(
    *http_url(),
    rule(
        r"self == '' || self.matches('^[A-Za-z0-9._~:/\\[\\]@!$&()*+,;=%?#\\x27-]*$')",
        message="has a character that a URL can't have (RFC 3986): percent-encode it",
        reason=Reason.FORBIDDEN,
    ),
    rule(
        "!self.contains('?') && !self.contains('#')",
        message="must have neither a query nor a fragment",
        reason=Reason.FORBIDDEN,
    ),
)


class AwsStorage(Part):
    """The customer's bucket."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!self.enabled || self.url != ''",
                message="url is required when enabled is true",
                reason=Reason.REQUIRED,
                field_path=".url",
            ),
            rule(
                "!self.enabled || has(self.credentialRef)",
                message="credentialRef is required when enabled is true",
                reason=Reason.REQUIRED,
                field_path=".credentialRef",
            ),
        )
    )

    enabled: bool = False
    """Whether new recordings go to the bucket. If not, they go to the store's own media storage."""
    url: Annotated[str, Field(max_length=2048, json_schema_extra=URL)] = ""
    """Bucket and folder: https://BUCKET.s3.REGION.amazonaws.com/FOLDER, https://s3.REGION.amazonaws.com/BUCKET/FOLDER,
    https://BUCKET/FOLDER, or https://HOST:PORT/BUCKET/FOLDER for an endpoint that the store's operator has allowed."""
    region: Annotated[str, Field(max_length=64, pattern="^[a-z0-9-]*$")] = ""
    """The bucket's region, where the URL names none; empty if it is to be found out."""
    credential_ref: LocalRef | None = None
    """The AwsCredential, of the same account, to reach the bucket with. Required when enabled."""
    ca_bundle_ref: CaBundleRef | None = None
    """Certificates by which the endpoint is recognised, besides the public ones."""
    expected_bucket_owner: Annotated[str, Field(max_length=12, pattern="^([0-9]{12})?$")] = ""
    """AWS account id that must own the bucket; empty if that is not to be checked."""
    storage_class: Annotated[str, Field(min_length=1, max_length=64, pattern="^[A-Z0-9_]+$")] = DEFAULT_STORAGE_CLASS
    """Storage class of new objects, such as STANDARD, STANDARD_IA or GLACIER_IR."""
    server_side_encryption: ServerSideEncryptionSpec = ServerSideEncryptionSpec()
    """Encryption by the bucket's side."""
    tags: dict[str, TagValue] = Field(default_factory=dict, max_length=10, json_schema_extra=TAGS)
    """Tags of new objects, ten at most. The credential then also needs the right s3:PutObjectTagging."""
    object_metadata: ObjectMetadata = ObjectMetadata.SIDS
    """What the metadata of new objects says of the recording. Sids: sids, times, channels and type. All: also the
    track's name and the recorder's own fields. None: nothing."""
    trust_unverified: bool = False
    """Whether a server that vouches for nothing of what it stores is used all the same. By default its settings are
    refused, since nothing shows that it keeps what was sent."""


class Encryption(Part):
    """Encryption by the uploader, before anything leaves for the bucket."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!self.enabled || has(self.publicKeyRef)",
                message="publicKeyRef is required when enabled is true",
                reason=Reason.REQUIRED,
                field_path=".publicKeyRef",
            )
        )
    )

    enabled: bool = False
    """Whether new recordings are encrypted for the public key."""
    public_key_ref: LocalRef | None = None
    """The PublicKey, of the same account. Required when enabled."""


_FIELD_NAMES = "|".join(sorted(FIELDS))
KEY_TEMPLATE = rules(
    rule(
        "self.contains('{recording_sid}')",
        message="must contain {recording_sid}: without it two recordings could share one key",
    ),
    rule(
        rf"self.matches('^([^{{}}]|\\{{({_FIELD_NAMES})\\}})*$')",
        message=f"may only have these fields in braces: {', '.join(sorted(FIELDS))}",
    ),
    rule(
        "!self.startsWith('/') && !self.matches('(^|/)\\\\.\\\\.(/|$)') && !self.matches('[[:cntrl:]]')",
        message="must not begin with a slash, nor have a part '..' or a control character",
    ),
)


class Upload(Part):
    """How uploads are tried and named."""

    retry_window: Annotated[Duration, Between("1s", "720h")] = DEFAULT_WINDOW
    """How long an upload is retried after its first failure, in uploader running time, from 1s to 720h. After that the
    recording is parked: kept on the spool until a retry is asked for."""
    fatal_error_policy: FatalErrorPolicy = FatalErrorPolicy.RETAIN
    """What a lasting denial of access does to the recordings. Retain: they are kept on the spool and go on by
    themselves once access is granted. Delete: those that were themselves denied are deleted; only on a destination
    that has worked before."""
    denial_grace: Annotated[Duration, Between("0s", "720h")] = DEFAULT_GRACE
    """How long access must have been denied, without one request that was let in, before that ends anything, from 0s to
    720h; 0s with Delete is the hosted service's rule: deleted at once. For video at least the retry window."""
    key_template: Annotated[str, Field(min_length=1, max_length=512, json_schema_extra=KEY_TEMPLATE)] = DEFAULT_TEMPLATE
    """Key of the object below the folder. Must contain {recording_sid}; the file's extension is {ext}."""


class StatusCallback(Part):
    """Where the store tells what has become of a recording."""

    url: Annotated[str, Field(max_length=2048, json_schema_extra=rules(*http_url()))] = ""
    """Where to send status callbacks; empty for none."""
    method: CallbackMethod = CallbackMethod.POST
    """HTTP method of the callback."""


class RecordingSettingsSpec(Part):
    """The settings that are wanted."""

    account_ref: FixedAccountRef
    """The account whose recordings these settings are for. Immutable."""
    products: Annotated[tuple[Product, ...], Field(min_length=1, max_length=2, json_schema_extra=SET)] = (
        Product.VOICE,
        Product.VIDEO,
    )
    """The products that these settings are for. A hosted service takes video's only."""
    friendly_name: FriendlyName
    """Name of the settings at the store."""
    aws_storage: AwsStorage = AwsStorage()
    """The customer's bucket."""
    encryption: Encryption = Encryption()
    """Encryption by the uploader."""
    upload: Upload = Upload()
    """How uploads are tried and named."""
    status_callback: StatusCallback = StatusCallback()
    """Where the store tells what has become of a recording."""
    mode: Mode = Mode.MANAGE
    """Manage: what differs at the store is put back. Observe: it is only reported."""
    suspend: bool = False
    """Whether the operator leaves the store alone for the time being."""
    interval: Annotated[Duration, Between("10s", "24h")] = "5m"
    """How often the store is compared with this object, from 10s to 24h, besides at each change."""
    deletion_policy: SettingsDeletionPolicy = SettingsDeletionPolicy.RETAIN
    """What happens to the settings at the store when this object is deleted. Retain: they stay. Disable: external
    storage is switched off, and recordings wait on their spools until settings are applied again."""


class EffectiveSettings(Part):
    """What the store has for one product."""

    product: Product
    """voice or video."""
    enabled: bool | None = None
    """Whether its new recordings go to the bucket."""
    url: Annotated[str, Field(max_length=2048)] | None = None
    """Bucket and folder as the store has them."""
    bucket: Annotated[str, Field(max_length=255)] | None = None
    """Name of the bucket."""
    prefix: Annotated[str, Field(max_length=1024)] | None = None
    """Folder in the bucket: empty, or with a slash at its end."""
    region: Annotated[str, Field(max_length=64)] | None = None
    """Region of the bucket, given or found out."""
    credential_sid: CredentialSid | None = None
    """Sid of the credential in use."""
    public_key_sid: CredentialSid | None = None
    """Sid of the public key for which its recordings are encrypted."""


class UploadersInSync(Part):
    """How far the settings have reached the uploaders."""

    total: Count = 0
    """Live uploaders of the account."""
    in_sync: Count = 0
    """Those of them that run the present revision."""


class RefusedCredential(Part):
    """A credential that the bucket did not take when the settings were to switch to it."""

    sid: CredentialSid
    """Its sid. The one in `effective` stays in use."""
    code: Annotated[str, Field(max_length=16)]
    """The store's code for why."""
    reason: Annotated[str, Field(max_length=64)]
    """The same as a word, as in the condition BucketVerified, whose message says more."""


class WaitingRecordings(Part):
    """Recordings of a product that no settings are in force for."""

    product: Product
    """voice or video."""
    recordings: Count = 0
    """How many wait, as the live uploaders report."""


class RecordingSettingsStatus(Status):
    """The settings as they are."""

    revision: Int64 | None = None
    """Revision of the account's settings at the store; grows with every change."""
    effective: Annotated[list[EffectiveSettings], Field(max_length=2, json_schema_extra=map_list("product"))] | None = (
        None
    )
    """What the store has, by product."""
    verified_at: datetime | None = None
    """When the bucket was last verified: a multipart upload begun, one part sent, all of it taken back."""
    refused_credential: RefusedCredential | None = None
    """The successor of the credential, while the bucket refuses it."""
    waiting: Annotated[list[WaitingRecordings], Field(max_length=2, json_schema_extra=map_list("product"))] | None = (
        None
    )
    """Products whose recordings wait on their spools: external storage is off, and own storage is withheld."""
    uploaders: UploadersInSync | None = None
    """How far the settings have reached the uploaders."""


class RecordingSettings(Resource):
    """Where an account's recordings go: bucket, encryption, names and retries."""

    names: ClassVar[Names] = Names(plural="recordingsettings", singular="recordingsettings", short="recset")
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="Account", path=".spec.accountRef.name", description="RecordingAccount that the settings are for"),
        Column(
            name="Enabled", path=".spec.awsStorage.enabled", type="boolean", description="Whether the bucket is used"
        ),
        Column(name="URL", path=".spec.awsStorage.url", description="Bucket and folder"),
        Column(
            name="Encrypted",
            path=".spec.encryption.enabled",
            type="boolean",
            description="Whether recordings are encrypted before they leave",
            priority=1,
        ),
        Column(name="Revision", path=".status.revision", type="integer", description="At the store", priority=1),
    )
    selectable: ClassVar[tuple[str, ...]] = (
        ".spec.accountRef.name",
        ".spec.accountRef.namespace",
        ".spec.awsStorage.credentialRef.name",
        ".spec.awsStorage.caBundleRef.name",
        ".spec.encryption.publicKeyRef.name",
    )

    kind: Literal["RecordingSettings"] = "RecordingSettings"
    spec: RecordingSettingsSpec
    """The settings that are wanted."""
    status: RecordingSettingsStatus = RecordingSettingsStatus()
    """The settings as they are."""
