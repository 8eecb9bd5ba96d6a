"""AwsCredential: looks at the Secret and at the store, and does what was decided."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from recording_storage.controller.cluster.hash_key import HashKey
from recording_storage.controller.cluster.index import Index, key_of
from recording_storage.controller.cluster.kube import Kube
from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.kinds.accounts import Access, Accounts, internal_verdict, public_verdict
from recording_storage.controller.kinds.aws_credential import decide as decisions
from recording_storage.controller.kinds.aws_credential.decide import Action, Create, KeyPair, Observed, Refusal, Replace
from recording_storage.controller.kinds.deletion import Watched
from recording_storage.controller.kinds.secrets import SecretContent, read_secret, value_of
from recording_storage.controller.kinds.stored_item.act import StoredItemKind, unusable
from recording_storage.controller.kinds.usage import live_uploaders, sids_in_settings
from recording_storage.controller.stores.errors import StoreFailure
from recording_storage.controller.stores.public import AWS_PATH
from recording_storage.resources import AwsCredential, RecordingSettings

_VERSION_DIGITS = 32


class CredentialKind(StoredItemKind[AwsCredential, Observed, Action]):
    collection: ClassVar[str] = AWS_PATH
    observed = Observed

    def __init__(
        self,
        *,
        kube: Kube,
        index: Index,
        accounts: Accounts,
        hash_key: HashKey,
        now: Callable[[], datetime],
        watched: Watched | None = None,
    ) -> None:
        super().__init__(kube=kube, index=index, accounts=accounts, hash_key=hash_key)
        self._now = now
        self._watched = watched or Watched()

    def decide(self, resource: AwsCredential, observed: Observed) -> Decision[Action]:
        return decisions.decide(resource, observed)

    def changes(self, before: AwsCredential, after: AwsCredential) -> tuple[Note, ...]:
        return decisions.changes(before, after)

    def decide_deletion(self, resource: AwsCredential, observed: Observed) -> Decision[Action]:
        return decisions.decide_deletion(resource, observed)

    async def _do(self, access: Access, action: Action) -> None:
        match action:
            case Create():
                await access.store.create_aws_credential(
                    friendly_name=action.name.text,
                    access_key_id=action.pair.access_key_id,
                    secret_access_key=action.pair.secret_access_key,
                )
            case Replace():
                await _replace(access, action)

    def _sids(self, resource: AwsCredential) -> set[str]:
        status = resource.status
        named = {status.sid, status.pending_sid, *(each.sid for each in status.retiring or ())}
        return {sid for sid in named if sid}

    def _known(self, resource: AwsCredential) -> dict[str, Any]:
        retiring = [each.sid for each in resource.status.retiring or ()]
        watched = {sid: self._watched.seconds(sid) for sid in retiring}
        return {"refusals": tuple(self._refusals(resource)), "now": self._now(), "watched": watched}

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

    async def _source(self, resource: AwsCredential) -> dict[str, Any]:
        pair = await self._pair(resource)
        content = f"{pair.access_key_id}\0{pair.secret_access_key}"
        return {"pair": pair, "name": self._name(resource, content=content)}

    async def _pair(self, resource: AwsCredential) -> KeyPair:
        keys = resource.spec.source.static_keys
        assert keys is not None  # the CRD sees to it
        namespace, ref = resource.metadata.namespace, keys.secret_ref
        where = f"Secret {namespace}/{ref.name}"
        content: SecretContent = await read_secret(self._kube, namespace=namespace, name=ref.name)
        if not content.found:
            raise unusable(
                "SecretNotFound",
                f"{where} does not exist: create it with the keys {ref.access_key_id_key!r} and "
                f"{ref.secret_access_key_key!r}, or correct spec.source.staticKeys.secretRef",
            )
        values = [value_of(content, key, where=where) for key in (ref.access_key_id_key, ref.secret_access_key_key)]
        problems = [value.problem for value in values if value.problem]
        if problems:
            raise unusable("SecretInvalid", "; ".join(problems))
        identity, secret = (value.text for value in values)
        if ":" in identity:
            raise unusable("SecretInvalid", f"{where}: the value of {ref.access_key_id_key!r} has a colon in it")
        version = self._hash_key.digest("key pair", identity, secret, length=_VERSION_DIGITS)
        return KeyPair(access_key_id=identity, secret_access_key=secret, version=version)


async def _replace(access: Access, action: Replace) -> None:
    if access.internal is None:
        return  # the hosted service has no other destinations than its present settings
    try:
        await access.internal.replace_credential(access.sid, action.sid, by=action.by)
    except StoreFailure as error:
        raise internal_verdict(error, access.internal) from error
