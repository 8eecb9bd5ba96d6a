"""PublicKey: looks at its source and at the store, and does what was decided."""

import hashlib
from typing import Any, ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.verdicts import Stalled
from recording_storage.controller.kinds.accounts import Access, public_verdict
from recording_storage.controller.kinds.public_key import decide as decisions
from recording_storage.controller.kinds.public_key.decide import Action, Create, Observed, Pem
from recording_storage.controller.kinds.secrets import read_config_map
from recording_storage.controller.kinds.stored_item.act import StoredItemKind, unusable
from recording_storage.controller.kinds.usage import sids_in_settings, spools_behind
from recording_storage.controller.stores.errors import StoreFailure
from recording_storage.controller.stores.public import PUBLIC_KEYS_PATH
from recording_storage.domain.conditions import ConditionType
from recording_storage.resources import PublicKey


class PublicKeyKind(StoredItemKind[PublicKey, Observed, Action]):
    collection: ClassVar[str] = PUBLIC_KEYS_PATH
    observed = Observed

    def decide(self, resource: PublicKey, observed: Observed) -> Decision[Action]:
        return decisions.decide(resource, observed)

    def changes(self, before: PublicKey, after: PublicKey) -> tuple[Note, ...]:
        return decisions.changes(before, after)

    def decide_deletion(self, resource: PublicKey, observed: Observed) -> Decision[Action]:
        return decisions.decide_deletion(resource, observed)

    async def _do(self, access: Access, action: Action) -> None:
        if isinstance(action, Create):
            await access.store.create_public_key(friendly_name=action.name.text, pem=action.pem.text)

    async def _at_store(self, access: Access) -> dict[str, Any]:
        try:
            return {
                "items": await access.store.public_keys(),
                "in_settings": await sids_in_settings(access, flag="encryption_enabled", name="encryption_key_sid"),
                "spools_behind": await spools_behind(access),
            }
        except StoreFailure as error:
            raise public_verdict(error, access) from error

    async def _source(self, resource: PublicKey) -> dict[str, Any]:
        pem = await self._pem(resource)
        return {"pem": pem, "name": self._name(resource, content=pem.fingerprint)}

    async def _pem(self, resource: PublicKey) -> Pem:
        source = resource.spec.source
        if source.config_map is None:
            assert source.inline is not None  # the CRD sees to it
            return parse(source.inline, where="spec.source.inline")
        namespace, ref = resource.metadata.namespace, source.config_map
        where = f"ConfigMap {namespace}/{ref.name}"
        data = await read_config_map(self._kube, namespace=namespace, name=ref.name)
        if data is None:
            raise unusable("ConfigMapNotFound", f"{where} does not exist: create it with the key {ref.key!r}")
        if not data.get(ref.key, "").strip():
            present = ", ".join(sorted(data)) or "none"
            raise unusable("ConfigMapInvalid", f"{where} has no key {ref.key!r}, or it is empty (it has: {present})")
        return parse(data[ref.key], where=f"{where}, key {ref.key!r}")


def parse(text: str, *, where: str) -> Pem:
    """Read a public key. Raises Stalled; the message repeats nothing of the text."""
    cause = ConditionType.REFS_RESOLVED
    if "PRIVATE KEY" in text:
        raise Stalled(
            "PrivateKey",
            f"{where} holds a private key: it must never leave your hands. Treat it as disclosed, make a new pair, and "
            "give the public half here (openssl pkey -in key.pem -pubout)",
            cause=cause,
        )
    try:
        key = load_pem_public_key(text.strip().encode())
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Stalled(
            "InvalidPublicKey",
            f"{where} is no public key in PEM form: give an RSA key of at least 2048 bits, beginning with -----BEGIN "
            "PUBLIC KEY----- (openssl pkey -in key.pem -pubout)",
            cause=cause,
        ) from error
    digest = hashlib.sha256(der).hexdigest().upper()
    fingerprint = ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
    return Pem(text=text.strip() + "\n", fingerprint=fingerprint)
