"""The internal authority as its Secret keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from recording_storage.controller.trust.certificates import Pair, usable, validity


@dataclass(frozen=True, kw_only=True)
class Authority:
    current: Pair | None = None
    coming: Pair | None = None
    published: datetime | None = None
    """Since when the coming one is in the bundle that everybody reads."""
    former: tuple[str, ...] = field(default=())
    """Certificates that signed before, and may still be what somebody is shown."""

    @classmethod
    def of(cls, text: Mapping[str, str]) -> Self:
        """From what a Secret holds; what is of no use there is not there."""
        current = Pair(text.get("current.crt", ""), text.get("current.key", ""))
        coming = Pair(text.get("coming.crt", ""), text.get("coming.key", ""))
        try:
            published = datetime.fromisoformat(text.get("coming.published", ""))
        except ValueError:
            published = None
        former = text.get("former.crt", "").split(_BETWEEN)
        return cls(
            current=current if usable(current) else None,
            coming=coming if usable(coming) else None,
            published=published,
            former=tuple(each.strip() + "\n" for each in former if each.strip()),
        )

    def texts(self) -> dict[str, str]:
        """As a Secret keeps it."""
        text = {"former.crt": _BETWEEN.join(self.former)}
        for name, pair in (("current", self.current), ("coming", self.coming)):
            if pair is not None:
                text |= {f"{name}.crt": pair.certificate, f"{name}.key": pair.key}
        if self.published is not None:
            text["coming.published"] = self.published.isoformat()
        return {key: value for key, value in text.items() if value}

    def bundle(self, *, now: datetime) -> str:
        """Whom to trust: every one that signs, will sign, or has signed what may still be in use."""
        present = [pair.certificate for pair in (self.current, self.coming) if pair is not None]
        return "".join([*present, *(each for each in self.former if _lasts(each, now=now))])

    def begun(self, pair: Pair, *, now: datetime) -> Self:
        """Signing anew, at once."""
        return replace(self, current=pair, coming=None, published=None, former=self._former(now=now))

    def prepared(self, pair: Pair) -> Self:
        return replace(self, coming=pair, published=None)

    def announced(self, *, now: datetime) -> Self:
        return replace(self, published=now)

    def taken_over(self, *, now: datetime) -> Self:
        """With the coming one as the one that signs."""
        return replace(self, current=self.coming, coming=None, published=None, former=self._former(now=now))

    def _former(self, *, now: datetime) -> tuple[str, ...]:
        signed = [self.current.certificate] if self.current is not None else []
        return tuple(each for each in [*signed, *self.former] if _lasts(each, now=now))


_BETWEEN = "\n\n"


def _lasts(certificate: str, *, now: datetime) -> bool:
    found = validity(certificate)
    return found is not None and found.ends > now
