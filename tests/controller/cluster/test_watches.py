"""A watch that has died in silence loses no change, is begun anew, and fails liveness when that doesn't help."""

import getpass
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube
from tests.controller import resources
from tests.controller.cluster.watch_gate import WatchGate
from tests.controller.parts import Store
from tests.controller.quick_operator import QuickOperator
from tests.controller.watching import is_, ready, until, until_gone
from tests.s3.fixtures import Bucket, create_bucket
from tests.s3.servers import Credentials, S3Server
from tests.waiting import LONG, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def gate(cluster: Cluster) -> Iterator[WatchGate]:
    with WatchGate(cluster) as made:
        yield made


@pytest.fixture
def bucket(moto_server: S3Server) -> Bucket:
    return create_bucket(moto_server)


@pytest.fixture
def operator(
    gate: WatchGate, tmp_path: Path, crds: list[Document], store: Store, namespace: str
) -> Iterator[QuickOperator]:
    made = QuickOperator(kubeconfig=gate.kubeconfig(tmp_path), store=store, namespace=namespace)
    made.start()
    yield made
    made.stop()


@pytest.mark.usefixtures("crds")
def test_our_own_kinds_are_watched_by_a_user_without_a_name(
    gate: WatchGate, tmp_path: Path, store: Store, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a pod, whose user has no entry anywhere."""

    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr(getpass, "getuser", nameless)
    made = QuickOperator(kubeconfig=gate.kubeconfig(tmp_path), store=store, namespace=namespace)
    made.start()
    try:
        gate.until_opened("recordingsettings", 1)
    finally:
        made.stop()


def apply_all(kube: Kube, namespace: str, bucket: Bucket) -> None:
    kube.apply(
        [
            resources.account(namespace),
            resources.aws_secret(namespace, bucket.credentials),
            resources.aws_credential(namespace),
            resources.settings(namespace, bucket.url, interval="1h"),
        ]
    )
    until(kube, "RecordingSettings", "default", ready, namespace=namespace)
    until(kube, "AwsCredential", "main", ready, namespace=namespace)


def rotate(kube: Kube, namespace: str, credentials: Credentials) -> None:
    """Changes the Secret, and waits until the store has the new key pair in force."""
    before = kube.get(resources.API, "AwsCredential", "main", namespace=namespace)["status"]["sid"]
    kube.apply(resources.aws_secret(namespace, credentials))
    until(kube, "AwsCredential", "main", lambda each: each["status"]["sid"] != before, namespace=namespace)


def test_a_rotated_key_reaches_the_store_though_the_watch_of_secrets_is_dead(
    operator: QuickOperator, gate: WatchGate, kube: Kube, namespace: str, bucket: Bucket
) -> None:
    apply_all(kube, namespace, bucket)
    first, second = bucket.credentials, bucket.server.rotate_key(bucket.user).credentials
    watches = gate.opened("secrets")
    gate.starve("secrets")
    rotate(kube, namespace, second)
    gate.until_opened("secrets", watches + 1)
    assert operator.health()[0] == 200, "it has been begun anew, and nothing says that this was in vain"

    rotate(kube, namespace, first)
    assert "Secret in" in operator.until_health(503)

    gate.feed("secrets")
    gate.until_opened("secrets", watches + 2)
    rotate(kube, namespace, second)
    rotate(kube, namespace, first)
    operator.until_health(200)


def test_a_changed_resource_reaches_the_store_though_its_watch_is_dead(
    operator: QuickOperator, gate: WatchGate, kube: Kube, namespace: str, bucket: Bucket
) -> None:
    apply_all(kube, namespace, bucket)
    watches = gate.opened("recordingsettings")
    gate.starve("recordingsettings")
    for name in ("first", "second"):
        kube.patch(resources.API, "RecordingSettings", "default", {"spec": {"friendlyName": name}}, namespace=namespace)
        until(kube, "RecordingSettings", "default", ready, namespace=namespace)
    assert "RecordingSettings" in operator.until_health(503)
    gate.feed("recordingsettings")
    gate.until_opened("recordingsettings", watches + 2)
    numbers = count()

    def recovers() -> bool:
        """A watch that is begun just now may miss a change; the next one it delivers."""
        change = {"spec": {"friendlyName": f"later-{next(numbers)}"}}
        kube.patch(resources.API, "RecordingSettings", "default", change, namespace=namespace)
        until(kube, "RecordingSettings", "default", ready, namespace=namespace)
        return operator.health()[0] == 200

    eventually(recovers, what="the watch delivers, and /healthz says so", within=LONG)


@pytest.mark.parametrize("plural", ["publickeys", "configmaps"])
def test_the_first_object_of_a_kind_whose_watch_is_dead_is_seen(  # noqa: PLR0917 - pytest's
    operator: QuickOperator, gate: WatchGate, kube: Kube, namespace: str, plural: str, rsa_pem: str
) -> None:
    del operator
    source = {"type": "ConfigMap", "configMap": {"name": "pem"}}
    key = resources.public_key(namespace, "", source=source)
    content = {"data": {"public.pem": rsa_pem}}
    pem = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pem", "namespace": namespace}} | content
    kube.apply(resources.account(namespace))
    until(kube, "RecordingAccount", "default", ready, namespace=namespace)
    gate.starve(plural)
    kube.apply(key)
    until(kube, "PublicKey", "k1", is_("RefsResolved", "False", "ConfigMapNotFound"), namespace=namespace)
    kube.apply(pem)
    until(kube, "PublicKey", "k1", ready, namespace=namespace)


def test_an_object_that_went_unseen_goes(
    operator: QuickOperator, gate: WatchGate, kube: Kube, namespace: str, rsa_pem: str
) -> None:
    del operator
    kube.apply([resources.account(namespace), resources.public_key(namespace, rsa_pem)])
    until(kube, "PublicKey", "k1", ready, namespace=namespace)
    gate.starve("publickeys")
    kube.delete(resources.API, "PublicKey", "k1", namespace=namespace)
    until_gone(kube, "PublicKey", "k1", namespace=namespace)
