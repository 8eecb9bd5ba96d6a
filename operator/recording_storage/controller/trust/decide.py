"""When an authority and a certificate are renewed; times alone, no bytes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_MARGIN = timedelta(minutes=5)
"""By which a renewal comes before two thirds, or an eighth of the life: files take their time to reach a pod."""


@dataclass(frozen=True)
class Validity:
    begins: datetime
    ends: datetime

    @property
    def span(self) -> timedelta:
        return self.ends - self.begins

    @property
    def due(self) -> datetime:
        """When it is renewed: two thirds of its life are over by the time that everybody has the next."""
        return self.begins + self.span * 2 / 3 - min(_MARGIN, self.span / 8)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What there is; None: it is not there, or of no use."""

    current: Validity | None
    """The authority that signs."""
    coming: Validity | None = None
    """The one that will sign next."""
    published: datetime | None = None
    """Since when everybody can learn of the coming one."""
    leaf: Validity | None = None
    """The store's certificate, if the present authority has signed it for the store's names."""


class Step(StrEnum):
    BEGIN = "a new authority"
    """There is none that is of use: nobody trusts it yet, whatever is done."""
    PREPARE = "the coming authority, published beside the present one"
    ANNOUNCED = "the coming authority is published"
    TAKE_OVER = "the coming authority signs from now on"
    ISSUE = "a certificate for the store"


def next_step(observed: Observed, *, now: datetime) -> Step | None:
    """What is to be done now; asked again once it is done. None: nothing."""
    current, coming = observed.current, observed.coming
    if current is None or current.ends <= now:
        return Step.TAKE_OVER if coming is not None and coming.ends > now else Step.BEGIN
    if coming is None:
        if now >= current.due:
            return Step.PREPARE
    elif observed.published is None:
        return Step.ANNOUNCED
    elif now >= observed.published + coming.span / 6:
        # Half of what the present one has left: who has not asked by now would be without trust anyway.
        return Step.TAKE_OVER
    if observed.leaf is None or now >= observed.leaf.due:
        return Step.ISSUE
    return None
