"""What `recording-storage verify` looks at, read from the configuration of an uploader that runs alone."""

from dataclasses import dataclass
from pathlib import Path

from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.types import Credential, Destination
from recording_storage.uploader.core.plans import s3_credential
from recording_storage.uploader.standalone.config import read_plan


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the verify sequence needs."""

    destination: Destination
    credential: Credential
    guard: AddressGuard


def from_config(path: Path) -> Target:
    """The destination of an uploader that runs alone; its endpoint is allowed, since the file's writer decides that.

    Raises:
        ConfigError: the file is no such configuration, or its URL can't be used.
    """
    _, plan = read_plan(path)
    (terms,) = plan.destinations.values()
    return Target(
        destination=Destination.of(terms.location, terms),
        credential=s3_credential(terms),
        guard=AddressGuard([terms.endpoint] if terms.allow_private else []),
    )
