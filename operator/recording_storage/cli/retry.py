"""`recording-storage retry`: what is parked or rejected is tried again."""

from pathlib import Path

import click

from recording_storage.cli.spool_access import SpoolAccess, spool_option
from recording_storage.domain.amounts import counted
from recording_storage.domain.sids import is_sid


@click.command(name="retry")
@spool_option
@click.argument("sids", metavar="[SID]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(spool: Path, sids: tuple[str, ...], *, as_json: bool) -> None:
    """Try again what is parked or rejected: the given recordings, or all.

    What waits for its next try, or is held, is tried at once. The wish is durable when the command returns, whether an
    uploader runs or not.

    JSON fields: running (an uploader is), retried and unmoved ([{sid, file, state}]), unknown (sids).

    Exit codes: 0 done, also when there was nothing to retry; 1 failed; 2 a SID that this spool doesn't know (then
    nothing is retried).
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
        return
    for item in answer["retried"]:
        click.echo(f"{item['sid']}  {item['file']}")
    for item in answer["unmoved"]:
        click.echo(f"{item['sid']}  {item['file']}: left as it is, {item['state']}")
    count = len(answer["retried"])
    if not count:
        click.echo("nothing to retry")
        return
    later = "" if answer["running"] else "; no uploader runs here, it happens when one does"
    click.echo(f"{counted(count, 'recording')} will be tried again{later}")
