"""PublicKey."""

from tests.resources.cases.case import PLANTED, Cases
from tests.resources.manifest import ABSENT, changed, manifest

PUBLIC = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\nvwIDAQAB\n-----END PUBLIC KEY-----\n"
FOR_PRIVATE = (
    "this is a private key: treat it as disclosed, make a new pair, and give only the public half here "
    "(openssl pkey -in key.pem -pubout)"
)
FOR_OTHERS = "must be one PEM block that begins with -----BEGIN PUBLIC KEY----- (openssl pkey -in key.pem -pubout)"
IMMUTABLE = "source is immutable: rotate with a new PublicKey and refer to that one in RecordingSettings"


def private(kind: str = "") -> str:
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{PLANTED}\n-----END {kind}PRIVATE KEY-----\n"


CASES = Cases(
    good=changed(
        manifest("""
            kind: PublicKey
            spec:
              accountRef: {name: default}
              friendlyName: k1
              source: {type: Inline}
        """),
        {"spec.source.inline": PUBLIC},
    ),
    accepted=[
        ("PEM without a newline at its end", {"spec.source.inline": PUBLIC.strip()}),
        ("PEM with Windows' newlines", {"spec.source.inline": PUBLIC.replace("\n", "\r\n")}),
        ("in a ConfigMap", {"spec.source": {"type": "ConfigMap", "configMap": {"name": "keys"}}}),
        ("without a friendly name", {"spec.friendlyName": ABSENT}),
        ("retained", {"spec.deletionPolicy": "Retain"}),
    ],
    refused=[
        ("a private key", {"spec.source.inline": private()}, FOR_PRIVATE),
        ("an RSA private key", {"spec.source.inline": private("RSA ")}, FOR_PRIVATE),
        ("an encrypted private key", {"spec.source.inline": private("ENCRYPTED ")}, FOR_PRIVATE),
        ("an OpenSSH private key", {"spec.source.inline": private("OPENSSH ")}, FOR_PRIVATE),
        ("both halves", {"spec.source.inline": PUBLIC + private()}, FOR_PRIVATE),
        ("a certificate", {"spec.source.inline": PUBLIC.replace("PUBLIC KEY", "CERTIFICATE")}, FOR_OTHERS),
        ("an OpenSSH public key", {"spec.source.inline": "ssh-rsa AAAAB3NzaC1yc2E me@host"}, FOR_OTHERS),
        ("a private key without its frame", {"spec.source.inline": PLANTED}, FOR_OTHERS),
        ("a PEM that is cut off", {"spec.source.inline": PUBLIC[:60]}, FOR_OTHERS),
        ("two public keys", {"spec.source.inline": PUBLIC + PUBLIC}, FOR_OTHERS),
        ("too long", {"spec.source.inline": "x" * 16385}, "spec.source.inline: Too long"),
        ("Inline without a key", {"spec.source": {"type": "Inline"}}, "inline is required when type is Inline"),
        (
            "ConfigMap without one",
            {"spec.source": {"type": "ConfigMap"}},
            "configMap is required when type is ConfigMap",
        ),
        (
            "Inline with a ConfigMap",
            {"spec.source.configMap": {"name": "keys"}},
            "configMap may only be given when type is ConfigMap",
        ),
        (
            "ConfigMap with a key inline",
            {"spec.source": {"type": "ConfigMap", "configMap": {"name": "keys"}, "inline": PUBLIC}},
            "inline may only be given when type is Inline",
        ),
        ("unknown source", {"spec.source": {"type": "Secret"}}, 'supported values: "Inline", "ConfigMap"'),
        ("friendly name of 65 characters", {"spec.friendlyName": "n" * 65}, "spec.friendlyName: Too long"),
    ],
    updates_accepted=[("another friendly name", {"spec.friendlyName": "k2"})],
    updates_refused=[
        ("another key", {"spec.source.inline": PUBLIC.replace("MIIB", "MIIC")}, IMMUTABLE),
        ("another source", {"spec.source": {"type": "ConfigMap", "configMap": {"name": "keys"}}}, IMMUTABLE),
        (
            "another account",
            {"spec.accountRef.name": "other"},
            "accountRef is immutable: delete this object and create it anew for the other account",
        ),
    ],
)
