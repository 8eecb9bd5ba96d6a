"""What the demo has reached: the summary that others script against."""

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Proof:
    """One recording of the summary; its fields are the summary's contract."""

    sid: str
    file: str
    state: str
    media_url: str
    size: int
    sha256: str
    """Hex, of what the recorder wrote."""
    verified: bool
    """The object was fetched and has that SHA-256."""


@dataclass
class Outcome:
    """Filled as the demo goes on."""

    ok: bool = False
    settings_ready: bool = False
    seconds: float = 0.0
    recordings: list[Proof] = field(default_factory=list)
    error: str = ""
    """Why it is not ok."""
    complete: bool = False
    """The end was reached, well or not."""

    def as_json(self) -> str:
        """One line; `error` only where there is one."""
        summary = asdict(self) | {"seconds": round(self.seconds, 1)}
        del summary["complete"]
        if not self.error:
            del summary["error"]
        return json.dumps(summary)
