"""The processes of a platform, started as people start them: settings store, operator, uploaders.

They end with the test process, however that ends (`tests.tools.children`). Their logs stay in the test run's folder.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.cluster.accounts import create_service_account, service_account_token
from tests.cluster.cluster import Cluster
from tests.cluster.namespaces import create_namespace, delete_namespace
from tests.s3.gate import Gate
from tests.s3.servers import S3Server
from tests.tools.children import Children
from tests.tools.ports import free_ports
from tests.waiting import eventually

COMMAND = (sys.executable, "-m", "recording_storage.cli.main")
AUDIENCE = "recording-storage"
OPERATOR = "operator"
"""ServiceAccount in the platform's namespace."""
_NOWHERE = "http://127.0.0.1:1"
"""What the gate leads to until a test has a server."""
_LINES = 40


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str


class Platform:
    """A settings store and an operator for the whole cluster, and a gate through which every bucket is reached."""

    def __init__(self, cluster: Cluster, *, folder: Path, log_level: str = "info") -> None:
        self.folder = folder
        self.log_level = log_level
        """Of operator and uploaders."""
        self.namespace = f"journeys-{os.getpid()}"
        self.kubeconfig = cluster.kubeconfig
        self.kube = cluster.kube()
        self.gate = Gate(_NOWHERE)
        self.logs: dict[str, Path] = {}
        self._ports = free_ports(4)
        self._children = Children()
        self._running: set[str] = set()
        create_namespace(self.kube, self.namespace)
        create_service_account(self.kube, namespace=self.namespace, name=OPERATOR)
        self.operator_token = service_account_token(
            self.kube, namespace=self.namespace, name=OPERATOR, audience=AUDIENCE
        )
        self.operator_token_file = write_secret(folder / "operator.token", self.operator_token)

    @property
    def store_url(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def internal_url(self) -> str:
        return f"http://127.0.0.1:{self._ports[1]}"

    @property
    def uploader_metrics(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self._ports[2]}"

    @property
    def operator_metrics(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self._ports[3]}"

    @property
    def database_options(self) -> list[str]:
        """What tells the commands beside `store` which database, and how its secrets are sealed."""
        return ["--database", f"sqlite:///{self.folder / 'store.db'}", "--master-key-file", f"{self.master_key}"]

    @property
    def master_key(self) -> Path:
        return self.folder / "master.key"

    def start_store(self) -> None:
        """Ready when this returns; without effect while it runs."""
        options = [
            *("--listen", f"127.0.0.1:{self._ports[0]}"),
            *("--internal-listen", f"127.0.0.1:{self._ports[1]}"),
            *self.database_options,
            "--create-master-key",
            *("--media", str(self.folder / "media")),
            *("--allow-endpoint", self.gate.endpoint),
            *("--operator-service-account", f"{self.namespace}:{OPERATOR}"),
            *("--kubeconfig", str(self.kubeconfig)),
        ]

        def ready() -> bool:
            # Anew when it has ended: for a moment somebody's connection may have its port while it is down.
            self.start("store", "store", *options)
            return _answers(f"{self.internal_url}/readyz")

        eventually(ready, what="the store is ready")

    def start_operator(self) -> None:
        options = [
            *("--kubeconfig", str(self.kubeconfig)),
            *("--store-url", self.store_url),
            *("--internal-url", self.internal_url),
            *("--token-file", str(self.operator_token_file)),
            *("--lease-namespace", self.namespace),
            *("--metrics-listen", self.operator_metrics),
            *("--log-level", self.log_level),
        ]
        self.start("operator", "operator", *options)

    def aim(self, server: S3Server) -> None:
        """Lead the gate to this server, whole and with no rules."""
        target = urlsplit(server.endpoint)
        assert target.hostname is not None
        assert target.port is not None
        self.gate.clear()
        self.gate.reset()  # what is still open leads to another one
        self.gate.target = (target.hostname, target.port)
        self.gate.open()

    def start(self, name: str, *arguments: str) -> None:
        """Start `recording-storage ARGUMENTS…` as process `name`; without effect while it runs."""
        if self.running(name):
            return
        if name in self._running:
            self._children.stop(name)  # it has ended: this only forgets it
        log = self.logs.setdefault(name, self.folder / f"{name}.log")
        self._children.start(name, [*COMMAND, *arguments], log=log, env=environment(), cwd=self.folder)
        self._running.add(name)

    def running(self, name: str) -> bool:
        return name in self._running and self._children.exit_code(name) is None

    def stop(self, name: str, *, signal_number: int = signal.SIGTERM, grace: float = 15.0) -> int | None:
        """Exit code; None when it did not run."""
        if name not in self._running:
            return None
        self._running.discard(name)
        return self._children.stop(name, signal_number=signal_number, grace=grace)

    def kill(self, name: str) -> None:
        self.stop(name, signal_number=signal.SIGKILL)

    def run(self, *arguments: str, timeout: float = 60.0) -> Answer:
        """Run a command to its end."""
        done = subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, env=environment(), timeout=timeout, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def forget_logs(self) -> None:
        """From here on `tails` shows what is new; the files stay as they are."""
        self._seen = {name: path.stat().st_size for name, path in self.logs.items() if path.exists()}

    def tails(self) -> dict[str, str]:
        """The ends of the logs, by process."""
        found = {}
        for name, path in self.logs.items():
            if path.exists():
                text = path.read_bytes()[getattr(self, "_seen", {}).get(name, 0) :].decode(errors="replace")
                found[name] = "\n".join(text.splitlines()[-_LINES:])
        return found

    def close(self) -> None:
        self._children.close()
        self.gate.close()
        delete_namespace(self.kube, self.namespace)
        self.kube.close()


def environment() -> Mapping[str, str]:
    """Ours without what would configure the parts behind the test's back."""
    foreign = ("RECORDING_STORAGE_", "AWS_", "KUBE", "TWILIO_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def write_secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False
