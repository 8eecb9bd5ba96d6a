"""What the watches have delivered: the objects, and who refers to whom."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recording_storage.controller.cluster.resource_versions import Place, number
from recording_storage.controller.cluster.unreadable import Unread, UnreadSpec, read
from recording_storage.controller.core.keys import ANY_NAMESPACE, Key, Kind
from recording_storage.resources import (
    AwsCredential,
    PublicKey,
    RecordingAccount,
    RecordingSettings,
    RecordingSpool,
    Resource,
)
from recording_storage.resources.account import NamespacesFrom
from recording_storage.resources.common import AccountRef

MODELS: dict[Kind, type[Resource]] = {
    Kind.ACCOUNT: RecordingAccount,
    Kind.CREDENTIAL: AwsCredential,
    Kind.PUBLIC_KEY: PublicKey,
    Kind.SETTINGS: RecordingSettings,
    Kind.SPOOL: RecordingSpool,
}


def read_object(kind: Kind, item: Mapping[str, Any]) -> Resource:
    """What a watch, a list or a write of ours has brought; `Unread` if this version does not understand it."""
    return read(MODELS[kind], {"kind": str(kind), **item})  # in a list, an object does not say its kind


def key_of(resource: Resource) -> Key:
    return Key(Kind(resource.kind), resource.metadata.namespace, resource.metadata.name)


def account_key(resource: Resource) -> Key:
    """Of anything but an account, and but for what can't be read."""
    ref = resource.spec.account_ref  # type: ignore[attr-defined] # every kind but the account's has one
    return Key(Kind.ACCOUNT, ref.namespace or resource.metadata.namespace, ref.name)


def refs_of(resource: Resource) -> frozenset[Key]:
    """Everything whose change may change what this object needs."""
    return frozenset(_refs(resource))


def _refs(resource: Resource) -> Iterator[Key]:  # noqa: C901, PLR0912 - flat: a case for each kind
    here = resource.metadata.namespace
    match resource:
        case RecordingAccount():
            yield Key(Kind.SECRET, here, resource.api_key_secret_name)
            if resource.spec.allowed_namespaces.from_ is NamespacesFrom.SELECTOR:
                yield ANY_NAMESPACE
        case AwsCredential():
            yield account_key(resource)
            if resource.spec.source.static_keys:
                yield Key(Kind.SECRET, here, resource.spec.source.static_keys.secret_ref.name)
        case PublicKey():
            yield account_key(resource)
            if resource.spec.source.config_map:
                yield Key(Kind.CONFIG_MAP, here, resource.spec.source.config_map.name)
        case RecordingSettings():
            yield account_key(resource)
            storage, encryption = resource.spec.aws_storage, resource.spec.encryption
            if storage.credential_ref:
                yield Key(Kind.CREDENTIAL, here, storage.credential_ref.name)
            if storage.ca_bundle_ref:
                yield Key(Kind.CONFIG_MAP, here, storage.ca_bundle_ref.name)
            if encryption.public_key_ref:
                yield Key(Kind.PUBLIC_KEY, here, encryption.public_key_ref.name)
        case RecordingSpool():
            yield account_key(resource)
            yield Key(Kind.CLAIM, here, resource.spec.volume.claim_name)
        case Unread(spec=UnreadSpec(account_ref=AccountRef())):
            yield account_key(resource)
        case _:
            return


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an event has changed, as far as anyone has to know."""

    itself: bool
    """The object asks for a look: its spec, a request to reconcile, its end."""
    refs: frozenset[Key]
    """What it refers to, or did before."""
    anything: bool
    """It differs at all: those who refer to it have to know."""


UNCHANGED = Change(itself=False, refs=frozenset(), anything=False)


class Index:
    """Objects by key. What we have written ourselves is entered at once, so a late echo of it is no news."""

    def __init__(self) -> None:
        self._objects: dict[Key, Resource] = {}
        self._referrers: dict[Key, set[Key]] = defaultdict(set)
        self._gone: dict[str, None] = {}  # UIDs, the youngest last

    def get(self, key: Key) -> Resource | None:
        return self._objects.get(key)

    def referrers(self, key: Key) -> list[Key]:
        """Who refers to it, in a stable order."""
        return sorted(self._referrers.get(key, ()))

    def keys(self) -> list[Key]:
        return list(self._objects)

    def names(self, kind: Kind, namespace: str) -> list[str]:
        return sorted(key.name for key in self._objects if (key.kind, key.namespace) == (kind, namespace))

    def places(self, kinds: Container[Kind]) -> frozenset[Place]:
        """Where the objects of these kinds are that are referred to."""
        return frozenset((key.kind, key.namespace) for key in self._referrers if key.kind in kinds)

    def refers_to_any(self, kind: Kind, namespace: str, name: str) -> bool:
        return Key(kind, namespace, name) in self._referrers

    def resources(self, keys: Iterable[Key]) -> list[Resource]:
        return [found for key in keys if (found := self._objects.get(key)) is not None]

    def put(self, resource: Resource) -> Change:
        """Take an object as a watch or a write of ours has delivered it; an older one than ours changes nothing."""
        key = key_of(resource)
        if resource.metadata.uid in self._gone:
            return UNCHANGED
        before = self._objects.get(key)
        if (
            before is not None
            and before.metadata.uid == resource.metadata.uid
            and _version(resource) <= _version(before)
        ):
            return UNCHANGED
        refs_before = refs_of(before) if before is not None else frozenset()
        refs = refs_of(resource)
        self._objects[key] = resource
        self._unlink(key, refs_before - refs)
        for ref in refs:
            self._referrers[ref].add(key)
        return Change(itself=before is None or _wish(before) != _wish(resource), refs=refs | refs_before, anything=True)

    def remove(self, resource: Resource) -> Change:
        key = key_of(resource)
        self._gone[resource.metadata.uid] = None
        if len(self._gone) > 10_000:  # noqa: PLR2004 - events are late by seconds, not by thousands of objects
            self._gone.pop(next(iter(self._gone)))
        before = self._objects.get(key)
        if before is None or before.metadata.uid != resource.metadata.uid:
            return UNCHANGED
        del self._objects[key]
        refs = refs_of(before)
        self._unlink(key, refs)
        return Change(itself=True, refs=refs, anything=True)

    def _unlink(self, key: Key, refs: Iterable[Key]) -> None:
        for ref in refs:
            self._referrers[ref].discard(key)
            if not self._referrers[ref]:
                del self._referrers[ref]


def _version(resource: Resource) -> int:
    return number(resource.metadata.resource_version)


def _wish(resource: Resource) -> tuple[object, ...]:
    """What of an object asks for a look; its status doesn't."""
    meta = resource.metadata
    return (
        meta.uid,
        meta.generation,
        meta.deletion_timestamp,
        meta.reconcile_requested_at,
        tuple(
            sorted(
                (name, value) for name, value in meta.annotations.items() if name.startswith("recordingstorage.dev/")
            )
        ),
    )
