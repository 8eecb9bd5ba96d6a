"""Reading what a request brings: the form of a POST, the filters of a list."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from recording_storage.store.errors import ErrorCode, StoreError, invalid
from recording_storage.store.pages import PageRequest, parse_page_request

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 200


async def read_form(request: Request) -> Mapping[str, str]:
    """The parameters of a POST; of a repeated one the last counts. Raises StoreError."""
    body = await request.body()
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and content_type != FORM_TYPE:
        raise StoreError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send the parameters as {FORM_TYPE}")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:  # no UTF-8, or too many fields; what it was is not repeated, there may be a secret in it
        raise invalid(f"The form can't be read: it is UTF-8 and has at most {MAX_FIELDS} parameters") from None
    form = dict(pairs)
    if any("\0" in text for pair in form.items() for text in pair):
        raise invalid("The form has a NUL character")
    return form


def read_query(request: Request) -> Mapping[str, str]:
    """The parameters of a list; of a repeated one the last counts. Raises StoreError."""
    pairs = request.query_params.multi_items()
    if any("\0" in text or not _is_utf8(text) for pair in pairs for text in pair):
        raise invalid("The query has a NUL character, or is no UTF-8")
    return dict(pairs)


def read_page_request(query: Annotated[Mapping[str, str], Depends(read_query)]) -> PageRequest:
    return parse_page_request(size=query.get("PageSize"), number=query.get("Page"), token=query.get("PageToken"))


FormDep = Annotated[Mapping[str, str], Depends(read_form)]
QueryDep = Annotated[Mapping[str, str], Depends(read_query)]
PageDep = Annotated[PageRequest, Depends(read_page_request)]


def parse_time(name: str, text: str) -> datetime:
    """Read an ISO 8601 date or date-time; without a zone it is UTC. Raises StoreError."""
    try:
        # The `+` of a zone that was not percent-encoded arrives as a space.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(f"{name} is no ISO 8601 time such as 2026-01-31T12:00:00Z") from None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
