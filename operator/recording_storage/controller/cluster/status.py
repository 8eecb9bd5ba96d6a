"""Writes an object's status, and not that of another object of the same name."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from recording_storage.controller.cluster.kube import Document, Kube, KubeError
from recording_storage.resources.common import ObjectMeta


async def patch_status(
    kube: Kube, path: str, patch: Mapping[str, Any], *, seen: ObjectMeta, fence: Callable[[], Awaitable[None]]
) -> Document:
    """Patch the status of the object that was looked at; gives the object.

    The API server takes no heed of a UID there, so the version has to tell. What else has changed about the object is
    no reason to leave it: its status has no other writer.

    Args:
        kube: the API server.
        path: of the object.
        patch: a merge patch of its status.
        seen: the object's metadata when it was looked at.
        fence: stands before each write.

    Raises:
        KubeError: also when it is another object by now, as a conflict.
    """

    async def write(version: str) -> Document:
        await fence()
        return await kube.patch(f"{path}/status", {"metadata": {"resourceVersion": version}, "status": patch})

    try:
        return await write(seen.resource_version)
    except KubeError as error:
        if not error.conflict:
            raise
        present = (await kube.get(path))["metadata"]
        if present["uid"] != seen.uid:
            raise
    return await write(present["resourceVersion"])
