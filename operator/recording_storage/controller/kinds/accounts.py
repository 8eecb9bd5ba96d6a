"""The way to an account: which store, which key; shared by all kinds, asked anew after a while."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from recording_storage.controller.cluster.index import Index, account_key
from recording_storage.controller.cluster.kube import METADATA, Kube, KubeError, namespace_path
from recording_storage.controller.cluster.refusals import api_trouble
from recording_storage.controller.cluster.unreadable import Unread
from recording_storage.controller.core.verdicts import NamespaceEnding, Stalled, Transient, Verdict, Waiting
from recording_storage.controller.kinds.account.decide import CLOSED, closed, known_sid, missing, refused_key
from recording_storage.controller.kinds.secrets import api_key_of, read_secret
from recording_storage.controller.stores.errors import (
    StoreFailure,
    StoreNotAllowed,
    StoreNotFound,
    StoreRefused,
    StoreUnauthorized,
    StoreUnavailable,
)
from recording_storage.controller.stores.internal import InternalStore
from recording_storage.controller.stores.public import ApiKey, Endpoints, PublicStore
from recording_storage.controller.stores.recent_writes import RecentWrites
from recording_storage.domain.conditions import ConditionType, Truth
from recording_storage.protocol.accounts import OpenedAccount
from recording_storage.resources import RecordingAccount, Resource
from recording_storage.resources.account import StoreType

_KEPT = 60.0  # seconds that an opened account's key is used without asking again
_CONFLICT = 409


@dataclass(frozen=True, kw_only=True)
class Access:
    """All that is needed to work on an account."""

    account: RecordingAccount
    sid: str
    store: PublicStore = field(repr=False)
    internal: InternalStore | None
    """None at a hosted service."""

    @property
    def label(self) -> str:
        return f"{self.account.metadata.namespace}/{self.account.metadata.name}"


class Accounts:
    """Hands out `Access`. Raises verdicts."""

    def __init__(
        self,
        *,
        kube: Kube,
        index: Index,
        store_url: str,
        internal: InternalStore | None,
        bundled_client: httpx.AsyncClient,
        remote_client: httpx.AsyncClient,
        recent: RecentWrites,
        clock: Callable[[], float],
    ) -> None:
        self._kube = kube
        self._index = index
        self._store_url = store_url.rstrip("/")
        self.internal = internal
        self._bundled_client = bundled_client
        self._remote_client = remote_client
        self._clock = clock
        self._recent = recent
        self._opened: dict[str, tuple[OpenedAccount, float]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def access(self, resource: Resource) -> Access:
        """The account that a resource refers to, if it may."""
        key = account_key(resource)
        account = self._index.get(key)
        label = f"{key.namespace}/{key.name}"
        here = resource.metadata.namespace
        if key.namespace != here and not (isinstance(account, RecordingAccount) and _admits(account, here)):
            # The same answer for both, or one could find out what is in a namespace that one can't read.
            raise Waiting(
                "AccountNotAllowed",
                f"RecordingAccount {label} does not exist or does not allow namespace {here}: correct spec.accountRef, "
                "or have its spec.allowedNamespaces select this namespace",
                cause=ConditionType.REFS_RESOLVED,
                ready=Truth.FALSE,
            )
        if isinstance(account, Unread):
            raise _not_ready(account, "can't be read by this version of the operator")
        if not isinstance(account, RecordingAccount):
            raise Waiting(
                "AccountNotFound",
                f"RecordingAccount {label} does not exist: create it, or correct spec.accountRef",
                cause=ConditionType.REFS_RESOLVED,
                ready=Truth.FALSE,
            )
        if account.status.account_sid is None:
            raise _not_ready(account, "has no account yet")
        return await self.open(account)

    async def open(self, account: RecordingAccount) -> Access:
        """The way to an account that has a sid."""
        sid = account.status.account_sid
        assert sid is not None
        if account.spec.store.type is StoreType.BUNDLED and account.status.external_id == account.metadata.uid:
            opened = await self.opened(account)
            if opened.account_sid != sid:
                raise Waiting(
                    "AccountNotReady",
                    f"account {sid} is replaced by another one, as it was asked for",
                    cause=ConditionType.REFS_RESOLVED,
                    after=2.0,
                )
            return self.with_key(account, sid, ApiKey(opened.api_key_sid, opened.api_key_secret.get_secret_value()))
        where = account.api_key_secret
        content = await read_secret(self._kube, namespace=account.metadata.namespace, name=account.api_key_secret_name)
        key, problem = api_key_of(content, where=where, auth_token=takes_auth_token(account))
        if key is None:
            if not content.found and await self._is_ending(account.metadata.namespace):
                raise NamespaceEnding(f"{where} with the API key of {sid} is gone", cause=ConditionType.REFS_RESOLVED)
            message = problem if content.found else f"{where} with the API key of {sid} does not exist: create it"
            raise Waiting("AccountNotReady", message, cause=ConditionType.REFS_RESOLVED, ready=Truth.FALSE)
        return self.with_key(account, sid, key)

    def with_key(self, account: RecordingAccount, sid: str, key: ApiKey) -> Access:
        """The way to the account with a key at hand."""
        bundled = account.spec.store.type is StoreType.BUNDLED
        if bundled:
            endpoints = Endpoints(video=self._store_url, accounts=self._store_url, api=self._store_url)
        else:
            given = account.spec.store.endpoints
            assert given is not None
            endpoints = Endpoints(
                video=given.video.rstrip("/"), accounts=given.accounts.rstrip("/"), api=given.api.rstrip("/")
            )
        client = self._bundled_client if bundled else self._remote_client
        # The bundled store shows at once what it has answered; whatever differs there, somebody else has changed.
        recent = RecentWrites(shown_within=0.0) if bundled else self._recent
        store = PublicStore(client, endpoints=endpoints, key=key, account=sid, recent=recent)
        return Access(account=account, sid=sid, store=store, internal=self.internal if bundled else None)

    def remembered(self, account: RecordingAccount) -> OpenedAccount | None:
        """What `opened` gave lately."""
        opened, until = self._opened.get(account.metadata.uid, (None, 0.0))
        return opened if opened is not None and until > self._clock() else None

    def forget(self, account: RecordingAccount) -> None:
        self._opened.pop(account.metadata.uid, None)

    async def opened(self, account: RecordingAccount) -> OpenedAccount:
        """The account at the bundled store that belongs to the resource; opened if it isn't yet."""
        internal = self.bundled()
        async with self._locks[account.metadata.uid]:
            if (kept := self.remembered(account)) is not None:
                return kept
            name, known = f"{account.metadata.namespace}/{account.metadata.name}"[:64], known_sid(account)
            try:
                # Asked for before it is written: an account that is gone, or closed, stays so for many looks.
                if known is not None and (await internal.account(known)).status == CLOSED:
                    raise closed()
                opened = await internal.open_account(account.metadata.uid, friendly_name=name, known_sid=known)
            except StoreNotFound as error:
                raise missing(account) from error
            except StoreRefused as error:
                if error.status == _CONFLICT:
                    raise closed() from error
                raise internal_verdict(error, internal) from error
            except StoreFailure as error:
                raise internal_verdict(error, internal) from error
            self._opened[account.metadata.uid] = (opened, self._clock() + _KEPT)
            return opened

    async def _is_ending(self, namespace: str) -> bool:
        try:
            found = await self._kube.get(namespace_path(namespace), accept=METADATA)
        except KubeError as error:
            raise api_trouble(error, f"namespace {namespace}") from error
        return "deletionTimestamp" in found["metadata"]

    def bundled(self) -> InternalStore:
        """The bundled store's internal port, if this operator has one."""
        if self.internal is None:
            raise Stalled(
                "NoBundledStore",
                "spec.store.type is Bundled, but this operator was started without --store-url and --internal-url: "
                "start it with them, or create a RecordingAccount with store type Remote",
                cause=ConditionType.SYNCED,
            )
        return self.internal


