"""Wrong uses of the commands: what is typed, how it has to end, and words that the line has to have."""

from collections.abc import Sequence
from dataclasses import dataclass, field

USAGE, FAILED = 2, 1
FREE = ("--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0")


@dataclass(frozen=True)
class Case:
    """A wrong use: what is typed, how it has to end, and words that the line has to have."""

    name: str
    arguments: Sequence[str]
    code: int
    words: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)


SPOOL = ("--spool", "{spool}")
STORE = ("--store", "http://127.0.0.1:9", "--token-file", "{token}")
URLS = ("--store-url", "http://127.0.0.1:9", "--internal-url", "http://127.0.0.1:9")
TRUST = ("--internal-ca", "ca", "--serving-secret", "tls", "--serving-name", "store")
SID = "RE" + "0" * 32
KEYED = ("--master-key-file", "{key}")

CASES = [
    Case("unknown command", ["sotre"], USAGE, ["sotre"]),
    Case("unknown option of the command itself", ["--wrong"], USAGE, ["--wrong"]),
    # store
    Case("store without its key", ["store", *FREE], USAGE, ["--master-key-file"]),
    Case(
        "store with a key file that is missing",
        ["store", *FREE, "--master-key-file", "{missing}"],
        USAGE,
        ["{missing}"],
    ),
    Case(
        "store with a key file that is a folder",
        ["store", *FREE, "--master-key-file", "{folder}"],
        USAGE,
        ["{folder}", "a folder, not a file"],
    ),
    Case("store with a key file that is no key", ["store", *FREE, "--master-key-file", "{text}"], USAGE, ["{text}"]),
    Case("store with a bad address", ["store", *KEYED, "--listen", "8080"], USAGE, ["--listen", "HOST:PORT"]),
    Case(
        "store with a bad endpoint",
        ["store", *KEYED, "--allow-endpoint", "minio"],
        USAGE,
        ["--allow-endpoint", "minio"],
    ),
    Case("store with a bad database URL", ["store", *KEYED, "--database", "oracle://x"], USAGE, ["--database"]),
    Case(
        "store with a database that is not there",
        ["store", *FREE, *KEYED, "--database", "postgresql://user:planted@127.0.0.1:9/x"],
        FAILED,
        ["127.0.0.1:9/x", "refused"],
    ),
    Case(
        "store with a database in a folder that is missing",
        ["store", *FREE, *KEYED, "--database", "sqlite:///{missing}/store.db", "--media", "{folder}"],
        USAGE,
        ["{missing}"],
    ),
    Case(
        "store with a port that is taken",
        ["store", *KEYED, "--listen", "127.0.0.1:{taken}", "--internal-listen", "127.0.0.1:0"],
        FAILED,
        ["--listen 127.0.0.1:{taken}", "in use"],
    ),
    Case(
        "store with a key file in a folder that is missing",
        ["store", *FREE, "--master-key-file", "{missing}/key", "--create-master-key"],
        USAGE,
        ["{missing}", "does not exist"],
    ),
    Case(
        "store with media that are a file",
        ["store", *FREE, *KEYED, "--database", "{database}", "--media", "{text}"],
        USAGE,
        ["--media {text}", "there already"],
    ),
    Case(
        "store with a database that is a folder",
        ["store", *FREE, *KEYED, "--database", "sqlite:///{folder}"],
        USAGE,
        ["{folder}", "a folder, not a file"],
    ),
    Case(
        "store with a database that is none",
        ["store", *FREE, *KEYED, "--database", "sqlite:///{text}"],
        USAGE,
        ["{text}", "not a database"],
    ),
    Case(
        "store with a database that can't be made",
        ["store", *FREE, *KEYED, "--database", "sqlite:////proc/store.db", "--media", "{folder}"],
        FAILED,
        ["/proc/store.db", "rights"],
    ),
    Case(
        "store with a database on a host that is not there",
        ["store", *FREE, *KEYED, "--database", "postgresql://user:planted@host.invalid/x"],
        FAILED,
        ["host.invalid"],
    ),
    Case(
        "store create-account with a name that is too long",
        ["store", "create-account", "--database", "{database}", *KEYED, "--friendly-name", "x" * 65],
        USAGE,
        ["64"],
    ),
    Case(
        "store reseal of a database that is missing",
        ["store", "reseal", "--database", "sqlite:///{missing}", *KEYED],
        USAGE,
        ["{missing}", "store migrate"],
    ),
    Case(
        "store create-token for an account that is none",
        ["store", "create-token", "--database", "{database}", *KEYED, "--account", "ACfoo"],
        USAGE,
        ["--account ACfoo"],
    ),
    Case("store with an open internal port", ["store", *KEYED, "--internal-listen", "0.0.0.0:0"], USAGE, ["TLS"]),
    Case("store with half a certificate", ["store", *KEYED, "--tls-cert", "{text}"], USAGE, ["--tls-key"]),
    Case(
        "store with a certificate that is none",
        ["store", *FREE, *KEYED, "--tls-cert", "{text}", "--tls-key", "{text}"],
        USAGE,
        ["{text}"],
    ),
    Case(
        "store with an operator that is no service account",
        ["store", *KEYED, "--operator-service-account", "operator"],
        USAGE,
        ["NAMESPACE:NAME"],
    ),
    Case("store migrate with a bad URL", ["store", "migrate", "--database", "what"], USAGE, ["--database"]),
    Case("store create-account without a name", ["store", "create-account"], USAGE, ["--friendly-name"]),
    Case(
        "store create-account with a key file that is missing",
        [
            "store",
            "create-account",
            "--friendly-name",
            "x",
            "--database",
            "{database}",
            "--master-key-file",
            "{missing}",
        ],
        USAGE,
        ["{missing}"],
    ),
    Case(
        "store create-token for nobody",
        ["store", "create-token", "--database", "{database}", *KEYED],
        USAGE,
        ["--admin"],
    ),
    Case(
        "store create-token for an unknown account",
        ["store", "create-token", "--database", "{database}", *KEYED, "--account", "AC" + "0" * 32],
        FAILED,
        ["AC000"],
    ),
    # operator
    Case("operator with half a trust", ["operator", "--internal-ca", "ca"], USAGE, ["--serving-secret"]),
    Case(
        "operator with a certificate that is as old as its authority",
        ["operator", *TRUST, "--ca-life", "90d"],
        USAGE,
        ["--certificate-life", "third of --ca-life"],
    ),
    Case("operator with two kinds of trust", ["operator", *TRUST, "--ca-file", "{text}"], USAGE, ["--ca-file"]),
    Case("operator with nothing to publish", ["operator", "--ca-config-map", "ca"], USAGE, ["--ca-file"]),
    Case("operator with half a master key", ["operator", "--store-claim", "c"], USAGE, ["--master-key-secret"]),
    Case("operator with no name for a master key", ["operator", "--make-master-key"], USAGE, ["--master-key-secret"]),
    Case("operator with half a store", ["operator", "--store-url", "http://127.0.0.1:9"], USAGE, ["--internal-url"]),
    Case(
        "operator with a kubeconfig that is missing",
        ["operator", *URLS, "--token-file", "{token}", "--kubeconfig", "{missing}"],
        USAGE,
        ["{missing}"],
    ),
    Case(
        "operator with a kubeconfig that is none",
        ["operator", *URLS, "--token-file", "{token}", "--kubeconfig", "{text}"],
        USAGE,
        ["--kubeconfig {text}", "no kubeconfig"],
    ),
    Case(
        "operator where no cluster answers",
        ["operator", *URLS, "--token-file", "{token}", "--kubeconfig", "{nowhere}"],
        FAILED,
        ["127.0.0.1:9", "nobody listens", "--kubeconfig"],
    ),
    Case(
        "operator outside any cluster",
        ["operator", *URLS, "--token-file", "{token}"],
        USAGE,
        ["--kubeconfig"],
        env={"HOME": "{folder}"},
    ),
    *(
        Case(
            f"{words[0]} with KUBECONFIG that is {what}",
            words,
            USAGE,
            [f"KUBECONFIG={{{what}}}", *(["--kubeconfig"] if what == "missing" else [])],
            env={"KUBECONFIG": f"{{{what}}}"},
        )
        for words in (["operator"], ["uninstall"], ["verify", "--settings", "x"], ["demo"])
        for what in ("missing", "text", "binary")
    ),
    Case(
        "operator with certificates that are none",
        ["operator", *URLS, "--kubeconfig", "{nowhere}", "--ca-file", "{text}"],
        USAGE,
        ["--ca-file {text}", "PEM"],
    ),
    Case(
        "operator with a URL that is none",
        ["operator", "--store-url", "store", "--internal-url", "http://127.0.0.1:9", "--kubeconfig", "{nowhere}"],
        USAGE,
        ["--store-url", "store"],
    ),
    # uploader
    Case("uploader without a spool", ["uploader", *STORE], USAGE, ["--spool"]),
    Case("uploader with a spool that is missing", ["uploader", "--spool", "{missing}", *STORE], USAGE, ["{missing}"]),
    Case("uploader with a spool that is a file", ["uploader", "--spool", "{text}", *STORE], USAGE, ["{text}"]),
    Case("uploader with neither store nor configuration", ["uploader", *SPOOL], USAGE, ["--config"]),
    Case("uploader with both", ["uploader", *SPOOL, *STORE, "--config", "{config}"], USAGE, ["--config"]),
    Case("uploader with a store but no token", ["uploader", *SPOOL, "--store", "http://h"], USAGE, ["--token-file"]),
    Case(
        "uploader with a store that is no URL",
        ["uploader", *SPOOL, "--store", "store", "--token-file", "{token}"],
        USAGE,
        ["store"],
    ),
    Case(
        "uploader with a configuration that is missing",
        ["uploader", *SPOOL, "--config", "{missing}"],
        USAGE,
        ["{missing}"],
    ),
    Case("uploader with bad YAML", ["uploader", *SPOOL, "--config", "{yaml}"], USAGE, ["{yaml}"]),
    Case("uploader with an unknown key", ["uploader", *SPOOL, "--config", "{unknown}"], USAGE, ["retriesWindow"]),
    Case("uploader with a bad bucket URL", ["uploader", *SPOOL, "--config", "{badurl}"], USAGE, ["ftp"]),
    Case(
        "uploader with a metrics port that is taken",
        ["uploader", *SPOOL, "--config", "{config}", "--metrics-listen", "127.0.0.1:{taken}"],
        FAILED,
        ["127.0.0.1:{taken}"],
    ),
    Case(
        "uploader with a metrics port that is none",
        ["uploader", *SPOOL, *STORE, "--metrics-listen", "127.0.0.1:99999"],
        USAGE,
        ["99999"],
    ),
    Case("uploader with an account that is none", ["uploader", *SPOOL, *STORE, "--account", "x"], USAGE, ["--account"]),
    Case(
        "uploader with a configuration that is no text",
        ["uploader", *SPOOL, "--config", "{binary}"],
        USAGE,
        ["{binary}"],
    ),
    # tools
    *(
        Case(f"{name} of a spool that is missing", [name, "--spool", "{missing}"], USAGE, ["{missing}"])
        for name in ("status", "recordings", "retry")
    ),
    *(
        Case(f"{name} of a folder that is no spool", [name, "--spool", "{folder}"], FAILED, ["{folder}", "no spool"])
        for name in ("status", "recordings", "retry")
    ),
    Case("recordings of an unknown state", ["recordings", *SPOOL, "--state", "gone"], USAGE, ["gone"]),
    Case("retry of what is no sid", ["retry", *SPOOL, "RE1"], USAGE, ["RE1"]),
    Case("retry of an unknown sid", ["retry", "--spool", "{used}", SID], USAGE, [SID]),
    Case("receipts of nothing", ["receipts", "verify"], USAGE, ["FILE"]),
    Case("receipts that are missing", ["receipts", "verify", "{missing}"], USAGE, ["{missing}"]),
    Case("receipts that are a folder", ["receipts", "verify", "{root}"], USAGE, ["{root}"]),
    Case("receipts that are none", ["receipts", "verify", "{binary}"], FAILED, ["line 1", "no JSON"]),
    Case("uninstall where no cluster answers", ["uninstall", "--kubeconfig", "{nowhere}"], FAILED, ["127.0.0.1:9"]),
    Case("verify of nothing", ["verify"], USAGE, ["--config"]),
    Case("verify of a configuration that is missing", ["verify", "--config", "{missing}"], USAGE, ["{missing}"]),
    Case(
        "verify with a kubeconfig that is none",
        ["verify", "--settings", "x", "--kubeconfig", "{binary}"],
        USAGE,
        ["--kubeconfig {binary}"],
    ),
    Case(
        "verify where no cluster answers",
        ["verify", "--settings", "x", "--kubeconfig", "{nowhere}"],
        FAILED,
        ["127.0.0.1:9", "nobody listens", "--kubeconfig"],
    ),
    Case("verify of bad YAML", ["verify", "--config", "{yaml}"], USAGE, ["{yaml}"]),
    Case("verify where nobody answers", ["verify", "--config", "{config}"], FAILED, ["127.0.0.1:9"]),
    # demo
    Case("demo with media that is missing", ["demo", "--media", "{missing}"], USAGE, ["{missing}"]),
    Case("demo with a kubeconfig that is missing", ["demo", "--kubeconfig", "{missing}"], USAGE, ["{missing}"]),
    Case("demo with a kubeconfig that is none", ["demo", "--kubeconfig", "{text}"], USAGE, ["--kubeconfig {text}"]),
    Case("demo in a folder that is not empty", ["demo", "--dir", "{root}"], USAGE, ["--dir {root}", "empty"]),
    Case("demo in a file", ["demo", "--dir", "{text}/x"], USAGE, ["--dir {text}/x", "a file, not a folder"]),
    Case(
        "demo where no cluster answers",
        ["demo", "--once", "--json", "--kubeconfig", "{nowhere}"],
        FAILED,
        ["127.0.0.1:9", "nobody listens"],
    ),
]
