"""Which processes the demo consists of, how each is started, and when it is ready."""

import json
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from recording_storage.demo.errors import DemoError
from recording_storage.demo.folder import Folder
from recording_storage.demo.supervisor import Part, Supervisor

CHECKOUT = Path(__file__).resolve().parents[3]
"""Where the samples, the resource definitions and the test cluster are."""
COMMAND = (sys.executable, "-m", "recording_storage.cli.main")


def require_checkout() -> None:
    """Raise DemoError where the package is installed without the samples that the demo is about."""
    if not (CHECKOUT / "tests" / "cluster" / "__main__.py").is_file():
        raise DemoError("the demo runs from a checkout of the project, and this is an installed package: git clone it")


def start_cluster(supervisor: Supervisor, *, tell: Callable[[str], None]) -> Part:
    """A kube-apiserver and etcd of our own; the first time they are built, which it tells."""
    command = [sys.executable, "-m", "tests.cluster", "serve", "--json"]
    return supervisor.start("cluster", command, cwd=CHECKOUT, tell=tell, pipe_output=True)


def cluster_kubeconfig(part: Part, *, alive: Callable[[], None]) -> Path:
    """Wait for the cluster's line on standard output: {"kubeconfig": …, "server": …}."""
    line = _read_line(part, alive=alive)
    answer = json.loads(line)
    part.address = answer["server"]
    return Path(answer["kubeconfig"])


def start_s3(supervisor: Supervisor, *, port: int, folder: Folder) -> Part:
    command = [sys.executable, "-m", "recording_storage.demo.s3_server", str(port), str(folder.shut_file)]
    part = supervisor.start("s3", command)
    part.address = f"http://127.0.0.1:{port}"
    return part


def start_store(supervisor: Supervisor, *, folder: Folder, ports: tuple[int, int], allow: str, operator: str) -> Part:
    """`ports` of the public and the internal API; `operator` is NAMESPACE:NAME of its ServiceAccount."""
    command = [
        *COMMAND,
        "store",
        *("--listen", f"127.0.0.1:{ports[0]}"),
        *("--internal-listen", f"127.0.0.1:{ports[1]}"),
        *("--database", f"sqlite:///{folder.root / 'store.db'}"),
        *("--master-key-file", str(folder.root / "master.key")),
        "--create-master-key",
        *("--media", str(folder.root / "media")),
        *("--allow-endpoint", allow),
        *("--operator-service-account", operator),
        *("--kubeconfig", str(folder.kubeconfig)),
    ]
    part = supervisor.start("store", command)
    part.address = f"http://127.0.0.1:{ports[0]}"
    return part


def start_operator(supervisor: Supervisor, *, folder: Folder, ports: tuple[int, int], namespace: str) -> Part:
    command = [
        *COMMAND,
        "operator",
        *("--kubeconfig", str(folder.kubeconfig)),
        *("--namespace", namespace),
        *("--store-url", f"http://127.0.0.1:{ports[0]}"),
        *("--internal-url", f"http://127.0.0.1:{ports[1]}"),
        *("--token-file", str(folder.operator_token)),
        *("--lease-namespace", namespace),
    ]
    return supervisor.start("operator", command)


def start_uploader(supervisor: Supervisor, *, folder: Folder, internal_port: int) -> Part:
    command = [
        *COMMAND,
        "uploader",
        *("--spool", str(folder.spool)),
        *("--store", f"http://127.0.0.1:{internal_port}"),
        *("--token-file", str(folder.uploader_token)),
    ]
    return supervisor.start("uploader", command)


def _read_line(part: Part, *, alive: Callable[[], None]) -> bytes:
    source: IO[bytes] | None = part.process.stdout
    assert source is not None
    while True:
        ready, _, _ = select.select([source], [], [], 0.2)
        if ready:
            line = source.readline()
            if line.strip():
                return line
        alive()
        time.sleep(0)
