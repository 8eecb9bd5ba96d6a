"""A recorder's pod as people write it, with the uploader as a native sidecar; and what is seen of it from outside."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.cluster.kube import Document, Kube, KubeError
from tests.e2e.gate import TimedGate
from tests.e2e.settings import NODE
from tests.image.builder import IDLE, IMAGE
from tests.s3.fixtures import Bucket
from tests.waiting import eventually

USER = 12345
CLAIM = "recordings"
SIDECAR = "uploader"
SECRET = "uploader"
WAIT = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); signal.pause()"
"""A recorder that has nothing to record."""
_RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def recording(name: str, *, mebibytes: int) -> str:
    """A recorder that leaves one finished recording, whose n-th MiB is of bytes n, and waits for its end."""
    return (
        f"with open('/recordings/{name}', 'wb') as file:\n"
        f"    for n in range({mebibytes}): file.write(bytes([n]) * 1048576)\n"
        f"open('/recordings/{name}.done', 'w').close()\n{WAIT}"
    )


def recorded(*, mebibytes: int) -> bytes:
    return b"".join(bytes([n]) * 1048576 for n in range(mebibytes))


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a test's pods are, and where their recordings go."""

    kube: Kube
    namespace: str
    volume: Path
    """The claim's folder on the node."""
    bucket: Bucket = field(repr=False)  # it shows its keys
    gate: TimedGate


def claim(site: Site) -> None:
    """A claim, and the volume on the node that it is bound to."""
    volume(site.kube, site.volume, namespace=site.namespace, claim=CLAIM)
    site.kube.apply({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": site.namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    })  # fmt: skip


def volume(kube: Kube, folder: Path, *, namespace: str, claim: str) -> None:
    """What a provisioner would do for the claim: a volume, here a folder of the node."""
    folder.mkdir(parents=True, exist_ok=True)
    kube.apply({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{namespace}-{claim}"},
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "local": {"path": str(folder)},
            "claimRef": {"namespace": namespace, "name": claim},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
            ]}},
        },
    })  # fmt: skip


def settings(site: Site) -> None:
    """The uploader's own, in a Secret."""
    destination = {
        "url": site.bucket.url_at(site.gate.endpoint),
        "region": site.bucket.server.region,
        "accessKeyId": site.bucket.credentials.access_key,
        "secretAccessKey": site.bucket.credentials.secret_key,
    }
    content = {"destination": destination, "allowHttp": True, "settle": "0s"}
    site.kube.apply({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": site.namespace},
        "stringData": {"uploader.yaml": yaml.safe_dump(content)},
    })  # fmt: skip


def pod(name: str, *, recorder: str) -> Document:
    mount = {"name": "recordings", "mountPath": "/recordings"}
    uploader = {
        "name": SIDECAR,
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "restartPolicy": "Always",
        "args": [
            "uploader", "--sidecar", "--spool=/recordings", "--config=/etc/uploader/uploader.yaml",
            "--completion=Marker", "--grace=2s",
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": _RESTRICTED,
        "volumeMounts": [mount, {"name": "settings", "mountPath": "/etc/uploader", "readOnly": True}],
    }  # fmt: skip
    main = {
        "name": "recorder",
        "image": IDLE,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", recorder],
        "securityContext": _RESTRICTED,
        "volumeMounts": [mount],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 15,
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "initContainers": [uploader],
            "containers": [main],
            "volumes": [
                {"name": "recordings", "persistentVolumeClaim": {"claimName": CLAIM}},
                {"name": "settings", "secret": {"secretName": SECRET}},
            ],
        },
    }  # fmt: skip


def start(site: Site, document: Document) -> None:
    eventually(lambda: has_service_account(site.kube, site.namespace), what="the namespace has its service account")
    site.kube.create(document, namespace=site.namespace)


def has_service_account(kube: Kube, namespace: str) -> bool:
    return any(
        found["metadata"]["name"] == "default" for found in kube.list("v1", "ServiceAccount", namespace=namespace)
    )


def end(site: Site, name: str) -> None:
    """Deletes the pod and waits until it is gone."""
    site.kube.delete("v1", "Pod", name, namespace=site.namespace)
    eventually(lambda: not is_there(site, name), what=f"pod {name} is gone")


def is_there(site: Site, name: str) -> bool:
    try:
        site.kube.get("v1", "Pod", name, namespace=site.namespace)
    except KubeError as error:
        if error.status != 404:
            raise
        return False
    return True


def restarts(site: Site, name: str) -> int:
    status = site.kube.get("v1", "Pod", name, namespace=site.namespace)["status"]
    return sum(found["restartCount"] for found in (*status["initContainerStatuses"], *status["containerStatuses"]))


def first_process(site: Site, name: str) -> int:
    """The sidecar's, by its number on this machine."""
    status = site.kube.get("v1", "Pod", name, namespace=site.namespace)["status"]
    (container,) = (found["containerID"] for found in status["initContainerStatuses"])
    return first_process_of(container)


def first_process_of(container: str) -> int:
    """By its number on this machine: the one of the container whose parent is of none."""
    _, _, name = container.partition("://")
    (pid,) = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_first(entry, name))
    return pid


def _is_first(process: Path, container: str) -> bool:
    try:
        numbers = next(line for line in (process / "status").read_text().splitlines() if line.startswith("NSpid:"))
        return numbers.split()[-1] == "1" and container in (process / "cgroup").read_text()
    except OSError:
        return False  # it has ended meanwhile


def anonymous_memory(pid: int) -> int:
    """Bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has ended")


def started_at(pid: int) -> float:
    """Seconds since the machine was started."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK")
