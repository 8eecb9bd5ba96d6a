"""The demo's copy of a kubeconfig, so that `kubectl` in another terminal needs no options."""

from pathlib import Path
from typing import Any

import yaml

from recording_storage.demo.errors import DemoError
from recording_storage.domain.system_errors import plain_reason

_FILES = {"clusters": ("cluster", ("certificate-authority",)), "users": ("user", ("client-certificate", "client-key"))}
"""Fields that name files, relative to the kubeconfig's own folder."""


def copy_kubeconfig(source: Path, target: Path, *, namespace: str) -> None:
    """The same clusters and users, with `namespace` as the current context's. Raises DemoError."""
    try:
        content = yaml.safe_load(source.read_text())
        (context,) = (each for each in content["contexts"] if each["name"] == content["current-context"])
        context["context"]["namespace"] = namespace
        for kind, (name, fields) in _FILES.items():
            for each in content[kind]:
                _anchor(each.get(name) or {}, fields, folder=source.resolve().parent)
    except OSError as error:
        raise DemoError(f"the kubeconfig {source} can't be read: {plain_reason(error)}") from None
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        # What is something else than a kubeconfig can fail in any of these ways.
        raise DemoError(f"{source} is no kubeconfig, or has no current-context") from None
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(content, sort_keys=False))


def _anchor(entry: dict[str, Any], fields: tuple[str, ...], *, folder: Path) -> None:
    for field in fields:
        if field in entry:
            entry[field] = str(folder / entry[field])
