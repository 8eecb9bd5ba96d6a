"""What a pod asks of its spool, in the annotation `spool-spec`: JSON with completion, layout and accountFrom."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recording_storage.domain.durations import format_duration, parse_duration, shown

SPOOL_SPEC = "RECORDING_STORAGE_SPOOL_SPEC"
"""The variable of an injected uploader with what the annotation asks for, or the chart where there is none."""
_IGNORED = "RECORDING_STORAGE_IGNORED_ANNOTATIONS"
"""The one with names of the pod's annotations whose values can't be used, with commas."""
LEAST_SETTLE, MOST_SETTLE = 1.0, 3600.0
"""Seconds, as for a RecordingSpool."""
EXAMPLE = '{"completion": {"mode": "Marker"}}'


@dataclass(frozen=True, kw_only=True)
class SpoolSpec:
    """None: nothing usable was said of it."""

    marker_only: bool | None = None
    settle: float | None = None
    """Seconds."""
    quiet_proof: float | None = None
    """Seconds."""
    account_from: str | None = None
    """Spool, Metadata or TopDirectory."""
    faults: tuple[str, ...] = field(default=())
    """Of what can't be used, each with field, value and remedy; the rest counts all the same."""


def read_spool_spec(text: str) -> SpoolSpec:
    """Read the annotation; nothing raises, since a recorder never waits for a better one."""
    if not text:
        return SpoolSpec()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return SpoolSpec(faults=(f"{shown(text)} is no JSON object; write for example {EXAMPLE}",))
    reader = _Reader()
    top = reader.known(document, "", {"completion", "layout", "accountFrom"})
    completion = top.get("completion", {})
    if not isinstance(completion, dict):
        reader.faults.append(f"completion: {shown(completion)} is no object; write for example {EXAMPLE}")
        completion = {}
    completion = reader.known(completion, "completion.", {"mode", "settle", "quietProof"})
    mode = reader.value(completion, "completion.mode", _one_of("Auto", "Marker"))
    reader.value(top, "layout", _layout)
    return SpoolSpec(
        marker_only=None if mode is None else mode == "Marker",
        settle=reader.value(completion, "completion.settle", _settle),
        quiet_proof=reader.value(completion, "completion.quietProof", _duration),
        account_from=reader.value(top, "accountFrom", _one_of("Spool", "Metadata", "TopDirectory")),
        faults=tuple(reader.faults),
    )


class _Reader:
    def __init__(self) -> None:
        self.faults: list[str] = []

    def known(self, given: Mapping[str, Any], above: str, names: set[str]) -> Mapping[str, Any]:
        """Without what there is not, which is told."""
        for name in given:
            if name not in names:
                self.faults.append(f"{above}{shown(name)[1:-1]} is no field; there are {', '.join(sorted(names))}")
        return {name: value for name, value in given.items() if name in names}

    def value(self, given: Mapping[str, Any], path: str, read: Callable[[Any], Any]) -> Any:
        name = path.rpartition(".")[2]
        if name not in given:
            return None
        try:
            return read(given[name])
        except ValueError as error:
            self.faults.append(f"{path}: {error}")
            return None


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"{shown(value)} is not one of {', '.join(words)}")
        return str(value)

    return read


def _layout(value: Any) -> str:
    if value == "Directories":
        raise ValueError("'Directories' is not served yet; leave it away, or write Files")
    return _one_of("Files")(value)


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is no duration; write for example '30s'")  # noqa: TRY004 - the value's fault
    return parse_duration(value)


def _settle(value: Any) -> float:
    seconds = _duration(value)
    if not LEAST_SETTLE <= seconds <= MOST_SETTLE:
        raise ValueError(
            f"{shown(value)} is not between {format_duration(LEAST_SETTLE)} and {format_duration(MOST_SETTLE)}"
        )
    return seconds


def ignored_annotations(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Of an injected uploader: which of its pod's annotations admission could not use, by name."""
    return tuple(filter(None, environment.get(_IGNORED, "").split(",")))
