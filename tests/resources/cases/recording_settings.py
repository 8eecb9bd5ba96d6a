"""RecordingSettings."""

from tests.resources.cases.case import PLANTED, Cases
from tests.resources.manifest import ABSENT, manifest

KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
SCHEME = "must be a URL that begins with https:// (or http://, where the store's operator allows it)"
NO_USER = "must not contain a user name or password"
CHARACTER = "has a character that a URL can't have (RFC 3986): percent-encode it"
NO_QUERY = "must have neither a query nor a fragment"
RETRY_WINDOW = "must be a duration from 1s to 720h (hours, minutes, seconds), such as 1h30m"
DENIAL_GRACE = "must be a duration from 0s to 720h (hours, minutes, seconds), such as 1h30m"
INTERVAL = "must be a duration from 10s to 24h (hours, minutes, seconds), such as 1h30m"
TEMPLATE_SID = "must contain {recording_sid}: without it two recordings could share one key"
TEMPLATE_FIELDS = "may only have these fields in braces: account_sid, call_sid, conference_sid, day, ext, hour"
TEMPLATE_PATH = "must not begin with a slash, nor have a part '..' or a control character"


def url(value: str) -> dict[str, str]:
    return {"spec.awsStorage.url": value}


def template(value: str) -> dict[str, str]:
    return {"spec.upload.keyTemplate": value}


