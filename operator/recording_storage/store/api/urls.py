"""URLs that answers hold: at the host that was called, because SDKs follow them as they stand."""

import re

from fastapi import Request

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


def base_url(request: Request) -> str:
    """`https://host[:port]` as the caller named it."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        server = request.scope.get("server") or ("localhost", 80)
        host = f"{server[0]}:{server[1]}"
    return f"{request.url.scheme}://{host}"


def absolute(request: Request, path: str) -> str:
    return base_url(request) + path


def kept_filters(request: Request) -> list[tuple[str, str]]:
    """The list's filters, which every page keeps."""
    paging = {"Page", "PageSize", "PageToken"}
    return [(name, value) for name, value in request.query_params.multi_items() if name not in paging]


def extension(name: str) -> tuple[str, str]:
    """Split `SID.ext` into sid and extension; the extension is lower-case and may be empty."""
    sid, _, ext = name.partition(".")
    return sid, ext.lower()
