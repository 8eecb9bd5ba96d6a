"""Playing a recording that the store keeps; ranges are served, so that players can seek."""

import re

from fastapi.responses import FileResponse

from recording_storage.store.services.recordings import Media

_PLAYABLE = re.compile(r"(audio|video)/[\x20-\x7e]+", re.IGNORECASE)
"""And nothing that is no header."""


def media_response(media: Media) -> FileResponse:
    """The file as it was recorded.

    A recorder may leave anything, also a page with a script in it: only sound and pictures are shown in place, and
    never as something else than they say.
    """
    playable = bool(_PLAYABLE.fullmatch(media.content_type))
    return FileResponse(
        media.path,
        media_type=media.content_type if playable else "application/octet-stream",
        filename=media.name,
        content_disposition_type="inline" if playable else "attachment",
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, no-store",
        },
    )
