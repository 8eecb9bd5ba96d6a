"""From a destination's terms to a client of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recording_storage import __version__
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.client import S3Client
from recording_storage.s3.types import Destination
from recording_storage.s3.verify import learn, verify
from recording_storage.uploader.core.plans import s3_credential
from recording_storage.uploader.transfer.watched_client import WatchedStore

if TYPE_CHECKING:
    from recording_storage.domain.proof import Proof
    from recording_storage.protocol.plan import DestinationPlan
    from recording_storage.s3.probe import Verification
    from recording_storage.uploader.core.ports import ObjectStore


class S3Connections:
    """Makes S3 clients and has destinations verified; tests put something else in its place."""

    def __init__(self, *, owner: str) -> None:
        """Take the spool's id: what a killed process has left of a probe is known by it."""
        self._owner = owner

    def connect(self, terms: DestinationPlan) -> ObjectStore:
        """A client with the terms' credential. Raises S3Failure for a CA bundle that can't be read."""
        return self._client(terms)

    def verify(self, terms: DestinationPlan) -> Verification:
        """Go through the verify sequence with a client of its own. Raises S3Failure as `connect` does."""
        client = self._client(terms)
        try:
            return verify(client, prefix=terms.prefix, owner=f"{self._owner}-verify-")
        finally:
            client.close()

    def learn(self, store: ObjectStore, size: int) -> Proof:
        """What the destination vouches by for bodies of up to `size` bytes. Raises S3Failure."""
        client = store.watched if isinstance(store, WatchedStore) else store
        assert isinstance(client, S3Client)
        prefix = client.destination.location.prefix
        return learn(client, prefix=prefix, size=size, owner=f"{self._owner}-learn-")

    def _client(self, terms: DestinationPlan) -> S3Client:
        allowed = [terms.endpoint] if terms.allow_private or terms.allow_http else []
        return S3Client(
            Destination.of(terms.location, terms),
            credential=s3_credential(terms),
            guard=AddressGuard(allowed),
            user_agent=f"recording-storage-uploader/{__version__}",
        )
