"""`python -m recording_storage.demo.kubectl …`: the two things that the demo proposes, where there is no kubectl."""

from pathlib import Path

import click

from recording_storage.demo.errors import DemoError
from recording_storage.demo.kube import Kube, condition, load
from recording_storage.demo.samples import KINDS, NAMESPACE


@click.group()
def main() -> None:
    """Just enough of kubectl for the demo's next steps."""


_kubeconfig = click.option(
    "--kubeconfig", required=True, envvar="KUBECONFIG", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@main.command()
@_kubeconfig
@click.option("-f", "file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def apply(kubeconfig: Path, file: Path) -> None:
    """Apply the resources of FILE to the demo's namespace."""
    try:
        kube = Kube(kubeconfig)
        for manifest in load(file):
            kube.apply(manifest, namespace=NAMESPACE)
            click.echo(f"{manifest['kind']}/{manifest['metadata']['name']} applied")
    except DemoError as error:
        raise click.ClickException(str(error)) from None


@main.command()
@_kubeconfig
@click.argument("what", type=click.Choice(["recordings"]))
def get(kubeconfig: Path, what: str) -> None:
    """Show each resource with its condition Ready."""
    del what
    try:
        for resource in Kube(kubeconfig).list_resources(KINDS, namespace=NAMESPACE):
            ready = condition(resource, "Ready")
            name = f"{resource['kind']}/{resource['metadata']['name']}"
            click.echo(f"{name}  Ready={ready.get('status', 'Unknown')}  {ready.get('message', '')}")
    except DemoError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
