"""The one reconcile: look, decide, act, look again; then write the status once, and only if it differs."""

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from recording_storage.controller.cluster.events import Events
from recording_storage.controller.cluster.index import MODELS, Change, Index, account_key, read_object
from recording_storage.controller.cluster.kube import Kube, KubeError, resource_path
from recording_storage.controller.cluster.refusals import api_trouble, is_refusal
from recording_storage.controller.cluster.status import patch_status
from recording_storage.controller.cluster.unreadable import Unread
from recording_storage.controller.core import metrics
from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.core.verdicts import (
    Defect,
    Stalled,
    Streak,
    Transient,
    Verdict,
    Waiting,
    conditions_of,
    pause,
)
from recording_storage.controller.kinds.deletion import (
    ABANDON_ANNOTATION,
    Watched,
    abandoned,
    deadline_text,
    waited_for,
    why_abandoned,
)
from recording_storage.controller.kinds.kind import Reconciled
from recording_storage.controller.kinds.unreadable import UnreadKind
from recording_storage.domain.conditions import Condition, ConditionType, Truth, override, render, shorten, unknown
from recording_storage.resources import RecordingAccount, RecordingSpool, Resource
from recording_storage.resources.common import API_VERSION

logger = logging.getLogger(__name__)

FINALIZER = "recordingstorage.dev/store"
_FAILED_MOST = 300.0  # seconds between looks at an object whose writes the cluster refuses
_ROUNDS = 12
"""Looks in a row; more would mean that acting doesn't lead to where the decision expects."""

AnyKind = Reconciled[Any, Any, Any]
Fence = Callable[[], Awaitable[None]]


class Outcome:
    """How a reconcile ended, for the queue."""

    def __init__(self, *, after: float | None, verdict: Verdict | None, gone: str = "") -> None:
        self.after = after
        """Seconds until the next look; None: the object is gone."""
        self.verdict = verdict
        self.gone = gone
        """UID of the object, if it went by this: nothing but our finalizer held it."""


