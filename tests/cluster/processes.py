"""The two processes of a cluster: etcd and the API server, with the arguments that make a quick one."""

import http.client
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.tools.children import Children
from tests.tools.errors import ToolFailed
from tests.tools.pki import Authority, new_key
from tests.tools.ports import free_ports
from tests.tools.progress import tail

ISSUER = "https://kubernetes.default.svc.cluster.local"
READY_TIMEOUT = 120.0  # seconds; 4 is usual, a busy machine takes longer
WITH_SERVICE_ACCOUNTS = (
    "--endpoint-reconciler-type=none",  # it refuses loopback as the address of the service `kubernetes`
)
WITHOUT_NODES = (
    *WITH_SERVICE_ACCOUNTS,
    # No controller manager makes the service account `default`, and without it no pod would be admitted.
    "--disable-admission-plugins=ServiceAccount",
)


class PortTaken(ToolFailed):
    """Somebody took a port between our look and our use: try again with others."""


@dataclass(frozen=True, kw_only=True)
class Binaries:
    etcd: Path
    api_server: Path


@dataclass(frozen=True)
class Keys:
    """Files in the `pki` folder of a cluster; made once, so that a restart keeps its tokens and clients valid."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def admin(self) -> tuple[Path, Path]:
        return self.folder / "admin.crt", self.folder / "admin.key"

    def create(self, *, hosts: Sequence[str] = ()) -> None:
        authority = Authority(self.folder)
        hosts = ("localhost", "127.0.0.1", "kubernetes.default.svc", *hosts)
        authority.issue("server", common_name="kube-apiserver", hosts=hosts)
        # RBAC lets the group system:masters do all.
        authority.issue("admin", common_name="test-admin", organization="system:masters")
        if not (self.folder / "sa.key").exists():
            new_key(self.folder / "sa.key", public=self.folder / "sa.pub")


def launch(
    folder: Path,
    *,
    children: Children,
    binaries: Binaries,
    keys: Keys,
    address: str = "127.0.0.1",
    arguments: Sequence[str] = WITHOUT_NODES,
) -> str:
    """Starts both on free ports, the API server at `address`, waits until that is ready and returns its URL."""
    client, peer, api = free_ports(3)
    logs = {name: folder / f"{name}.log" for name in ("etcd", "kube-apiserver")}
    for log in logs.values():
        log.unlink(missing_ok=True)
    children.start("etcd", _etcd(binaries.etcd, folder / "etcd", client=client, peer=peer), log=logs["etcd"])
    command = _api_server(binaries.api_server, folder, keys=keys, etcd=client, address=(address, api))
    children.start("kube-apiserver", [*command, *arguments], log=logs["kube-apiserver"])
    _wait_until_ready(children, logs=logs, address=(address, api), keys=keys)
    return f"https://{address}:{api}"


def halt(children: Children) -> None:
    """Stops both; etcd has all that the API server has answered for, so neither needs a grace."""
    for name in ("kube-apiserver", "etcd"):
        try:
            children.stop(name, grace=2.0 if name == "etcd" else 0.0)
        except ToolFailed:
            continue  # it was never started, or the supervisor has ended it already


def _etcd(binary: Path, data: Path, *, client: int, peer: int) -> list[str]:
    data.mkdir(mode=0o700, exist_ok=True)
    # A start on the data of an earlier one comes with other ports; of a single member only its clients' port matters.
    return [
        f"{binary}",
        f"--data-dir={data}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
    ]


def _api_server(binary: Path, folder: Path, *, keys: Keys, etcd: int, address: tuple[str, int]) -> list[str]:
    pki = keys.folder
    return [
        f"{binary}",
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        f"--bind-address={address[0]}",
        f"--secure-port={address[1]}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--cert-dir={folder}",
        f"--tls-cert-file={pki}/server.crt",
        f"--tls-private-key-file={pki}/server.key",
        f"--client-ca-file={pki}/ca.crt",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def _wait_until_ready(children: Children, *, logs: dict[str, Path], address: tuple[str, int], keys: Keys) -> None:
    context = ssl.create_default_context(cafile=str(keys.ca))
    context.load_cert_chain(*map(str, keys.admin))
    deadline = time.monotonic() + READY_TIMEOUT
    # The namespace comes from a loop of the API server that readiness doesn't wait for.
    for path in ("/readyz", "/api/v1/namespaces/default"):
        while not _answers(address, path, context):
            for name, log in logs.items():
                if children.exit_code(name) is not None:
                    _explain(name, log)
            if time.monotonic() > deadline:
                raise ToolFailed(
                    f"kube-apiserver not ready after {READY_TIMEOUT:.0f} s:\n{tail(logs['kube-apiserver'])}"
                )
            time.sleep(0.05)


def _answers(address: tuple[str, int], path: str, context: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection(*address, timeout=5, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _explain(name: str, log: Path) -> None:
    end = tail(log)
    if "address already in use" in end:
        raise PortTaken(f"{name}: a port was taken meanwhile")
    raise ToolFailed(f"{name} ended while it started:\n{end}")
