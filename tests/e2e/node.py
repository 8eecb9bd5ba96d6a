"""A real node under a real control plane: pods run, services answer, names resolve."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml

from tests.cluster.cluster import Cluster, admin_kubeconfig
from tests.cluster.kube import Document, Kube, KubeError
from tests.cluster.processes import Binaries, Keys, launch
from tests.e2e import settings
from tests.e2e.machine import Machine
from tests.image import builder
from tests.tools import binaries, debian
from tests.tools.errors import ToolFailed
from tests.tools.prebuild import NODE, RUNTIME
from tests.tools.progress import tail
from tests.waiting import eventually

PACKAGES = {
    "runc": "runc",  # Go's own build of it would lack seccomp
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "host-local": "containernetworking-plugins",
}
PLUGINS = "/usr/lib/cni"
READY = 120.0
"""Seconds until a node is Ready; 15 is usual."""


class Node:
    """Ends with `close()`, and with the process that made it; `kube` has all rights."""

    def __init__(self) -> None:
        debian.install(PACKAGES)
        self._tools = {name: binaries.find(name) for name in (*NODE, *RUNTIME)}
        images = {builder.IMAGE: builder.built(), builder.IDLE: builder.idle()}
        self.machine = Machine()
        self.folder = self.machine.folder
        try:
            keys = Keys(self.folder / "pki")
            self.cluster = self._control_plane(keys)
            self.kube: Kube = self.cluster.kube()
            self._place = settings.Place(
                folder=self.folder,
                address=self.machine.address,
                kubeconfig=self.cluster.kubeconfig,
                ca=keys.ca,
            )
            self._start_control(keys)
            self._start_runtime(images)
            self.start_kubelet()
            self._start_network()
            self._await_ready()
        except BaseException:
            self.machine.close()
            raise

    def close(self) -> None:
        self.kube.close()
        self.machine.close()

    def start_kubelet(self) -> None:
        self._run(
            "kubelet",
            f"--config={settings.kubelet(self._place)}",
            f"--kubeconfig={self.cluster.kubeconfig}",
            f"--hostname-override={settings.NODE}",
            f"--node-ip={self.machine.address}",
            f"--root-dir={self.folder}/kubelet",
            f"--cert-dir={self.folder}/kubelet-pki",
        )

    def stop_kubelet(self) -> None:
        """Pods go on without it."""
        self.machine.children.stop("kubelet")

    def name_image(self, image: str, name: str) -> None:
        """Has one of ours be there under another name, too."""
        self._ctr("--namespace=k8s.io", "images", "tag", "--force", image, name)

    def keep_logs(self, folder: Path) -> None:
        """Those of all processes and pods, and what the cluster says of its pods and events."""
        shutil.copytree(self.folder / "log", folder / "log", dirs_exist_ok=True, ignore_dangling_symlinks=True)
        for log in self.folder.glob("*.log"):
            shutil.copy(log, folder)
        for kind in ("Pod", "Event", "PersistentVolumeClaim"):
            (folder / f"{kind}.yaml").write_text(yaml.safe_dump(list(self.kube.list("v1", kind))))

    def _control_plane(self, keys: Keys) -> Cluster:
        keys.create(hosts=(self.machine.address, settings.KUBERNETES))
        server = launch(
            self.folder,
            children=self.machine.children,
            binaries=Binaries(etcd=self._tools["etcd"], api_server=self._tools["kube-apiserver"]),
            keys=keys,
            address=self.machine.address,
            arguments=settings.api_server(keys=keys.folder),
        )
        return Cluster(admin_kubeconfig(self.folder, server=server, keys=keys), server, keys.ca, self.folder)

    def _start_control(self, keys: Keys) -> None:
        self._run("kube-controller-manager", *settings.controller_manager(self._place, keys=keys.folder))
        arguments = ("--leader-elect=false", "--secure-port=0")
        self._run("kube-scheduler", f"--kubeconfig={self.cluster.kubeconfig}", *arguments)

    def _start_runtime(self, images: dict[str, Path]) -> None:
        runc = shutil.which("runc", path=_path())
        assert runc is not None
        config = settings.containerd(self._place, runc=runc, plugins=PLUGINS, sandbox=builder.IDLE)
        self._run("containerd", "--config", config)
        for name, archive in images.items():
            self._await("containerd", lambda name=name, archive=archive: self._imports(archive, name=name))

    def _imports(self, archive: Path, *, name: str) -> bool:
        with suppress(ToolFailed):  # containerd does not listen yet
            self._ctr("version")
            self._ctr("--namespace=k8s.io", "images", "import", "--index-name", name, archive)
            return True
        return False

    def _ctr(self, *arguments: str | Path) -> str:
        return self.machine.enter(self._tools["ctr"], "--address", settings.CONTAINERD, *arguments)

    def _start_network(self) -> None:
        self._run("kube-proxy", f"--config={settings.proxy(self._place)}")
        self._run("coredns", "-conf", settings.dns(self._place))

    def _await_ready(self) -> None:
        """Pods are admitted once their service account is there, and run once the node is Ready."""
        self._await("kubelet", lambda: _ready(self.kube))
        self._await("kube-controller-manager", lambda: _found(self.kube, "ServiceAccount", "default"))

    def _run(self, name: str, *arguments: str | Path) -> None:
        env = {"PATH": _path(self._tools["containerd-shim-runc-v2"].parent), "HOME": str(self.folder)}
        self.machine.children.start(name, [self._tools[name], *arguments], log=self._log(name), env=env)

    def _await(self, name: str, look: Callable[[], object]) -> None:
        def so() -> bool:
            if self.machine.children.exit_code(name) is not None:
                raise ToolFailed(f"{name} ended while it started:\n{tail(self._log(name))}")
            return bool(look())

        try:
            eventually(so, what=f"{name} works", within=READY)
        except AssertionError as error:
            raise ToolFailed(f"{error}:\n{tail(self._log(name))}") from None

    def _log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"


def _path(*folders: Path) -> str:
    return os.pathsep.join(
        (*map(str, folders), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
    )


def _ready(kube: Kube) -> bool:
    for node in kube.list("v1", "Node"):
        conditions = {found["type"]: found["status"] for found in node["status"].get("conditions", [])}
        return conditions.get("Ready") == "True"
    return False


def _found(kube: Kube, kind: str, name: str) -> Document | None:
    try:
        return kube.get("v1", kind, name, namespace="default")
    except KubeError as error:
        if error.status != 404:
            raise
        return None
