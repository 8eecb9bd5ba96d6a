"""Where the spool is, as injection writes it into the uploader's environment."""

import logging
from collections.abc import Mapping

from recording_storage.protocol.base import MalformedError
from recording_storage.protocol.sync import SpoolPlace

log = logging.getLogger(__name__)

CLAIM = "RECORDING_STORAGE_SPOOL_CLAIM"
"""Name of the PersistentVolumeClaim; without it the spool is in no cluster, and nothing is said."""
_VARIABLES = {
    "claim": CLAIM,
    "sub_path": "RECORDING_STORAGE_SPOOL_SUB_PATH",
    "volume": "RECORDING_STORAGE_SPOOL_VOLUME",
    "account": "RECORDING_STORAGE_SPOOL_ACCOUNT",
}


def place_from(environment: Mapping[str, str]) -> SpoolPlace | None:
    """Read it. What can't be meant is told and left out: the uploader must not fail for it."""
    found = {name: environment.get(variable, "").strip() for name, variable in _VARIABLES.items()}
    found["sub_path"] = found["sub_path"].strip("/")
    if not found["claim"]:
        return None
    for name, value in sorted(found.items()):
        try:
            SpoolPlace.from_values({"claim": "any", name: value})
        except MalformedError:
            log.warning("%s is too long for what it names, and is left out", _VARIABLES[name])
            del found[name]
    return SpoolPlace.from_values(found) if "claim" in found else None
