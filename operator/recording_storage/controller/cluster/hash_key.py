"""The operator's own key for the hashes that it shows: a plain hash of a weak key pair could be guessed."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from recording_storage.controller.cluster.kube import LABELS, Kube, KubeError, find, secret_path

SECRET_NAME = "recording-storage-operator-hash-key"  # noqa: S105 - a name
_FIELD = "key"
_BYTES = 32


@dataclass(frozen=True)
class HashKey:
    key: bytes = field(repr=False)

    def digest(self, *parts: str, length: int) -> str:
        """`length` hex digits over the parts; nobody without the key can tell what they are."""
        message = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()[:length]


async def load(kube: Kube, *, namespace: str) -> HashKey:
    """Reads the key from its Secret; the first operator of a cluster makes it.

    Raises:
        KubeError: the Secret can be neither read nor made.
    """
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SECRET_NAME,
            "namespace": namespace,
            "labels": LABELS,
        },
        "type": "Opaque",
        "data": {_FIELD: base64.b64encode(secrets.token_bytes(_BYTES)).decode()},
    }
    found = await find(kube, secret_path(namespace, SECRET_NAME))
    if found is None:
        try:
            found = await kube.create(secret_path(namespace), document)
        except KubeError as conflict:
            if not conflict.conflict:
                raise
            found = await kube.get(secret_path(namespace, SECRET_NAME))
    try:
        return HashKey(base64.b64decode(found["data"][_FIELD]))
    except (KeyError, TypeError, ValueError) as error:
        message = f"Secret {namespace}/{SECRET_NAME} has no usable {_FIELD!r}: delete it, and it is made anew"
        raise KubeError(0, "Invalid", message) from error
