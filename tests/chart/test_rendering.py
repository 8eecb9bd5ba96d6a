"""What the chart renders, by the real helm, without a cluster."""

from typing import Any

import pytest
import yaml

from recording_storage import __version__
from recording_storage.resources.generate import files
from tests.chart.helm import CHART, GIVEN, NAMESPACE, Helm, HelmError, only, pod_specs
from tests.chart.snapshot import COMMAND, SNAPSHOT, rendering
from tests.cluster.kube import documents

RBAC = CHART.parents[1] / "docs" / "examples" / "rbac.yaml"
OPERATOR, UNINSTALL = "rec-recording-storage-operator", "rec-recording-storage-uninstall"
EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "voice"},
    "imagePullSecrets": [{"name": "registry"}],
    "networkPolicy": {"enabled": True},
    "store": {
        "allowEndpoints": ["https://minio.example:9000"],
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "priorityClassName": "high",
    },
    "operator": {"namespaces": ["a", "b"], "podLabels": {"tier": "infra"}, "extraArgs": ["--retry-period=3"]},
}


def test_lint_finds_nothing(helm: Helm) -> None:
    found = helm("lint", "--strict", str(CHART))
    assert "1 chart(s) linted, 0 chart(s) failed" in found
    assert "[WARNING]" not in found


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


def test_the_default_rendering_is_as_it_was(helm: Helm) -> None:
    assert rendering(helm) == SNAPSHOT.read_text(), f"if that is meant: {COMMAND}"


@pytest.mark.parametrize("values", [{}, EVERYTHING, GIVEN], ids=["default", "everything", "given"])
def test_two_renderings_are_the_same_bytes(helm: Helm, values: dict[str, Any]) -> None:
    assert helm.template(values) == helm.template(values)


