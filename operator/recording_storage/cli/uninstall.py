"""`recording-storage uninstall`: before the operator goes."""

import asyncio
from pathlib import Path

import click

from recording_storage.cli.errors import Failure, WorkRemains
from recording_storage.cli.kubeconfig import check_cluster
from recording_storage.domain.amounts import counted

_SHOWN = 20


@click.command(short_help="Before the operator goes: would anything hang in its deletion?")
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The cluster.  [default: the pod's own, else of KUBECONFIG, else of ~/.kube/config]",
)
@click.option(
    "--namespace", "namespaces", multiple=True, metavar="N", help="Look in this one; repeatable.  [default: all]"
)
@click.option(
    "--let-go",
    is_flag=True,
    help="Have them wait no more, once the operator is stopped; nothing is deleted or cleaned up at the store.",
)
def command(kubeconfig: Path | None, namespaces: tuple[str, ...], *, let_go: bool) -> None:
    """Look for resources whose deletion waits for the operator: without one it would never end.

    Delete them while the operator runs, or have it let go of them afterwards by --let-go.

    Exit codes: 0 there are none (any more), 1 failed, 2 wrong use, 3 there are some.
    """
    from recording_storage.controller import held  # noqa: PLC0415 - the help needs none of it

    check_cluster(kubeconfig)
    try:
        found = asyncio.run(held.find_held(kubeconfig, namespaces=namespaces))
        if let_go:
            asyncio.run(held.let_go(kubeconfig, found))
    except held.HeldError as error:
        raise Failure(str(error)) from error
    for each in found[:_SHOWN]:
        click.echo(f"{'let go of' if let_go else 'holds'} {each}")
    if len(found) > _SHOWN:
        click.echo(f"… and {len(found) - _SHOWN} more")
    if not found:
        click.echo("no resource waits for the operator")
    elif not let_go:
        click.echo(
            f"the deletion of {counted(len(found), 'resource')} waits for the operator: delete them while it runs, or "
            "have them let go once it is stopped: recording-storage uninstall --let-go",
            err=True,
        )
        raise WorkRemains
