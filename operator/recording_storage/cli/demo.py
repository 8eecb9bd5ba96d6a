"""`recording-storage demo`: the main job on this machine, with a live view."""

import os
import signal
from pathlib import Path
from types import FrameType

import click

from recording_storage.cli.errors import Failure


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@click.command("demo")
@click.option("--once", is_flag=True, help="Stop after the summary instead of staying until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One summary object as the last line of standard output.")
@click.option(
    "--media",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with files of your own; they are recorded, too.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Use this cluster instead of starting one (default: KUBECONFIG, if it is set).",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Working folder to keep (default: a temporary one that goes at the end).",
)
def command(*, once: bool, as_json: bool, media: Path | None, kubeconfig: Path | None, folder: Path | None) -> None:
    """Run everything on this machine, and watch recordings arrive.

    A real Kubernetes API server, the settings store, an S3 server, the operator, an uploader on a spool folder, and a
    recorder that writes into it. Nothing listens on anything but 127.0.0.1. Ctrl-C stops all that was started.
    """
    try:
        from recording_storage.demo.run import Demo, DemoError, Options  # noqa: PLC0415 - heavy, and optional parts
    except ModuleNotFoundError as error:
        raise Failure(f"the demo needs the package {error.name}: pip install 'recording-storage[demo]'") from None
    kubeconfig = kubeconfig or _kubeconfig_of_environment()
    if folder is not None:
        _make(folder)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    demo = Demo(Options(media=media, kubeconfig=kubeconfig, folder=folder, as_json=as_json))
    try:
        outcome = demo.run()
        if as_json:
            click.echo(outcome.as_json())
        if not once:
            demo.stay()
    except DemoError as error:
        raise Failure(str(error)) from None
    except KeyboardInterrupt:
        raise click.exceptions.Exit(0 if not once else 130) from None
    finally:
        demo.close()
    if not outcome.ok:
        raise Failure("not every recording arrived as it was recorded; see above")


def _kubeconfig_of_environment() -> Path | None:
    given = os.environ.get("KUBECONFIG")
    if not given:
        return None
    kubeconfig = Path(given.split(os.pathsep)[0])
    if not kubeconfig.is_file():
        raise Failure(f"KUBECONFIG names {given!r}, which is no file: unset it, or give --kubeconfig FILE")
    return kubeconfig


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"--dir {folder}: {error.strerror}") from None
