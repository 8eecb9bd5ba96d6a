"""Which cluster a command talks to: naming none that can be meant is wrong use, told before anything is begun."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from recording_storage.domain.system_errors import plain_reason

_DEFAULT = "~/.kube/config"
_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def check_cluster(kubeconfig: Path | None) -> None:
    """Of `--kubeconfig`, else the pod's own cluster, else what `KUBECONFIG` or `~/.kube/config` names.

    Nobody is asked: whether the cluster answers may change from minute to minute.

    Raises:
        click.UsageError: none of them names a cluster.
    """
    if kubeconfig is not None:
        check_kubeconfig(kubeconfig, named=f"--kubeconfig {kubeconfig}")
    elif not _POD.exists():
        _check_environment()


def check_kubeconfig(*files: Path, named: str) -> None:
    """Raise click.UsageError unless the files, which `named` says, have a current context and its cluster."""
    try:
        usable = _names_a_cluster([_read(file) for file in files])
    except OSError as error:
        raise click.UsageError(f"{named} can't be read: {plain_reason(error)}; name another file") from None
    except ValueError:
        usable = False
    if not usable:
        raise click.UsageError(f"{named} is no kubeconfig with a current context and its cluster: name another file")


def _check_environment() -> None:
    given = os.environ.get("KUBECONFIG", "")
    names = [Path(name).expanduser() for name in (given or _DEFAULT).split(os.pathsep) if name]
    files = [name for name in names if name.exists()]
    if files:
        check_kubeconfig(*files, named=f"KUBECONFIG={given}" if given else _DEFAULT)
    elif given:
        raise click.UsageError(f"KUBECONFIG={given} does not exist: unset it, or give --kubeconfig FILE")
    else:
        raise click.UsageError(
            f"no cluster: this is no pod, and there is no {_DEFAULT}; give --kubeconfig FILE, or set KUBECONFIG"
        )


def _read(file: Path) -> Any:
    """The file's content; raises OSError, ValueError."""
    import yaml  # noqa: PLC0415 - the help needs none of it

    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(file) from error


def _names_a_cluster(documents: Sequence[Any]) -> bool:
    """Whether, put together, they have one for the current context. Raises ValueError."""
    try:
        contexts = {each["name"]: each["context"]["cluster"] for each in _entries(documents, "contexts")}
        clusters = {each["name"]: each["cluster"]["server"] for each in _entries(documents, "clusters")}
        current = [document["current-context"] for document in documents if document.get("current-context")]
        return any(clusters.get(contexts.get(name)) for name in current)
    except (AttributeError, KeyError, TypeError) as error:  # what any other document can make of this
        raise ValueError(documents) from error


def _entries(documents: Sequence[Any], kind: str) -> list[Any]:
    return [entry for document in documents for entry in document.get(kind) or ()]
