"""The form of options that say how long."""

import click

from recording_storage.domain.durations import parse_duration


class Duration(click.ParamType[float]):
    """Seconds from texts like 25s, 2m; a bare number is seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        try:
            return parse_duration(f"{text}s" if text.replace(".", "", 1).isdigit() else text)
        except ValueError as error:
            self.fail(str(error), param, ctx)
