"""`recording-storage retry`: what is parked or rejected is tried again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from recording_storage.cli.errors import WorkRemains
from recording_storage.cli.spool_access import SpoolAccess, spool_option
from recording_storage.domain.amounts import counted
from recording_storage.domain.sids import is_sid
from recording_storage.terminal import printable


@click.command(name="retry")
@spool_option
@click.argument("sids", metavar="[SID]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(spool: Path, sids: tuple[str, ...], *, as_json: bool) -> None:
    """Try again what is parked or rejected: the given recordings, or all.

    What waits for its next try is tried at once, too. A destination that is held is asked at once whether it works;
    what is there for it goes on by itself when it does. The wish is durable when the command returns, whether an
    uploader runs or not.

    JSON fields: running (an uploader is), retried ([{sid, file, state}]), unmoved (the same with why, and remains: it
    still has to be stored), unknown (sids).

    Exit codes: 0 done, also when there was nothing to retry; 1 failed; 2 a SID that this spool doesn't know (then
    nothing is retried); 3 something is not tried now: its destination is held, or it waits for settings.
    """
    for sid in sids:
        if not is_sid(sid):
            raise click.UsageError(f"{sid!r} is no sid; it is two letters and 32 hexadecimal digits")
    answer = SpoolAccess(spool).ask_one({"do": "retry", "sids": list(dict.fromkeys(sids))})
    if answer["unknown"]:
        raise click.UsageError(f"not in this spool: {', '.join(answer['unknown'])}; nothing was retried")
    if as_json:
        import json  # noqa: PLC0415 - not wanted by the other form

        click.echo(json.dumps(answer))
    else:
        _print(answer)
    if any(item.get("remains") for item in answer["unmoved"]):
        raise WorkRemains


def _print(answer: Mapping[str, Any]) -> None:
    for item in answer["retried"]:
        click.echo(f"{item['sid']}  {printable(item['file'])}")
    for item in answer["unmoved"]:
        # an uploader of before says no reason
        click.echo(f"{item['sid']}  {printable(item['file'])}: left, {printable(item.get('why', item['state']))}")
    if not answer["retried"]:
        left = len(answer["unmoved"])
        click.echo(f"nothing is tried again, {counted(left, 'recording')} left" if left else "nothing to retry")
        return
    later = "" if answer["running"] else "; no uploader runs here, it happens when one does"
    click.echo(f"{counted(len(answer['retried']), 'recording')} will be tried again{later}")
