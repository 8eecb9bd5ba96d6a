"""What an uploader in a pod tells the store, without its process: a claim, a pod with a token, reports on the wire."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx

from recording_storage.domain.states import RecordingState
from recording_storage.protocol.sync import AssignmentState, SpoolPlace, SpoolReport, SyncRequest, SyncResponse, Tally
from tests.cluster.accounts import create_pod, create_service_account, service_account_token
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.controller.conftest import World
from tests.controller.parts import Store
from tests.s3.servers import S3Server

POD = "recorder-0"


def reviewing_store(folder: Path, moto_server: S3Server, cluster: Cluster) -> Iterator[Store]:
    """It asks the cluster whose a token is."""
    part = Store(folder, allow=[moto_server.endpoint], more=["--kubeconfig", str(cluster.kubeconfig)])
    part.start()
    yield part
    part.stop()


def claim(kube: Kube, namespace: str, name: str = "calls") -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )


def delete_claim(kube: Kube, namespace: str, name: str = "calls") -> None:
    """As it goes once no pod uses it: nothing here watches that."""
    kube.delete("v1", "PersistentVolumeClaim", name, namespace=namespace)
    kube.patch("v1", "PersistentVolumeClaim", name, {"metadata": {"finalizers": None}}, namespace=namespace)


class Uploader:
    """What an uploader in a pod tells the store, in the words of the wire."""

    def __init__(self, world: World, *, pod: str = POD, claims: tuple[str, ...] = ("calls",), **place: str) -> None:
        create_service_account(world.kube, namespace=world.namespace, name="media")
        create_pod(world.kube, namespace=world.namespace, name=pod, service_account="media", claims=claims)
        self.token = service_account_token(
            world.kube, namespace=world.namespace, name="media", audience="recording-storage", pod=pod
        )
        self.spool_id = str(uuid.uuid4())
        self.place = SpoolPlace(**({"claim": "calls", "account": "default"} | place))
        self._url = f"{world.store.internal_url}/internal/v1/uploaders/{self.spool_id}/sync"

    def sync(self, *, acknowledged: dict[str, int] | None = None, **states: int) -> SyncResponse:
        tallies = {RecordingState(name): Tally(count=count, size=count) for name, count in states.items()}
        report = SpoolReport(uploader_version="1", started_at=datetime.now(UTC), states=tallies)
        done = acknowledged or {}
        request = SyncRequest(report=report, place=self.place, acknowledged=list(done), retried=done)
        body = request.to_json()
        answer = httpx.post(self._url, content=body, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)
        assert answer.is_success, answer.text
        return SyncResponse.from_json(answer.content)

    def assigned(self) -> bool:
        found = self.sync().assignment
        return found is not None and found.state is AssignmentState.ASSIGNED
