"""Whom to trust to be the store, where the certificates are somebody else's: a file that may be replaced."""

import asyncio
import logging
import ssl
from pathlib import Path

from recording_storage.controller.cluster.kube import KubeError
from recording_storage.controller.core import metrics
from recording_storage.controller.trust.certificates import trust
from recording_storage.controller.trust.objects import OwnObjects
from recording_storage.domain.system_errors import plain_reason

logger = logging.getLogger(__name__)

_LOOK = 5.0  # seconds


class TrustedFile:
    """Of the replica that leads."""

    def __init__(self, file: Path, context: ssl.SSLContext, objects: OwnObjects, *, config_map: str) -> None:
        """Take the file.

        Args:
            file: PEM certificates.
            context: of the operator's connections to the store.
            objects: the operator's own.
            config_map: by which the others learn of it; empty: by none.
        """
        self._file, self._context, self._objects, self._config_map = file, context, objects, config_map
        self._seen = ""

    async def keep(self) -> None:
        """Look, again and again; ends by being cancelled."""
        while True:
            try:
                await self.look()
            except (OSError, ValueError) as error:  # ssl's errors are OSErrors
                logger.warning("the authorities in %s are not used: %s", self._file, plain_reason(error))
            except KubeError as error:
                metrics.TRUST_FAILURES.inc()
                logger.warning("ConfigMap %s can't be looked after: %s", self._config_map, error)
            await asyncio.sleep(_LOOK)

    async def look(self) -> None:
        """Trust what the file holds now, too, and publish it. Raises OSError, ValueError, KubeError."""
        bundle = await asyncio.to_thread(self._file.read_text, encoding="ascii")
        if bundle != self._seen:
            trust(self._context, bundle)
            self._seen = bundle
        if self._config_map:
            await self._objects.publish(self._config_map, bundle)
