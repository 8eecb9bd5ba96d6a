"""Where the spool is, as injection writes it into the uploader's environment."""

import logging
from collections.abc import Mapping

from pydantic import ValidationError

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
    try:
        return SpoolPlace.model_validate(found)
    except ValidationError as error:
        for name in sorted({str(fault["loc"][0]) for fault in error.errors()}):
            log.warning("%s is too long for what it names, and is left out", _VARIABLES[name])
            del found[name]
    return SpoolPlace.model_validate(found) if "claim" in found else None
