"""RecordingAccount: looks at the store, the Secret and the namespaces, and does what was decided."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from recording_storage.controller.cluster.index import Index, key_of
from recording_storage.controller.cluster.kube import METADATA, METADATA_LIST, Kube, KubeError, namespace_path
from recording_storage.controller.cluster.refusals import api_trouble
from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.keys import Key
from recording_storage.controller.core.verdicts import Verdict
from recording_storage.controller.kinds.account import decide as decisions
from recording_storage.controller.kinds.account.decide import (
    Action,
    AdoptSecret,
    Bind,
    CloseAccount,
    KeySecret,
    Namespace,
    Observed,
    OpenAccount,
    Proof,
    ReleaseSecret,
    Unbind,
    WriteKeySecret,
)
from recording_storage.controller.kinds.account.deletion import closes, decide_deletion
from recording_storage.controller.kinds.account.key_secret import KeySecrets
from recording_storage.controller.kinds.accounts import Accounts, internal_verdict, public_verdict
from recording_storage.controller.kinds.recording_spool.observed import is_made
from recording_storage.controller.stores.errors import StoreFailure, StoreNotFound, StoreUnauthorized
from recording_storage.controller.stores.public import ApiKey
from recording_storage.domain.states import Product
from recording_storage.protocol.accounts import AccountInfo, ApiKeyProof, BindNamespace
from recording_storage.protocol.base import Secret
from recording_storage.resources import RecordingAccount, RecordingSpool
from recording_storage.resources.account import LabelSelector, NamespacesFrom, StoreType

INTERVAL = 300.0


class AccountKind:
    def __init__(self, *, kube: Kube, index: Index, accounts: Accounts, clusterwide: bool) -> None:
        self._kube = kube
        self._index = index
        self._accounts = accounts
        self._secrets = KeySecrets(kube)
        self._clusterwide = clusterwide

    def interval(self, resource: RecordingAccount) -> float:
        del resource
        return INTERVAL

    def suspended(self, resource: RecordingAccount) -> bool:
        del resource
        return False

    def decide(self, resource: RecordingAccount, observed: Observed) -> Decision[Action]:
        return decisions.decide(resource, observed)

    def changes(self, before: RecordingAccount, after: RecordingAccount) -> tuple[Note, ...]:
        return decisions.changes(before, after)

    def decide_deletion(self, resource: RecordingAccount, observed: Observed) -> Decision[Action]:
        return decide_deletion(resource, observed)

    async def observe(self, resource: RecordingAccount) -> Observed:
        referrers = self._index.referrers(key_of(resource))
        dependents = tuple(str(key) for key in referrers if not self._is_made(key))
        deleting = resource.metadata.deletion_timestamp is not None
        if deleting and dependents:
            return Observed(secret=KeySecret(found=False), dependents=dependents)
        secret = await self._secrets.read(resource)
        if deleting and not closes(resource):
            return Observed(secret=secret)
        facts: dict[str, Any] = {}
        try:
            if deleting and await self._closed(resource):
                return Observed(secret=secret, closed=True)
            secret = await self._recognised(resource, secret)
            facts = await self._account(resource, secret)
            if facts.get("account_sid") and resource.spec.store.type is StoreType.BUNDLED:
                facts["bound"] = await self._bound(resource, facts["account_sid"])
        except Verdict as verdict:
            facts = {"failure": verdict}
        namespaces = () if deleting else await self._namespaces(resource)
        return Observed(secret=secret, namespaces=namespaces, dependents=dependents, **facts)

    def _is_made(self, key: Key) -> bool:
        """A RecordingSpool that the operator has made: it goes when its account is gone."""
        found = self._index.get(key)
        return isinstance(found, RecordingSpool) and is_made(found)

    async def act(self, resource: RecordingAccount, action: Action) -> None:
        match action:
            case OpenAccount():
                await self._accounts.opened(resource)
            case WriteKeySecret():
                await self._secrets.write(resource, action)
            case ReleaseSecret():
                await self._secrets.release(resource, action)
            case AdoptSecret():
                await self._secrets.adopt(resource, action)
            case _:
                await self._act_at_store(resource, action)

    async def _act_at_store(self, resource: RecordingAccount, action: Bind | Unbind | CloseAccount) -> None:
        internal = self._accounts.bundled()
        try:
            match action:
                case Bind():
                    wanted = await self._proved(resource, action)
                    await internal.bind(action.account_sid, action.namespace.uid, wanted)
                case Unbind():
                    await internal.unbind(action.account_sid, action.namespace.uid)
                case CloseAccount():
                    await internal.close_account(action.account_sid)
                    self._accounts.forget(resource)
        except StoreFailure as error:
            raise internal_verdict(error, internal) from error

    async def _recognised(self, resource: RecordingAccount, secret: KeySecret) -> KeySecret:
        """With whether it was written for this resource's account, also where no status names that yet."""
        if secret.owned or not secret.account_sid or resource.spec.store.type is StoreType.REMOTE:
            return secret
        opened, status = self._accounts.remembered(resource), resource.status
        by_status = status.account_sid if status.external_id == resource.metadata.uid else None
        known = {sid for sid in (by_status, opened.account_sid if opened is not None else None) if sid is not None}
        if known or resource.metadata.deletion_timestamp is not None:
            return replace(secret, ours=secret.account_sid in known)
        return replace(secret, ours=await self._opened_for(resource, secret.account_sid))

    async def _account(self, resource: RecordingAccount, secret: KeySecret) -> dict[str, Any]:
        """The facts about the account itself, as `Observed` names them."""
        if resource.spec.store.type is StoreType.REMOTE:
            return await self._by_key(resource, secret) if secret.key else {}
        named, opened = resource.spec.account_sid, self._accounts.remembered(resource)
        was_opened = resource.status.external_id == resource.metadata.uid or opened is not None or secret.ours
        if secret.key is not None and not secret.ours and (named is not None or not was_opened):
            return await self._by_key(resource, secret)  # also of one that was restored from a backup, or applied anew
        if named is not None and not await self._opened_for(resource, named):
            return {"named_is_ours": False}
        if resource.metadata.deletion_timestamp is not None and resource.status.external_id != resource.metadata.uid:
            return {}
        if opened is None and (was_opened or named):  # ask again, with the same answer
            opened = await self._accounts.opened(resource)
        if opened is None:
            return {"named_is_ours": named is not None}
        return {
            "account_sid": opened.account_sid,
            "key": ApiKey(opened.api_key_sid, opened.api_key_secret.get_secret_value()),
            "proof": Proof.EXTERNAL_ID,
            "named_is_ours": named is not None,
        }

    async def _opened_for(self, resource: RecordingAccount, account_sid: str) -> bool:
        info = await self._info(account_sid)
        return info is not None and info.external_id == resource.metadata.uid

    async def _closed(self, resource: RecordingAccount) -> bool:
        sid = resource.status.account_sid
        info = await self._info(sid) if sid is not None else None
        return info is not None and info.status == decisions.CLOSED

    async def _info(self, account_sid: str) -> AccountInfo | None:
        internal = self._accounts.bundled()
        try:
            return await internal.account(account_sid)
        except StoreNotFound:
            return None
        except StoreFailure as error:
            raise internal_verdict(error, internal) from error

    async def _by_key(self, resource: RecordingAccount, secret: KeySecret) -> dict[str, Any]:
        """The account that the Secret's key opens; the check is a GET that changes nothing."""
        key = secret.key
        assert key is not None
        access = self._accounts.with_key(resource, resource.spec.account_sid or "", key)
        try:
            answer = await access.store.settings(Product.VIDEO)
        except StoreUnauthorized as error:
            raise decisions.refused_key(resource, secret) from error
        except StoreFailure as error:
            raise public_verdict(error, access) from error
        return {"account_sid": answer.account_sid, "key": key, "proof": Proof.API_KEY}

    async def _bound(self, resource: RecordingAccount, account_sid: str) -> tuple[Namespace, ...]:
        internal = self._accounts.bundled()
        try:
            bindings = await internal.bindings(account_sid)
        except StoreFailure as error:
            if isinstance(error, StoreNotFound):  # what was opened lately is not there any more
                self._accounts.forget(resource)
            raise internal_verdict(error, internal) from error
        return tuple(Namespace(name=each.namespace, uid=each.namespace_uid) for each in bindings)

    async def _namespaces(self, resource: RecordingAccount) -> tuple[Namespace, ...]:
        here = resource.metadata.namespace
        allowed = resource.spec.allowed_namespaces
        try:
            own = await self._kube.get(namespace_path(here), accept=METADATA)
            items = [own]
            if allowed.from_ is NamespacesFrom.SELECTOR and allowed.selector is not None and self._clusterwide:
                query = urlencode({"labelSelector": selector_text(allowed.selector)})
                listed = await self._kube.get(f"{namespace_path()}?{query}", accept=METADATA_LIST)
                items += listed["items"] or []
        except KubeError as error:
            raise api_trouble(
                error, f"reading the namespaces of spec.allowedNamespaces for {here}/{resource.metadata.name}"
            ) from error
        found = {item["metadata"]["uid"]: item["metadata"]["name"] for item in items}
        return tuple(Namespace(name=name, uid=uid) for uid, name in sorted(found.items()))

    async def _proved(self, resource: RecordingAccount, action: Bind) -> BindNamespace:
        if action.proof is Proof.EXTERNAL_ID:
            return BindNamespace(namespace=action.namespace.name, external_id=resource.metadata.uid)
        key = (await self._secrets.read(resource)).key
        proof = ApiKeyProof(api_key_sid=key.sid, api_key_secret=Secret(key.secret)) if key else None
        return BindNamespace(namespace=action.namespace.name, api_key=proof)


def selector_text(selector: LabelSelector) -> str:
    """A label selector as a query of the API server takes it."""
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for requirement in selector.match_expressions:
        values = f"({','.join(requirement.values)})"
        parts.append(
            {
                "In": f"{requirement.key} in {values}",
                "NotIn": f"{requirement.key} notin {values}",
                "Exists": requirement.key,
                "DoesNotExist": f"!{requirement.key}",
            }[requirement.operator]
        )
    return ",".join(parts)
