"""`python -m tests.tools build NAME… | list`: the programs that the tests need."""

import sys

import click

from tests.tools import binaries
from tests.tools.catalogue import TOOLS
from tests.tools.errors import ToolMissing


@click.group()
def main() -> None:
    """Programs that the tests need."""


@main.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice(sorted(TOOLS)))
def build(names: tuple[str, ...]) -> None:
    """Build NAMES into the cache, unless they are here already; prints where each is."""
    for name in names:
        click.echo(binaries.find(name))


@main.command(name="list")
def list_() -> None:
    """Each tool, its version and where it would come from."""
    for tool in TOOLS.values():
        here = binaries.on_machine(tool) or binaries.in_cache(tool)
        click.echo(f"{tool.name:<26}{tool.version:<10}{here or f'not built yet (about {tool.seconds:.0f} s)'}")


if __name__ == "__main__":
    try:
        main()
    except ToolMissing as error:
        sys.exit(str(error))