class Reconciler:
    def __init__(
        self,
        *,
        kube: Kube,
        index: Index,
        kinds: Mapping[Kind, AnyKind],
        events: Events,
        written: Callable[[Resource, Change], None],
        now: Callable[[], datetime],
        fence: Fence | None = None,
        watched: Watched | None = None,
    ) -> None:
        """Take the parts.

        Args:
            kube: the API server.
            index: what the watches have delivered.
            kinds: how each kind is looked at, decided and acted upon.
            events: where notes go.
            written: called after a write of ours, with what it has changed: the watch's echo of it is no news.
            now: aware.
            fence: stands before each write; see `Lease.fence`.
            watched: for how long deletions have been seen to wait.
        """
        self._kube = kube
        self._index = index
        self._written = written
        self._kinds = kinds
        self._events = events
        self._now = now
        self._fence = fence or no_fence
        self._watched = watched or Watched()

    async def reconcile(self, key: Key, *, streak: Streak) -> Outcome:
        """Bring one object a step on.

        Args:
            key: whose.
            streak: how its looks have ended so far; this one is counted, unless all is well.

        Raises:
            KubeError: its status could not be written; the queue tries again.
        """
        resource = self._index.get(key)
        kind = self._kinds[key.kind]
        if resource is None:
            return Outcome(after=None, verdict=None)
        started = time.monotonic()
        try:
            outcome = await self._step(kind, resource, streak=streak)
        except KubeError as error:
            if not is_refusal(error):
                raise
            outcome = await self._failed(key, api_trouble(error, f"writing {key}"), streak=streak)
        except Exception as error:  # noqa: BLE001 - told, counted, and one object's only
            outcome = await self._failed(key, _defect(resource, error), streak=streak)
        metrics.DURATION.labels(kind=key.kind).observe(time.monotonic() - started)
        metrics.RECONCILES.labels(kind=key.kind, outcome=_word(outcome.verdict)).inc()
        return outcome

    async def _step(self, kind: AnyKind, resource: Resource, *, streak: Streak) -> Outcome:
        if isinstance(resource, Unread):
            kind = UnreadKind(self._index)
        if resource.metadata.deletion_timestamp is not None:
            return await self._delete(kind, resource, streak=streak)
        if kind.suspended(resource):
            return await self._suspend(kind, resource)
        return await self._manage(kind, resource, streak=streak)

    async def _failed(self, key: Key, verdict: Verdict, *, streak: Streak) -> Outcome:
        """The cluster refuses a write, or a fault of ours has ended the look; the status may be exempt, and says it."""
        resource = self._index.get(key)
        if resource is None:
            return Outcome(after=None, verdict=None)
        await self._write_status(resource, resource, conditions_of(verdict, (), ready_message=""))
        self._tell_verdict(resource, verdict)
        after = pause(verdict, failures=streak.count(verdict.reason), interval=_FAILED_MOST)
        return Outcome(after=after, verdict=verdict)

    async def _manage(self, kind: AnyKind, resource: Resource, *, streak: Streak) -> Outcome:
        never_held = isinstance(resource, RecordingSpool | Unread)  # nothing at the store keeps a spool's resource
        if FINALIZER not in resource.metadata.finalizers and not never_held:
            resource = await self._set_finalizers(resource, [*resource.metadata.finalizers, FINALIZER])
        before = resource
        resource, decision, verdict = await self._rounds(kind, resource, kind.decide)
        interval = kind.interval(resource)
        conditions = conditions_of(verdict, decision.conditions, ready_message=decision.message)
        await self._write_status(before, resource, conditions)
        for note in kind.changes(before, resource):
            self._events.tell(before, note)
        self._tell_verdict(before, verdict)
        after = pause(verdict, failures=streak.count(verdict.reason) if verdict else 0, interval=interval)
        if decision.again_after is not None:
            after = min(after, decision.again_after)
        return Outcome(after=after, verdict=verdict)

    async def _suspend(self, kind: AnyKind, resource: Resource) -> Outcome:
        message = "spec.suspend is true: the store is left alone; set it to false to go on"
        present = _present_conditions(resource)
        kept = tuple(each for each in present if each.type not in {ConditionType.RECONCILING, ConditionType.STALLED})
        conditions = override(kept, unknown(ConditionType.SYNCED, "Suspended", message))
        if not any(each.type is ConditionType.READY for each in conditions):
            conditions = override(conditions, unknown(ConditionType.READY, "Suspended", message))
        await self._write_status(resource, resource, conditions)
        return Outcome(after=kind.interval(resource), verdict=None)

    async def _delete(self, kind: AnyKind, resource: Resource, *, streak: Streak) -> Outcome:
        if FINALIZER not in resource.metadata.finalizers:
            return Outcome(after=None, verdict=None)
        asked = resource.metadata.deletion_timestamp
        assert asked is not None
        verdict: Verdict | None = None
        before, decision = resource, Decision[Any]()
        if resource.metadata.annotations.get(ABANDON_ANNOTATION) == "true":
            self._events.tell(resource, abandoned(f"annotation {ABANDON_ANNOTATION} is set"))
        else:
            resource, decision, verdict = await self._rounds(kind, resource, kind.decide_deletion)
            waited = waited_for(asked, now=self._now(), watched=self._watched.seconds(resource.metadata.uid))
            leaves = self._account_leaves(resource)
            if verdict is not None and (why := why_abandoned(verdict, waited=waited, account_leaves=leaves)):
                self._events.tell(resource, abandoned(why))
                verdict = None
        if verdict is None:
            rest = [each for each in resource.metadata.finalizers if each != FINALIZER]
            await self._set_finalizers(resource, rest)
            self._watched.forget(resource.metadata.uid)
            return Outcome(after=None, verdict=None, gone="" if rest else resource.metadata.uid)
        verdict.message = f"{verdict.message}. {deadline_text(verdict, asked)}"
        conditions = conditions_of(verdict, decision.conditions, ready_message="")
        await self._write_status(before, resource, conditions)
        self._tell_verdict(before, verdict)
        return Outcome(after=pause(verdict, failures=streak.count(verdict.reason), interval=60.0), verdict=verdict)

    async def _rounds(
        self, kind: AnyKind, resource: Resource, decide: Callable[[Any, Any], Decision[Any]]
    ) -> tuple[Resource, Decision[Any], Verdict | None]:
        """Look and act until there is nothing left to do; the resource comes back with the status to write.

        A fault of our own becomes a verdict like any other: it is seen at the object, and a deletion has its deadline.
        """
        try:
            return await self._look_and_act(kind, resource, decide)
        except KubeError:
            raise
        except Exception as error:  # noqa: BLE001 - told, counted, and one object's only
            return resource, Decision(), _defect(resource, error)

    async def _look_and_act(
        self, kind: AnyKind, resource: Resource, decide: Callable[[Any, Any], Decision[Any]]
    ) -> tuple[Resource, Decision[Any], Verdict | None]:
        decision = Decision[Any]()
        try:
            for _ in range(_ROUNDS):
                decision = decide(resource, await kind.observe(resource))
                for action in decision.actions:
                    logger.debug(
                        "%s %s/%s: %s", resource.kind, resource.metadata.namespace, resource.metadata.name, action
                    )
                    await self._fence()
                    await kind.act(resource, action)
                for note in decision.notes:
                    self._events.tell(resource, note)
                resource = _with_status(resource, decision.status)
                if not decision.actions or decision.finished:
                    return resource, decision, decision.verdict
        except Verdict as verdict:
            return _with_status(resource, verdict.status), decision, verdict
        message = "acting does not lead to the wanted state; somebody else may be changing the same things at the store"
        return resource, decision, Transient("NoProgress", message, cause=ConditionType.SYNCED)

    def _account_leaves(self, resource: Resource) -> bool:
        account = None if isinstance(resource, RecordingAccount | Unread) else self._index.get(account_key(resource))
        return account is not None and account.metadata.deletion_timestamp is not None

    async def _write_status(self, before: Resource, resource: Resource, conditions: tuple[Condition, ...]) -> None:
        try:
            await self._patch_status(before, resource, conditions)
        except KubeError as error:
            if not error.invalid:
                raise
            # What we make of other people's values does not fit our own schema; the conditions by themselves do.
            verdict = _defect(resource, error)
            await self._patch_status(before, before, conditions_of(verdict, (), ready_message=""))

    async def _patch_status(self, before: Resource, resource: Resource, conditions: tuple[Condition, ...]) -> None:
        meta = resource.metadata
        present = before.status.dump()
        status = resource.status.dump()
        status["observedGeneration"] = meta.generation
        if meta.reconcile_requested_at:
            status["lastHandledReconcileAt"] = meta.handled_reconcile_at
        listed = present.get("conditions", [])
        status["conditions"] = render(conditions, present=listed, generation=meta.generation, now=self._now())
        patch = {name: value for name, value in status.items() if present.get(name) != value}
        patch |= {name: None for name in present if name not in status}
        if not patch:
            return
        written = await patch_status(self._kube, _path(resource), patch, seen=meta, fence=self._fence)
        self._keep(resource, written)

    async def _set_finalizers(self, resource: Resource, finalizers: list[str]) -> Resource:
        """A list can only be patched as a whole, so it has to be the one that we have seen."""
        meta = resource.metadata
        metadata = {"uid": meta.uid, "resourceVersion": meta.resource_version, "finalizers": finalizers}
        await self._fence()
        try:
            answer = await self._kube.patch(_path(resource), {"metadata": metadata})
        except KubeError as error:
            if error.conflict:
                self._keep(resource, await self._kube.get(_path(resource)))
            raise
        return self._keep(resource, answer)

    def _keep(self, resource: Resource, answer: Mapping[str, Any]) -> Resource:
        newer = read_object(Kind(resource.kind), answer)
        if newer.metadata.uid == resource.metadata.uid:
            self._written(newer, self._index.put(newer))
        return newer

    def _tell_verdict(self, before: Resource, verdict: Verdict | None) -> None:
        """An event when the state changes, not at each try."""
        old = before.status.condition("Ready")
        if verdict is None:
            if old is not None and old.status != Truth.TRUE and old.reason != "Suspended":
                self._events.tell(before, Note(reason="Ready", message="it is as it should be"))
            return
        if old is None or old.reason != verdict.reason:
            warning = verdict.ready is Truth.FALSE or isinstance(verdict, Transient)
            self._events.tell(before, Note(reason=verdict.reason, message=verdict.message, warning=warning))


