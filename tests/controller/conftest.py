"""The world of the operator's integration tests: real API server, real store, real S3 server with least rights."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from recording_storage.store.services import settings as store_settings
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube
from tests.controller import resources
from tests.controller.parts import Operator, Store
from tests.controller.sites import Ground, ServedStore
from tests.controller.watching import NotInTime, Test, ready, until, until_gone
from tests.s3.fixtures import Bucket, create_bucket
from tests.s3.servers import S3Server
from tests.store_internal.servers import opened_store
from tests.tools.ports import free_port
from tests.waiting import SOON


@dataclass
class World:
    cluster: Cluster
    kube: Kube
    namespace: str
    store: Store
    operator: Operator
    bucket: Bucket

    def apply(self, *documents: Document) -> None:
        self.kube.apply(list(documents))

    def until(self, kind: str, name: str, test: Test, *, timeout: float = SOON) -> Document:
        try:
            return until(self.kube, kind, name, test, namespace=self.namespace, timeout=timeout)
        except NotInTime as error:
            raise NotInTime(f"{error}\n--- operator\n{self.operator.log[-6000:]}") from None

    def until_gone(self, kind: str, name: str, *, timeout: float = SOON) -> None:
        until_gone(self.kube, kind, name, namespace=self.namespace, timeout=timeout)

    def ready(self, kind: str, name: str, *, timeout: float = SOON) -> Document:
        return self.until(kind, name, ready, timeout=timeout)

    def all_ready(self) -> Document:
        """Applies account, Secret, credential and settings; gives the settings once they are Ready."""
        self.apply(
            resources.account(self.namespace),
            resources.aws_secret(self.namespace, self.bucket.credentials),
            resources.aws_credential(self.namespace),
            resources.settings(self.namespace, self.bucket.url),
        )
        return self.ready("RecordingSettings", "default")

    def patch(self, kind: str, name: str, body: Document) -> None:
        self.kube.patch(resources.API, kind, name, body, namespace=self.namespace)

    def delete(self, kind: str, name: str) -> None:
        self.kube.delete(resources.API, kind, name, namespace=self.namespace)

    def end_namespace(self, *, timeout: float = SOON) -> None:
        """Deletes it, and waits until a controller manager has ended it."""
        self.kube.delete("v1", "Namespace", self.namespace)
        self.until_namespace_gone(timeout=timeout)

    def until_namespace_gone(self, *, timeout: float = SOON) -> None:
        try:
            until_gone(self.kube, "Namespace", self.namespace, namespace="", timeout=timeout, api_version="v1")
        except NotInTime as error:
            raise NotInTime(f"{error}\n--- operator\n{self.operator.log[-6000:]}") from None

    def annotate(self, kind: str, name: str, annotation: str, value: str = "true") -> None:
        self.patch(kind, name, {"metadata": {"annotations": {f"recordingstorage.dev/{annotation}": value}}})

    def get(self, kind: str, name: str) -> Document:
        return self.kube.get(resources.API, kind, name, namespace=self.namespace)

    def account_sid(self) -> str:
        sid: str = self.get("RecordingAccount", "default")["status"]["accountSid"]
        return sid

    def key(self) -> tuple[str, str]:
        """The account's API key, as the operator has written it."""
        data = self.kube.get("v1", "Secret", "default-api-key", namespace=self.namespace)["data"]
        return tuple(base64.b64decode(data[name]).decode() for name in ("username", "password"))  # type: ignore[return-value]

    def stored(self, method: str, path: str, form: dict[str, str] | None = None) -> Any:
        """The account's view of the store."""
        return self.store.public(self.key(), method, path, form)

    def credentials(self) -> list[str]:
        """Sids of the AWS credentials at the store."""
        return [each["sid"] for each in self.stored("GET", "/v1/Credentials/AWS")["credentials"]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, moto_server: S3Server) -> Iterator[Store]:
    part = Store(tmp_path_factory.mktemp("store"), allow=[moto_server.endpoint])
    part.start()
    yield part
    part.stop()


@pytest.fixture(scope="session")
def odd_port() -> int:
    """Where a test may put a remote store of its own: the operator is told that it may go there."""
    return free_port()


@pytest.fixture(scope="module")
def operator(
    tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, crds: list[Document], store: Store, odd_port: int
) -> Iterator[Operator]:
    """One for all tests of a module; each has a namespace of its own."""
    remote = [f"--allow-endpoint={url}" for url in (store.url, f"http://127.0.0.1:{odd_port}")]
    more = ["--log-level", "debug", *remote]
    part = Operator(tmp_path_factory.mktemp("operator"), kubeconfig=cluster.kubeconfig, store=store, more=more)
    part.start()
    yield part
    part.stop()


@pytest.fixture
def world(  # noqa: PLR0917 - pytest's
    cluster: Cluster, kube: Kube, namespace: str, store: Store, operator: Operator, moto_server: S3Server
) -> World:
    """Both processes run, whatever the test before has done to them."""
    for part in (store, operator):
        if not part.running:
            part.start()
    return World(cluster, kube, namespace, store, operator, create_bucket(moto_server))


@pytest.fixture(scope="session")
def rsa_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


async def _at_once(work: Callable[..., Any], *args: Any, **_: Any) -> Any:
    """Without a thread: nothing is asked of the stores at once, and threads would take most of the time."""
    return work(*args)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, rsa_pem: str) -> Iterator[Ground]:
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    one, other = (ServedStore.of(opened_store(f"sqlite:///{each}/store.db", each), each) for each in folders)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio.to_thread, "run_sync", _at_once)
        patch.setattr(store_settings, "verify_bucket", lambda *_, **__: None)  # there is no bucket, and none is needed
        yield Ground((one, other), rsa_pem)
    for each in (one, other):
        each.store.close()
