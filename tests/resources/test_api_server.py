"""What the real API server makes of the definitions: defaults, columns, selectors, the status subresource."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from recording_storage.resources import API_VERSION, KINDS, Resource
from tests.cluster.kube import Document, Kube, KubeError, documents
from tests.resources.cases import TABLES
from tests.resources.cases.account import SID
from tests.resources.manifest import Manifest, changed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("crds")]
FOLDER = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLES = [path for path in sorted(FOLDER.glob("*.yaml")) if "rbac.authorization" not in path.read_text()]
"""What a person applies to a namespace; the operator's own rights are tried in tests/controller."""
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
CONDITION = {
    "type": "Ready",
    "status": "False",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-31T12:00:00Z",
    "reason": "AccessDenied",
    "message": "the bucket refuses the key",
}


def good(kind: type[Resource]) -> Manifest:
    return next(table.good for table in TABLES.values() if table.good["kind"] == kind.__name__)


def rows(kube: Kube, kind: type[Resource], namespace: str) -> list[dict[str, Any]]:
    """As `kubectl get -o wide` shows them: by the column's name."""
    url = kube.api.configuration.host + kube.path_of(API_VERSION, kind.__name__, namespace=namespace)
    answer = kube.api.rest_client.request("GET", url, headers={"Accept": TABLE})
    table = yaml.safe_load(answer.read())
    names = [column["name"] for column in table["columnDefinitions"]]
    return [dict(zip(names, row["cells"], strict=True)) for row in table["rows"]]


def selected(kube: Kube, kind: type[Resource], namespace: str, selector: str) -> list[str]:
    path = kube.path_of(API_VERSION, kind.__name__, namespace=namespace)
    return [item["metadata"]["name"] for item in kube.request("GET", path, query={"fieldSelector": selector})["items"]]


def value(document: Document, path: str) -> Any:
    for name in path.removeprefix(".").split("."):
        document = document.get(name, {})
    return document


by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@by_kind
def test_the_server_applies_the_same_defaults_as_the_models(kube: Kube, namespace: str, kind: type[Resource]) -> None:
    stored = kube.create(good(kind), namespace=namespace)
    assert kind.parse(stored).spec == kind.parse(good(kind)).spec
    defaults = kind.parse(good(kind)).spec.dump()
    assert {key: each for key, each in defaults.items() if key not in stored["spec"]} == {}


@by_kind
def test_a_new_object_has_not_been_observed(kube: Kube, namespace: str, kind: type[Resource]) -> None:
    """kstatus (Flux, `kubectl wait`) must not take it for ready before the operator has seen it."""
    assert kube.create(good(kind), namespace=namespace)["status"] == {"observedGeneration": -1}


@by_kind
def test_a_status_is_written_apart_from_the_spec(kube: Kube, namespace: str, kind: type[Resource]) -> None:
    kube.create(good(kind), namespace=namespace)
    change = {"status": {"observedGeneration": 1, "conditions": [CONDITION]}, "metadata": {"labels": {"a": "b"}}}
    stored = kube.patch(API_VERSION, kind.__name__, "subject", change, namespace=namespace, subresource="status")
    assert stored["status"] == change["status"]
    assert stored["metadata"]["generation"] == 1


@by_kind
def test_a_condition_stands_only_once(kube: Kube, namespace: str, kind: type[Resource]) -> None:
    kube.create(good(kind), namespace=namespace)
    change = {"status": {"conditions": [CONDITION, CONDITION]}}
    with pytest.raises(KubeError, match="Duplicate value"):
        kube.patch(API_VERSION, kind.__name__, "subject", change, namespace=namespace, subresource="status")


@by_kind
def test_two_managers_may_apply_the_same_manifest(kube: Kube, namespace: str, kind: type[Resource]) -> None:
    """A default inside of what is one manager's as a whole would be a conflict for the other."""
    document = changed(good(kind), SELECTED[kind.__name__])
    path = kube.path(document, namespace=namespace)
    for manager in ("kubectl", "argocd-controller", "kubectl"):
        kube.request(
            "PATCH", path, document, query={"fieldManager": manager}, content_type="application/apply-patch+yaml"
        )


