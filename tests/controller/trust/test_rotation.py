"""Certificates of a minute and authorities of three, on real processes: nobody who asks the store notices."""

import http.client
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube, KubeError
from tests.controller.parts import Operator, Part
from tests.controller.trust.kubelet import Kubelet
from tests.tools.ports import free_ports
from tests.waiting import LONG, SOON, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DELAY = 20.0
"""Seconds from a change at the API server to the file in a pod."""
CLIENTS, EACH = 10, 5
"""Threads, and requests a second of each: fifty in all."""
ENOUGH = 100
"""Requests of each; a tenth of what it comes to on a machine that is not busy."""


@dataclass
class Asked:
    """What a client's connections have met."""

    done: int = 0
    failures: list[str] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)
    issuers: list[str] = field(default_factory=list)
    trusted_first: dict[str, bool] = field(default_factory=dict)
    """By the authority that has signed what was shown first: whether the client had it and the one before it."""


class Client(threading.Thread):
    """A new connection for each request, since those that are open notice nothing of a new certificate."""

    def __init__(self, port: int, ca: Path, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._port, self._ca, self._stop_asking = port, ca, stop
        self.asked = Asked()

    def run(self) -> None:
        due = time.monotonic()
        while not self._stop_asking.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / EACH, time.monotonic() - 1.0)
            self._ask()

    def _ask(self) -> None:
        asked = self.asked
        try:
            bundle = self._ca.read_text()
            context = ssl.create_default_context(cadata=bundle)
            connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=SOON, context=context)
            connection.request("GET", "/healthz")
            assert isinstance(connection.sock, ssl.SSLSocket)
            shown = connection.sock.getpeercert(binary_form=True)
            answer = connection.getresponse()
            answer.read()
            connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            asked.failures.append(f"after {asked.done}: {error}")
            return
        if answer.status != 200:
            asked.failures.append(f"after {asked.done}: {answer.status}")
        assert shown is not None
        leaf = x509.load_der_x509_certificate(shown)
        issuer = leaf.issuer.rfc4514_string()
        if issuer not in asked.issuers:
            known = [each.subject.rfc4514_string() for each in x509.load_pem_x509_certificates(bundle.encode())]
            asked.trusted_first[issuer] = {*asked.issuers[-1:], issuer} <= set(known)
            asked.issuers.append(issuer)
        if leaf.serial_number not in asked.serials:
            asked.serials.append(leaf.serial_number)
        asked.done += 1


class TlsStore(Part):
    def __init__(self, folder: Path, files: Path, *, ports: tuple[int, int]) -> None:
        public, internal = ports
        tls = (str(files / "tls.crt"), str(files / "tls.key"))
        argv = ["store", "--listen", f"127.0.0.1:{public}", "--internal-listen", f"127.0.0.1:{internal}"]
        argv += ["--database", f"sqlite:///{folder}/store.db", "--media", str(folder / "media")]
        argv += ["--master-key-file", str(folder / "master.key"), "--create-master-key"]
        argv += ["--tls-cert", tls[0], "--tls-key", tls[1], "--internal-tls-cert", tls[0], "--internal-tls-key", tls[1]]
        super().__init__(argv, folder=folder, name="store", ready="listening", stdout=True)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_no_request_fails_over_three_renewals_and_a_new_authority(  # noqa: PLR0917 - pytest's
    cluster: Cluster, kube: Kube, crds: list[Document], namespace: str, tmp_path: Path, stop: threading.Event
) -> None:
    ports = free_ports(2)
    more = ["--namespace", namespace, "--lease-namespace", namespace]
    more += ["--internal-ca", "ca", "--serving-secret", "tls", "--serving-name", "127.0.0.1"]
    more += ["--ca-life", "180s", "--certificate-life", "60s"]
    more += ["--store-url", f"https://127.0.0.1:{ports[0]}", "--internal-url", f"https://127.0.0.1:{ports[1]}"]
    operator = Operator(tmp_path, kubeconfig=cluster.kubeconfig, store=None, more=more)
    operator.start()
    store_files, client_files = tmp_path / "store-files", tmp_path / "client-files"
    kubelets = [
        Kubelet(kube, "Secret", "tls", namespace=namespace, folder=store_files, delay=DELAY, stop=stop),
        Kubelet(kube, "ConfigMap", "ca", namespace=namespace, folder=client_files, delay=DELAY, stop=stop),
    ]
    for each in kubelets:
        each.start()
        each.mounted()
    store = TlsStore(tmp_path, store_files, ports=(ports[0], ports[1]))
    store.start()
    clients = [Client(ports[1], client_files / "ca.crt", stop) for _ in range(CLIENTS)]
    try:
        for client in clients:
            client.start()
        eventually(
            lambda: (
                any(client.asked.failures for client in clients)
                or all(len(client.asked.serials) > 3 and len(client.asked.issuers) > 1 for client in clients)
            ),
            what="three renewals, the last of them by another authority",
            within=2 * LONG,
        )
    finally:
        stop.set()
        store.stop()
        operator.stop()
    assert [client.asked.failures for client in clients] == [[]] * CLIENTS, store.log[-3000:]
    for client in clients:
        assert list(client.asked.trusted_first.values()) == [True] * len(client.asked.issuers)
    assert all(client.asked.done > ENOUGH for client in clients), "the load was there, however busy the machine"


def test_what_somebody_has_deleted_comes_back(
    cluster: Cluster, kube: Kube, crds: list[Document], namespace: str, tmp_path: Path
) -> None:
    more = ["--namespace", namespace, "--lease-namespace", namespace, "--no-leader-election"]
    more += ["--internal-ca", "ca", "--serving-secret", "tls", "--serving-name", "127.0.0.1"]
    more += ["--ca-life", "1h", "--certificate-life", "60s"]
    operator = Operator(tmp_path, kubeconfig=cluster.kubeconfig, store=None, more=more)
    operator.start()
    try:
        bundle, secret = found(kube, "ConfigMap", "ca", namespace), found(kube, "Secret", "tls", namespace)
        kube.delete("v1", "ConfigMap", "ca", namespace=namespace)
        kube.delete("v1", "Secret", "tls", namespace=namespace)
        bundle_again, secret_again = found(kube, "ConfigMap", "ca", namespace), found(kube, "Secret", "tls", namespace)
    finally:
        operator.stop()
    assert bundle_again == bundle
    assert secret_again["ca.crt"] == secret["ca.crt"]
    assert secret_again["tls.crt"] != secret["tls.crt"]


def found(kube: Kube, kind: str, name: str, namespace: str) -> Document:
    """The data, once it is there."""

    def look() -> Document | None:
        try:
            data: Document = kube.get("v1", kind, name, namespace=namespace)["data"]
        except KubeError as error:
            if error.status != 404:
                raise
            return None
        return data

    return eventually(look, what=f"{kind} {name}") or {}
