"""What the person sees while the demo runs: parts, resources with their conditions, recordings on their way."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from recording_storage.demo.kube import condition
from recording_storage.domain.amounts import format_bytes
from recording_storage.terminal import Column, Row, lay_out, printable

_COLOURS = {
    "released": "green",
    "reported": "green",
    "stored": "green",
    "uploading": "cyan",
    "found": "white",
    "waiting": "yellow",
    "held": "yellow",
    "parked": "red",
    "rejected": "red",
    "deleted": "red",
    "True": "green",
    "False": "red",
    "Unknown": "yellow",
}
"""Of states and of conditions."""
_RESOURCE_COLUMNS = (Column("RESOURCE"), Column("READY"), Column("REASON", spare=1))
_RECORDING_COLUMNS = (
    Column("STATE"),
    Column("SID"),
    Column("SIZE", right=True, spare=1),
    Column("TRIES", right=True, spare=2),
    Column("FILE"),
)


@dataclass
class Scene:
    """All that a view shows; filled anew by the run."""

    parts: list[tuple[str, int, str]] = field(default_factory=list)
    """Name, process id, address."""
    resources: list[dict[str, Any]] = field(default_factory=list)
    recordings: list[dict[str, Any]] = field(default_factory=list)
    """As `recording-storage recordings --json` prints them."""
    step: str = ""


class View(Protocol):
    @property
    def width(self) -> int | None:
        """In cells; None: no terminal."""

    def show(self, scene: Scene) -> None: ...
    def say(self, line: str) -> None: ...
    def close(self) -> None: ...


class LineView:
    """For a pipe or a log: each change once, on standard error."""

    width = None

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._seen: dict[str, str] = {}

    def show(self, scene: Scene) -> None:
        for name, pid, address in scene.parts:
            self._tell(f"part/{name}", f"{name}: process {pid} {address}".rstrip())
        for resource in scene.resources:
            name = f"{resource['kind']}/{resource['metadata']['name']}"
            ready = condition(resource, "Ready")
            words = f"Ready={ready.get('status', 'Unknown')} {ready.get('reason', '')} {ready.get('message', '')}"
            self._tell(name, f"{name}: {words.strip()}")
        for recording in scene.recordings:
            why = f": {error}" if (error := _why(recording)) else ""
            self._tell(recording["sid"], f"{printable(recording['file'])}: {recording['state']}{why}")

    def say(self, line: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._started:5.1f}s] {line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        pass

    def _tell(self, key: str, line: str) -> None:
        if self._seen.get(key) != line:
            self._seen[key] = line
            self.say(line)


class LiveView:
    """For a terminal: one picture that changes in place, lines that stay above it."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self.width: int | None = self._console.width
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, scene: Scene) -> None:
        width, height = self._console.size
        above = [Text(scene.step, style="bold"), _parts(scene.parts), *_resources(scene.resources, width=width)]
        room = height - 1 - sum(_height(line, width) for line in above)
        self._live.update(Group(*above, *_recordings(scene.recordings, width=width, room=room)), refresh=True)

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)  # commands are to be pasted

    def close(self) -> None:
        self._live.stop()


def open_view(*, quiet: bool) -> View:
    """A picture on a terminal, lines elsewhere (and where a program reads the result)."""
    return LiveView() if sys.stderr.isatty() and not quiet else LineView()


def _parts(parts: Sequence[tuple[str, int, str]]) -> Text:
    return Text("   ".join(f"{name} {address or pid}" for name, pid, address in parts), style="dim")


def _resources(resources: Sequence[Mapping[str, Any]], *, width: int) -> list[Text]:
    rows = []
    for resource in resources:
        ready = condition(resource, "Ready")
        cells = (
            f"{resource['kind']}/{resource['metadata']['name']}",
            ready.get("status", "Unknown"),
            ready.get("reason", ""),
        )
        rows.append(Row(cells, note=printable(ready.get("message", ""))))
    return _table(_RESOURCE_COLUMNS, rows, note="MESSAGE", width=width) if rows else []


def _recordings(recordings: Sequence[Mapping[str, Any]], *, width: int, room: int) -> list[Text]:
    """As many as fit: what is not released yet goes last, where the eye is; of the released ones the newest."""
    ordered = sorted(recordings, key=lambda each: each["state"] != "released")  # stable: else in the order of finding
    rows = [
        Row(
            (
                each["state"],
                each["sid"],
                format_bytes(each["size"]),
                str(each["attempts"]),
                printable(each["file"]),
            ),
            note=_why(each),
        )
        for each in ordered
    ]
    rows = rows[-max(room, 1) :]
    while rows:
        lines = _table(_RECORDING_COLUMNS, rows, note="WHY NOT YET", width=width)
        if len(rows) == 1 or sum(_height(line, width) for line in lines) < room:
            return [Text(), *lines]
        rows = rows[1:]
    return []


def _table(columns: Sequence[Column], rows: Sequence[Row], *, note: str, width: int) -> list[Text]:
    head, *lines = lay_out(columns, rows, note=note, width=width)
    return [Text(head, style="dim"), *map(_coloured, lines)]


def _coloured(line: str) -> Text:
    """The first word that has a colour, in it."""
    text = Text(line)
    for word in line.split()[:2]:
        if colour := _COLOURS.get(word):
            start = line.index(word)
            text.stylize(colour, start, start + len(word))
            break
    return text


def _height(line: Text, width: int) -> int:
    return max(1, math.ceil(line.cell_len / width))


def _why(recording: Mapping[str, Any]) -> str:
    """The error and when it is tried again; empty when all is well."""
    error = recording["error"]
    if not error:
        return ""
    words = printable(f"{error['code']}: {error['message']}")
    if retry_at := recording["retry_at"]:
        return f"{words} (next try at {datetime.fromisoformat(retry_at).astimezone():%H:%M:%S})"
    return words
