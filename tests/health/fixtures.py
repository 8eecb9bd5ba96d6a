"""What Flux and Argo CD make of an object, asked of their own libraries."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tools import binaries

CUSTOMIZATIONS = Path(__file__).parents[2] / "docs" / "argocd" / "resource_customizations" / "recordingstorage.dev"


@dataclass(frozen=True, kw_only=True)
class Judged:
    argo: str
    """Argo CD's health by our script: Healthy, Progressing, Degraded."""
    argo_message: str
    kstatus: str
    """As Flux waits by it: Current, InProgress, Failed, Terminating."""


Judge = Callable[[dict[str, Any]], Judged]


@pytest.fixture(scope="session")
def health_judge() -> Judge:
    program = binaries.find("health")

    def judge(tested: dict[str, Any]) -> Judged:
        asked = json.dumps({"object": tested, "lua": script(tested["kind"])})
        made = subprocess.run([program], input=asked, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        answer = json.loads(made.stdout)
        argo = answer["argo"]
        return Judged(argo=argo["status"], argo_message=argo["message"], kstatus=answer["kstatus"]["status"])

    return judge


def script(kind: str) -> str:
    return (CUSTOMIZATIONS / kind / "health.lua").read_text()
