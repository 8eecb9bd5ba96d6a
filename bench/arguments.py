"""Kinds of arguments that both measurements take."""

import argparse


def positive(text: str) -> int:
    """A whole number above 0: of nothing, nothing is measured. Raises argparse.ArgumentTypeError."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)
