"""The Secret with an account's API key: who it belongs to, and how it is written, kept and let go."""

import base64

from recording_storage.controller.cluster.kube import (
    LABELS,
    STRATEGIC_MERGE_PATCH,
    Document,
    Kube,
    KubeError,
    secret_path,
)
from recording_storage.controller.cluster.refusals import api_trouble
from recording_storage.controller.kinds.account.decide import AdoptSecret, KeySecret, ReleaseSecret, WriteKeySecret
from recording_storage.controller.kinds.accounts import takes_auth_token
from recording_storage.controller.kinds.secrets import api_key_of, read_secret
from recording_storage.domain.sids import SidPrefix, is_sid
from recording_storage.resources import RecordingAccount
from recording_storage.resources.account import StoreType
from recording_storage.resources.common import API_VERSION

ACCOUNT_ANNOTATION = "recordingstorage.dev/account-sid"
"""On the Secret: which account its key is of, for who restores it and for whose RecordingAccount is applied again."""


class KeySecrets:
    """A Secret belongs to no object while its account is open: the garbage collector would take the only key along."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def read(self, resource: RecordingAccount) -> KeySecret:
        namespace, name = resource.metadata.namespace, resource.api_key_secret_name
        content = await read_secret(self._kube, namespace=namespace, name=name)
        if not content.found:
            return KeySecret(found=False)
        key, problem = api_key_of(content, where=resource.api_key_secret, auth_token=takes_auth_token(resource))
        named = content.annotations.get(ACCOUNT_ANNOTATION, "")
        owned = content.controller == resource.metadata.uid and resource.spec.store.type is StoreType.BUNDLED
        return KeySecret(
            found=True,
            uid=content.uid,
            ours=owned,
            owned=owned,
            elsewhere=bool(content.controller) and not owned,
            account_sid=named if is_sid(named, SidPrefix.ACCOUNT) else "",  # anybody may have written it
            key=key,
            problem=problem,
        )

    async def write(self, resource: RecordingAccount, action: WriteKeySecret) -> None:
        named = _named(action.account_sid)
        data = {"username": _base64(action.key.sid), "password": _base64(action.key.secret)}
        if action.over:
            await self._patch(resource, action.over, named, data=data)
            return
        namespace, name = resource.metadata.namespace, resource.api_key_secret_name
        document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace, "labels": LABELS, **named},
            "type": "kubernetes.io/basic-auth",
            "data": data,
        }
        try:
            await self._kube.create(secret_path(namespace), document)
        except KubeError as error:
            if error.conflict:  # somebody has just made one: it is looked at first
                raise
            raise api_trouble(error, f"writing {resource.api_key_secret}") from error

    async def release(self, resource: RecordingAccount, action: ReleaseSecret) -> None:
        named = _named(action.account_sid) if action.account_sid else {}
        gone = {"$patch": "delete", "uid": resource.metadata.uid}
        await self._patch(resource, action.uid, {**named, "ownerReferences": [gone]})

    async def adopt(self, resource: RecordingAccount, action: AdoptSecret) -> None:
        owner = {
            "apiVersion": API_VERSION,
            "kind": resource.kind,
            "name": resource.metadata.name,
            "uid": resource.metadata.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
        await self._patch(resource, action.uid, {"ownerReferences": [owner]})

    async def _patch(self, resource: RecordingAccount, uid: str, metadata: Document, **more: Document) -> None:
        """Change the very Secret that was looked at: the UID makes it a conflict if it is another by now."""
        namespace, name = resource.metadata.namespace, resource.api_key_secret_name
        body = {"metadata": {"uid": uid, **metadata}, **more}
        try:
            await self._kube.patch(secret_path(namespace, name), body, content_type=STRATEGIC_MERGE_PATCH)
        except KubeError as error:
            if error.not_found:
                return  # the next look sees that
            if error.conflict:
                raise
            raise api_trouble(error, f"writing {resource.api_key_secret}") from error


def _named(account_sid: str) -> Document:
    return {"annotations": {ACCOUNT_ANNOTATION: account_sid}}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
