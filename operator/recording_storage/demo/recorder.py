"""Plays a recorder: writes media files into the spool the ways real ones do."""

import hashlib
import json
import math
import random
import struct
import threading
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path

from recording_storage.domain.system_errors import plain_reason
from recording_storage.terminal import printable
from recording_storage.uploader.spool.sidecar_file import SUFFIX
from recording_storage.uploader.spool.walk import is_media_name

RATE = 8000
"""Samples a second, as on a telephone line."""
CHUNK = 64 * 1024
SHORT_PAUSE = 0.02
"""Seconds between two writes; quick, for an audience that waits."""
BIG_FILE = 24 * 1024 * 1024
"""Bytes: large enough for an upload in several parts."""


@dataclass(frozen=True)
class Take:
    """One recording that the demo makes."""

    name: str
    """Relative to the spool."""
    content: Callable[[], Iterator[bytes]]
    note: str
    metadata: dict[str, object] = field(default_factory=dict)
    beside: Path | None = None
    """A person's own metadata file, if there is one."""
    rename: bool = False
    """Written under a `.part` name, then renamed into place."""
    done_marker: bool = False


def takes(media: Path | None) -> list[Take]:
    """What is recorded: four ways of finishing a file, then everything in the person's own folder."""
    room = f"RM{hashlib.sha256(b'demo room').hexdigest()[:32]}"
    return [
        Take(name="calls/first-call.wav", content=lambda: _speech(seconds=6, seed=1), note="grows, then closed"),
        Take(
            name="calls/second-call.wav",
            content=lambda: _speech(seconds=12, seed=2),
            note="written as .part, then renamed",
            rename=True,
        ),
        Take(
            name="rooms/weekly.mka",
            content=lambda: _speech(seconds=20, seed=3),
            note="with metadata: a video room's audio track",
            metadata={"room_sid": room, "type": "audio", "track_name": "microphone", "duration": 20},
        ),
        Take(
            name="rooms/weekly-screen.mkv",
            content=lambda: _noise(size=BIG_FILE, seed=4),
            note="24 MiB, sent in parts; finished by a .done marker",
            metadata={"room_sid": room, "type": "video", "track_name": "screen"},
            done_marker=True,
        ),
        *(_own(media) if media else []),
    ]


def _own(media: Path) -> list[Take]:
    return [
        Take(
            name=str(Path("media") / path.relative_to(media)),
            content=partial(_copy, path),
            note="your file, written slowly, then closed",
            beside=path.with_name(path.name + SUFFIX),
        )
        for path in own_files(media)
    ]


def own_files(media: Path) -> list[Path]:
    """Those that an uploader would take for recordings, by their names."""
    return [path for path in sorted(media.rglob("*")) if path.is_file() and _is_recording(path.relative_to(media))]


def left_out(media: Path) -> list[Path]:
    """Files with other names, but for the metadata beside a recording."""
    taken = own_files(media)
    known = {*taken, *(path.with_name(path.name + SUFFIX) for path in taken)}
    return [path for path in sorted(media.rglob("*")) if path.is_file() and path not in known]


def _is_recording(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return is_media_name(path.name) and not any(part.startswith(".") for part in path.parts)


@dataclass
class Recorder:
    """Writes the takes in a thread of its own; `written` maps each finished file to its SHA-256 and size."""

    spool: Path
    takes: list[Take]
    say: Callable[[str], None]
    written: dict[str, tuple[str, int]] = field(default_factory=dict)
    error: str = ""
    """Why it could not go on; empty while all is well."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._play, name="recorder", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until it has played everything, or can't go on."""
        self._thread.join()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    @property
    def finished(self) -> bool:
        return len(self.written) == len(self.takes)

    def _play(self) -> None:
        for take in self.takes:
            if self._stop.is_set():
                return
            self.say(f"recorder: {printable(take.name)} ({take.note})")
            try:
                self.written[take.name] = self._write(take)
            except OSError as error:
                self.error = (
                    f"the recorder can't write {printable(take.name)}: {plain_reason(error)} ({error.filename})"
                )
                return

    def _write(self, take: Take) -> tuple[str, int]:
        target = self.spool / take.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if take.metadata:
            _write_whole(target.with_name(f"{target.name}{SUFFIX}"), json.dumps(take.metadata).encode())
        elif take.beside is not None and take.beside.is_file():
            _write_whole(target.with_name(f"{target.name}{SUFFIX}"), take.beside.read_bytes())
        path = target.with_name(f"{target.name}.part") if take.rename else target
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as file:
            for chunk in take.content():
                file.write(chunk)
                file.flush()
                digest.update(chunk)
                size += len(chunk)
                if self._stop.wait(SHORT_PAUSE if size < BIG_FILE / 4 else 0):
                    break
        if take.rename:
            path.replace(target)
        if take.done_marker:
            target.with_name(f"{target.name}.done").touch()
        return digest.hexdigest(), size


def _write_whole(path: Path, data: bytes) -> None:
    """Appears at once or not at all: a reader never sees half of it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def _copy(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK * 16):
            yield chunk


def _speech(*, seconds: int, seed: int) -> Iterator[bytes]:
    """A WAV file with something like syllables: bursts of a voiced tone with pauses."""
    dice = random.Random(seed)  # noqa: S311 - sound, not secrets
    samples = bytearray()
    while len(samples) < 2 * RATE * seconds:
        pitch, length = dice.uniform(90, 220), int(RATE * dice.uniform(0.08, 0.3))
        for index in range(length):
            swell = math.sin(math.pi * index / length)
            value = sum(math.sin(2 * math.pi * pitch * n * index / RATE) / n for n in (1, 2, 3))
            samples += struct.pack("<h", int(9000 * swell * value / 2))
        samples += bytes(2 * int(RATE * dice.uniform(0.02, 0.2)))
    buffer = BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(bytes(samples[: 2 * RATE * seconds]))
    data = buffer.getvalue()
    return (data[start : start + CHUNK // 4] for start in range(0, len(data), CHUNK // 4))


def _noise(*, size: int, seed: int) -> Iterator[bytes]:
    dice = random.Random(seed)  # noqa: S311 - content, not secrets
    for start in range(0, size, 1024 * 1024):
        yield dice.randbytes(min(1024 * 1024, size - start))
