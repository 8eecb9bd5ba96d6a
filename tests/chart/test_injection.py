"""What the chart makes of the values of injection, by the real helm."""

import json
from typing import Any

import pytest

from tests.chart.helm import Helm, HelmError
from tests.injection.policies import VALUES, policies


def expressions(helm: Helm, **values: Any) -> str:
    """Of the mutating policy's uploader and patches."""
    given = {"injection": {**VALUES["injection"], **values}}
    (policy,) = [each for each in helm.objects(given) if each["kind"] == "MutatingAdmissionPolicy"]
    texts = [each["expression"] for each in policy["spec"]["variables"]]
    return "\n".join([*texts, *(each["jsonPatch"]["expression"] for each in policy["spec"]["mutations"])])


def test_by_default_nothing_is_injected(helm: Helm) -> None:
    assert "MutatingAdmissionPolicy" not in {each["kind"] for each in helm.objects()}


def test_a_recorder_starts_whatever_happens_to_a_policy(helm: Helm) -> None:
    specs = [each["spec"] for each in policies(helm) if each["kind"].endswith("AdmissionPolicy")]
    assert [spec["failurePolicy"] for spec in specs] == ["Ignore", "Ignore"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"account": "tenants/acme"}, "'tenants/acme'"),
        (
            {"spoolSpec": {"completion": {"mode": "Marker"}}},
            json.dumps({"completion": {"mode": "Marker"}}).replace(" ", ""),
        ),
        ({"imagePullSecrets": [{"name": "pull"}]}, "imagePullSecrets{name: 'pull'}"),
        ({"extraArgs": ["--log-format=json"]}, "'--log-format=json'"),
        ({"resources": {"limits": {"memory": "1Gi"}}}, "'memory': '1Gi'"),
    ],
)
def test_values_reach_the_uploader(helm: Helm, values: dict[str, Any], words: str) -> None:
    assert words in expressions(helm, **values)


def test_without_a_port_there_are_no_metrics(helm: Helm) -> None:
    assert "--metrics-listen" in expressions(helm)
    assert "--metrics-listen" not in expressions(helm, metricsPort=0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({**VALUES, "store": {"enabled": False}}, "store.enabled is false"),
        ({"injection": {"account": "No Name"}}, "does not match pattern"),
        ({"injection": {"spoolSpec": {"layout": "Directories"}}}, "additional properties 'layout' not allowed"),
        ({"injection": {"extraArgs": ["--x='"]}}, "does not match pattern"),
        ({"injection": {"metricsPort": 70000}}, "/injection/metricsPort"),
    ],
)
def test_what_can_t_work_is_refused_with_the_remedy(helm: Helm, values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmError, match=words.replace("$", r"\$")):
        helm.template(values)
