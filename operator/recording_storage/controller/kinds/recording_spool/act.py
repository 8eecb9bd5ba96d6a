"""RecordingSpool: looks at its account, its rivals and what the store has heard of it, and does what was decided."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from recording_storage.controller.cluster.index import MODELS, Index, account_key
from recording_storage.controller.cluster.kube import Kube, resource_path
from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.core.verdicts import Stalled, Verdict, Waiting
from recording_storage.controller.kinds.accounts import Accounts, internal_verdict
from recording_storage.controller.kinds.recording_spool import decide as decisions
from recording_storage.controller.kinds.recording_spool.observed import (
    Action,
    Assign,
    Observed,
    Withdraw,
    folder,
    rival_of,
)
from recording_storage.controller.kinds.recording_spool.pods import Pods
from recording_storage.controller.kinds.recording_spool.retry import Retry, waits
from recording_storage.controller.kinds.recording_spool.seen import Seen
from recording_storage.controller.stores.errors import StoreFailure, StoreNotFound, StoreRefused
from recording_storage.controller.stores.internal import InternalStore
from recording_storage.domain.conditions import ConditionType
from recording_storage.protocol.accounts import CommandStatus
from recording_storage.protocol.spools import SpoolInfo, SpoolStanding
from recording_storage.resources import RecordingSpool
from recording_storage.resources.common import API_VERSION

INTERVAL = 300.0
_CONFLICT = 409
SYNCED = ConditionType.SYNCED


class SpoolKind:
    def __init__(
        self,
        *,
        kube: Kube,
        index: Index,
        accounts: Accounts,
        seen: Seen,
        pods: Pods,
        without: Callable[[str, str], Note | None],
    ) -> None:
        """Take the parts; `without` says, by namespace and claim, why a pod that records there has no uploader."""
        self._kube = kube
        self._index = index
        self._accounts = accounts
        self._seen = seen
        self._pods = pods
        self._without = without
        self._asking = asyncio.Lock()

    def interval(self, resource: RecordingSpool) -> float:
        del resource
        return INTERVAL

    def suspended(self, resource: RecordingSpool) -> bool:
        del resource
        return False

    def decide(self, resource: RecordingSpool, observed: Observed) -> Decision[Action]:
        return decisions.decide(resource, observed)

    def changes(self, before: RecordingSpool, after: RecordingSpool) -> tuple[Note, ...]:
        """None: what the conditions say is told as it changes."""
        del before, after
        return ()

    def decide_deletion(self, resource: RecordingSpool, observed: Observed) -> Decision[Action]:
        """Nothing holds it; what the store has of it is removed once it is gone."""
        del resource, observed
        return Decision(finished=True)

    async def observe(self, resource: RecordingSpool) -> Observed:
        try:
            await self._ask_first()
        except Verdict as verdict:
            return Observed(asked=False, failure=verdict)
        volume = resource.spec.volume
        candidates = self._seen.at(resource.metadata.namespace, volume.claim_name, folder(volume.sub_path))
        found = candidates[0] if candidates else None
        facts: dict[str, Any] = {
            "found": found,
            "heard": found is not None and self._seen.heard(found),
            "without": self._without(resource.metadata.namespace, volume.claim_name),
            "rivals": self._rivals(resource),
            "account_gone": self._index.get(account_key(resource)) is None,
        }
        try:
            access = await self._accounts.access(resource)
        except Verdict as verdict:
            return Observed(**facts, failure=verdict)
        facts |= {"account_sid": access.sid, "hosted": access.internal is None}
        if found is not None and found.standing is SpoolStanding.UNASSIGNED:
            facts |= await self._first_that_fits(candidates)
        retry = resource.status.retry
        if access.internal is not None and waits(resource) and retry is not None and retry.command is not None:
            facts["command"] = await self._command(access.internal, access.sid, retry.command)
        return Observed(**facts)

    async def _first_that_fits(self, candidates: Sequence[SpoolInfo]) -> dict[str, Any]:
        """`found` and `misfit`: any pod may say that it has the claim."""
        misfits = []
        for each in candidates:
            misfits.append(await self._pods.misfit(each))
            if not misfits[-1]:
                return {"found": each, "heard": self._seen.heard(each), "misfit": ""}
        return {"misfit": misfits[0]}

    async def _ask_first(self) -> None:
        """After a start nothing is known of spools, and nothing may be said of them. Raises verdicts."""
        internal = self._accounts.internal
        if self._seen.revision is not None or internal is None:
            return
        async with self._asking:
            if self._seen.revision is None:
                try:
                    self._seen.whole(await internal.spools())
                except StoreFailure as error:
                    raise internal_verdict(error, internal) from error

    async def _command(self, internal: InternalStore, account_sid: str, id_: str) -> CommandStatus | None:
        try:
            return await internal.command(account_sid, id_)
        except StoreFailure:  # asked again at the next look
            return None

    async def act(self, resource: RecordingSpool, action: Action) -> None:
        match action:
            case Assign():
                await self._assign(action)
            case Retry():
                await self._retry(resource, action)
            case Withdraw():
                plural, meta = MODELS[Kind.SPOOL].names.plural, resource.metadata
                path = resource_path(API_VERSION, plural, namespace=meta.namespace, name=meta.name)
                await self._kube.delete(path, uid=meta.uid)

    async def _retry(self, resource: RecordingSpool, action: Retry) -> None:
        access, internal = await self._accounts.access(resource), self._accounts.bundled()
        try:
            await internal.add_command(access.sid, action.command)
        except StoreFailure as error:
            raise internal_verdict(error, internal) from error

    async def _assign(self, action: Assign) -> None:
        internal = self._accounts.bundled()
        try:
            self._seen.take(await internal.assign_spool(action.spool_id, action.wanted))
        except StoreNotFound as error:
            message = "the store has just forgotten the spool: it is assigned once its uploader reports again"
            raise Waiting("NotFoundAtStore", message, after=5.0, cause=SYNCED) from error
        except StoreRefused as error:
            if error.status == _CONFLICT:
                raise Stalled("Conflict", f"the store does not assign it: {error.message}", cause=SYNCED) from error
            if error.code == "not_bound":
                message = "the account is not bound to this namespace yet, or not any more"
                raise Waiting("AccountNotReady", message, after=5.0, cause=ConditionType.REFS_RESOLVED) from error
            raise internal_verdict(error, internal) from error
        except StoreFailure as error:
            raise internal_verdict(error, internal) from error

    def _rivals(self, resource: RecordingSpool) -> tuple[Any, ...]:
        claim = Key(Kind.CLAIM, resource.metadata.namespace, resource.spec.volume.claim_name)
        return tuple(
            rival_of(each)
            for each in self._index.resources(self._index.referrers(claim))
            if isinstance(each, RecordingSpool)
            and each.metadata.uid != resource.metadata.uid
            and each.metadata.deletion_timestamp is None
        )


def key_at(found: SpoolInfo) -> Key:
    """The claim that a spool was found on: the RecordingSpools there refer to it."""
    return Key(Kind.CLAIM, found.namespace, found.place.claim)
