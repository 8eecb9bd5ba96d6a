"""The command `recording-storage`; each sub-command lives in a file of its own and is imported only when it runs."""

import importlib
import sys
from typing import Any, NoReturn

import click

from recording_storage import __version__

COMMANDS = {
    "store": "the settings store: REST API, internal API, database",
    "operator": "reconcile the custom resources with the settings store",
    "uploader": "carry finished recordings from a spool to their bucket",
    "demo": "everything at once on this machine, with a live view",
    "status": "how a spool stands, at a glance",
    "recordings": "each recording of a spool: state, attempts, where it is, why",
    "retry": "try again what is parked or rejected",
    "receipts": "check the receipts of an uploader that runs alone",
    "uninstall": "before the operator goes: would anything hang in its deletion?",
    "verify": "is the destination usable, under the least rights",
}
"""Sub-command and its line in `--help`, here so that the help costs no imports."""


class LazyGroup(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run, and end the process: wrong use gets one line and exit code 2, where click would print three."""
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "recording-storage"
            click.echo(f"{where}: {error.format_message()} ({where} --help says more)", err=True)
            sys.exit(error.exit_code)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("stopped", err=True)
            sys.exit(130)
        sys.exit(code if isinstance(code, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"recording_storage.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="recording-storage")
def main() -> None:
    """Carry call and video recordings into the customer's own S3 bucket, and never lose one.

    To see all of it at work on this machine: recording-storage demo. COMMAND --help says what each wants.

    Exit codes of every command: 0 done, 1 failed, 2 wrong use, 3 work remains, 130 stopped by Ctrl-C.
    """


if __name__ == "__main__":
    sys.exit(main())