@by_kind
def test_columns_show_state_and_cause(kube: Kube, namespace: str, kind: type[Resource]) -> None:
    kube.create(good(kind), namespace=namespace)
    change = {"status": {"observedGeneration": 1, "conditions": [CONDITION]}}
    kube.patch(API_VERSION, kind.__name__, "subject", change, namespace=namespace, subresource="status")
    (row,) = rows(kube, kind, namespace)
    assert list(row)[:3] == ["Name", "Ready", "Reason"]
    assert list(row)[-1] == "Age"
    assert (row["Name"], row["Ready"], row["Reason"]) == ("subject", "False", "AccessDenied")
    assert {column.name for column in kind.columns} <= set(row)


SHOWN = [
    ("account", {"accountSid": SID}, {"Account": SID, "Store": "Bundled"}),
    ("credential", {"sid": "CR" + "1" * 32, "accessKeyIdHint": "WXYZ"}, {"Sid": "CR" + "1" * 32, "Key": "WXYZ"}),
    ("key", {"sid": "CR" + "2" * 32, "fingerprint": "aa:bb"}, {"Sid": "CR" + "2" * 32, "Fingerprint": "aa:bb"}),
    (
        "settings",
        {"revision": 7},
        {
            "Account": "default",
            "Enabled": True,
            "URL": "https://bucket.s3.eu-west-1.amazonaws.com/calls",
            "Encrypted": False,
            "Revision": 7,
        },
    ),
    (
        "spool",
        {"parked": {"count": 3, "bytes": 9}, "waiting": {"count": 2}, "freeBytes": 5, "uploader": {"version": "1.0"}},
        {"Account": "default", "Claim": "recorder", "Parked": 3, "Waiting": 2, "Free": 5, "Uploader": "1.0"},
    ),
]


@pytest.mark.parametrize(("table", "status", "shown"), SHOWN, ids=lambda each: each if isinstance(each, str) else "")
def test_columns_show_what_a_person_looks_for(
    kube: Kube, namespace: str, table: str, status: Document, shown: dict[str, object]
) -> None:
    manifest = TABLES[table].good
    kind = next(kind for kind in KINDS if kind.__name__ == manifest["kind"])
    kube.create(manifest, namespace=namespace)
    kube.patch(API_VERSION, kind.__name__, "subject", {"status": status}, namespace=namespace, subresource="status")
    (row,) = rows(kube, kind, namespace)
    assert row | shown == row


SELECTED = {
    "RecordingAccount": {"spec.accountSid": SID, "spec.apiKeySecretRef": {"name": "key"}},
    "AwsCredential": {"spec.accountRef.namespace": "platform"},
    "PublicKey": {
        "spec.accountRef.namespace": "platform",
        "spec.source": {"type": "ConfigMap", "configMap": {"name": "keys"}},
    },
    "RecordingSettings": {
        "spec.accountRef.namespace": "platform",
        "spec.awsStorage.caBundleRef": {"name": "ca"},
        "spec.encryption.publicKeyRef": {"name": "k1"},
    },
    "RecordingSpool": {"spec.accountRef.namespace": "platform"},
}


@by_kind
def test_references_can_be_selected(kube: Kube, namespace: str, kind: type[Resource]) -> None:
    stored = kube.create(changed(good(kind), SELECTED[kind.__name__]), namespace=namespace)
    for path in kind.selectable:
        field = path.removeprefix(".")
        assert selected(kube, kind, namespace, f"{field}={value(stored, path)}") == ["subject"], path
        assert selected(kube, kind, namespace, f"{field}=other") == [], path


@by_kind
def test_kinds_have_short_names_and_one_category(kube: Kube, kind: type[Resource]) -> None:
    listed = kube.request("GET", f"/apis/{API_VERSION}")["resources"]
    entry = next(each for each in listed if each["name"] == kind.names.plural)
    assert (entry["shortNames"], entry["categories"], entry["namespaced"]) == ([kind.names.short], ["recordings"], True)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_taken_as_they_stand(kube: Kube, namespace: str, example: Path) -> None:
    assert kube.apply(example, namespace=namespace)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_come_back_as_the_models_read_them(kube: Kube, namespace: str, example: Path) -> None:
    for document, stored in zip(documents(example), kube.apply(example, namespace=namespace), strict=True):
        for kind in KINDS:
            if kind.__name__ == document["kind"]:
                assert kind.parse(stored).spec == kind.parse(document).spec
