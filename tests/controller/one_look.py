"""One look at one object without a cluster: the real skeleton, a kind that a test writes, a server of one object."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from recording_storage.controller.cluster.index import Index, key_of, read_object
from recording_storage.controller.cluster.kube import Document, KubeError
from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.keys import Kind
from recording_storage.controller.core.verdicts import Streak
from recording_storage.controller.kinds.account.decide import changes
from recording_storage.controller.kinds.deletion import Watched
from recording_storage.controller.reconcile import FINALIZER, Outcome, Reconciler
from recording_storage.resources import Resource

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
META = {
    "name": "default",
    "namespace": "here",
    "uid": "u1",
    "generation": 1,
    "resourceVersion": "1",
    "finalizers": [FINALIZER],
}


class ApiServer:
    """Holds one object; `refuse` says why it doesn't take a patch."""

    def __init__(self, item: Document, *, refuse: Callable[[Document], KubeError | None] = lambda _: None) -> None:
        self.item = item
        self.refuse = refuse
        self.patches: list[Document] = []

    async def get(self, path: str) -> Document:
        del path
        return self.item

    async def patch(self, path: str, body: Document) -> Document:
        del path
        if (refusal := self.refuse(body)) is not None:
            raise refusal
        present = self.item["metadata"]["resourceVersion"]
        if body.get("metadata", {}).get("resourceVersion", present) != present:
            raise KubeError(409, "Conflict", "it has changed")
        self.patches.append(body)
        version = {"resourceVersion": str(int(present) + 1)}
        self.item = {
            **self.item,
            "metadata": self.item["metadata"]
            | {k: v for k, v in body.get("metadata", {}).items() if k == "finalizers"},
            "status": _merged(self.item.get("status", {}), body.get("status", {})),
        }
        self.item["metadata"] |= version
        return self.item

    def condition(self, type_: str) -> Document:
        found = [each for each in self.item.get("status", {}).get("conditions", []) if each["type"] == type_]
        return dict(found[0]) if found else {}


def _merged(before: Document, patch: Document) -> Document:
    return {name: value for name, value in (before | patch).items() if value is not None}


class Written:
    """A kind whose looks are given; each of them may be an exception."""

    def __init__(self, *looks: Decision[str] | Exception) -> None:
        self._looks = list(looks)
        self.acted: list[str] = []

    async def observe(self, resource: Any) -> str:
        del resource
        return "seen"

    def decide(self, resource: Any, observed: str) -> Decision[str]:
        del resource, observed
        look = self._looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look

    decide_deletion = decide

    def changes(self, before: Any, after: Any) -> tuple[Note, ...]:
        """As an account's: what tests of the skeleton need is that it gets the right two."""
        return changes(before, after)

    async def act(self, resource: Any, action: str) -> None:
        del resource
        self.acted.append(action)

    def suspended(self, resource: Any) -> bool:
        del resource
        return False

    def interval(self, resource: Any) -> float:
        del resource
        return 300.0


class Told:
    """Takes the place of the events."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def tell(self, resource: Resource, note: Note) -> None:
        del resource
        self.notes.append(note)

    @property
    def reasons(self) -> list[str]:
        return [note.reason for note in self.notes]


def item(*, status: Mapping[str, Any] | None = None, **meta: Any) -> Document:
    return {"metadata": META | meta, "spec": {}, "status": dict(status or {})}


async def look(
    server: ApiServer, kind: Any, *, told: Told | None = None, now: datetime = NOW, watched: Watched | None = None
) -> Outcome:
    """Look once at what the server holds."""
    index = Index()
    account = read_object(Kind.ACCOUNT, server.item)
    index.put(account)
    stand_in: Any = server
    events: Any = told or Told()
    reconciler = Reconciler(
        kube=stand_in,
        index=index,
        kinds={Kind.ACCOUNT: kind},
        events=events,
        written=lambda *_: None,
        now=lambda: now,
        watched=watched,
    )
    return await reconciler.reconcile(key_of(account), streak=Streak())
