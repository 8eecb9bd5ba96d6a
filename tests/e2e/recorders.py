"""The Pod of docs/recorders.md, with what a test has it do; and what the API server tells of it."""

from datetime import datetime
from typing import Any

from tests.cluster.kube import Document, Kube, documents
from tests.controller.watching import until
from tests.image.builder import IDLE
from tests.injection.policies import LABEL, UPLOADER
from tests.tools.pages import Page

CLAIM, POD = documents(Page("recorders.md").blocks["recorder"])
USER = POD["spec"]["securityContext"]["runAsUser"]
RECORDER = POD["spec"]["containers"][0]["name"]
METRICS = 9466


def claim(name: str) -> Document:
    return {**CLAIM, "metadata": {"name": name}}


def recorder(name: str, *, claim: str, script: str = "", injected: bool = True, **spec: Any) -> Document:
    """Runs `script` in Python, in an image that has it; ends at once when it is asked to, unless `script` says else."""
    (container,) = POD["spec"]["containers"]
    (volume,) = POD["spec"]["volumes"]
    labels = POD["metadata"]["labels"] if injected else {LABEL: "false"}
    command = ["python3", "-c", f"{_ENDS}\n{script}\nsignal.pause()"]
    return {
        **POD,
        "metadata": {**POD["metadata"], "name": name, "labels": labels},
        "spec": {
            **POD["spec"],
            "containers": [{**container, "image": IDLE, "imagePullPolicy": "Never", "command": command}],
            "volumes": [{**volume, "persistentVolumeClaim": {"claimName": claim}}],
            **spec,
        },
    }


_ENDS = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit())"


def running(kube: Kube, name: str, *, namespace: str) -> Document:
    """The pod once its recorder runs."""
    return until(kube, "Pod", name, lambda pod: RECORDER in _started(pod), namespace=namespace, api_version="v1")


def seconds_to_start(pod: Document) -> float:
    """By the API server's clock and the kubelet's, which tell whole seconds."""
    begun = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    return (datetime.fromisoformat(_started(pod)[RECORDER]) - begun).total_seconds()


def containers(pod: Document) -> list[Document]:
    """What is told of each: the recorder, and its uploader."""
    told = pod["status"]
    return [*told.get("initContainerStatuses", []), *told.get("containerStatuses", [])]


def uploader(pod: Document) -> Document | None:
    return next((each for each in containers(pod) if each["name"] == UPLOADER), None)


def metrics(kube: Kube, name: str, *, namespace: str) -> str:
    """Of its uploader, by way of the API server."""
    text: str = kube.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}:{METRICS}/proxy/metrics", accept="*/*")
    return text


def _started(pod: Document) -> dict[str, str]:
    """When the containers that run began to."""
    running = {each["name"]: each["state"].get("running") for each in containers(pod)}
    return {name: each["startedAt"] for name, each in running.items() if each}
