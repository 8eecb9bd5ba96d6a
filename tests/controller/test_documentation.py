"""The page for operators of the operator is complete."""

import re
from pathlib import Path

import yaml

from recording_storage.controller.kinds.recording_settings.act import REASONS
from recording_storage.domain.conditions import ConditionType

ROOT = Path(__file__).parents[2]
CONTROLLER = ROOT / "operator" / "recording_storage" / "controller"
PAGE = (ROOT / "docs" / "operator.md").read_text()
_VERDICT = re.compile(r'(?:Stalled|Waiting|Transient|unusable|super\(\).__init__)\(\s*f?"([A-Za-z{}]+)"')


def reasons() -> set[str]:
    found = {reason for reason, _ in REASONS.values()}
    for path in CONTROLLER.rglob("*.py"):
        found |= {each for each in _VERDICT.findall(path.read_text()) if "{" not in each}
    for kind in ("AwsCredential", "PublicKey"):
        found |= {f"{kind}{ending}" for ending in ("NotFound", "NotReady", "OfOtherAccount")}
    return found


def test_every_reason_is_explained() -> None:
    assert len(reasons()) > 25
    missing = sorted(each for each in reasons() if f"`{each}`" not in PAGE)
    assert not missing


def test_every_reason_of_the_table_is_one() -> None:
    _, _, table = PAGE.partition("| reason | on |")
    rows = [row.split("|")[1] for row in table.partition("\n\n")[0].splitlines() if row.startswith("| `")]
    listed = {each for row in rows for each in re.findall(r"`([A-Za-z]+)`", row)}
    assert len(listed) > 25
    assert not listed - reasons()


def test_every_condition_is_explained() -> None:
    assert not [each for each in ConditionType if f"`{each}`" not in PAGE]


def test_every_annotation_of_ours_is_explained() -> None:
    found = set()
    for path in CONTROLLER.rglob("*.py"):
        found |= set(re.findall(r'"(recordingstorage\.dev/[a-z-]+)"', path.read_text()))
    found.discard("recordingstorage.dev/store")  # the finalizer
    assert found
    assert not [each for each in found if each not in PAGE]


def test_the_operator_has_no_right_to_create_or_delete_resources_of_people() -> None:
    for document in yaml.safe_load_all((ROOT / "docs" / "examples" / "rbac.yaml").read_text()):
        for rule in document.get("rules", ()):
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            # of RecordingSpools it makes some itself, and deletes no others
            allowed = {"delete"} if rule["resources"] == ["recordingspools"] else set()
            assert not ({"delete", "deletecollection", "impersonate", "escalate"} - allowed) & set(rule["verbs"])
