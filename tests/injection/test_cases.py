"""Pod in, pod out, on a real API server with ServiceAccount, LimitRanger, ResourceQuota and PodSecurity."""

import re
from pathlib import Path

import pytest

from tests.chart.helm import NAMESPACE
from tests.cluster.kube import Document, Kube, KubeError, documents
from tests.injection.cases import CASES, Case, outcome, prepared
from tests.injection.policies import CA_CONFIG_MAP, UPLOADER, ca_config_map, dry_run, names, recorder
from tests.waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "recorders.md"
API_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
OF_ITS_OWN = {"already-injected", "stripped"}
"""Their pods name an init container as ours is named."""


def by_name(case: Case) -> str:
    return case.name


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_what_becomes_of_it(recorders: Kube, case: Case) -> None:
    seen: list[Document] = []

    def as_expected() -> bool:
        seen[:] = [outcome(recorders, case, namespace=namespace)]
        return seen == [case.expected]

    with prepared(recorders, case) as namespace:
        try:
            eventually(as_expected, what=case.name)  # a limit is in force a moment after it was written
        except AssertionError:
            assert seen[0] == case.expected


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in OF_ITS_OWN], ids=by_name)
def test_an_uploader_is_always_the_first_restarted_and_restricted(case: Case) -> None:
    spec = case.expected.get("spec", {})
    if UPLOADER not in [each["name"] for each in spec.get("initContainers", [])]:
        return
    uploader = spec["initContainers"][0]
    assert uploader["name"] == UPLOADER
    assert uploader["restartPolicy"] == "Always"
    assert {"readinessProbe", "startupProbe", "livenessProbe", "lifecycle"}.isdisjoint(uploader)
    context = uploader["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
    assert context["runAsNonRoot"] is (context["runAsUser"] != 0)
    assert set(uploader["resources"]) == {"limits", "requests"}


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_no_uploader_has_a_token_for_the_api_server(case: Case) -> None:
    spec = case.expected.get("spec", {})
    volumes = {each["name"]: each for each in spec.get("volumes", [])}
    for container in spec.get("initContainers", []):
        if container["name"] == UPLOADER and case.name not in OF_ITS_OWN:
            mounts = {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}
            assert "emptyDir" in mounts[API_TOKEN]
            for volume in mounts.values():
                for source in volume.get("projected", {}).get("sources", []):
                    assert source["serviceAccountToken"]["audience"] == "recording-storage"


@pytest.mark.slow
def test_the_pod_of_the_documentation_gets_its_uploader_where_restricted_is_enforced(recorders: Kube) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    claim, pod = documents(block)
    (case,) = [each for each in CASES if each.name == "restricted"]
    with prepared(recorders, case) as namespace:
        recorders.apply(claim, namespace=namespace)
        assert names(dry_run(recorders, pod, namespace=namespace)) == [UPLOADER]


@pytest.mark.slow
def test_without_the_certificate_s_config_map_a_recorder_starts_without_an_uploader(recorders: Kube) -> None:
    def injected() -> bool:
        return names(dry_run(recorders, recorder(), namespace=NAMESPACE)) == [UPLOADER]

    recorders.delete("v1", "ConfigMap", CA_CONFIG_MAP, namespace=NAMESPACE)
    try:
        eventually(lambda: not injected(), what="the policy has nothing to go by")
    finally:
        recorders.apply(ca_config_map())
        eventually(injected, what="the policy is back in force")


@pytest.mark.slow
def test_the_restricted_case_s_namespace_refuses_what_is_not(recorders: Kube) -> None:
    (case,) = [each for each in CASES if each.name == "restricted"]
    with prepared(recorders, case) as namespace, pytest.raises(KubeError, match="violates PodSecurity"):
        dry_run(recorders, recorder(), namespace=namespace)
