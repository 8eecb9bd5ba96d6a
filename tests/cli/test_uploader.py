"""`recording-storage uploader` refuses what can't work in one line, before it touches the spool."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from recording_storage.cli.main import main


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_ca_file_without_a_certificate(tmp_path: Path, content: str):
    spool, token, ca = tmp_path / "spool", tmp_path / "token", tmp_path / "ca.pem"
    spool.mkdir()
    token.write_text("t")
    ca.write_text(content)
    store = ["--store", "https://127.0.0.1:1", "--token-file", str(token), "--ca-file", str(ca)]
    result = CliRunner().invoke(main, ["uploader", "--spool", str(spool), "--once", *store])
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    assert f"--ca-file {ca}: it holds no PEM certificate" in line
    assert list(spool.iterdir()) == []
