"""The real helm, on the chart of this checkout."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.kube import Document, documents
from tests.tools import binaries

CHART = Path(__file__).parents[2] / "charts" / "recording-storage"
RELEASE, NAMESPACE = "rec", "recordings"
GIVEN: dict[str, Any] = {
    "tls": {"mode": "Existing", "existingSecret": "given-tls"},
    "store": {"masterKey": {"existingSecret": "given-master-key"}},
}
"""Certificate and master key are Secrets of the user's."""


class HelmError(Exception):
    """What helm says on standard error."""


class Helm:
    def __init__(self, binary: Path, *, home: Path, kubeconfig: Path | None = None) -> None:
        """Take the binary.

        Args:
            binary: of helm.
            home: for its files, and for values.
            kubeconfig: of the cluster, where one is needed.
        """
        self._binary = binary
        self._home = home
        # Of the caller's environment, what helm could take for settings stays out.
        self._env = {"PATH": os.environ["PATH"], "HOME": str(home)}
        if kubeconfig is not None:
            self._env["KUBECONFIG"] = str(kubeconfig)

    def __call__(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Standard output. Raises HelmError."""
        command = [str(self._binary), *arguments]
        if values is not None:
            file = self._home / "values.yaml"
            file.write_text(yaml.safe_dump(dict(values)))
            command += ["--values", str(file)]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HelmError(done.stderr)
        return done.stdout

    def template(self, values: Mapping[str, Any] | None = None) -> str:
        """The rendering."""
        return self("template", RELEASE, str(CHART), "--namespace", NAMESPACE, values=values or {})

    def objects(self, values: Mapping[str, Any] | None = None) -> list[Document]:
        return documents(self.template(values))


def helm_binary() -> Path:
    return binaries.find("helm")


def only(objects: list[Document], kind: str, name: str) -> Document:
    """The object of that kind and name."""
    (found,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def pod_specs(objects: list[Document]) -> dict[str, Document]:
    """By the name of what makes the pods."""
    templated = [each for each in objects if "template" in each.get("spec", {})]
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in templated}
