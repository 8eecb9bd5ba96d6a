class DemoError(Exception):
    """The demo can't go on; the message is one line for the person who runs it."""

    def __init__(self, message: str, *, details: str = "") -> None:
        super().__init__(message)
        self.details = details
        """Further lines: the end of a log."""


class WrongUseError(DemoError):
    """An option is given what can't be used."""