CASES = Cases(
    good=manifest("""
        kind: RecordingSettings
        spec:
          accountRef: {name: default}
          friendlyName: production
          awsStorage:
            enabled: true
            url: https://bucket.s3.eu-west-1.amazonaws.com/calls
            credentialRef: {name: main}
          encryption: {}
          upload: {}
          statusCallback: {}
    """),
    accepted=[
        ("disabled, with nothing else", {"spec.awsStorage": ABSENT}),
        ("disabled, prepared", {"spec.awsStorage.enabled": False}),
        ("URL in path style", url("https://s3.eu-west-1.amazonaws.com/bucket/calls")),
        ("URL of one label", url("https://documentation-example-bucket/recordings")),
        ("URL of another endpoint", url("http://127.0.0.1:9000/recordings/calls")),
        ("URL with a percent-encoded character", url("https://bucket.s3.amazonaws.com/calls%20of%20today/")),
        ("URL with an @ in its path", url("https://bucket.s3.amazonaws.com/calls@night")),
        ("URL with an apostrophe", url("https://bucket.s3.amazonaws.com/ann's")),
        ("encrypted", {"spec.encryption": {"enabled": True, "publicKeyRef": {"name": "k1"}}}),
        ("encryption prepared", {"spec.encryption": {"enabled": False, "publicKeyRef": {"name": "k1"}}}),
        ("KMS", {"spec.awsStorage.serverSideEncryption": {"type": "KMS", "kmsKeyArn": KEY_ARN}}),
        ("S3's own keys", {"spec.awsStorage.serverSideEncryption": {"type": "S3"}}),
        ("ten tags", {"spec.awsStorage.tags": {f"k{number}": "v" for number in range(10)}}),
        ("longest tag", {"spec.awsStorage.tags": {"k" * 128: "v" * 256}}),
        ("tag with all sorts of characters", {"spec.awsStorage.tags": {"équipe": "a b+c-d=e.f_g:h/i@j"}}),
        ("bucket owner", {"spec.awsStorage.expectedBucketOwner": "111122223333"}),
        ("another storage class", {"spec.awsStorage.storageClass": "GLACIER_IR"}),
        ("objects that say everything", {"spec.awsStorage.objectMetadata": "All"}),
        ("objects that say nothing", {"spec.awsStorage.objectMetadata": "None"}),
        ("a server that vouches for nothing", {"spec.awsStorage.trustUnverified": True}),
        ("private certificates", {"spec.awsStorage.caBundleRef": {"name": "ca"}}),
        ("one product", {"spec.products": ["video"]}),
        ("shortest retry window", {"spec.upload.retryWindow": "1s"}),
        ("longest retry window", {"spec.upload.retryWindow": "720h"}),
        ("no denial grace", {"spec.upload.denialGrace": "0s"}),
        ("duration of two parts", {"spec.upload.retryWindow": "1h30m"}),
        ("shortest interval", {"spec.interval": "10s"}),
        ("longest interval", {"spec.interval": "24h"}),
        ("template with folders", template("{account_sid}/{year}/{month}/{day}/{recording_sid}-{source_name}{ext}")),
        ("callback", {"spec.statusCallback": {"url": "https://hooks.example.com/recordings?team=a", "method": "GET"}}),
        ("observed only", {"spec.mode": "Observe"}),
        ("suspended", {"spec.suspend": True}),
        ("friendly name of 64 characters", {"spec.friendlyName": "n" * 64}),
        ("fatal errors as the hosted service treats them", {"spec.upload.fatalErrorPolicy": "Delete"}),
    ],
    refused=[
        ("no account", {"spec.accountRef": ABSENT}, "spec.accountRef: Required value"),
        ("no friendly name", {"spec.friendlyName": ABSENT}, "spec.friendlyName: Required value"),
        ("friendly name of 65 characters", {"spec.friendlyName": "n" * 65}, "spec.friendlyName: Too long"),
        ("enabled without URL", {"spec.awsStorage.url": ABSENT}, "url is required when enabled is true"),
        (
            "enabled without credential",
            {"spec.awsStorage.credentialRef": ABSENT},
            "credentialRef is required when enabled is true",
        ),
        ("encrypted without key", {"spec.encryption.enabled": True}, "publicKeyRef is required when enabled is true"),
        ("URL of the CLI", url("s3://bucket/calls"), SCHEME),
        ("URL without a host", url("https:///calls"), SCHEME),
        ("URL without a scheme", url("bucket.s3.amazonaws.com/calls"), SCHEME),
        ("URL with keys", url(f"https://AKIA:{PLANTED}@bucket.s3.amazonaws.com/"), NO_USER),
        ("URL of the CLI with keys", url(f"s3://AKIA:{PLANTED}@bucket/"), NO_USER),
        ("keys without a scheme", url(f"AKIA:{PLANTED}@bucket/my calls"), NO_USER),
        ("URL with a space", url("https://bucket.s3.amazonaws.com/my calls"), CHARACTER),
        ("URL with a letter that isn't ASCII", url("https://bucket.s3.amazonaws.com/aufträge"), CHARACTER),
        ("presigned URL", url(f"https://bucket.s3.amazonaws.com/calls?X-Amz-Signature={PLANTED}"), NO_QUERY),
        ("URL with a fragment", url("https://bucket.s3.amazonaws.com/calls#1"), NO_QUERY),
        ("URL too long", url("https://bucket.s3.amazonaws.com/" + "a" * 2048), "spec.awsStorage.url: Too long"),
        (
            "KMS without key",
            {"spec.awsStorage.serverSideEncryption": {"type": "KMS"}},
            "kmsKeyArn is required when type is KMS",
        ),
        (
            "a KMS key without KMS",
            {"spec.awsStorage.serverSideEncryption": {"type": "S3", "kmsKeyArn": KEY_ARN}},
            "kmsKeyArn may only be given when type is KMS",
        ),
        (
            "a KMS key that is no ARN",
            {"spec.awsStorage.serverSideEncryption": {"type": "KMS", "kmsKeyArn": "alias/recordings"}},
            "kmsKeyArn in body should match '^arn:",
        ),
        (
            "eleven tags",
            {"spec.awsStorage.tags": {f"k{number}": "v" for number in range(11)}},
            "must have at most 10 items",
        ),
        ("tag without a key", {"spec.awsStorage.tags": {"": "v"}}, "a tag's key has 1 to 128 characters"),
        ("tag's key too long", {"spec.awsStorage.tags": {"k" * 129: "v"}}, "a tag's key has 1 to 128 characters"),
        ("tag's value too long", {"spec.awsStorage.tags": {"k": "v" * 257}}, "spec.awsStorage.tags.k: Too long"),
        (
            "tag with a character that S3 refuses",
            {"spec.awsStorage.tags": {"k": "a&b"}},
            "spec.awsStorage.tags.k in body should match",
        ),
        ("reserved tag", {"spec.awsStorage.tags": {"aws:team": "a"}}, "tags that begin with aws: are reserved"),
        (
            "bucket owner that is none",
            {"spec.awsStorage.expectedBucketOwner": "1111"},
            "expectedBucketOwner in body should match",
        ),
        (
            "storage class in small letters",
            {"spec.awsStorage.storageClass": "standard"},
            "storageClass in body should match",
        ),
        (
            "objects that say something else",
            {"spec.awsStorage.objectMetadata": "Some"},
            'supported values: "None", "Sids", "All"',
        ),
        (
            "trust that is no boolean",
            {"spec.awsStorage.trustUnverified": "yes"},
            "spec.awsStorage.trustUnverified in body must be of type boolean",
        ),
        ("region in capitals", {"spec.awsStorage.region": "EU-WEST-1"}, "spec.awsStorage.region in body should match"),
        ("no product", {"spec.products": []}, "spec.products in body should have at least 1 items"),
        ("unknown product", {"spec.products": ["fax"]}, 'supported values: "voice", "video"'),
        ("a product twice", {"spec.products": ["voice", "voice"]}, "Duplicate value"),
        ("no retry window", {"spec.upload.retryWindow": "0s"}, RETRY_WINDOW),
        ("retry window too long", {"spec.upload.retryWindow": "721h"}, RETRY_WINDOW),
        ("denial grace without unit", {"spec.upload.denialGrace": "10"}, DENIAL_GRACE),
        ("denial grace too long", {"spec.upload.denialGrace": "721h"}, DENIAL_GRACE),
        ("retry window without unit", {"spec.upload.retryWindow": "7200"}, RETRY_WINDOW),
        ("retry window in days", {"spec.upload.retryWindow": "1d"}, RETRY_WINDOW),
        ("interval too short", {"spec.interval": "9s"}, INTERVAL),
        ("interval too long", {"spec.interval": "25h"}, INTERVAL),
        ("template without sid", template("{account_sid}{ext}"), TEMPLATE_SID),
        ("template with an unknown field", template("{recording_sid}-{caller}{ext}"), TEMPLATE_FIELDS),
        ("template with a format", template("{recording_sid:>40}{ext}{recording_sid}"), TEMPLATE_FIELDS),
        ("template with an open brace", template("{recording_sid}{ext"), TEMPLATE_FIELDS),
        ("template from the root", template("/{recording_sid}{ext}"), TEMPLATE_PATH),
        ("template that climbs", template("a/../{recording_sid}{ext}"), TEMPLATE_PATH),
        ("template with a newline", template("{recording_sid}\n{ext}"), TEMPLATE_PATH),
        ("callback that is no URL", {"spec.statusCallback.url": "hooks.example.com"}, SCHEME),
        ("callback with a password", {"spec.statusCallback.url": f"https://me:{PLANTED}@hooks.example.com"}, NO_USER),
        ("callback by PUT", {"spec.statusCallback.method": "PUT"}, 'supported values: "GET", "POST"'),
        ("unknown mode", {"spec.mode": "Watch"}, 'supported values: "Manage", "Observe"'),
        ("unknown deletion policy", {"spec.deletionPolicy": "Delete"}, 'supported values: "Retain", "Disable"'),
        (
            "unknown fatal error policy",
            {"spec.upload.fatalErrorPolicy": "Ignore"},
            'supported values: "Retain", "Delete"',
        ),
    ],
    updates_accepted=[
        ("another bucket", url("https://other.s3.amazonaws.com/")),
        ("another credential", {"spec.awsStorage.credentialRef.name": "second"}),
        ("disabled", {"spec.awsStorage.enabled": False}),
    ],
    updates_refused=[
        (
            "another account",
            {"spec.accountRef.name": "other"},
            "accountRef is immutable: delete this object and create it anew for the other account",
        ),
    ],
)
