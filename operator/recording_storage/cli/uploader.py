"""`recording-storage uploader`: carry finished recordings from a spool to their bucket."""

import gc
import math
import os
import sys
from pathlib import Path

import click

from recording_storage.cli.account import check_account
from recording_storage.cli.ca_file import check_ca_file
from recording_storage.cli.duration import Duration
from recording_storage.cli.errors import Failure, WorkRemains
from recording_storage.cli.listen import ListenAddress
from recording_storage.cli.sidecar import FLAG, PathThere, SidecarCommand, asked_by_pod
from recording_storage.domain.address import Address
from recording_storage.domain.spool_spec import SpoolSpec

CA_VARIABLE = "RECORDING_STORAGE_CA"
"""PEM; an injected uploader has it here, since there is no file of ours in its recorder's namespace."""


class DurationOrNever(Duration):
    """The same, and Never: infinite."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if str(value).casefold() == "never":
            return math.inf
        return super().convert(value, param, ctx)


_FILE = PathThere(folder=False)


@click.command("uploader", cls=SidecarCommand, short_help="carry finished recordings from a spool to their bucket")
@click.option(
    FLAG,
    is_flag=True,
    is_eager=True,
    help="Run beside a recorder: end by SIGTERM only. Whatever is missing or wrong is told, and waited for.",
)
@click.option(
    "--spool",
    required=True,
    type=PathThere(folder=True),
    metavar="DIR",
    help="The folder that the recorder writes to.",
)
@click.option(
    "--store", "store_url", metavar="URL", default="", help="The settings store's internal API, https://HOST[:PORT]."
)
@click.option("--token-file", type=_FILE, help="Bearer token for the store; read anew for every request.")
@click.option(
    "--ca-file",
    type=_FILE,
    help="PEM certificates to trust the store by.  [default: those in RECORDING_STORAGE_CA, else the system's]",
)
@click.option(
    "--stale-plan-after",
    type=DurationOrNever(),
    metavar="DURATION|Never",
    help="While the store has not answered since the start, recordings wait; after this time the plan of before serves "
    "until it does.  [default: 5m]",
)
@click.option("--config", type=_FILE, help="Run alone, with this YAML file instead of a store (docs/uploader.yaml).")
@click.option("--once", is_flag=True, help="Work through what is there, then exit: 0 all done, 3 work remains.")
@click.option(
    "--grace", type=Duration(), default="25s", show_default=True, help="Time for uploads to end after SIGTERM."
)
@click.option(
    "--settle",
    type=Duration(),
    help="Time since a file was last changed, closed or renamed.  [default: the --config file's, else 5s]",
)
@click.option(
    "--completion",
    type=click.Choice(["Auto", "Marker"], case_sensitive=False),
    metavar="[Auto|Marker]",
    default="Auto",
    show_default=True,
    help="When a file counts as finished. Marker: only once NAME.EXT.done is there; Auto: also when nobody writes it.",
)
@click.option(
    "--quiet-proof",
    type=Duration(),
    help="Take a file for finished after this time without a change, where nothing better is to be had.  "
    "[default: never]",
)
@click.option(
    "--account",
    "account_sid",
    metavar="AC…",
    default="",
    help="Account of recordings whose metadata names none.  [default: the only one that the store knows here]",
)
@click.option(
    "--account-from",
    type=click.Choice(["Spool", "Metadata", "TopDirectory"], case_sensitive=False),
    metavar="[Spool|Metadata|TopDirectory]",
    default="Spool",
    show_default=True,
    help="Who says whose a recording is. Spool: its metadata, else --account; Metadata: that alone; TopDirectory: "
    "the name of its top folder, an account's sid.",
)
@click.option(
    "--metrics-listen",
    type=ListenAddress(),
    metavar="HOST:PORT",
    help="Serve /metrics, /healthz and /readyz there.  [default: not at all]",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the lines on standard error are written.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Tell this there, and what is worse.",
)
def command(  # noqa: PLR0917 - click passes options by name
    sidecar: bool,  # noqa: FBT001 - click passes it so
    spool: Path,
    store_url: str,
    token_file: Path | None,
    ca_file: Path | None,
    stale_plan_after: float | None,
    config: Path | None,
    once: bool,  # noqa: FBT001 - click passes it so
    grace: float,
    settle: float | None,
    completion: str,
    quiet_proof: float | None,
    account_sid: str,
    account_from: str,
    metrics_listen: Address | None,
    log_format: str,
    log_level: str,
) -> None:
    """Carry finished recordings from a spool to their bucket.

    Settings come from a store (--store with --token-file), or, to run alone, from a file (--config).

    A DURATION is written 500ms, 25s, 2m or 1h30m; a bare number is seconds.

    With --sidecar a SIGTERM ends it with 0, and nothing else ends it: it never keeps a recorder from starting. What
    keeps it from working is told in the log and as the metric recording_storage_uploader_blocked.

    Exit codes: 0 ended as asked, with --once: all done; 1 failed; 2 wrong use; with --once 3: work remains.
    """
    gc.disable()  # what the imports make stays: looking for garbage in it costs a tenth of the start
    from recording_storage.s3.authorities import load_ahead  # noqa: PLC0415 - the help needs none of it

    load_ahead()  # while the rest is imported
    from recording_storage.uploader import logs, service  # noqa: PLC0415
    from recording_storage.uploader.app import Options  # noqa: PLC0415
    from recording_storage.uploader.journal.pinning import STALE_PLAN_AFTER  # noqa: PLC0415
    from recording_storage.uploader.spool.registration import AccountFrom  # noqa: PLC0415
    from recording_storage.uploader.standalone.config import ConfigError  # noqa: PLC0415

    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # thousands of small values come and go with each group; few are in a cycle
    gc.enable()
    if bool(store_url) == (config is not None):
        raise click.UsageError("give either --store URL with --token-file FILE, or --config FILE")
    if store_url and token_file is None:
        raise click.UsageError("--store needs --token-file")
    if stale_plan_after is not None and config is not None:
        raise click.UsageError("--stale-plan-after goes with --store: a --config file is in force from the start")
    if sidecar and once:
        raise click.UsageError("--sidecar and --once: a sidecar ends by SIGTERM only; give one of them")
    check_account(account_sid)
    if not sidecar:
        check_ca_file(ca_file)
    listen = (metrics_listen.host, metrics_listen.port) if metrics_listen else None
    logs.set_up(log_format=log_format, level=log_level)
    asked = asked_by_pod(os.environ) if sidecar else SpoolSpec()
    options = Options(
        spool=spool.resolve(),
        config=config,
        store_url=store_url,
        token_file=token_file,
        ca_file=ca_file,
        ca_certificates=os.environ.get(CA_VARIABLE, ""),
        once=once,
        sidecar=sidecar,
        grace=grace,
        settle=settle if asked.settle is None else asked.settle,
        marker_only=completion == "Marker" if asked.marker_only is None else asked.marker_only,
        quiet_proof=quiet_proof if asked.quiet_proof is None else asked.quiet_proof,
        account_sid=account_sid,
        account_from=AccountFrom(asked.account_from or account_from),
        stale_plan_after=STALE_PLAN_AFTER if stale_plan_after is None else stale_plan_after,
    )
    try:
        nothing_left = service.serve(options, listen=listen)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except service.ServiceError as error:
        raise Failure(str(error)) from error
    sys.stderr.flush()
    if once:
        # Everything is durable and every thread has ended its work: tearing the interpreter down would only cost time.
        os._exit(0 if nothing_left else WorkRemains().exit_code)
