"""`python -m tests.cluster serve | start | stop | status | run`: a real API server for tests and the demo."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import click

from tests.cluster import cluster as clusters
from tests.cluster import state
from tests.tools.cache import tell
from tests.tools.errors import ToolFailed, ToolMissing

folder_option = click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), help="Data folder of the cluster."
)
kubeconfig_option = click.option(
    "--kubeconfig", help="Use this cluster and start nothing (default: KUBECONFIG, if it is set)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line of stdout.")


class _Ended(Exception):  # noqa: N818 - not an error: the wish to end
    pass


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise _Ended


def _open(folder: Path | None, kubeconfig: str | None) -> clusters.Cluster:
    if given := clusters.given(kubeconfig):
        return clusters.existing(given)
    if folder is not None and (running := state.read(folder)):
        raise ToolFailed(f"process {running['pid']} holds a cluster in {folder} already")
    tell("cluster: starting")
    started = time.monotonic()
    cluster = clusters.start(folder)
    tell(f"cluster: ready at {cluster.server} after {time.monotonic() - started:.1f} s")
    return cluster


@click.group()
def main() -> None:
    """A real Kubernetes API server, without nodes."""


@main.command()
@folder_option
@kubeconfig_option
@json_option
@click.option("--detached", is_flag=True, help="Don't end with stdin.")
def serve(folder: Path | None, kubeconfig: str | None, *, as_json: bool, detached: bool) -> None:
    """Stay in the foreground until SIGTERM, SIGINT or the end of stdin; then leave nothing behind."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    cluster = None
    try:
        cluster = _open(folder, None if detached else kubeconfig)
        if folder is not None:
            state.write(cluster)
        _print({**json.loads(cluster.as_json()), "pid": os.getpid(), "reused": False}, as_json=as_json)
        while detached or select.select([0], [], [], 3600)[0] == [] or os.read(0, 65536):
            if detached:
                signal.pause()
    except _Ended:
        pass
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if cluster is not None:
            cluster.stop()
            (cluster.data_dir / "cluster.json").unlink(missing_ok=True)


@main.command()
@folder_option
@json_option
def start(folder: Path | None, *, as_json: bool) -> None:
    """Start one that stays until `stop`, or find the one that runs."""
    _print(state.start_detached(folder or state.default_folder()), as_json=as_json)


@main.command()
@folder_option
@click.option("--keep", is_flag=True, help="Keep the data for the next start.")
def stop(folder: Path | None, *, keep: bool) -> None:
    """Stop it and remove its data."""
    folder = folder or state.default_folder()
    tell("cluster: stopped" if state.stop(folder, keep=keep) else f"cluster: none runs in {folder}")


@main.command()
@folder_option
@json_option
def status(folder: Path | None, *, as_json: bool) -> None:
    """What runs; exit code 1 if nothing does."""
    folder = folder or state.default_folder()
    found = state.read(folder)
    if found is None:
        if as_json:
            click.echo("{}")
        raise ToolFailed(f"cluster: none runs in {folder}")
    _print(found, as_json=as_json)


@main.command(context_settings={"ignore_unknown_options": True})
@folder_option
@kubeconfig_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(folder: Path | None, kubeconfig: str | None, command: tuple[str, ...]) -> None:
    """Run COMMAND with KUBECONFIG of a cluster that lives as long as it does; exits with its code."""
    signal.signal(signal.SIGTERM, _end)
    cluster = _open(folder, kubeconfig)
    code = 128 + signal.SIGTERM
    try:
        process = subprocess.Popen(command, env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)})
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                continue  # Ctrl-C reached COMMAND as well: its end decides
            except _Ended:
                process.terminate()
    except FileNotFoundError as error:
        raise ToolFailed(f"{command[0]}: {error.strerror}") from error
    finally:
        cluster.stop()
    sys.exit(code if code >= 0 else 128 - code)


def _print(found: state.State, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"export KUBECONFIG={found['kubeconfig']}")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except (ToolMissing, ToolFailed) as problem:
        sys.exit(str(problem))
