"""A cluster that can't be asked is told apart from a token that is refused, and nothing of the token is told."""

from pathlib import Path

import pytest

from recording_storage.store.internal.kube_identity import (
    Cluster,
    NoCluster,
    ReviewUnavailableError,
    TokenRefusedError,
    token_reviewer,
)
from tests.cluster.kubeconfigs import UNREACHABLE

TOKEN = "planted.service-account.token"
NO_CERTIFICATE = UNREACHABLE.replace(
    'server: "http://127.0.0.1:1"', 'server: "https://127.0.0.1:1", certificate-authority-data: "eA=="'
)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (UNREACHABLE, "reached"),
        (NO_CERTIFICATE, "access"),
        ("", "no kubeconfig"),
        ("{ not yaml: [", "no kubeconfig"),
        ("[1]", "no kubeconfig"),
        ("a: b", "access"),
    ],
)
async def test_a_cluster_that_can_not_be_asked_is_unavailable(tmp_path: Path, text: str, word: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(text)
    reviewer = token_reviewer(kubeconfig)
    assert isinstance(reviewer, Cluster)
    with pytest.raises(ReviewUnavailableError, match=word) as refused:
        await reviewer.review(TOKEN)
    assert TOKEN not in str(refused.value)
    await reviewer.close()


async def test_without_a_cluster_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    reviewer = token_reviewer(None)
    assert isinstance(reviewer, NoCluster)
    with pytest.raises(TokenRefusedError, match="create-token"):
        await reviewer.review(TOKEN)
