"""`python -m tests.chart.snapshot` writes anew what the chart renders by default, for the eyes of who changes it."""

import tempfile
from pathlib import Path

from tests.chart.helm import Helm, helm_binary

SNAPSHOT = Path(__file__).with_name("snapshot.yaml")
COMMAND = "python -m tests.chart.snapshot"
VALUES = {"crds": {"enabled": False}}
"""Without the definitions: crds/ shows what changes there."""


def rendering(helm: Helm) -> str:
    return helm.template(VALUES)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        SNAPSHOT.write_text(rendering(Helm(helm_binary(), home=Path(folder))))
