"""`recording-storage demo`: the main job on this machine, with a live view."""

import os
import signal
from pathlib import Path
from types import FrameType

import click

from recording_storage.cli.errors import Failure
from recording_storage.cli.kubeconfig import check_kubeconfig
from recording_storage.demo.errors import WrongUseError
from recording_storage.demo.outcome import Outcome


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@click.command("demo")
@click.option("--once", is_flag=True, help="Stop after the summary instead of staying until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one summary object as the last line of standard output.")
@click.option(
    "--media",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="A folder with files of your own; they are recorded, too.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Use this cluster instead of starting one.  [default: KUBECONFIG, if it is set]",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Working folder to keep, new or empty.  [default: a temporary one that goes at the end]",
)
def command(*, once: bool, as_json: bool, media: Path | None, kubeconfig: Path | None, folder: Path | None) -> None:
    """Run everything on this machine, and watch recordings arrive.

    A real Kubernetes API server, the settings store, an S3 server, the operator, an uploader on a spool folder, and a
    recorder that writes into it. Nothing listens on anything but 127.0.0.1. Ctrl-C stops all that was started.

    With --json, standard output has one object as its last line: ok, settings_ready, seconds, recordings ([{sid, file,
    state, media_url, size, sha256, verified}]) and, unless all went well, error.

    Exit codes: 0 done, also when Ctrl-C ends it after the summary; 1 failed; 2 wrong use; 130 stopped before.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    outcome = Outcome()
    try:
        _run(outcome, once=once, as_json=as_json, media=media, kubeconfig=kubeconfig, folder=folder)
    except KeyboardInterrupt:
        if outcome.complete:
            return
        _tell(outcome, error="stopped before the end", as_json=as_json)
        raise click.exceptions.Exit(130) from None
    except (Failure, click.UsageError) as error:
        _tell(outcome, error=error.message, as_json=as_json)
        raise


def _run(
    outcome: Outcome, *, once: bool, as_json: bool, media: Path | None, kubeconfig: Path | None, folder: Path | None
) -> None:
    """All of it; `outcome` is told as soon as it is complete. Raises Failure, click.UsageError."""
    kubeconfig = _usable(kubeconfig)
    try:
        from recording_storage.demo.run import Demo, DemoError, Options  # noqa: PLC0415 - heavy, and optional parts
    except ModuleNotFoundError as error:
        raise Failure(f"the demo needs the package {error.name}: pip install 'recording-storage[demo]'") from None
    try:
        demo = Demo(Options(media=media, kubeconfig=kubeconfig, folder=folder, as_json=as_json), outcome=outcome)
        try:
            demo.run()
            if as_json:
                click.echo(outcome.as_json())
            if not once:
                demo.stay()
        except DemoError as error:
            demo.say(error.details)
            raise
        finally:
            demo.close()
    except WrongUseError as error:
        raise click.UsageError(str(error)) from None
    except DemoError as error:
        raise Failure(str(error)) from None
    if not outcome.ok:
        raise Failure(outcome.error)


def _tell(outcome: Outcome, *, error: str, as_json: bool) -> None:
    if as_json and not outcome.complete:
        outcome.error = error
        click.echo(outcome.as_json())


def _usable(kubeconfig: Path | None) -> Path | None:
    """The one that is given, else the environment's; None: start a cluster. Raises click.UsageError."""
    if kubeconfig is not None:
        check_kubeconfig(kubeconfig, named=f"--kubeconfig {kubeconfig}")
        return kubeconfig
    given = os.environ.get("KUBECONFIG")
    if not given:
        return None
    kubeconfig = Path(given.split(os.pathsep)[0])
    if not kubeconfig.is_file():
        raise click.UsageError(f"KUBECONFIG={given} is no file: unset it, or give --kubeconfig FILE")
    check_kubeconfig(kubeconfig, named=f"KUBECONFIG={given}")
    return kubeconfig
