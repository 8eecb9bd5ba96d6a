"""The folder for Argo CD's own tree: each kind has its script, and each example is judged as its test file says."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.health.fixtures import CUSTOMIZATIONS, Judge, script

pytestmark = pytest.mark.slow  # builds the judges

KINDS = sorted(each.name for each in CUSTOMIZATIONS.iterdir())


def cases() -> list[tuple[str, dict[str, Any]]]:
    return [
        (kind, each)
        for kind in KINDS
        for each in yaml.safe_load((CUSTOMIZATIONS / kind / "health_test.yaml").read_text())["tests"]
    ]


def test_each_kind_has_the_same_script() -> None:
    assert {script(kind) for kind in KINDS} == {script(KINDS[0])}


@pytest.mark.parametrize(
    ("kind", "case"), [pytest.param(kind, case, id=f"{kind}-{Path(case['inputPath']).stem}") for kind, case in cases()]
)
def test_examples(health_judge: Judge, kind: str, case: dict[str, Any]) -> None:
    example = yaml.safe_load((CUSTOMIZATIONS / kind / case["inputPath"]).read_text())
    assert example["kind"] == kind
    found = health_judge(example)
    assert {"status": found.argo, "message": found.argo_message} == case["healthStatus"]


def test_every_example_is_tested() -> None:
    for kind in KINDS:
        there = {f"testdata/{each.name}" for each in (CUSTOMIZATIONS / kind / "testdata").iterdir()}
        assert there == {case["inputPath"] for of, case in cases() if of == kind}
