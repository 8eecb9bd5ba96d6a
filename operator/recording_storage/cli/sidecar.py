"""`--sidecar`: wrong use must not end the process, because its recorder would wait for it for ever."""

import logging
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from recording_storage.domain.spool_spec import SPOOL_SPEC, SpoolSpec, ignored_annotations, read_spool_spec

FLAG = "--sidecar"

log = logging.getLogger(__name__)


class SidecarCommand(click.Command):
    """A command with a flag `--sidecar`, with which nothing but SIGTERM ends it, wrong use neither."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments; with the flag among them what is wrong is told, and then waited for the end."""
        given = list(args)  # click empties it
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            _wait_for_the_end(error, given)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """The same for what the command itself finds wrong."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            _wait_for_the_end(error, [FLAG] if ctx.params.get("sidecar") else [])
            raise


def _wait_for_the_end(error: click.UsageError, given: Sequence[str]) -> None:
    """Nobody can mend the arguments of a process: that takes another pod, whose end of this one is SIGTERM."""
    if FLAG not in given:
        return
    from recording_storage.uploader import logs  # noqa: PLC0415 - the help needs none of it
    from recording_storage.uploader.signals import stop_event  # noqa: PLC0415

    stop = stop_event(signal.SIGTERM, signal.SIGINT)
    if not logging.getLogger().handlers:
        logs.set_up(log_format="text", level="info")
    log.error("nothing is uploaded until the pod is made anew with other arguments: %s", error.format_message())
    stop.wait()
    raise click.exceptions.Exit(0) from None


def asked_by_pod(environment: Mapping[str, str]) -> SpoolSpec:
    """What injection has put there; what of it can't be used is told in the log."""
    spec = read_spool_spec(environment.get(SPOOL_SPEC, ""))
    for fault in spec.faults:
        log.warning("the pod's annotation recordingstorage.dev/spool-spec is not used in this: %s", fault)
    for name in ignored_annotations(environment):
        log.warning("the value of the pod's annotation %s can't be used; it runs as if it were not there", name)
    return spec


class PathThere(click.Path):
    """A path that has to exist, unless a sidecar is told: it waits until it does."""

    def __init__(self, *, folder: bool) -> None:
        super().__init__(exists=True, file_okay=not folder, dir_okay=folder, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The flag is read before every other option."""
        if ctx is not None and ctx.params.get("sidecar"):
            return Path(value)
        return super().convert(value, param, ctx)
