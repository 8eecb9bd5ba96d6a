"""AwsCredential."""

from tests.resources.cases.case import Cases
from tests.resources.manifest import ABSENT, manifest

IMMUTABLE = "accountRef is immutable: delete this object and create it anew for the other account"
SECRET_REF = "spec.source.staticKeys.secretRef"

CASES = Cases(
    good=manifest("""
        kind: AwsCredential
        spec:
          accountRef: {name: default}
          friendlyName: main
          source:
            type: StaticKeys
            staticKeys: {secretRef: {name: aws}}
    """),
    accepted=[
        ("without a friendly name", {"spec.friendlyName": ABSENT}),
        ("friendly name of 64 characters", {"spec.friendlyName": "n" * 64}),
        ("account of another namespace", {"spec.accountRef": {"name": "default", "namespace": "platform"}}),
        ("other keys of the Secret", {f"{SECRET_REF}.accessKeyIdKey": "AWS_ACCESS_KEY_ID"}),
        ("retained", {"spec.deletionPolicy": "Retain"}),
    ],
    refused=[
        ("no account", {"spec.accountRef": ABSENT}, "spec.accountRef: Required value"),
        ("no source", {"spec.source": ABSENT}, "spec.source: Required value"),
        ("a source that isn't there yet", {"spec.source": {"type": "PodIdentity"}}, 'supported values: "StaticKeys"'),
        ("no key pair", {"spec.source.staticKeys": ABSENT}, "staticKeys is required when type is StaticKeys"),
        ("no Secret", {"spec.source.staticKeys": {}}, f"{SECRET_REF}: Required value"),
        ("friendly name of 65 characters", {"spec.friendlyName": "n" * 65}, "spec.friendlyName: Too long"),
        ("empty friendly name", {"spec.friendlyName": ""}, "spec.friendlyName in body should be at least 1 chars long"),
        ("bad key of a Secret", {f"{SECRET_REF}.accessKeyIdKey": "a/b"}, "accessKeyIdKey in body should match"),
        ("bad namespace", {"spec.accountRef.namespace": "a.b"}, "spec.accountRef.namespace in body should match"),
    ],
    updates_accepted=[
        ("another Secret", {f"{SECRET_REF}.name": "aws-2"}),
        ("another friendly name", {"spec.friendlyName": "second"}),
    ],
    updates_refused=[
        ("another account", {"spec.accountRef.name": "other"}, IMMUTABLE),
        ("an account elsewhere", {"spec.accountRef.namespace": "elsewhere"}, IMMUTABLE),
    ],
)
