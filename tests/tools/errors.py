"""What tools raise when they can't be had."""


class ToolMissing(Exception):  # noqa: N818 - reads as what happened, and is shown to people as one line
    """A program that the tests need is neither here nor can it be made; `str()` is the one line to show."""


class ToolFailed(Exception):  # noqa: N818 - the same
    """A program that the tests started has not come up; `str()` carries the end of its log."""