def test_the_definitions_are_those_of_crds(helm: Helm) -> None:
    rendered = [each for each in helm.objects() if each["kind"] == "CustomResourceDefinition"]
    for each in rendered:
        assert each["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    wanted = [yaml.safe_load(text) for text in files().values()]
    assert sorted(rendered, key=_name) == sorted(wanted, key=_name)


def _name(document: dict[str, Any]) -> str:
    name: str = document["metadata"]["name"]
    return name


def test_definitions_can_be_left_to_somebody_else_or_go_with_the_release(helm: Helm) -> None:
    kinds = {each["kind"] for each in helm.objects({"crds": {"enabled": False}})}
    assert "CustomResourceDefinition" not in kinds
    going = [each for each in helm.objects({"crds": {"keep": False}}) if each["kind"] == "CustomResourceDefinition"]
    assert [each["metadata"].get("annotations") for each in going] == [None] * len(files())


def test_the_operators_rights_are_those_of_the_example(helm: Helm) -> None:
    objects = helm.objects({"store": {"enabled": False}})
    example = {(each["kind"], each["metadata"]["name"]): each for each in documents(RBAC)}
    cluster = only(objects, "ClusterRole", f"{NAMESPACE}-rec-recording-storage-operator")
    own = only(objects, "Role", "rec-recording-storage-operator")
    assert cluster["rules"] == example["ClusterRole", "recording-storage-operator"]["rules"]
    assert own["rules"] == example["Role", "recording-storage-operator"]["rules"]


def test_of_some_namespaces_only_its_rights_are_bound_there_alone(helm: Helm) -> None:
    objects = helm.objects({"operator": {"namespaces": ["a", "b"]}})
    name = f"{NAMESPACE}-rec-recording-storage-operator"
    bound = [each for each in objects if each.get("roleRef", {}).get("name") == name]
    assert [(each["kind"], each["metadata"]["namespace"]) for each in bound] == [
        ("RoleBinding", "a"),
        ("RoleBinding", "b"),
    ]
    (operator,) = pod_specs(objects)["rec-recording-storage-operator"]["containers"]
    assert {"--namespace=a", "--namespace=b"} <= set(operator["args"])


def test_every_name_carries_the_release(helm: Helm) -> None:
    names = [each["metadata"]["name"] for each in helm.objects(EVERYTHING) if "Definition" not in each["kind"]]
    assert [name for name in names if "rec-recording-storage" not in name] == []


def test_every_object_has_the_labels(helm: Helm) -> None:
    for each in helm.objects(EVERYTHING):
        if each["kind"] != "CustomResourceDefinition":
            labels = each["metadata"]["labels"]
            assert labels["app.kubernetes.io/instance"] == "rec"
            assert labels["team"] == "voice"


def test_a_digest_decides_over_the_tag(helm: Helm) -> None:
    digest = f"sha256:{'ab' * 32}"
    given = {"repository": "registry.example/recording-storage", "tag": "1", "digest": digest}
    images = {spec["containers"][0]["image"] for spec in pod_specs(helm.objects({"image": given})).values()}
    assert images == {f"registry.example/recording-storage@{digest}"}


def test_values_reach_the_pods(helm: Helm) -> None:
    pods = pod_specs(helm.objects(EVERYTHING))
    store, operator = pods["rec-recording-storage-store"], pods["rec-recording-storage-operator"]
    assert store["imagePullSecrets"] == operator["imagePullSecrets"] == [{"name": "registry"}]
    assert store["priorityClassName"] == "high"
    assert {"name": "more", "emptyDir": {}} in store["volumes"]
    (container,) = store["containers"]
    assert "--allow-endpoint=https://minio.example:9000" in container["args"]
    assert container["env"] == [{"name": "TZ", "value": "UTC"}]
    assert {"name": "more", "mountPath": "/more"} in container["volumeMounts"]
    assert "--retry-period=3" in operator["containers"][0]["args"]


def test_no_value_takes_away_what_restricted_asks_for(helm: Helm) -> None:
    loosened = {"podSecurityContext": {"runAsNonRoot": False, "seccompProfile": {"type": "Unconfined"}}}
    for pod in pod_specs(helm.objects(loosened)).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_without_a_store_there_is_nothing_of_it(helm: Helm) -> None:
    objects = helm.objects({"store": {"enabled": False}})
    assert set(pod_specs(objects)) == {OPERATOR, UNINSTALL}
    assert not [each for each in objects if each["metadata"]["name"].endswith("-store")]
    (operator,) = pod_specs(objects)["rec-recording-storage-operator"]["containers"]
    assert not [
        each
        for each in operator["args"]
        if each.startswith(("--store-url", "--internal-", "--token-file", "--master-key"))
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stor": {}}, ["additional properties 'stor' not allowed"]),
        ({"store": {"replicas": 2}}, ["/store", "additional properties 'replicas' not allowed"]),
        ({"image": {"digest": "latest"}}, ["/image/digest", "does not match pattern"]),
        ({"image": {"pullPolicy": "Sometimes"}}, ["/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"]),
        ({"operator": {"replicas": 0}}, ["/operator/replicas", "minimum"]),
        ({"operator": {"namespaces": ["A_b"]}}, ["/operator/namespaces/0", "does not match pattern"]),
        ({"store": {"allowEndpoints": ["minio"]}}, ["/store/allowEndpoints/0", "does not match pattern"]),
        ({"store": {"persistence": {"size": "much"}}}, ["/store/persistence/size", "does not match pattern"]),
        ({"tls": {"mode": "CertManager"}}, ["/tls/mode"]),
        ({"imagePullSecrets": ["registry"]}, ["/imagePullSecrets/0", "want object"]),
    ],
    ids=str,
)
def test_a_value_that_is_none_is_refused_in_words(helm: Helm, values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(HelmError) as caught:
        helm.template(values)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tls": {"mode": "Existing"}}, ["tls.existingSecret", "kubectl create secret"]),
        ({"tls": {"existingSecret": "mine"}}, ["tls.existingSecret", "tls.mode Existing"]),
        ({"tls": GIVEN["tls"] | {"extraNames": ["store.example"]}}, ["tls.extraNames", "tls.mode Internal"]),
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(helm: Helm, values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(HelmError) as caught:
        helm.template(values)
    for word in words:
        assert word in str(caught.value)


def test_secrets_that_are_given_are_used_and_not_made(helm: Helm) -> None:
    objects = helm.objects(GIVEN)
    pods = pod_specs(objects)
    secrets = [each["secret"]["secretName"] for spec in pods.values() for each in spec["volumes"] if "secret" in each]
    assert sorted(secrets) == ["given-master-key", "given-tls", "given-tls"]
    (operator,) = pods["rec-recording-storage-operator"]["containers"]
    assert "--ca-file=/etc/recording-storage/tls/ca.crt" in operator["args"]
    assert "--master-key-secret=given-master-key" in operator["args"]
    assert not [each for each in operator["args"] if each.startswith(("--internal-ca", "--make", "--serving"))]
    assert "--ca-config-map=rec-recording-storage-ca" in operator["args"]
    rules = only(objects, "Role", "rec-recording-storage-operator")["rules"]
    assert "given-tls" not in str(rules)
    assert "given-tls" not in str(only(objects, "ValidatingAdmissionPolicy", f"{NAMESPACE}-{OPERATOR}-writes"))


@pytest.mark.parametrize(
    ("values", "name"),
    [({}, "rec-recording-storage-ca"), (GIVEN, "rec-recording-storage-ca"), ({"ca": "mine"}, "mine")],
    ids=["internal", "existing", "named"],
)
def test_uploaders_trust_by_the_config_map_that_the_operator_keeps(
    helm: Helm, values: dict[str, Any], name: str
) -> None:
    injection = {"enabled": True, **({"caConfigMap": values["ca"]} if "ca" in values else {})}
    chosen = {key: value for key, value in values.items() if key != "ca"}
    objects = helm.objects(chosen | {"injection": injection})
    (binding,) = (each for each in objects if each["kind"] == "MutatingAdmissionPolicyBinding")
    assert binding["spec"]["paramRef"]["name"] == name
    (operator,) = pod_specs(objects)[OPERATOR]["containers"]
    kept = {"--ca-config-map=rec-recording-storage-ca", "--internal-ca=rec-recording-storage-ca"}
    assert kept & set(operator["args"])


def test_the_operator_keeps_the_secrets_that_the_store_mounts(helm: Helm) -> None:
    pods = pod_specs(helm.objects({"tls": {"extraNames": ["store.example"]}}))
    (operator,) = pods[OPERATOR]["containers"]
    mounted = {
        each["secret"]["secretName"] for each in pods["rec-recording-storage-store"]["volumes"] if "secret" in each
    }
    kept = {
        each.partition("=")[2] for each in operator["args"] if each.startswith(("--serving-secret", "--master-key-s"))
    }
    assert mounted == kept
    assert "--serving-name=store.example" in operator["args"]


def test_before_the_release_goes_it_is_asked_what_would_hang(helm: Helm) -> None:
    objects = helm.objects({"operator": {"namespaces": ["a", "b"]}})
    job = only(objects, "Job", UNINSTALL)
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    pod = pod_specs(objects)[UNINSTALL]
    assert pod["serviceAccountName"] == OPERATOR
    assert pod["containers"][0]["args"] == ["uninstall", "--namespace=a", "--namespace=b"]
    assert "Job" not in {each["kind"] for each in helm.objects({"uninstall": {"check": False}})}


def test_extra_objects_are_templates(helm: Helm) -> None:
    more = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}
    assert only(helm.objects({"extraObjects": [more]}), "ConfigMap", "rec-more")
