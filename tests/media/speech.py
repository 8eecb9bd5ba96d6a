"""Real recorded speech: the voice of Debian's alsa-utils that names the loudspeakers (`Front_Left.wav`, …)."""

from pathlib import Path

from tests.tools import debian

FOLDER = "usr/share/sounds/alsa"


def speech_files() -> list[Path]:
    """WAV files, 16 bit mono at 48 kHz, 0.1 to 0.2 MB each, sorted by name; raises ToolMissing."""
    files = _spoken(Path("/") / FOLDER)
    return files or _spoken(debian.package("alsa-utils") / FOLDER)


def _spoken(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.wav") if file.name != "Noise.wav")