async def no_fence() -> None:
    """Stands before the writes of an operator that is alone."""
    return


def _with_status(resource: Resource, fields: Mapping[str, Any]) -> Resource:
    if not fields:
        return resource
    status = {**resource.status.dump(), **fields}
    kept = {name: value for name, value in status.items() if value is not None}
    return resource.model_copy(update={"status": type(resource.status).model_validate(kept)})


def _present_conditions(resource: Resource) -> tuple[Condition, ...]:
    known = {each.value for each in ConditionType}
    return tuple(
        Condition(type=ConditionType(each.type), status=Truth(each.status), reason=each.reason, message=each.message)
        for each in resource.status.conditions or ()
        if each.type in known
    )


def _path(resource: Resource) -> str:
    meta = resource.metadata
    plural = MODELS[Kind(resource.kind)].names.plural
    return resource_path(API_VERSION, plural, namespace=meta.namespace, name=meta.name)


def _defect(resource: Resource, error: Exception) -> Defect:
    """Loud and counted. Neither log nor condition has the error's text: it may repeat a value, such as a key."""
    metrics.DEFECTS.labels(kind=resource.kind).inc()
    match error:
        case ValidationError():
            fields = {".".join(str(each) for each in fault["loc"]) for fault in error.errors(include_input=False)}
            what = f"{type(error).__name__} of {', '.join(sorted(fields)) or error.title}"
        case KubeError():
            what = f"the API server does not take the status: {shorten(error.message)}"
        case _:
            what = type(error).__name__
    meta = resource.metadata
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s %s/%s: a defect of the operator: %s\n%s", resource.kind, meta.namespace, meta.name, what, frames)
    return Defect(what)


def _word(verdict: Verdict | None) -> str:
    if verdict is None:
        return "ready"
    return {Stalled: "stalled", Waiting: "waiting", Transient: "transient", Defect: "defect"}.get(
        type(verdict), "other"
    )
