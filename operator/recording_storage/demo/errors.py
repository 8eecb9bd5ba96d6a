class DemoError(Exception):
    """The demo can't go on; the message is one or a few lines for the person who runs it."""
