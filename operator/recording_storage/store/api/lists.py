"""A page of a list in the two forms that the API has: v1 with `meta`, 2010 flat."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Request

from recording_storage.store.api.urls import base_url, kept_filters
from recording_storage.store.pages import Page, Place

Row = TypeVar("Row")


def v1_page(request: Request, page: Page[Row], *, key: str, render: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    """`{"<key>": […], "meta": {…}}` with absolute URLs."""
    links = _Links(request, page, prefix=base_url(request))
    return {
        key: [render(row) for row in page.rows],
        "meta": {
            "key": key,
            "page": page.request.number,
            "page_size": page.request.size,
            "first_page_url": links.first,
            "previous_page_url": links.previous,
            "next_page_url": links.next,
            "url": links.this,
        },
    }


def flat_page(
    request: Request, page: Page[Row], *, key: str, render: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """The list under its key among the paging members, with relative URIs.

    SDKs find the list as the one member that they don't know, so nothing may be added here.
    """
    links = _Links(request, page, prefix="")
    start = page.request.number * page.request.size
    rows: Sequence[Row] = page.rows
    return {
        key: [render(row) for row in rows],
        "page": page.request.number,
        "page_size": page.request.size,
        "start": start,
        "end": start + max(len(rows) - 1, 0),
        "first_page_uri": links.first,
        "previous_page_uri": links.previous,
        "next_page_uri": links.next,
        "uri": links.this,
    }


class _Links:
    def __init__(self, request: Request, page: Page[Any], *, prefix: str) -> None:
        self._path = prefix + quote(request.url.path)
        self._filters = kept_filters(request)
        self._size = page.request.size
        number = page.request.number
        self.first = self._url(0, None)
        self.this = self._url(number, page.request.place)
        self.next = self._url(number + 1, page.next) if page.next else None
        self.previous = self._url(max(number - 1, 0), page.previous) if page.previous else None

    def _url(self, number: int, place: Place | None) -> str:
        query = [*self._filters, ("PageSize", str(self._size)), ("Page", str(number))]
        if place is not None:
            query.append(("PageToken", place.token()))
        return f"{self._path}?{urlencode(query)}"
