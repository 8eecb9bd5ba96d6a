"""`python -m recording_storage.demo.apply …`: what `kubectl apply` does, where there is no kubectl."""

from pathlib import Path

import click

from recording_storage.demo.errors import DemoError
from recording_storage.demo.kube import Kube, load


@click.command()
@click.option("--kubeconfig", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--namespace", "-n", required=True)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(kubeconfig: Path, namespace: str, file: Path) -> None:
    """Apply the resources of FILE to the demo's cluster."""
    try:
        kube = Kube(kubeconfig)
        for manifest in load(file):
            kube.apply(manifest, namespace=namespace)
            click.echo(f"{manifest['kind']}/{manifest['metadata']['name']} applied")
    except DemoError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
