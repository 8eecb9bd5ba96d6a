"""AwsCredential: looks at the Secret and at the store, and does what was decided."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from recording_storage.controller import aws_credential as decisions
from recording_storage.controller.accounts import Access, Accounts, internal_verdict, public_verdict
from recording_storage.controller.aws_credential import (
    Action,
    Create,
    Delete,
    KeyPair,
    Observed,
    Refusal,
    Rename,
    Replace,
)
from recording_storage.controller.decision import Decision
from recording_storage.controller.effects.usage import live_uploaders, sids_in_settings
from recording_storage.controller.hash_key import HashKey
from recording_storage.controller.index import Index, account_key, key_of
from recording_storage.controller.keys import Kind
from recording_storage.controller.kube import Kube
from recording_storage.controller.naming import item_name, resource_tag
from recording_storage.controller.public_store import AWS_PATH
from recording_storage.controller.secrets import SecretContent, read_secret, value_of
from recording_storage.controller.store_errors import StoreFailure, StoreNotFound, StoreRefused
from recording_storage.controller.verdicts import Verdict, Waiting
from recording_storage.domain.conditions import ConditionType, Truth
from recording_storage.resources import AwsCredential, RecordingSettings
from recording_storage.resources.common import CredentialDeletionPolicy

INTERVAL = 300.0
_CONFLICT = 409
_VERSION_DIGITS = 32


class CredentialKind:
    kind: ClassVar[Kind] = Kind.CREDENTIAL
    model: ClassVar[type[Any]] = AwsCredential

    def __init__(
        self, *, kube: Kube, index: Index, accounts: Accounts, hash_key: HashKey, now: Callable[[], datetime]
    ) -> None:
        self._kube = kube
        self._index = index
        self._accounts = accounts
        self._hash_key = hash_key
        self._now = now

    def interval(self, resource: AwsCredential) -> float:
        del resource
        return INTERVAL

    def suspended(self, resource: AwsCredential) -> bool:
        del resource
        return False

    def decide(self, resource: AwsCredential, observed: Observed) -> Decision[Action]:
        return decisions.decide(resource, observed)

    def decide_deletion(self, resource: AwsCredential, observed: Observed) -> Decision[Action]:
        return decisions.decide_deletion(resource, observed)

    async def observe(self, resource: AwsCredential) -> Observed:
        facts: dict[str, Any] = {
            "tag": resource_tag(resource, hash_key=self._hash_key),
            "referrers": tuple(
                str(key) for key in self._index.referrers(key_of(resource)) if key.kind is Kind.SETTINGS
            ),
            "refusals": tuple(self._refusals(resource)),
            "now": self._now(),
        }
        deleting = resource.metadata.deletion_timestamp is not None
        if deleting and resource.spec.deletion_policy is CredentialDeletionPolicy.RETAIN:
            return Observed(**facts)
        if deleting and self._index.get(account_key(resource)) is None:
            return Observed(**facts, gone=True)
        try:
            access = await self._accounts.access(resource)
            facts |= await self._at_store(access)
        except Verdict as verdict:
            return Observed(**facts, failure=verdict)
        if not deleting:
            try:
                pair = await self._pair(resource)
                label = resource.spec.friendly_name or resource.metadata.name
                content = f"{pair.access_key_id}\0{pair.secret_access_key}"
                facts |= {
                    "pair": pair,
                    "name": item_name(resource, label=label, content=content, hash_key=self._hash_key),
                }
            except Verdict as verdict:
                facts["secret_failure"] = verdict
        return Observed(**facts)

    async def act(self, resource: AwsCredential, action: Action) -> None:
        access = await self._accounts.access(resource)
        try:
            match action:
                case Create():
                    await access.store.create_aws_credential(
                        friendly_name=action.name.text,
                        access_key_id=action.pair.access_key_id,
                        secret_access_key=action.pair.secret_access_key,
                    )
                case Rename():
                    await access.store.rename(AWS_PATH, action.sid, friendly_name=action.name.text)
                case Replace():
                    await _replace(access, action)
                case Delete():
                    await delete(access, AWS_PATH, action.sid)
        except StoreFailure as error:
            raise public_verdict(error, access) from error

    def _refusals(self, resource: AwsCredential) -> Iterator[Refusal]:
        for each in self._index.resources(self._index.referrers(key_of(resource))):
            if isinstance(each, RecordingSettings) and (refused := each.status.refused_credential):
                yield Refusal(settings=str(key_of(each)), sid=refused.sid, code=refused.code, reason=refused.reason)

    async def _at_store(self, access: Access) -> dict[str, Any]:
        try:
            facts: dict[str, Any] = {
                "items": await access.store.aws_credentials(),
                "in_settings": await sids_in_settings(access, flag="aws_storage_enabled", name="aws_credentials_sid"),
            }
        except StoreFailure as error:
            raise public_verdict(error, access) from error
        uploaders = await live_uploaders(access)
        if uploaders is not None:
            facts["in_uploaders"] = frozenset(sid for each in uploaders for sid in each.report.credentials_in_use)
        return facts

    async def _pair(self, resource: AwsCredential) -> KeyPair:
        keys = resource.spec.source.static_keys
        assert keys is not None  # the CRD sees to it
        namespace, ref = resource.metadata.namespace, keys.secret_ref
        where = f"Secret {namespace}/{ref.name}"
        content: SecretContent = await read_secret(self._kube, namespace=namespace, name=ref.name)
        if not content.found:
            raise _unusable(
                "SecretNotFound",
                f"{where} does not exist: create it with the keys {ref.access_key_id_key!r} and "
                f"{ref.secret_access_key_key!r}, or correct spec.source.staticKeys.secretRef",
            )
        values = [value_of(content, key, where=where) for key in (ref.access_key_id_key, ref.secret_access_key_key)]
        problems = [value.problem for value in values if value.problem]
        if problems:
            raise _unusable("SecretInvalid", "; ".join(problems))
        identity, secret = (value.text for value in values)
        if ":" in identity:
            raise _unusable("SecretInvalid", f"{where}: the value of {ref.access_key_id_key!r} has a colon in it")
        version = self._hash_key.digest("key pair", identity, secret, length=_VERSION_DIGITS)
        return KeyPair(access_key_id=identity, secret_access_key=secret, version=version)


def _unusable(reason: str, message: str) -> Waiting:
    return Waiting(reason, message, cause=ConditionType.REFS_RESOLVED, after=INTERVAL, ready=Truth.FALSE)


async def _replace(access: Access, action: Replace) -> None:
    if access.internal is None:
        return  # the hosted service has no other destinations than its present settings
    try:
        await access.internal.replace_credential(access.sid, action.sid, by=action.by)
    except StoreFailure as error:
        raise internal_verdict(error, access.internal) from error


async def delete(access: Access, collection: str, sid: str) -> None:
    """Deletes an item at the store; that it is gone already is fine. Raises store failures, and Waiting when in use."""
    try:
        await access.store.delete(collection, sid)
    except StoreNotFound:
        return
    except StoreRefused as error:
        if error.status != _CONFLICT:
            raise
        raise Waiting(
            "InUse",
            f"the settings store does not delete {sid}: {error.message}",
            cause=ConditionType.DELETION_BLOCKED,
            after=15.0,
            ready=Truth.FALSE,
        ) from error
