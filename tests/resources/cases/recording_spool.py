"""RecordingSpool."""

from tests.resources.cases.case import Cases
from tests.resources.manifest import ABSENT, manifest

SUB_PATH = "must be a path inside the volume: no leading slash and no '..'"
SETTLE = "must be a duration from 1s to 1h (hours, minutes, seconds), such as 1h30m"
VOLUME = "volume is immutable: create another RecordingSpool for another folder"

CASES = Cases(
    good=manifest("""
        kind: RecordingSpool
        spec:
          volume: {claimName: recorder}
          accountRef: {name: default}
          completion: {}
    """),
    accepted=[
        ("a folder of the volume", {"spec.volume.subPath": "spool/a..b"}),
        ("accounts by metadata", {"spec.accountFrom": "Metadata", "spec.allowedAccounts": ["other"]}),
        ("accounts by folder", {"spec.accountFrom": "TopDirectory", "spec.allowedAccounts": ["a", "b"]}),
        ("no further account", {"spec.allowedAccounts": []}),
        ("directories", {"spec.layout": "Directories"}),
        ("markers", {"spec.completion.mode": "Marker"}),
        ("shortest settle", {"spec.completion.settle": "1s"}),
        ("longest settle", {"spec.completion.settle": "1h"}),
    ],
    refused=[
        ("no volume", {"spec.volume": ABSENT}, "spec.volume: Required value"),
        ("no claim", {"spec.volume": {}}, "spec.volume.claimName: Required value"),
        ("no account", {"spec.accountRef": ABSENT}, "spec.accountRef: Required value"),
        ("a folder from the root", {"spec.volume.subPath": "/spool"}, SUB_PATH),
        ("a folder outside", {"spec.volume.subPath": "spool/../.."}, SUB_PATH),
        (
            "metadata, but no accounts",
            {"spec.accountFrom": "Metadata"},
            "allowedAccounts is required unless accountFrom is Spool",
        ),
        (
            "accounts, but not used",
            {"spec.allowedAccounts": ["other"]},
            "allowedAccounts may only be given when accountFrom is Metadata or TopDirectory",
        ),
        ("an account twice", {"spec.accountFrom": "Metadata", "spec.allowedAccounts": ["a", "a"]}, "Duplicate value"),
        (
            "too many accounts",
            {"spec.accountFrom": "Metadata", "spec.allowedAccounts": [f"a{number}" for number in range(65)]},
            "must have at most 64 items",
        ),
        (
            "unknown source of accounts",
            {"spec.accountFrom": "Name"},
            'supported values: "Spool", "Metadata", "TopDirectory"',
        ),
        ("unknown layout", {"spec.layout": "Tree"}, 'supported values: "Files", "Directories"'),
        ("unknown completion", {"spec.completion.mode": "Quiet"}, 'supported values: "Auto", "Marker"'),
        ("no settle", {"spec.completion.settle": "0s"}, SETTLE),
        ("settle too long", {"spec.completion.settle": "61m"}, SETTLE),
    ],
    updates_accepted=[
        ("another settle", {"spec.completion.settle": "10s"}),
        ("accounts by metadata", {"spec.accountFrom": "Metadata", "spec.allowedAccounts": ["other"]}),
    ],
    updates_refused=[
        ("another claim", {"spec.volume.claimName": "other"}, VOLUME),
        ("another folder", {"spec.volume.subPath": "other"}, VOLUME),
        (
            "another account",
            {"spec.accountRef.name": "other"},
            "accountRef is immutable: delete this object and create it anew for the other account",
        ),
    ],
)
