"""`recording-storage verify` answers in one line, with an exit code, and shows no secret."""

import json

import pytest
import yaml
from click.testing import CliRunner

from recording_storage.cli.main import main
from tests.s3.fixtures import create_bucket
from tests.s3.moto_server import MotoServer

SECRET = "hunter2-the-secret"


@pytest.fixture
def config(tmp_path):
    def write(**changes):
        document = {
            "destination": {
                "url": "http://127.0.0.1:1/bucket/calls",
                "region": "us-east-1",
                "accessKeyId": "AKIDEXAMPLE",
                "secretAccessKey": SECRET,
            },
            "allowHttp": True,
            "policy": {"retryWindow": "2h"},
        }
        document["destination"].update(changes.pop("destination", {}))
        document.update(changes)
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(document))
        return str(file)

    return write


def run(*arguments):
    result = CliRunner().invoke(main, ["verify", *arguments])
    assert SECRET not in result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def of(bucket):
    return {
        "url": bucket.url,
        "accessKeyId": bucket.credentials.access_key,
        "secretAccessKey": bucket.credentials.secret_key,
    }


def test_a_usable_destination(bucket, config):
    result = run("--config", config(destination=of(bucket)))
    assert result.exit_code == 0, result.output
    assert "is usable" in result.stdout
    assert not result.stderr
    result = run("--config", config(destination=of(bucket)), "--json")
    answer = json.loads(result.stdout)
    assert (answer["ok"], answer["checks_signatures"]) == (True, True)
    assert (bucket.keys(), bucket.uploads()) == ([], [])


class Believing(MotoServer):
    """Takes any key pair."""

    def _enforce(self):
        pass


def test_a_server_that_checks_no_signatures(config):
    server = Believing()
    server.start()
    try:
        bucket = create_bucket(server)
        file = config(destination={"url": bucket.url, "accessKeyId": "PLACEHOLDER"})
        result = run("--config", file)
        assert result.exit_code == 0, result.output
        (warning,) = result.stderr.splitlines()
        assert "checks no signatures" in warning
        assert json.loads(run("--config", file, "--json").stdout)["checks_signatures"] is False
        assert (bucket.keys(), bucket.uploads()) == ([], [])
    finally:
        server.close()


def test_one_that_is_refused_says_what_to_do(bucket, config):
    file = config(destination=of(bucket) | {"url": bucket.url.rpartition("/")[0] + "/elsewhere"})
    result = run("--config", file, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert (answer["ok"], answer["fault"], answer["step"]) == (False, "access", "CreateMultipartUpload")
    assert answer["checks_signatures"] is None
    assert result.stderr.startswith("recording-storage: CreateMultipartUpload is refused")
    assert result.stderr.count("\n") == 1


def test_a_server_that_is_not_there(config):
    result = run("--config", config())
    assert result.exit_code == 1
    assert "refused the connection" in result.stderr


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"allowHttp": False}, 2, "allowHttp: true"),
        ({"destination": {"url": "https://bu/calls"}}, 2, "not 3 to 63"),
        ({"destination": {"colour": "red"}}, 2, "destination.colour"),
        ({"destination": {"accessKeyId": None}}, 2, "destination.accessKeyId"),
        ({"destination": {"accessKeyId": "a b"}}, 1, "access key id"),
        ({"policy": {"tags": {str(n): "x" for n in range(11)}}}, 2, "policy.tags"),
    ],
)
def test_a_configuration_that_is_wrong(config, changes, code, says):
    result = run("--config", config(**changes))
    assert result.exit_code == code, result.output
    assert says in result.stderr


@pytest.mark.parametrize("content", ["", "[", "just text", "destination: 3", "\x00"])
def test_a_file_that_is_no_configuration(tmp_path, content):
    (tmp_path / "c.yaml").write_text(content)
    result = run("--config", str(tmp_path / "c.yaml"))
    assert result.exit_code == 2, result.output
    assert "c.yaml" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--config", "nowhere.yaml"),
        ("--colour",),
        ("--settings", "x", "--allow-endpoint", "nonsense"),
    ],
)
def test_wrong_use(arguments):
    assert run(*arguments).exit_code == 2


def test_without_a_cluster(tmp_path):
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nkind: Config\n")
    result = run("--settings", "x", "--kubeconfig", str(tmp_path / "kubeconfig"))
    assert result.exit_code == 2, result.output
    assert f"--kubeconfig {tmp_path / 'kubeconfig'} is no kubeconfig" in result.stderr


@pytest.mark.slow
def test_settings_in_the_cluster(cluster, kube, crds, namespace, moto_server):
    bucket = create_bucket(moto_server)
    arguments = [
        *("--settings", "main", "--namespace", namespace),
        *("--kubeconfig", str(cluster.kubeconfig), "--allow-endpoint", moto_server.endpoint),
    ]
    missing = run(*arguments)
    assert (missing.exit_code, "does not exist" in missing.stderr) == (1, True)

    def apply(kind, name, spec=None, **more):
        body = {"kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}
        body["apiVersion"] = "v1" if kind == "Secret" else "recordingstorage.dev/v1alpha1"
        kube.apply(body | ({"spec": spec} if spec else {}))

    keys = {"accessKeyId": bucket.credentials.access_key, "secretAccessKey": bucket.credentials.secret_key}
    apply("Secret", "aws", stringData=keys)
    source = {"type": "StaticKeys", "staticKeys": {"secretRef": {"name": "aws"}}}
    apply("AwsCredential", "main", {"accountRef": {"name": "default"}, "source": source})
    storage = {"enabled": True, "url": bucket.url, "credentialRef": {"name": "main"}}
    apply(
        "RecordingSettings",
        "main",
        {"accountRef": {"name": "default"}, "friendlyName": "production", "awsStorage": storage},
    )
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["ok"] is True
    assert bucket.uploads() == []
