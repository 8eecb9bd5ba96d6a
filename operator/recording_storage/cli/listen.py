"""The form of options that say where to listen."""

import click

from recording_storage.domain.address import Address


class ListenAddress(click.ParamType[Address]):
    """An `Address` from HOST:PORT."""

    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return Address.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
