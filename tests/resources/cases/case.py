"""The form of the tables: what is changed in a good manifest, and what the API server says to it."""

from dataclasses import dataclass, field

from tests.resources.manifest import Changes, Manifest

PLANTED = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
"""A secret that people put where it doesn't belong: no message may repeat it."""

Accepted = list[tuple[str, Changes]]
Refused = list[tuple[str, Changes, str]]
"""Name, change, and the message that the person sees (the part of it that is ours or that tells what is wrong)."""


@dataclass(frozen=True, kw_only=True)
class Cases:
    good: Manifest
    accepted: Accepted
    """Changes of `good` that the API server takes in a new object."""
    refused: Refused
    """Changes of `good` that it refuses in a new object."""
    updates_accepted: Accepted = field(default_factory=list)
    """The same for `good` when it is there already."""
    updates_refused: Refused = field(default_factory=list)
