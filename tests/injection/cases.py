"""Golden cases: what is created, and the pod's spec that becomes of it, or the refusal.

`python -m tests.injection.cases` writes all `expected.yaml` anew, for the eyes of whoever changes a policy.
"""

import itertools
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.accounts import create_service_account
from tests.cluster.kube import Document, Kube, KubeError, documents
from tests.cluster.namespaces import create_namespace, delete_namespace
from tests.injection.policies import dry_run
from tests.waiting import eventually

FOLDER = Path(__file__).with_name("cases")
_TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Case:
    """A folder with `pod.yaml` (or what makes the pod), `expected.yaml`, and `before.yaml`: what is there first."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def given(self) -> Document:
        (document,) = documents(self.folder / "pod.yaml")
        return document

    @property
    def before(self) -> list[Document]:
        file = self.folder / "before.yaml"
        return documents(file) if file.exists() else []

    @property
    def expected(self) -> Document:
        (document,) = documents(self.folder / "expected.yaml")
        return document


CASES = tuple(Case(folder) for folder in sorted(FOLDER.iterdir()))


@contextmanager
def prepared(kube: Kube, case: Case) -> Iterator[str]:
    """A namespace of its own, with its service account and what the case wants to be there."""
    name = f"injection-{next(_numbers)}"
    create_namespace(kube, name)
    try:
        create_service_account(kube, namespace=name, name="default")
        for document in case.before:
            if document["kind"] == "Namespace":
                document["metadata"]["name"] = name
            kube.apply(document, namespace=name)
            if document["kind"] == "ResourceQuota":
                _wait_for_quota(kube, document["metadata"]["name"], namespace=name)
        yield name
    finally:
        delete_namespace(kube, name)


def outcome(kube: Kube, case: Case, *, namespace: str) -> Document:
    """`spec` of the pod, or why it was `denied`."""
    given = case.given
    try:
        if given["kind"] == "Pod":
            return {"spec": _plain(dry_run(kube, given, namespace=namespace)["spec"])}
        kube.apply(given, namespace=namespace)
    except KubeError as error:
        return {"denied": str(error)}
    (pod,) = eventually(lambda: kube.list("v1", "Pod", namespace=namespace), what="a pod is made")
    return {"spec": _plain(pod["spec"])}


def _plain(spec: Any) -> Any:
    """Without the letters that the cluster chooses."""
    if isinstance(spec, dict):
        return {key: _plain(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [_plain(each) for each in spec]
    return _TOKEN_VOLUME.sub("kube-api-access", spec) if isinstance(spec, str) else spec


def _wait_for_quota(kube: Kube, name: str, *, namespace: str) -> None:
    eventually(
        lambda: kube.get("v1", "ResourceQuota", name, namespace=namespace).get("status", {}).get("hard"),
        what="the quota is counted",
    )


def _write() -> None:
    from tests.injection.conftest import admitting  # noqa: PLC0415 - pytest's alone, but for this

    with tempfile.TemporaryDirectory() as home, admitting(Path(home)) as kube:
        for case in CASES:
            with prepared(kube, case) as namespace:
                found = outcome(kube, case, namespace=namespace)
            (case.folder / "expected.yaml").write_text(yaml.safe_dump(found, width=120))


if __name__ == "__main__":
    _write()
