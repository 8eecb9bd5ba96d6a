"""`recording-storage verify`: is a destination usable, under the least rights?"""

import json
from pathlib import Path

import click

from recording_storage.cli.errors import Failure
from recording_storage.cli.kubeconfig import check_cluster
from recording_storage.cli.verify_target import Target, from_config
from recording_storage.domain.bucket_url import BucketUrlError, normalised_endpoint
from recording_storage.domain.failures import Capability
from recording_storage.s3.probe import Verification
from recording_storage.s3.steps import Fault, Step
from recording_storage.s3.verify import checks_signatures, verify_destination
from recording_storage.uploader.standalone.config import ConfigError


def _endpoints(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    del context
    try:
        return tuple(normalised_endpoint(value) for value in values)
    except BucketUrlError as error:
        raise click.BadParameter(str(error), param=parameter) from error


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="verify")
@click.option("--config", type=_FILE, help="Configuration of an uploader that runs alone (docs/uploader.yaml).")
@click.option(
    "--settings", metavar="NAME", help="A RecordingSettings in the cluster, with its AwsCredential and Secret."
)
@click.option(
    "--namespace", metavar="N", default="", help="With --settings: where it is.  [default: the context's own]"
)
@click.option(
    "--kubeconfig",
    type=_FILE,
    help="With --settings: the cluster.  [default: the pod's own, else of KUBECONFIG, else of ~/.kube/config]",
)
@click.option(
    "--allow-endpoint",
    "allowed",
    metavar="URL",
    multiple=True,
    callback=_endpoints,
    help="With --settings: an S3-compatible endpoint that the store allows, too; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *,
    config: Path | None,
    settings: str | None,
    namespace: str,
    kubeconfig: Path | None,
    allowed: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tell whether a destination is usable, with no more rights than are documented.

    Lists the open uploads, begins a multipart upload below the folder, sends one part, lists the parts, sends a part
    with a wrong checksum, which must be refused, aborts, and tries to complete what is gone, with the headers of an
    upload. Nothing is left in the bucket. Where all of that passes, one request more is signed wrongly: a server that
    takes it checks no signatures, which is told as a warning.

    A server that takes wrong checksums, and whose ETags are no MD5, vouches for nothing: it is not usable, unless the
    destination says trustUnverified.

    JSON fields: ok, url, region, step (that failed, or null), fault (url, credential, key, access, server, or null),
    code, message, leftover (id of an upload that could not be aborted, or ""), unsupported (what the server lacks),
    vouches_by (CRC64NVME, SHA-256, Content-MD5, signed payload hash, MD5 as ETag, or null for nothing), most_parts (of
    one upload, or null), checks_signatures (or null where not usable).

    Exit codes: 0 usable, 1 not usable, 2 wrong use.
    """
    if (config is None) == (settings is None):
        raise click.UsageError("give either --config FILE or --settings NAME")
    try:
        if config is not None:
            target = from_config(config)
        else:
            assert settings is not None
            target = _from_settings(settings, namespace=namespace, kubeconfig=kubeconfig, allowed=allowed)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    except BucketUrlError as error:
        _report(Verification(ok=False, fault=Fault.URL, message=str(error)), url="", as_json=as_json)
        return
    result = verify_destination(target.destination, credential=target.credential, guard=target.guard)
    checked = (
        checks_signatures(target.destination, credential=target.credential, guard=target.guard) if result.ok else None
    )
    _report(result, url=target.destination.location.url, as_json=as_json, checked=checked)


def _from_settings(name: str, *, namespace: str, kubeconfig: Path | None, allowed: tuple[str, ...]) -> Target:
    """Kept apart because the Kubernetes client takes a second to import, which `--config` does without."""
    from recording_storage.cli.verify_cluster import ClusterError, from_settings  # noqa: PLC0415

    check_cluster(kubeconfig)
    try:
        return from_settings(name, namespace=namespace, kubeconfig=kubeconfig, allowed_endpoints=allowed)
    except ClusterError as error:
        raise Failure(str(error)) from error


def _report(result: Verification, *, url: str, as_json: bool, checked: bool | None = None) -> None:
    """`checked`: whether the server checks signatures; None: not asked."""
    if as_json:
        click.echo(
            json.dumps(
                {
                    "ok": result.ok,
                    "url": url,
                    "region": result.region,
                    "step": result.step,
                    "fault": result.fault,
                    "code": result.failure.code if result.failure else "",
                    "message": result.message,
                    "leftover": result.leftover,
                    "unsupported": sorted(result.missing),
                    "vouches_by": result.proof.voucher if result.proof else None,
                    "most_parts": result.proof.most_parts if result.proof else None,
                    "checks_signatures": checked,
                }
            )
        )
    if not result.ok:
        raise Failure(result.message)
    if checked is False:
        click.echo(
            f"recording-storage: warning: the server of {url} checks no signatures: it takes any key pair, so this one "
            "is not proved to work elsewhere",
            err=True,
        )
    if not as_json:
        passed = [
            step for step in Step if step is not Step.LIST_UPLOADS or Capability.LIST_UPLOADS not in result.missing
        ]
        click.echo(f"{url} is usable: {', '.join(passed)} passed; nothing is left behind")
        click.echo(f"vouches for what is stored by: {(result.proof and result.proof.voucher) or 'nothing (trusted)'}")
        for capability in sorted(result.missing):
            click.echo(f"the server does not know {capability}: uploads go without")
