"""Each rule of the schemas with objects that keep it and objects that break it, judged by the real API server."""

import pytest

from tests.cluster.kube import Document, Kube, KubeError
from tests.resources.cases import TABLES
from tests.resources.cases.case import PLANTED
from tests.resources.manifest import Changes, Manifest, changed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("crds")]
DRY_RUN = {"dryRun": "All", "fieldValidation": "Strict"}


def accepted(attribute: str) -> list[object]:
    return [
        pytest.param(table.good, changes, id=f"{kind}: {name}")
        for kind, table in TABLES.items()
        for name, changes in getattr(table, attribute)
    ]


def refused(attribute: str) -> list[object]:
    return [
        pytest.param(table.good, changes, message, id=f"{kind}: {name}")
        for kind, table in TABLES.items()
        for name, changes, message in getattr(table, attribute)
    ]


def create(kube: Kube, document: Manifest) -> Document:
    answer: Document = kube.request(
        "POST", kube.path(document, namespace="default", collection=True), document, query=DRY_RUN
    )
    return answer


def update(kube: Kube, stored: Document, changes: Changes) -> Document:
    answer: Document = kube.request("PUT", kube.path(stored), changed(stored, changes), query=DRY_RUN)
    return answer


@pytest.mark.parametrize("good", [pytest.param(table.good, id=kind) for kind, table in TABLES.items()])
def test_good_object_is_taken(kube: Kube, good: Manifest) -> None:
    assert create(kube, good)["spec"]


@pytest.mark.parametrize(("good", "changes"), accepted("accepted"))
def test_new_object_is_taken(kube: Kube, good: Manifest, changes: Changes) -> None:
    assert create(kube, changed(good, changes))["spec"]


@pytest.mark.parametrize(("good", "changes", "message"), refused("refused"))
def test_new_object_is_refused_with_the_message(kube: Kube, good: Manifest, changes: Changes, message: str) -> None:
    with pytest.raises(KubeError) as caught:
        create(kube, changed(good, changes))
    assert message in str(caught.value)
    assert caught.value.reason == "Invalid"
    assert PLANTED not in str(caught.value)


@pytest.mark.parametrize(("good", "changes"), accepted("updates_accepted"))
def test_change_is_taken(kube: Kube, namespace: str, good: Manifest, changes: Changes) -> None:
    stored = kube.create(good, namespace=namespace)
    assert update(kube, stored, changes)["metadata"]["generation"] == 2


@pytest.mark.parametrize(("good", "changes", "message"), refused("updates_refused"))
def test_change_is_refused_with_the_message(
    kube: Kube, namespace: str, good: Manifest, changes: Changes, message: str
) -> None:
    stored = kube.create(good, namespace=namespace)
    with pytest.raises(KubeError) as caught:
        update(kube, stored, changes)
    assert message in str(caught.value)
    assert caught.value.reason == "Invalid"
