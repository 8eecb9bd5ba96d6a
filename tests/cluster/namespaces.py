"""Namespaces without a controller manager: what it would do at their end is done here."""

from typing import Any

from tests.cluster.kube import Document, Kube, KubeError, base_path


def create_namespace(kube: Kube, name: str) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def delete_namespace(kube: Kube, name: str) -> None:
    """Removes the namespace with its content, finalizers or not, whether or not a controller manager helps."""
    for collection in _collections(kube, name):
        _empty(kube, collection)
    kube.delete("v1", "Namespace", name)
    path = f"/api/v1/namespaces/{name}"
    try:
        left = kube.request("GET", path)
        left["spec"]["finalizers"] = []
        kube.request("PUT", f"{path}/finalize", left)
    except KubeError as error:
        if error.status not in {404, 409}:  # a controller manager has been quicker
            raise


def _collections(kube: Kube, namespace: str) -> list[str]:
    """Paths of all collections in the namespace that can be deleted as a whole, custom ones first."""
    versions = ["v1"]
    for group in kube.request("GET", "/apis")["groups"]:
        versions.insert(0, group["preferredVersion"]["groupVersion"])
    paths = []
    for version in versions:
        try:
            resources = kube.request("GET", base_path(version))["resources"]
        except KubeError as error:
            if error.status != 404:
                raise
            continue  # a CRD that another test has just removed
        paths += [
            f"{base_path(version)}/namespaces/{namespace}/{resource['name']}"
            for resource in resources
            if resource["namespaced"] and "deletecollection" in resource["verbs"]
        ]
    return paths


def _empty(kube: Kube, collection: str) -> None:
    items = _items(kube, collection)
    if not items:
        return
    kube.request("DELETE", collection, {"propagationPolicy": "Background", "gracePeriodSeconds": 0})
    for item in _items(kube, collection):
        _release(kube, f"{collection}/{item['metadata']['name']}")


def _release(kube: Kube, path: str) -> None:
    """Takes the finalizers of an object that is being deleted."""
    try:
        kube.request("PATCH", path, {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
    except KubeError as error:
        if error.status != 404:
            raise


def _items(kube: Kube, collection: str) -> list[Document]:
    try:
        answer: Any = kube.request("GET", collection)
    except KubeError as error:
        if error.status in {404, 405}:
            return []
        raise
    items: list[Document] = answer["items"]
    return items
