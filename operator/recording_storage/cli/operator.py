"""`recording-storage operator`."""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from recording_storage.cli.ca_file import check_ca_file
from recording_storage.cli.errors import Failure
from recording_storage.cli.kubeconfig import check_cluster
from recording_storage.cli.listen import ListenAddress
from recording_storage.cli.trust_options import TrustSettings, trust_options
from recording_storage.domain.address import Address


def _url(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    del context
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise click.BadParameter(f"{value!r} is no URL; write https://HOST[:PORT]", param=parameter)
    return value.rstrip("/")


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Reconcile the custom resources with the settings store.")
@click.option(
    "--kubeconfig",
    type=_FILE,
    help="The cluster.  [default: the pod's own, else of KUBECONFIG, else of ~/.kube/config]",
)
@click.option(
    "--namespace", "namespaces", multiple=True, metavar="N", help="Watch this namespace; repeatable.  [default: all]"
)
@click.option("--store-url", metavar="URL", callback=_url, help="The bundled store's public API, https://HOST[:PORT].")
@click.option(
    "--internal-url", metavar="URL", callback=_url, help="The bundled store's internal API, https://HOST[:PORT]."
)
@click.option(
    "--allow-endpoint",
    "allowed_endpoints",
    multiple=True,
    metavar="URL",
    callback=lambda context, parameter, value: tuple(_url(context, parameter, each) for each in value),
    help="A remote store's endpoint that may be plain http or have a private address; repeatable.",
)
@click.option("--ca-file", type=_FILE, help="PEM certificates to trust the bundled store by.  [default: the system's]")
@click.option("--token-file", type=_FILE, help="The operator's token for the internal API; read anew for each call.")
@click.option(
    "--metrics-listen",
    metavar="HOST:PORT",
    type=ListenAddress(),
    help="Serve /metrics, /healthz and /readyz there.  [default: not at all]",
)
@click.option(
    "--lease-namespace",
    metavar="N",
    default="",
    help="Where the Lease and the key for names at hosted stores are.  [default: the pod's own, else default]",
)
@click.option(
    "--leader-election/--no-leader-election",
    default=True,
    show_default=True,
    help="Of several replicas only the leader works; off: only for one that is sure to be alone.",
)
@click.option(
    "--lease-duration",
    type=click.IntRange(1, 3600),
    metavar="SECONDS",
    default=15,
    show_default=True,
    help="A standby takes over from a leader that has not renewed the Lease for so long.",
)
@click.option(
    "--renew-deadline",
    type=click.FloatRange(0.5, 3600),
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    help="A leader that can't renew the Lease for so long ends; shorter than --lease-duration.",
)
@click.option(
    "--retry-period",
    type=click.FloatRange(0.1, 3600),
    metavar="SECONDS",
    default=2.0,
    show_default=True,
    help="Between renewals, and between a standby's looks; shorter than --renew-deadline.",
)
@trust_options
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Tell this on standard error, and what is worse.",
)
def command(  # noqa: PLR0917 - click passes them by name
    kubeconfig: Path | None,
    namespaces: tuple[str, ...],
    store_url: str,
    internal_url: str,
    allowed_endpoints: tuple[str, ...],
    ca_file: Path | None,
    token_file: Path | None,
    metrics_listen: Address | None,
    lease_namespace: str,
    *,
    leader_election: bool,
    lease_duration: int,
    renew_deadline: float,
    retry_period: float,
    log_level: str,
    **trust: Any,
) -> None:
    """Reconcile RecordingAccount, AwsCredential, PublicKey and RecordingSettings with the settings store.

    Without --store-url and --internal-url only accounts at a hosted service are served. Ends on SIGTERM and SIGINT.

    Exit codes: 0 ended as asked, 1 failed (no cluster answers, no rights), 2 wrong use (no cluster
    is named).
    """
    from recording_storage.controller.cluster.lease import LeaseTimes  # noqa: PLC0415 - with main, below
    from recording_storage.controller.main import Options, StartError, run  # noqa: PLC0415 - imports kopf: slow for --help

    if bool(store_url) != bool(internal_url):
        raise click.UsageError("--store-url and --internal-url belong together")
    lease = LeaseTimes(duration=lease_duration, deadline=renew_deadline, retry=retry_period)
    if fault := lease.fault():
        raise click.UsageError(f"--lease-duration, --renew-deadline, --retry-period: {fault}")
    settings = TrustSettings(**trust)
    if fault := settings.fault():
        raise click.UsageError(fault)
    if settings.ca_config_map and not ca_file:
        raise click.UsageError("--ca-config-map publishes what --ca-file holds: give that, too")
    if settings.internal_ca and ca_file:
        raise click.UsageError("--internal-ca and --ca-file: it trusts the authority that it keeps; give one of them")
    check_ca_file(ca_file)
    check_cluster(kubeconfig)
    _log_to_stderr(log_level)
    options = Options(
        kubeconfig=kubeconfig,
        namespaces=namespaces,
        store_url=store_url,
        internal_url=internal_url,
        allowed_endpoints=allowed_endpoints,
        ca_file=ca_file,
        ca_config_map=settings.ca_config_map,
        token_file=token_file,
        metrics_listen=metrics_listen,
        lease_namespace=lease_namespace,
        leader_election=leader_election,
        lease=lease,
        trust=settings.trust(),
        master_key=settings.master_key(),
    )
    try:
        run(options, say=lambda line: click.echo(f"recording-storage: {line}", err=True))
    except StartError as error:
        raise Failure(str(error)) from error


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # These would repeat, for each object and each request, what our own lines and metrics say.
    for name in ("kopf", "httpx", "httpcore", "kubernetes", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.INFO)
    # Our own line says it better; and signals are taken by us, on purpose.
    for name in ("kubernetes.aio.config.kube_config", "kopf._core.reactor.running"):
        logging.getLogger(name).setLevel(logging.ERROR)
