"""docs/failure-modes.md says what people see: each reason, metric and quoted word in it is one of the code's."""

import ast
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from recording_storage.controller.core import metrics
from recording_storage.uploader.core.status import DestinationStatus, Status
from recording_storage.uploader.status.metrics import UploaderCollector
from recording_storage.uploader.status.requests import LinkState

CHECKOUT = Path(__file__).parents[1]
PAGE = (CHECKOUT / "docs" / "failure-modes.md").read_text()
PACKAGE = CHECKOUT / "operator" / "recording_storage"
SITUATIONS = (
    "store is down",
    "operator is down",
    "API server is away",
    "server is away",
    "denies",
    "full, gone",
    "expired",
    "rotated wrongly",
    "claim is full",
    "read-only, or somebody else's",
    "newer version",
    "uploader is missing",
    "deleted, evicted or killed",
    "node is lost",
    "authority",
    "master key is lost",
)


@pytest.fixture(scope="module")
def texts() -> frozenset[str]:
    """Every text that stands in the code, but for what explains the code itself."""
    nodes = [node for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    explains = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in explains)
    return frozenset(each.value for each in constants if isinstance(each.value, str))


class View:
    """An uploader that shows everything there is to show."""

    def status(self) -> Status:
        one = DestinationStatus(account_sid="AC", destination_id="d", url="u", state="held", concurrency=1)
        return Status(spool="s", spool_id="i", started_at=0.0, destinations=[one], free_bytes=1, total_bytes=1)

    def reasons(self) -> tuple[()]:
        return ()


def metric_names() -> set[str]:
    link = LinkState(mode="store", connected=True)
    view: object = View()
    collector = UploaderCollector(view, link=lambda: link, now=lambda: 0.0)  # type: ignore[arg-type]
    assert metrics.LEADING is not None
    return {each.name for each in (*collector.collect(), *REGISTRY.collect())}


def test_each_situation_says_what_is_seen_and_what_is_done() -> None:
    sections = PAGE.split("\n## ")[1:]
    assert len(sections) == len(SITUATIONS)
    for section, words in zip(sections, SITUATIONS, strict=True):
        assert words in section.splitlines()[0]
        assert re.findall(r"^\| (you see|goes on|you do) \|", section, re.MULTILINE) == ["you see", "goes on", "you do"]


def test_every_reason_and_code_is_one(texts: frozenset[str]) -> None:
    named = {part for each in re.findall(r"`([A-Z][\w.]+(?:=\w+)?)`", PAGE) for part in each.split("=")}
    assert len(named) > 30
    assert sorted(named - texts) == []


def test_every_metric_is_one() -> None:
    named = set(re.findall(r"`(recording_storage_\w+)`", PAGE))
    assert len(named) > 10
    assert sorted(each for each in named if each.removesuffix("_total") not in metric_names()) == []


def test_every_quoted_word_is_told(texts: frozenset[str]) -> None:
    quoted = re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", PAGE)
    pieces = {piece.strip(" :;,") for each in quoted for piece in each.split("…")} - {""}
    assert len(pieces) > 20
    told = "\0".join(texts)
    assert sorted(piece for piece in pieces if piece not in told) == []
