"""Lists in pages, newest first: by key and not by offset, so that nothing is skipped or doubled as rows come and go."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from recording_storage.store.errors import invalid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
_MAX_PAGE = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Row = TypeVar("Row")


@dataclass(frozen=True)
class Place:
    """Between two rows: after (or, going back, before) the row with this time and sid."""

    time: datetime
    sid: str
    back: bool = False

    def token(self) -> str:
        """A form that fits into a URL; opaque to callers."""
        micros = (self.time - _EPOCH) // _MICROSECOND
        text = f"{'B' if self.back else 'A'}{micros:x}.{self.sid}"
        return "PT" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@dataclass(frozen=True)
class PageRequest:
    size: int = DEFAULT_PAGE_SIZE
    number: int = 0
    """Counted from 0; without a place it is also where to begin."""
    place: Place | None = None


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: Sequence[Row]
    request: PageRequest
    next: Place | None
    """None: the last page."""
    previous: Place | None
    """None: the first page."""


def parse_page_request(*, size: str | None, number: str | None, token: str | None) -> PageRequest:
    """Read the parameters PageSize, Page and PageToken. Raises StoreError."""
    return PageRequest(
        size=min(_number(size, "PageSize", least=1, default=DEFAULT_PAGE_SIZE), MAX_PAGE_SIZE),
        number=min(_number(number, "Page", least=0, default=0), _MAX_PAGE),
        place=_place(token) if token else None,
    )


def read_page(
    session: Session,
    query: sa.Select[Row],
    *,
    request: PageRequest,
    time: InstrumentedAttribute[datetime],
    sid: InstrumentedAttribute[str],
) -> Page[Row]:
    """Read one page and see whether there is another behind it."""
    key, place = sa.tuple_(time, sid), request.place
    back = place is not None and place.back
    query = query.order_by(time, sid) if back else query.order_by(time.desc(), sid.desc())
    if place is not None:
        # The type has to be named: a bare tuple would lose the zone on its way to SQLite.
        edge = sa.tuple_(sa.literal(place.time, time.type), sa.literal(place.sid))
        query = query.where(key > edge if back else key < edge)
    elif request.number:
        query = query.offset(request.number * request.size)
    rows: list[Any] = list(session.scalars(query.limit(request.size + 1)))
    more = len(rows) > request.size
    rows = rows[: request.size]
    if back:
        rows.reverse()
    has_next, has_previous = (True, more) if back else (more, request.number > 0)
    return Page(
        rows=rows,
        request=request,
        next=_at(rows[-1], time, sid, back=False) if rows and has_next else None,
        previous=_at(rows[0], time, sid, back=True) if rows and has_previous else None,
    )


def _at(row: Any, time: InstrumentedAttribute[datetime], sid: InstrumentedAttribute[str], *, back: bool) -> Place:
    return Place(time=getattr(row, time.key), sid=getattr(row, sid.key), back=back)


def _number(text: str | None, name: str, *, least: int, default: int) -> int:
    if text is None or text == "":
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < least:  # noqa: PLR2004 - digits of 2^31
        raise invalid(f"{name} is no number from {least} on")
    return int(text)


def _place(token: str) -> Place:
    try:
        encoded = token.removeprefix("PT")
        text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii")
        micros, _, sid = text[1:].partition(".")
        place = Place(time=_EPOCH + int(micros, 16) * _MICROSECOND, sid=sid, back=text[0] == "B")
    except (ValueError, IndexError, OverflowError, binascii.Error):
        place = None
    if place is None or text[0] not in "AB" or not sid.isalnum():
        raise invalid("PageToken is none that this list has given")
    return place
