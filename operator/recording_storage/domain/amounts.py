"""Numbers as people read them."""

_STEP = 1024


def format_bytes(count: int) -> str:
    """`512 B`, `1.4 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} TiB"


def counted(count: int, noun: str) -> str:
    """`1 recording`, `2 recordings`; of nouns that take an s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
