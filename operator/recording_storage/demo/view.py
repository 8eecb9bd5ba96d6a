"""What the person sees while the demo runs: parts, resources with their conditions, recordings on their way."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from recording_storage.demo.kube import condition

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
}


_FRAME_LINES = 12
"""Of the picture, besides a line for each resource and recording; messages may fold."""


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
    def show(self, scene: Scene) -> None: ...
    def say(self, line: str) -> None: ...
    def close(self) -> None: ...


class LineView:
    """For a pipe or a log: each change once, on standard error."""

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
            self._tell(recording["sid"], f"{recording['file']}: {recording['state']}{why}")

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
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, scene: Scene) -> None:
        room = self._console.height - len(scene.resources) - _FRAME_LINES
        self._live.update(
            Group(
                Text(scene.step, style="bold"),
                _parts(scene.parts),
                _resources(scene.resources),
                _recordings(_most_telling(scene.recordings, room=max(room, 1))),
            ),
            refresh=True,
        )

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)  # commands are to be pasted

    def close(self) -> None:
        self._live.stop()


def open_view(*, quiet: bool) -> View:
    """A picture on a terminal, lines elsewhere (and where a program reads the result)."""
    return LiveView() if sys.stderr.isatty() and not quiet else LineView()


def _parts(parts: Sequence[tuple[str, int, str]]) -> Text:
    return Text("   ".join(f"{name} {address or pid}" for name, pid, address in parts), style="dim")


def _resources(resources: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Resources", title_justify="left", expand=True, box=None)
    for column in ("resource", "ready", "reason", "message"):
        table.add_column(column, overflow="fold", ratio=3 if column == "message" else None)
    for resource in resources:
        ready = condition(resource, "Ready")
        status = ready.get("status", "Unknown")
        colour = {"True": "green", "False": "red"}.get(status, "yellow")
        table.add_row(
            f"{resource['kind']}/{resource['metadata']['name']}",
            Text(status, style=colour),
            ready.get("reason", ""),
            ready.get("message", ""),
        )
    return table


def _most_telling(recordings: Sequence[dict[str, Any]], *, room: int) -> Sequence[dict[str, Any]]:
    """As many as fit: what is not released yet goes last, where the eye is; of the released ones the newest."""
    unfinished = [each for each in recordings if each["state"] != "released"]
    released = [each for each in recordings if each["state"] == "released"]
    left = max(room - len(unfinished), 0)
    return [*released[len(released) - left :], *unfinished][-room:]


def _recordings(recordings: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Recordings", title_justify="left", expand=True, box=None)
    for column in ("file", "state", "size", "tries", "where it is, or why not"):
        justify = "right" if column in {"size", "tries"} else "left"
        table.add_column(column, overflow="fold", justify=justify)  # type: ignore[arg-type]
    for recording in recordings:
        state = recording["state"]
        table.add_row(
            recording["file"],
            Text(state, style=_COLOURS.get(state, "")),
            size_in_words(recording.get("size") or 0),
            str(recording.get("attempts") or 0),
            _why(recording) or recording.get("media_url") or "",
        )
    return table


def _why(recording: Mapping[str, Any]) -> str:
    """The error and when it is tried again; empty when all is well."""
    error = recording.get("error")
    if not error:
        return ""
    words = error if isinstance(error, str) else f"{error.get('code', '')}: {error.get('message', '')}"
    retry_at = recording.get("retry_at")
    return f"{words} (next try {retry_at})" if retry_at else words


def size_in_words(size: int) -> str:
    amount, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":  # noqa: PLR2004
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
