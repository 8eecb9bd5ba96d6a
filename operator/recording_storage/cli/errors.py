"""How a command ends when it can't do what it was asked."""

import click


class Failure(click.ClickException):
    """Exit code 1 and one clear line; wrong use is click.UsageError, exit code 2."""

    exit_code = 1

    def show(self, file: object = None) -> None:
        del file
        click.echo(f"recording-storage: {self.format_message()}", err=True)


class WorkRemains(click.exceptions.Exit):
    """Exit code 3: nothing is wrong, but not everything is done."""

    def __init__(self) -> None:
        super().__init__(3)
