"""Credentials that are replaced are taken up while the operator runs; where there are none, liveness says so."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from kubernetes.aio.client import Configuration

from recording_storage.controller.cluster.identity import EVERY, ClusterNotConfigured, Identity
from recording_storage.controller.cluster.kube import Kube as Api
from recording_storage.controller.cluster.kube import KubeError
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube
from tests.controller import resources
from tests.controller.cluster.watch_gate import Call, Refusal, WatchGate
from tests.controller.parts import Store
from tests.controller.quick_operator import QuickOperator
from tests.controller.watching import ready, until

Users = Callable[[Path], dict[str, Any]]


def token_file(folder: Path) -> dict[str, Any]:
    return {"tokenFile": str(folder / "token")}


def exec_plugin(folder: Path) -> dict[str, Any]:
    """Its token says that it lasts: only the API server's 401 tells that it doesn't."""
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "TOKEN", "expirationTimestamp": "2100-01-01T00:00:00Z"},
    }
    program = folder / "plugin.py"
    token = f"pathlib.Path('{folder}/token').read_text()"
    program.write_text(f"import pathlib\nprint({json.dumps(credential)!r}.replace('TOKEN', {token}))")
    plugin = {"command": sys.executable, "args": [str(program)], "interactiveMode": "Never"}
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1"} | plugin}


class Tokens:
    """The gate takes one at a time."""

    def __init__(self, gate: WatchGate, folder: Path) -> None:
        self._file = folder / "token"
        self.taken = "first"
        self.give("first")
        gate.rule = self._judge

    def give(self, token: str) -> None:
        """To the operator."""
        self._file.write_text(token)

    def _judge(self, call: Call) -> Refusal | None:
        return None if call.authorization.lower() == f"bearer {self.taken}" else Refusal(status=401)


@pytest.mark.slow
@pytest.mark.parametrize("user", [token_file, exec_plugin])
def test_a_replaced_token_is_taken_up_and_a_revoked_one_is_told(  # noqa: PLR0917 - pytest's
    cluster: Cluster, kube: Kube, crds: list[Document], store: Store, namespace: str, tmp_path: Path, user: Users
) -> None:
    del crds
    with WatchGate(cluster) as gate:
        tokens = Tokens(gate, tmp_path)
        kubeconfig = gate.kubeconfig(tmp_path, user=user(tmp_path))
        operator = QuickOperator(kubeconfig=kubeconfig, store=store, namespace=namespace)
        operator.start()
        try:
            kube.apply(resources.account(namespace))
            until(kube, "RecordingAccount", "default", ready, namespace=namespace)

            tokens.give("second")
            tokens.taken = "second"
            kube.apply(resources.account(namespace, "another"))
            until(kube, "RecordingAccount", "another", ready, namespace=namespace)
            operator.until_health(200)

            tokens.taken = "third"
            calls = len(gate.calls)
            assert "401" in operator.until_health(503)
            assert len(gate.calls) - calls < 100, "it asks with pauses"
            tokens.give("third")
            operator.until_health(200)
            kube.apply(resources.account(namespace, "third"))
            until(kube, "RecordingAccount", "third", ready, namespace=namespace)
        finally:
            operator.stop()


class World:
    """What a configuration would be read from."""

    def __init__(self) -> None:
        self.token = "first"
        self.time = 100.0
        self.loads = 0
        self.broken = False

    def configuration(self) -> Configuration:
        made = Configuration()
        made.api_key = {"BearerToken": self.token}
        return made

    async def load(self) -> Configuration:
        self.loads += 1
        if self.broken:
            raise ClusterNotConfigured("no")
        return self.configuration()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def identity(world: World) -> Identity:
    return Identity(world.configuration(), load=world.load, clock=lambda: world.time)


async def test_it_is_taken_anew_and_only_something_else_is_worth_another_try(world: World, identity: Identity) -> None:
    used = await identity.header()
    assert not await identity.renew(used)
    world.time += EVERY
    world.token = "second"
    assert await identity.renew(used)
    assert await identity.header() == {"Authorization": "second"}
    assert await identity.renew(used), "somebody else has taken it anew meanwhile"
    assert world.loads == 2


async def test_it_is_not_taken_anew_all_the_time(world: World, identity: Identity) -> None:
    used = await identity.header()
    for _ in range(10):
        await identity.renew(used)
    assert world.loads == 1


async def test_what_can_not_be_read_is_tried_later(world: World, identity: Identity) -> None:
    used = await identity.header()
    world.broken, world.token = True, "second"
    assert not await identity.renew(used)
    world.broken = False
    world.time += EVERY
    assert await identity.renew(used)


async def test_a_renewed_client_certificate_wants_another_connection(world: World, tmp_path: Path) -> None:
    file = tmp_path / "client.crt"

    async def load() -> Configuration:
        made = world.configuration()
        made.cert_file = str(file)
        return made

    file.write_text("one")
    identity = Identity(await load(), load=load, clock=lambda: world.time)
    file.write_text("two")
    assert await identity.renew(await identity.header())
    assert identity.certificates == 2


def test_how_long_it_is_refused_is_known(world: World, identity: Identity) -> None:
    identity.note(refused=True)
    world.time += 7
    identity.note(refused=True)
    assert identity.refused_for == 7.0
    identity.note(refused=False)
    assert identity.refused_for == 0.0


class Answer:
    """As the client gives one, as far as it is looked at."""

    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self._message = message

    async def text(self) -> str:
        return json.dumps({"kind": "Status", "message": self._message})


class Answering(Api):
    """The way to an API server that has one answer."""

    def __init__(self, identity: Identity, answer: Answer) -> None:
        super().__init__(identity)
        self._answer: Any = answer

    async def _once(self, *_: Any, **__: Any) -> Any:
        return self._answer


@pytest.mark.parametrize(
    ("status", "message", "refused"),
    [
        (401, "Unauthorized", True),
        (401, 'admission webhook "w.example.com" denied the request: no', False),
        (401, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", False),
        (403, "forbidden", False),
    ],
)
async def test_a_denial_by_any_status_refuses_no_credentials(
    world: World, identity: Identity, status: int, message: str, *, refused: bool
) -> None:
    identity.note(refused=True)
    world.time += 7
    with pytest.raises(KubeError):
        await Answering(identity, Answer(status, message)).create("/api/v1/namespaces/n/secrets", {})
    assert identity.refused_for == (7.0 if refused else 0.0)
    assert world.loads == int(refused), "they are read anew where that may help"
