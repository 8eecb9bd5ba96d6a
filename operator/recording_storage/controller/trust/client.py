"""Whom the operator itself trusts to be the store, where the certificates are somebody else's."""

import asyncio
import logging
import ssl
from pathlib import Path

from recording_storage.domain.system_errors import plain_reason

logger = logging.getLogger(__name__)

_LOOK = 5.0  # seconds


async def follow_file(context: ssl.SSLContext, file: Path) -> None:
    """Trust what the file holds from now on, too, whenever it is replaced; ends by being cancelled."""
    seen = b""
    while True:
        try:
            found = await asyncio.to_thread(file.read_bytes)
            if found != seen:
                context.load_verify_locations(cadata=found.decode("ascii", "replace"))
                seen = found
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            logger.warning("the authorities in %s are not used: %s", file, plain_reason(error))
        await asyncio.sleep(_LOOK)
