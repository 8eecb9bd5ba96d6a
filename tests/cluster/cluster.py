"""A real API server with etcd in a folder of its own, on loopback."""

import base64
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

import yaml

from tests.cluster.kube import Kube
from tests.cluster.processes import WITH_SERVICE_ACCOUNTS, WITHOUT_NODES, Binaries, Keys, PortTaken, halt, launch
from tests.tools import binaries
from tests.tools.children import Children

ATTEMPTS = 3  # to get ports that nobody takes between our look and our use
OURS = ("etcd", "pki")  # folders of ours in a data folder
FILES = (
    "kubeconfig",
    "etcd.log",
    "kube-apiserver.log",
    "kube-controller-manager.log",
    "cluster.json",
    "serve.log",
    ".lock",
)


def _nothing() -> None:
    return


@dataclass(frozen=True)
class Cluster:
    kubeconfig: Path
    server: str
    ca_file: Path
    data_dir: Path
    _stop: Callable[[], None] = field(default=_nothing, repr=False)

    def kube(self) -> Kube:
        """Helpers with the rights of the kubeconfig."""
        return Kube.from_kubeconfig(self.kubeconfig)

    def stop(self) -> None:
        """Ends the processes; a temporary folder goes with them. Does nothing to a cluster that was there before."""
        self._stop()

    def as_json(self, **more: object) -> str:
        fields = ("kubeconfig", "server", "ca_file", "data_dir")
        return json.dumps({name: str(getattr(self, name)) for name in fields} | more)


def start(folder: Path | None = None, *, service_accounts: bool = False) -> Cluster:
    """Starts a cluster in `folder` (with the data of an earlier one there), else in a temporary one.

    With `service_accounts` pods get theirs and its token, as anywhere else: their namespace has to have an account
    `default` then, made by a controller manager or the test.

    It ends with `stop()`, and with the process that called. Raises ToolMissing and ToolFailed.
    """
    programs = Binaries(etcd=binaries.find("etcd"), api_server=binaries.find("kube-apiserver"))
    if folder is None:
        data = Path(tempfile.mkdtemp(prefix="recording-storage-cluster-"))
        children = Children(remove=[data])
    else:
        data = folder.absolute()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        children = Children()
    try:
        keys = Keys(data / "pki")
        keys.create()
        arguments = WITH_SERVICE_ACCOUNTS if service_accounts else WITHOUT_NODES
        server = _launch(data, children=children, programs=programs, keys=keys, arguments=arguments)
        kubeconfig = admin_kubeconfig(data, server=server, keys=keys)
    except BaseException:
        children.close()
        raise
    return Cluster(kubeconfig, server, keys.ca, data, children.close)


def admin_kubeconfig(folder: Path, *, server: str, keys: Keys) -> Path:
    """With all rights, in `folder`."""
    path = folder / "kubeconfig"
    certificate, key = keys.admin
    user = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
    write_kubeconfig(path, server=server, ca=keys.ca.read_bytes(), user=user)
    return path


def _launch(data: Path, *, children: Children, programs: Binaries, keys: Keys, arguments: Sequence[str]) -> str:
    for attempt in range(ATTEMPTS):
        try:
            return launch(data, children=children, binaries=programs, keys=keys, arguments=arguments)
        except PortTaken:
            halt(children)
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def existing(kubeconfig: Path) -> Cluster:
    """A cluster that is there already: `stop()` leaves it alone; `data_dir` is temporary, for files about it."""
    content = yaml.safe_load(kubeconfig.read_text())
    context = next(c for c in content["contexts"] if c["name"] == content["current-context"])["context"]
    cluster = next(c for c in content["clusters"] if c["name"] == context["cluster"])["cluster"]
    folder = Path(tempfile.mkdtemp(prefix="recording-storage-cluster-"))
    ca_file = folder / "ca.crt"
    if "certificate-authority" in cluster:
        ca_file = (kubeconfig.parent / cluster["certificate-authority"]).absolute()
    else:
        ca_file.write_bytes(base64.b64decode(cluster.get("certificate-authority-data", "")))
    return Cluster(
        kubeconfig.absolute(), cluster["server"], ca_file, folder, lambda: rmtree(folder, ignore_errors=True)
    )


def given(option: str | None = None) -> Path | None:
    """The kubeconfig that the user gave, by option or by KUBECONFIG (the first file of it)."""
    value = option or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(value) if value else None


def write_kubeconfig(path: Path, *, server: str, ca: bytes, user: dict[str, str]) -> None:
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "tests", "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        "current-context": "tests",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def clear(folder: Path) -> None:
    """Removes what a cluster wrote into `folder`, and the folder if nothing else is in it."""
    for name in OURS:
        rmtree(folder / name, ignore_errors=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for file in folder.glob("kubeconfig-*"):
        file.unlink()
    with suppress(OSError):
        folder.rmdir()


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
