"""RecordingAccount."""

from recording_storage.resources.account import LABEL_KEY
from tests.resources.cases.case import PLANTED, Cases
from tests.resources.manifest import ABSENT, changed, manifest

SID = "AC" + "0" * 32
OTHER_SID = "AC" + "1" * 32
REMOTE = {
    "spec.store": {
        "type": "Remote",
        "endpoints": {
            "video": "https://video.example.com",
            "accounts": "https://accounts.example.com:8443/",
            "api": "http://127.0.0.1:8080",
        },
    },
    "spec.accountSid": SID,
    "spec.apiKeySecretRef": {"name": "key"},
}
API_KEY = (
    "apiKeySecretRef is required when store.type is Remote: name a Secret of type kubernetes.io/basic-auth with the "
    "API key's sid as username and its secret as password"
)
VALUES = "values go with the operators In and NotIn, which need them, and with no other"
ENDPOINT = "must be https://HOST[:PORT] without path, query or user (plain http only for loopback)"

LONG_NAME = (
    "a name of more than 245 characters needs spec.apiKeySecretRef: the Secret would be named NAME-api-key, and a name "
    "has 253 characters at most"
)

GOOD = manifest("""
    kind: RecordingAccount
    spec:
      store: {type: Bundled}
""")

CASES = Cases(
    good=GOOD,
    accepted=[
        ("no spec at all", {"spec": ABSENT}),
        ("bundled with a sid", {"spec.accountSid": SID}),
        ("bundled with a name for the Secret", {"spec.apiKeySecretRef": {"name": "key"}}),
        ("remote", REMOTE),
        ("loopback by name", REMOTE | {"spec.store.endpoints.api": "http://localhost:8080"}),
        ("loopback, version 6", REMOTE | {"spec.store.endpoints.api": "http://[::1]:8080"}),
        (
            "namespaces by selector",
            {"spec.allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}},
        ),
        (
            "namespaces by expression",
            {
                "spec.allowedNamespaces": {
                    "from": "Selector",
                    "selector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]},
                }
            },
        ),
        (
            "namespaces by a label with a prefix",
            {
                "spec.allowedNamespaces": {
                    "from": "Selector",
                    "selector": {
                        "matchLabels": {"kubernetes.io/metadata.name": "a", "X_y.z": ""},
                        "matchExpressions": [{"key": "example.com/team", "operator": "Exists"}],
                    },
                }
            },
        ),
        ("the longest name without a Secret's", {"metadata.name": "n" * 245}),
        ("a longer name with a Secret's", {"metadata.name": "n" * 253, "spec.apiKeySecretRef": {"name": "key"}}),
        ("every namespace", {"spec.allowedNamespaces": {"from": "Selector", "selector": {}}}),
        ("to be closed", {"spec.deletionPolicy": "Close"}),
    ],
    refused=[
        ("unknown store", {"spec.store.type": "Cloud"}, 'supported values: "Bundled", "Remote"'),
        (
            "bundled with endpoints",
            {"spec.store.endpoints": REMOTE["spec.store"]["endpoints"]},
            "endpoints may only be given when type is Remote",
        ),
        (
            "remote without endpoints",
            REMOTE | {"spec.store": {"type": "Remote"}},
            "endpoints is required when type is Remote",
        ),
        (
            "remote without one endpoint",
            REMOTE | {"spec.store.endpoints": {"video": "https://v.example.com", "api": "https://a.example.com"}},
            "spec.store.endpoints.accounts: Required value",
        ),
        (
            "remote without sid",
            REMOTE | {"spec.accountSid": ABSENT},
            "accountSid is required when store.type is Remote: only a bundled store opens accounts",
        ),
        (
            "remote without key",
            REMOTE | {"spec.apiKeySecretRef": ABSENT},
            API_KEY,
        ),
        ("endpoint in plain http", REMOTE | {"spec.store.endpoints.api": "http://api.example.com"}, ENDPOINT),
        (
            "endpoint with user",
            REMOTE | {"spec.store.endpoints.api": f"https://me:{PLANTED}@api.example.com"},
            ENDPOINT,
        ),
        ("endpoint with path", REMOTE | {"spec.store.endpoints.api": "https://api.example.com/v1"}, ENDPOINT),
        (
            "loopback as a mere beginning",
            REMOTE | {"spec.store.endpoints.api": "http://127.0.0.1.example.com"},
            ENDPOINT,
        ),
        ("sid of something else", {"spec.accountSid": "SK" + "0" * 32}, "should match '^AC[0-9a-f]{32}$'"),
        ("sid in capitals", {"spec.accountSid": "AC" + "A" * 32}, "should match '^AC[0-9a-f]{32}$'"),
        (
            "selector without selector",
            {"spec.allowedNamespaces": {"from": "Selector"}},
            "selector is required when from is Selector",
        ),
        (
            "selector beside Same",
            {"spec.allowedNamespaces": {"from": "Same", "selector": {}}},
            "selector may only be given when from is Selector",
        ),
        *(
            (
                f"label {key!r}",
                {"spec.allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {key: "a"}}}},
                LABEL_KEY,
            )
            for key in ("", "a b", "-a", "Example.com/a", "a/b/c", "/a", "a" * 64)
        ),
        (
            "label with a bad value",
            {"spec.allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a b"}}}},
            "should match",
        ),
        *(
            (
                f"expression {requirement}",
                {"spec.allowedNamespaces": {"from": "Selector", "selector": {"matchExpressions": [requirement]}}},
                message,
            )
            for requirement, message in (
                ({"key": "a b", "operator": "Exists"}, LABEL_KEY),
                ({"key": "team", "operator": "In"}, VALUES),
                ({"key": "team", "operator": "NotIn", "values": []}, VALUES),
                ({"key": "team", "operator": "Exists", "values": ["a"]}, VALUES),
            )
        ),
        ("a name too long for its Secret", {"metadata.name": "n" * 246}, LONG_NAME),
        ("unknown deletion policy", {"spec.deletionPolicy": "Delete"}, 'supported values: "Retain", "Close"'),
        ("Secret without a name", {"spec.apiKeySecretRef": {}}, "spec.apiKeySecretRef.name: Required value"),
        (
            "Secret with a bad name",
            {"spec.apiKeySecretRef": {"name": "My_Key"}},
            "spec.apiKeySecretRef.name in body should match",
        ),
    ],
    updates_accepted=[
        ("the sid is given later", {"spec.accountSid": SID}),
        ("the policy changes", {"spec.deletionPolicy": "Close"}),
    ],
    updates_refused=[
        ("another store", REMOTE, "store.type is immutable: create another RecordingAccount"),
    ],
)

WITH_SID = Cases(
    good=changed(GOOD, {"spec.accountSid": SID}),
    accepted=[],
    refused=[],
    updates_accepted=[("the sid stays", {"spec.deletionPolicy": "Close"})],
    updates_refused=[
        (
            "another sid",
            {"spec.accountSid": OTHER_SID},
            "accountSid can neither be changed nor removed once it is set: create another RecordingAccount",
        ),
        (
            "no sid any more",
            {"spec.accountSid": ABSENT},
            "accountSid can neither be changed nor removed once it is set: create another RecordingAccount",
        ),
    ],
)
