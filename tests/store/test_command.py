"""`recording-storage store …` as a person or a script calls it."""

import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from recording_storage.cli.main import main
from recording_storage.store.database.migrate import newest_revision
from tests.tools.pki import Authority
from tests.waiting import SOON

FREE = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]


@pytest.fixture
def base(tmp_path: Path) -> list[str]:
    return ["--database", f"sqlite:///{tmp_path / 'store.db'}", "--master-key-file", str(tmp_path / "key")]


def run(*arguments: str, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["store", *arguments], env=dict(env or {}), catch_exceptions=False)


def failure(result: Result, code: int) -> str:
    """The one line that says it."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert not result.stdout
    return result.stderr.strip().splitlines()[-1]


@contextmanager
def started(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "recording_storage.cli.main", "store", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            listening: dict[str, str] = json.loads(line)["listening"]
            yield listening
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=SOON)
        assert process.returncode == 0, log
        assert "Traceback" not in log


def test_accounts_and_tokens_for_scripts(base: list[str]):
    first = run("create-account", *base, "--create-master-key", "--friendly-name", "acme", "--json")
    made: dict[str, Any] = json.loads(first.stdout)
    assert set(made) == {"account_sid", "auth_token"}
    assert run("create-account", *base, "--friendly-name", "waits", "--no-own-storage", "--json").exit_code == 0
    admin = json.loads(run("create-token", *base, "--admin", "--json").stdout)
    assert set(admin) == {"token"}
    assert json.loads(run("create-token", *base, "--account", made["account_sid"], "--json").stdout)["token"]
    assert "AC" + "0" * 32 in failure(run("create-token", *base, "--account", "AC" + "0" * 32, "--json"), 1)
    failure(run("create-token", *base), 2)
    failure(run("create-token", *base, "--admin", "--account", made["account_sid"]), 2)
    assert newest_revision() in run("migrate", *base[:2]).stdout
    assert "0 secrets" in run("reseal", *base).stdout


def test_it_serves_both_ports_until_it_is_asked_to_stop(base: list[str], tmp_path: Path):
    made = json.loads(run("create-account", *base, "--create-master-key", "--friendly-name", "acme", "--json").stdout)
    env = {"RECORDING_STORAGE_ALLOW_ENDPOINT": "http://127.0.0.1:9000, http://127.0.0.1:9001"}
    with started(*base, *FREE, "--media", str(tmp_path / "media"), env=env) as listening:
        auth = (made["account_sid"], made["auth_token"])
        public, internal = listening["public"], listening["internal"]
        assert (
            httpx.get(f"{public}/v1/RecordingSettings/Default", auth=auth, timeout=SOON).json()["aws_storage_enabled"]
            is False
        )
        assert httpx.get(f"{internal}/healthz", timeout=SOON).status_code == 200
        assert httpx.get(f"{internal}/readyz", timeout=SOON).status_code == 200
        metrics = httpx.get(f"{internal}/metrics", timeout=SOON).text
        assert 'recording_storage_store_requests_total{port="public",status="200"} 1.0' in metrics
        assert httpx.get(f"{public}/metrics", timeout=SOON).status_code == 404, "metrics are not for customers"
        taken = public.removeprefix("http://")
        result = run(*base, "--listen", taken, "--internal-listen", "127.0.0.1:0")
        assert taken in failure(result, 1)
        assert "in use" in failure(result, 1)


def test_everything_can_come_from_the_environment(tmp_path: Path):
    env = {
        "RECORDING_STORAGE_DATABASE": f"sqlite:///{tmp_path / 'store.db'}",
        "RECORDING_STORAGE_MASTER_KEY_FILE": str(tmp_path / "key"),
        "RECORDING_STORAGE_CREATE_MASTER_KEY": "true",
        "RECORDING_STORAGE_LISTEN": "127.0.0.1:0",
        "RECORDING_STORAGE_INTERNAL_LISTEN": "127.0.0.1:0",
        "RECORDING_STORAGE_MEDIA": str(tmp_path / "media"),
    }
    made = json.loads(run("create-account", "--friendly-name", "acme", "--json", env=env).stdout)
    with started(env=env) as listening:
        auth = (made["account_sid"], made["auth_token"])
        assert httpx.get(f"{listening['public']}/v1/Recordings", auth=auth, timeout=SOON).status_code == 200


def test_tls_on_both_ports(base: list[str], tmp_path: Path):
    authority = Authority(tmp_path / "ca")
    files = [str(file) for file in authority.issue("store", common_name="store")]
    tls = [
        *("--tls-cert", files[0], "--tls-key", files[1]),
        *("--internal-tls-cert", files[0], "--internal-tls-key", files[1]),
    ]
    context = ssl.create_default_context(cafile=authority.certificate_file)
    with started(*base, "--create-master-key", *FREE, *tls, "--media", str(tmp_path / "media")) as listening:
        assert listening["public"].startswith("https://")
        assert httpx.get(f"{listening['internal']}/healthz", verify=context, timeout=SOON).status_code == 200
        assert httpx.get(f"{listening['public']}/v1/Recordings", verify=context, timeout=SOON).status_code == 401


def test_a_missing_key_file(base: list[str], tmp_path: Path):
    line = failure(run(*base, *FREE), 2)
    assert str(tmp_path / "key") in line
    assert "--create-master-key" in line


def test_no_key_file_named(tmp_path: Path):
    assert "--master-key-file is missing" in failure(run("--database", f"sqlite:///{tmp_path / 'x.db'}"), 2)


@pytest.mark.parametrize(
    "command", [["reseal"], ["create-token", "--account", "AC" + "0" * 32, "--create-master-key"]], ids=str
)
@pytest.mark.parametrize("content", [None, "", "CREATE TABLE another (x)"])
def test_what_needs_a_store_makes_none(base: list[str], tmp_path: Path, command: list[str], content: str | None):
    file = tmp_path / "store.db"
    if content is not None:
        with sqlite3.connect(file) as connection:
            connection.execute(content or "VACUUM")
    line = failure(run(*command, *base), 2)
    assert f"no store in the database {file}" in line
    assert "store migrate" in line
    assert file.exists() == (content is not None)
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize(
    "command", [["migrate"], ["create-account", "--friendly-name", "x"], ["create-token", "--admin"]], ids=str
)
def test_what_makes_a_new_database_says_so_once(base: list[str], tmp_path: Path, command: list[str]):
    options = base[:2] if command == ["migrate"] else [*base, "--create-master-key"]
    first, second = run(*command, *options), run(*command, *options)
    assert first.exit_code == second.exit_code == 0
    assert first.stderr == f"recording-storage: made a new database, {tmp_path / 'store.db'}\n"
    assert not second.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "nowhere"], "--listen"),
        (["--listen", "127.0.0.1:99999"], "--listen"),
        (["--database", "mysql://u:planted@h/d"], "mysql"),
        (["--allow-endpoint", "minio:9000"], "--allow-endpoint"),
        (["--internal-listen", "0.0.0.0:0"], "TLS"),
        (["--internal-listen", ":0"], "TLS"),
        (["--tls-cert", "x.crt"], "--tls-key"),
        (["--operator-service-account", "operator"], "NAMESPACE:NAME"),
        (["--bogus"], "--bogus"),
        (["bogus"], "bogus"),
        (["migrate", "--database", "nonsense"], "sqlite:///FILE"),
        (["create-account"], "--friendly-name"),
    ],
)
def test_wrong_use(base: list[str], arguments: list[str], words: str):
    line = failure(run(*([] if arguments[0] in {"migrate", "create-account"} else base), *arguments), 2)
    assert words in line
    assert "planted" not in line


@pytest.mark.parametrize("content", [None, "", "this is no kubeconfig"])
@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_kubeconfig_that_is_none(base: list[str], tmp_path: Path, by: str, content: str | None):
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)
    option, env = (["--kubeconfig", str(file)], {}) if by == "option" else ([], {KUBECONFIG: str(file)})
    line = failure(run(*base, "--create-master-key", *FREE, *option, env=env), 2)
    assert f"--kubeconfig {file}" in line
    assert not (tmp_path / "store.db").exists(), "nothing is begun"


@pytest.mark.parametrize("cluster", ["none", "kubeconfig", "around"])
def test_an_operator_that_no_cluster_can_vouch_for_is_told(base: list[str], tmp_path: Path, cluster: str):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}],"
        " clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: u, user: {}}]}"
    )
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1" if cluster == "around" else ""}
    option = ["--kubeconfig", str(kubeconfig)] if cluster == "kubeconfig" else []
    listen = ["--listen", "host.invalid:0", "--internal-listen", "127.0.0.1:0"]
    result = run(*base, "--create-master-key", *listen, *option, "--operator-service-account", "ns:name", env=env)
    failure(result, 1)
    assert ("--operator-service-account ns:name lets nobody in" in result.stderr) == (cluster == "none")


KUBECONFIG = "RECORDING_STORAGE_KUBECONFIG"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--database", "postgresql://u:planted@127.0.0.1:1/d"], 1, "refused"),
        (["--database", "sqlite:////no/such/folder/store.db"], 2, "/no/such/folder"),
        (["--listen", "host.invalid:8080"], 1, "host.invalid"),
        (["--tls-cert", "/no/such.crt", "--tls-key", "/no/such.key"], 2, "/no/such.crt"),
        (["--media", "/proc/no/media"], 2, "/proc/no"),
    ],
)
def test_what_an_operator_can_mend(base: list[str], arguments: list[str], code: int, words: str):
    line = failure(run(*base, "--create-master-key", *FREE, *arguments), code)
    assert words in line
    assert "planted" not in line


def test_a_file_that_is_no_database(base: list[str], tmp_path: Path):
    (tmp_path / "store.db").write_bytes(b"this is no database at all" * 100)
    assert "not a database" in failure(run(*base, "--create-master-key", *FREE), 2)


def test_a_taken_internal_port(base: list[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(*base, "--create-master-key", "--listen", "127.0.0.1:0", "--internal-listen", f"127.0.0.1:{port}")
    assert str(port) in failure(result, 1)


@pytest.mark.parametrize("command", [[], ["migrate"], ["create-account"], ["create-token"], ["reseal"]])
def test_help(command: list[str]):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
