"""AwsCredential and PublicKey: the look at the store, and what is done there, that both have in common."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from recording_storage.controller.cluster.hash_key import HashKey
from recording_storage.controller.cluster.index import Index, account_key, key_of
from recording_storage.controller.cluster.kube import Kube
from recording_storage.controller.core.keys import Kind
from recording_storage.controller.core.verdicts import InUse, UsedBy, Verdict, Waiting
from recording_storage.controller.kinds.accounts import Access, Accounts, public_verdict
from recording_storage.controller.kinds.stored_item.decide import Delete, ObservedItem, Rename
from recording_storage.controller.stores.answers import StoredItem
from recording_storage.controller.stores.errors import StoreFailure, StoreNotFound, StoreRefused
from recording_storage.controller.stores.naming import ItemName, item_name, resource_tag
from recording_storage.domain.conditions import ConditionType, Truth
from recording_storage.resources import AwsCredential, PublicKey
from recording_storage.resources.common import CredentialDeletionPolicy

INTERVAL = 300.0
_CONFLICT = 409

R = TypeVar("R", AwsCredential, PublicKey)
O = TypeVar("O", bound=ObservedItem)  # noqa: E741 - observed
A = TypeVar("A")


class StoredItemKind(ABC, Generic[R, O, A]):
    """A kind brings its source, what else it wants to know of the store, and what else it does there."""

    collection: ClassVar[str]
    """Path of the items at the store."""
    observed: type[O]

    def __init__(self, *, kube: Kube, index: Index, accounts: Accounts, hash_key: HashKey) -> None:
        self._kube = kube
        self._index = index
        self._accounts = accounts
        self._hash_key = hash_key

    def interval(self, resource: R) -> float:
        del resource
        return INTERVAL

    def suspended(self, resource: R) -> bool:
        del resource
        return False

    async def observe(self, resource: R) -> O:
        facts = {
            "tag": resource_tag(resource, hash_key=self._hash_key),
            "referrers": tuple(
                str(key) for key in self._index.referrers(key_of(resource)) if key.kind is Kind.SETTINGS
            ),
            **self._known(resource),
        }
        deleting = resource.metadata.deletion_timestamp is not None
        if deleting and resource.spec.deletion_policy is CredentialDeletionPolicy.RETAIN:
            return self.observed(**facts)
        if deleting and self._index.get(account_key(resource)) is None:
            return self.observed(**facts, gone=True)
        try:
            access = await self._accounts.access(resource)
            facts["unshown"] = access.store.unshown(self.collection, tag=facts["tag"])
            facts |= await self._at_store(access)
            facts["items"] += await self._not_listed(resource, access, facts["items"])
        except Verdict as verdict:
            return self.observed(**facts, failure=verdict)
        if not deleting:
            try:
                facts |= await self._source(resource)
            except Verdict as verdict:
                facts["source_failure"] = verdict
        return self.observed(**facts)

    async def act(self, resource: R, action: A) -> None:
        access = await self._accounts.access(resource)
        try:
            match action:
                case Rename():
                    await access.store.rename(self.collection, action.sid, friendly_name=action.name.text)
                case Delete():
                    await delete(access, self.collection, action.sid)
                case _:
                    await self._do(access, action)
        except StoreFailure as error:
            raise public_verdict(error, access) from error

    async def _not_listed(self, resource: R, access: Access, items: tuple[StoredItem, ...]) -> tuple[StoredItem, ...]:
        """What is ours by the status but not in the list, asked for by itself: a remote store's list may be late."""
        missing = self._sids(resource) - {item.sid for item in items} if access.internal is None else ()
        try:
            found = [await access.store.item(self.collection, sid) for sid in sorted(missing)]
        except StoreFailure as error:
            raise public_verdict(error, access) from error
        return tuple(item for item in found if item is not None)

    def _sids(self, resource: R) -> set[str]:
        """Those that the status names."""
        return {resource.status.sid} if resource.status.sid else set()

    def _known(self, resource: R) -> dict[str, Any]:
        """Facts that nobody has to be asked for."""
        del resource
        return {}

    @abstractmethod
    async def _at_store(self, access: Access) -> dict[str, Any]:
        """`items`, `in_settings` and more. Raises verdicts."""

    @abstractmethod
    async def _source(self, resource: R) -> dict[str, Any]:
        """`name`, and what the source holds. Raises verdicts."""

    @abstractmethod
    async def _do(self, access: Access, action: A) -> None:
        """All but to rename and to delete. Raises store failures and verdicts."""

    def _name(self, resource: R, *, content: str) -> ItemName:
        label = resource.spec.friendly_name or resource.metadata.name
        return item_name(resource, label=label, content=content, hash_key=self._hash_key)


def unusable(reason: str, message: str) -> Waiting:
    """Of a source that somebody has to mend; its change wakes us."""
    return Waiting(reason, message, cause=ConditionType.REFS_RESOLVED, after=INTERVAL, ready=Truth.FALSE)


async def delete(access: Access, collection: str, sid: str) -> None:
    """Deletes an item at the store; that it is gone already is fine. Raises store failures, and InUse."""
    try:
        await access.store.delete(collection, sid)
    except StoreNotFound:
        return
    except StoreRefused as error:
        if error.status != _CONFLICT:
            raise
        raise InUse(
            f"the settings store does not delete {sid}: {error.message}", by=UsedBy.STORE, after=15.0
        ) from error
