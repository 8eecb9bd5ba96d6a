"""The programs that tests need and that Go builds from a pinned go.mod/go.sum of ours."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

GO_MODULES = Path(__file__).parent / "go"
GO_VERSION = "1.26"  # what k8s.io/kubernetes 1.36 asks for; the others are content with less

KUBERNETES = "1.36.3"


@dataclass(frozen=True, kw_only=True)
class Tool:
    name: str
    version: str  # of the module; go.mod holds the same, and a test compares them
    module: str  # folder below go/
    path: str  # of the module that holds the version, as in go.mod
    package: str
    seconds: float  # a cold build on two cores with its downloads
    ldflags: tuple[str, ...] = field(default=())
    tags: tuple[str, ...] = field(default=())
    kubebuilder: bool = False  # KUBEBUILDER_ASSETS may hold it

    @property
    def build(self) -> str:
        """Tells this build from those of other versions, and of other sources where these are ours."""
        sources = b"".join(each.read_bytes() for each in sorted((GO_MODULES / self.module).glob("*.go")))
        return f"{self.version}-{sha256(sources).hexdigest()[:8]}" if sources else self.version


def _kubernetes(name: str, seconds: float, *, kubebuilder: bool = True) -> Tool:
    major, minor, _ = KUBERNETES.split(".")
    version = "k8s.io/component-base/version"
    return Tool(
        name=name,
        version=KUBERNETES,
        module="kubernetes",
        path="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        seconds=seconds,
        ldflags=(
            f"-X {version}.gitVersion=v{KUBERNETES}",
            f"-X {version}.gitMajor={major}",
            f"-X {version}.gitMinor={minor}",
        ),
        kubebuilder=kubebuilder,
    )


def _containerd(name: str, seconds: float) -> Tool:
    return Tool(
        name=name,
        version="2.1.5",
        module="containerd",
        path="github.com/containerd/containerd/v2",
        package=f"github.com/containerd/containerd/v2/cmd/{name}",
        seconds=seconds,
        tags=("no_btrfs", "no_devmapper", "no_zfs"),
    )


_ALL = (
    _kubernetes("kube-apiserver", 220),
    _kubernetes("kubectl", 60),
    _kubernetes("kube-controller-manager", 120),
    _kubernetes("kube-scheduler", 10, kubebuilder=False),
    _kubernetes("kubelet", 45, kubebuilder=False),
    _kubernetes("kube-proxy", 15, kubebuilder=False),
    _containerd("containerd", 100),
    _containerd("containerd-shim-runc-v2", 10),
    _containerd("ctr", 10),
    Tool(
        name="coredns",
        version="1.14.7",
        module="coredns",
        path="github.com/coredns/coredns",
        package="github.com/coredns/coredns",
        seconds=150,
    ),
    Tool(
        name="etcd",
        version="3.6.8",  # the client that this API server is built with
        module="etcd",
        path="go.etcd.io/etcd/server/v3",
        package="go.etcd.io/etcd/server/v3",
        seconds=45,
        kubebuilder=True,
    ),
    Tool(
        name="helm",
        version="3.19.4",
        module="helm",
        path="helm.sh/helm/v3",
        package="helm.sh/helm/v3/cmd/helm",
        seconds=160,
        # As its own releases: without them it says that it is another version, and renders for Kubernetes 1.20.
        ldflags=(
            "-X helm.sh/helm/v3/internal/version.version=v3.19.4",
            "-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
            "-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=34",
            "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
            "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=34",
        ),
    ),
    Tool(
        name="versitygw",
        version="1.8.0",
        module="versitygw",
        path="github.com/versity/versitygw",
        package="github.com/versity/versitygw/cmd/versitygw",
        seconds=105,
    ),
    Tool(
        name="s5cmd",
        version="2.3.0",
        module="s5cmd",
        path="github.com/peak/s5cmd/v2",
        package="github.com/peak/s5cmd/v2",
        seconds=60,
    ),
    Tool(
        name="health",
        version="0.37.2",
        module="health",
        path="sigs.k8s.io/cli-utils",
        package=".",
        seconds=70,
    ),
)
TOOLS = {tool.name: tool for tool in _ALL}
