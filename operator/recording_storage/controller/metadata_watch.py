"""Watches Secrets, ConfigMaps and namespaces by their metadata alone: no value passes through here."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from recording_storage.controller.keys import Key, Kind
from recording_storage.controller.kube import METADATA_LIST, Kube, KubeError

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 15.0  # seconds between attempts
Told = Callable[[Key], None]


async def watch(kube: Kube, path: str, *, kind: Kind, changed: Told) -> None:
    """Calls `changed` with the key of each object of the collection at first and whenever it changes; never returns.

    Telling of an object that hasn't changed is allowed: after a gap all are told of again.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            listed = await kube.get(path, accept=METADATA_LIST)
            for item in listed["items"] or ():  # null when there is none
                changed(_key(kind, item))
            version = listed["metadata"]["resourceVersion"]
            while True:
                async for event in kube.watch_metadata(path, version=version):
                    pause = _FIRST_PAUSE
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        changed(_key(kind, event["object"]))
        except KubeError as error:
            if not error.expired:
                logger.warning("watching %ss: %s; trying again in about %.0f s", kind, error, pause)
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
                pause = min(pause * 2, _LONGEST_PAUSE)


def _key(kind: Kind, item: dict[str, Any]) -> Key:
    metadata = item["metadata"]
    return Key(kind, metadata.get("namespace", ""), metadata["name"])