def _not_ready(account: Resource, what: str) -> Verdict:
    meta, ready = account.metadata, account.status.condition("Ready")
    said = f" ({ready.reason}: {ready.message})" if ready else ""
    return Waiting(
        "AccountNotReady",
        f"RecordingAccount {meta.namespace}/{meta.name} {what}{said}",
        cause=ConditionType.REFS_RESOLVED,
        ready=Truth.FALSE if ready and ready.status == Truth.FALSE else Truth.UNKNOWN,
    )


def takes_auth_token(account: RecordingAccount) -> bool:
    """Where namespaces are bound, an API key is what proves the right to it."""
    return account.spec.store.type is StoreType.REMOTE


def _admits(account: RecordingAccount, namespace: str) -> bool:
    return any(each.name == namespace for each in account.status.bound_namespaces or ())


def internal_verdict(error: StoreFailure, internal: InternalStore) -> Verdict:
    """What a failure of the internal port means for a reconcile."""
    if isinstance(error, StoreUnauthorized):
        return Stalled(
            "OperatorNotAuthorized",
            f"the settings store at {internal.url} does not accept the operator's token ({error.message}): check "
            "--token-file, and the store's --operator-service-account",
            cause=ConditionType.SYNCED,
        )
    return _common(error)


def public_verdict(error: StoreFailure, access: Access) -> Verdict:
    """What a failure of the public API means for a reconcile."""
    if isinstance(error, StoreUnauthorized):
        verdict = refused_key(access.account)
        return Waiting(
            verdict.reason, verdict.message, cause=ConditionType.REFS_RESOLVED, after=15.0, ready=Truth.FALSE
        )
    return _common(error)


def _common(error: StoreFailure) -> Verdict:
    if isinstance(error, StoreUnavailable):
        return Transient(
            "StoreUnavailable",
            f"{error.message}: see that it runs and can be reached from the operator; nothing is lost, and it is tried "
            "again by itself",
            cause=ConditionType.SYNCED,
            retry_after=error.retry_after,
        )
    if isinstance(error, StoreNotFound):
        return Transient("NotFoundAtStore", f"{error.message}; looked up again", cause=ConditionType.SYNCED)
    if isinstance(error, StoreNotAllowed):
        return Stalled("EndpointNotAllowed", f"spec.store.endpoints: {error.message}", cause=ConditionType.SYNCED)
    code = f" (code {error.code})" if error.code else ""
    return Stalled("RefusedByStore", f"the settings store refuses: {error.message}{code}", cause=ConditionType.SYNCED)
