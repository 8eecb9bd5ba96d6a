"""Recordings in tests are people speaking, not made-up bytes."""

import wave
from pathlib import Path


def test_speech_is_sound_and_not_silence(speech: list[Path]) -> None:
    assert len(speech) >= 5
    for file in speech:
        with wave.open(str(file)) as sound:
            assert sound.getnframes() / sound.getframerate() > 0.5
            assert len(set(sound.readframes(sound.getnframes()))) > 100
