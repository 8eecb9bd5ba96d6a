"""The uploader's line to the settings store: plans in, reports out, and the store's own media storage.

Imported only when the uploader runs with `--store`.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreAddress
from recording_storage.uploader.store_link.media import StoreMedia
from recording_storage.uploader.store_link.place import place_from
from recording_storage.uploader.store_link.reports import StoreReports
from recording_storage.uploader.store_link.sync import StoreSync


@dataclass(frozen=True)
class StoreLink:
    """The adapters of three ports over one address; each is started and closed by whoever holds the port."""

    source: StoreSync
    """`SettingsSource`."""
    reporter: StoreReports
    """`Reporter`."""
    media: StoreMedia
    """`MediaStore`."""

    @property
    def connected(self) -> bool:
        return self.source.connected

    @property
    def error(self) -> str:
        """Why the store can't be reached now; empty when it can."""
        return self.source.error


def open_link(address: StoreAddress, *, spool_id: str, accounts: Sequence[str] = ()) -> StoreLink:
    """Nothing is connected to until a port is started. Where the spool is, is read from the environment.

    Args:
        address: see `store_http.store_address`.
        spool_id: the UUID kept on the spool.
        accounts: plans are asked for these only; empty: for all that the token is good for.
    """

    def connect() -> StoreApi:
        return StoreApi(address, spool_id=spool_id)

    reporter = StoreReports(connect)
    return StoreLink(
        source=StoreSync(connect, accounts=accounts, place=place_from(os.environ), answered=reporter.retry_now),
        reporter=reporter,
        media=StoreMedia(address, connect=connect),
    )
