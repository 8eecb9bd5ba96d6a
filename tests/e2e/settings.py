"""What the processes of a node are told: their files, and their arguments."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

NODE = "node"
DNS_PORT = 53
PODS = "10.244.0.0/24"
KUBERNETES = "10.0.0.1"
"""The service of the API server."""
CONTAINERD = "/run/containerd/containerd.sock"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a node is: `folder` has its files, `address` is the machine's."""

    folder: Path
    address: str
    kubeconfig: Path
    ca: Path

    def write(self, name: str, content: object) -> Path:
        """As YAML, of which JSON is a part; texts as they are."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return path


def kubelet(place: Place) -> Path:
    return place.write("kubelet.yaml", {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": place.address,
        "authentication": {
            "anonymous": {"enabled": False}, "webhook": {"enabled": False}, "x509": {"clientCAFile": str(place.ca)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "clusterDNS": [place.address],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,  # the machine may withhold what a tree of classes needs
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "syncFrequency": "10s",  # how soon changed Secrets and ConfigMaps are in pods; a minute is usual
        "oomScoreAdj": 0,  # lowering it needs a right that containers of build machines lack
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "readOnlyPort": 0,
        "healthzPort": 0,
    })  # fmt: skip


def proxy(place: Place) -> Path:
    return place.write("kube-proxy.yaml", {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": NODE,
        "clusterCIDR": PODS,
        "clientConnection": {"kubeconfig": str(place.kubeconfig)},
        "conntrack": {"maxPerCore": 0},  # a tunable of the machine
        "oomScoreAdj": 0,
        "healthzBindAddress": f"{place.address}:10256",
        "metricsBindAddress": f"{place.address}:10249",
    })  # fmt: skip


def containerd(place: Place, *, runc: str, plugins: str, sandbox: str) -> Path:
    network = {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge", "bridge": "pods", "isGateway": True, "ipMasq": True, "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
        }],
    }  # fmt: skip
    place.write("cni/10-pods.conflist", json.dumps(network))
    values: dict[str, Any] = {
        "runc": runc,
        "plugins": plugins,
        "sandbox": sandbox,
        "folder": place.folder,
        "socket": CONTAINERD,
    }
    return place.write("containerd.toml", _CONTAINERD.format(**values))


# Without the right to lower it, a sandbox that asks for another score of the out-of-memory killer would not start.
_CONTAINERD = """
version = 3
root = "{folder}/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{sandbox}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dir = "{plugins}"
  conf_dir = "{folder}/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  SystemdCgroup = false
"""


def dns(place: Place) -> Path:
    return place.write(
        "Corefile",
        f".:{DNS_PORT} {{\n  bind {place.address}\n  errors\n"
        f"  kubernetes cluster.local in-addr.arpa {{\n    kubeconfig {place.kubeconfig}\n  }}\n}}\n",
    )


def controller_manager(place: Place, *, keys: Path) -> list[str]:
    return [
        f"--kubeconfig={place.kubeconfig}",
        f"--service-account-private-key-file={keys}/sa.key",
        f"--root-ca-file={place.ca}",
        "--leader-elect=false",
        "--secure-port=0",
        "--allocate-node-cidrs=false",
        "--namespace-sync-period=5s",
    ]


def api_server(*, keys: Path) -> list[str]:
    return [
        f"--kubelet-client-certificate={keys}/admin.crt",
        f"--kubelet-client-key={keys}/admin.key",
        "--kubelet-preferred-address-types=InternalIP",  # nothing resolves the node's name
    ]
