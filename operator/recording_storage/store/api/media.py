"""Playing a recording that the store keeps; ranges are served, so that players can seek."""

from fastapi.responses import FileResponse

from recording_storage.store.services.recordings import Media

_PLAYABLE = ("audio/", "video/")


def media_response(media: Media) -> FileResponse:
    """The file as it was recorded.

    A recorder may leave anything, also a page with a script in it: only sound and pictures are shown in place, and
    never as something else than they say.
    """
    playable = media.content_type.lower().startswith(_PLAYABLE)
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
