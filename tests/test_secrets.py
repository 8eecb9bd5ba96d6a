"""No secret is found anywhere but where it belongs, after a day with good and bad hours."""

import base64
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube, KubeError, base_path
from tests.journeys.harness import Platform, write_secret
from tests.journeys.site import Site
from tests.s3.fixtures import Bucket
from tests.s3.servers import Credentials, S3Server, least_rights
from tests.waiting import eventually

pytestmark = pytest.mark.slow

PUBLIC = {"username", "accessKeyId"}
"""Keys of Secrets whose values are names, not secrets."""
RECORDS = Path("spool") / ".recording-storage"


@dataclass(frozen=True)
class Planted:
    """Secrets by what they are, and everything that was said while they were used."""

    secrets: Mapping[str, str]
    said: Mapping[str, str]
    """Answers and error outputs, by what was tried."""


@pytest.fixture
def s3_server(moto_server: S3Server) -> S3Server:
    return moto_server


@pytest.fixture
def platform(cluster: Cluster, crds: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = Platform(cluster, folder=tmp_path_factory.mktemp("platform"), log_level="debug")
    made.start_store()
    made.start_operator()
    yield made
    made.close()


@pytest.fixture
def site(platform: Platform, namespace: str, bucket: Bucket, tmp_path: Path) -> Iterator[Site]:
    platform.aim(bucket.server)
    made = Site(platform, namespace=namespace, bucket=bucket, folder=tmp_path)
    yield made
    made.close()


def test_no_secret_is_found_where_none_belongs(site: Site, speech: list[Path], tmp_path: Path) -> None:
    planted = _live_through_a_day(site, speech, tmp_path)
    sid = site.account_sid
    places: dict[str, tuple[str, bytes]] = {  # what is certainly there shows that the search does see the place
        "the API server's objects": (sid, _objects(site.kube)),
        "the database": (sid, _files(site.platform.folder, "store.db*")),
        "the store's log": ("store", _files(site.platform.folder, "store.log")),
        "the operator's log": ("operator", _files(site.platform.folder, "operator.log")),
        "the uploader's log": ("plans in force", _files(site.platform.folder, "uploader.log")),
        "the journal": (sid, _files(site.spool / ".recording-storage", "*")),
        "the journal and the receipts of one that runs alone": ("alone.wav", _files(tmp_path / "alone" / RECORDS, "*")),
        "the store's metrics": ("recording_storage", _page(f"{site.platform.internal_url}/metrics")),
        "the operator's metrics": ("recording_storage", _page(f"http://{site.platform.operator_metrics}/metrics")),
        "the uploader's metrics": ("recording_storage", _page(f"http://{site.platform.uploader_metrics}/metrics")),
        **{f"what was said to {what!r}": ("", text.encode()) for what, text in planted.said.items()},
    }

    unseen = [place for place, (certain, content) in places.items() if certain.encode() not in content]
    assert unseen == [], "the search looks at the wrong thing"
    found = [
        f"{name} in {place}"
        for place, (_, content) in places.items()
        for name, secret in planted.secrets.items()
        if any(form in content for form in _forms(secret))
    ]
    assert found == []


def _live_through_a_day(site: Site, speech: list[Path], folder: Path) -> Planted:
    """Everything that has a secret to tell, in order and in disorder."""
    wrong = {name: f"planted-{name}-{secrets.token_hex(16)}" for name in ("secret", "token", "password", "yaml")}
    content = speech[0].read_bytes()
    site.open(retryWindow="1s", denialGrace="0s")
    site.assert_stored(site.record("good.wav", content))
    said = _bad_calls(site, wrong) | _bad_commands(site, wrong, folder)
    _alone(site, content, folder, wrong, said)

    _away(site, content)
    _rotated(site, content, wrong)
    _refused(site, content)
    token = _json(site.platform.run("store", "create-token", *site.platform.database_options, "--admin", "--json").out)
    account = _json(
        site.platform.run(
            *("store", "create-account", *site.platform.database_options, "--friendly-name", "x", "--json")
        ).out
    )
    said["read"] = _read(site)
    known = {
        **{f"a wrong {name}": value for name, value in wrong.items()},
        **_of_secrets(site),
        "the bucket's key": site.bucket.credentials.secret_key,
        "the master key": site.platform.master_key.read_text().split()[-1],
        "the operator's token": site.platform.operator_token,
        "the uploader's token": site.token,
        "an admin's token": token["token"],
        "an auth token": account["auth_token"],
    }
    return Planted(known, said)


def _bad_calls(site: Site, wrong: Mapping[str, str]) -> dict[str, str]:
    """Of the store's two ports, with secrets in the wrong places."""
    public, internal = site.platform.store_url, f"{site.platform.internal_url}/internal/v1"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    bearer = {"Authorization": f"Bearer {wrong['token']}"}
    body = {"friendly_name": {"nested": wrong["secret"]}}
    form = {"FriendlyName": "x" * 65, "Credentials": f"AKIA:{wrong['secret']}"}
    calls: dict[str, Callable[[], httpx.Response]] = {
        "a wrong password": lambda: httpx.get(
            f"{public}/v1/RecordingSettings/Default", auth=("ACx", wrong["password"])
        ),
        "a key pair without a colon": lambda: _post(site, "/v1/Credentials/AWS", {"Credentials": wrong["secret"]}),
        "a key pair with too long a name": lambda: _post(site, "/v1/Credentials/AWS", form),
        "a private key for a public one": lambda: _post(site, "/v1/Credentials/PublicKeys", {"PublicKey": private}),
        "a wrong token": lambda: httpx.get(f"{internal}/accounts/{site.account_sid}", headers=bearer),
        "a body that is none": lambda: httpx.put(
            f"{internal}/accounts:by-external-id/x",
            json=body,
            headers={"Authorization": f"Bearer {site.platform.operator_token}"},
        ),
    }
    answers = {what: call() for what, call in calls.items()}
    assert all(answer.is_client_error for answer in answers.values()), answers
    assert private.splitlines()[1] not in answers["a private key for a public one"].text
    return {what: answer.text for what, answer in answers.items()}


def _bad_commands(site: Site, wrong: Mapping[str, str], folder: Path) -> dict[str, str]:
    run, spool = site.platform.run, folder / "unused"
    spool.mkdir()
    secret = wrong["yaml"]
    files = {
        "bad YAML": f"destination: {{url: 'http://127.0.0.1:9/b', secretAccessKey: {secret}\n",
        "an unknown key": f"destination: {{url: 'http://127.0.0.1:9/b', secretAccesKey: {secret}}}\n",
        "a list for a secret": f"destination: {{url: 'http://127.0.0.1:9/b', secretAccessKey: [{secret}]}}\n",
        "a secret for a mapping": f"destination: https://AKIA:{secret}@127.0.0.1:9/b\npolicy: {secret}\n",
        "a bucket that refuses": _configuration(site, secret),
    }
    said = {}
    for what, text in files.items():
        path = write_secret(folder / "bad.yaml", text)
        for name, arguments in {"verify": [], "uploader": ["--spool", str(spool), "--once"]}.items():
            ended = run(name, "--config", str(path), *arguments)
            said[f"{name} with {what}"] = ended.out + ended.err
    database = f"postgresql://user:{wrong['password']}@127.0.0.1:1/x"
    key = ["--master-key-file", str(site.platform.master_key)]
    token = write_secret(folder / "wrong.token", wrong["token"])
    for what, arguments in {
        "a database that is not there": ["store", "migrate", "--database", database],
        "a database that is none": ["store", *key, "--database", database.replace("postgresql", "oracle")],
        "a token that is none": [
            *("uploader", "--spool", str(spool), "--store", site.platform.internal_url),
            *("--token-file", str(token), "--once"),
        ],
    }.items():
        ended = run(*arguments)
        said[what] = ended.out + ended.err
    return said


def _alone(site: Site, content: bytes, folder: Path, wrong: Mapping[str, str], said: dict[str, str]) -> None:
    """Without a store: once with a wrong key, once with the right one."""
    spool = folder / "alone" / "spool"
    spool.mkdir(parents=True)
    (spool / "alone.wav").write_bytes(content)
    (spool / "alone.wav.done").touch()
    for number, secret in enumerate((wrong["secret"], site.bucket.credentials.secret_key)):
        path = write_secret(folder / "alone.yaml", _configuration(site, secret))
        ended = site.platform.run("uploader", "--spool", str(spool), "--config", str(path), "--once")
        said[f"alone, {number}"] = ended.out + ended.err
    assert (spool / ".recording-storage" / "receipts.jsonl").read_text()


def _refused(site: Site, content: bytes) -> None:
    server, user = site.bucket.server, site.bucket.user
    server.set_policy(user.name, least_rights(site.bucket.name, "elsewhere/"))
    take = site.record("refused.wav", content)
    site.wait_state(take, "rejected")
    server.set_policy(user.name, least_rights(site.bucket.name, site.bucket.prefix))
    site.assert_stored(take)


def _away(site: Site, content: bytes) -> None:
    site.platform.gate.refuse()
    site.wait_state(site.record("away.wav", content), "parked")
    site.platform.gate.open()
    site.platform.kill("store")
    site.wait_state(site.record("untold.wav", content), "stored")
    site.platform.start_store()
    site.wait_state("untold.wav", "released")


def _rotated(site: Site, content: bytes, wrong: Mapping[str, str]) -> None:
    """To a pair that the bucket refuses, to one that is none, and back."""
    access_key = site.bucket.credentials.access_key
    for pair, kind, name in (
        (Credentials("AKIAWRONG", wrong["secret"]), "RecordingSettings", "default"),
        (Credentials(access_key, f"{wrong['secret']}\nsecond line"), "AwsCredential", "main"),
    ):
        before = site.get(kind, name).get("status", {}).get("conditions")
        site.apply_keys(pair)
        eventually(
            lambda kind=kind, name=name, before=before: site.get(kind, name)["status"]["conditions"] != before,
            what=f"{kind} says what is wrong with the key pair",
        )
    site.apply_keys()
    site.wait_ready("AwsCredential", "main")
    site.wait_ready()
    site.assert_stored(site.record("again.wav", content))


def _configuration(site: Site, secret: str) -> str:
    destination = {
        "url": site.bucket.url,
        "region": site.bucket.server.region,
        "accessKeyId": site.bucket.credentials.access_key if "planted" not in secret else "AKIAWRONG",
        "secretAccessKey": secret,
    }
    return yaml.safe_dump({"destination": destination, "allowHttp": True})


def _read(site: Site) -> str:
    """All that the account's owner can read at the store."""
    paths = ["/v1/RecordingSettings/Default", "/v1/VoiceRecordingSettings/Default", "/v1/Credentials/AWS"]
    paths += ["/v1/Credentials/PublicKeys", "/v1/Recordings", f"/2010-04-01/Accounts/{site.account_sid}.json"]
    paths += [f"/2010-04-01/Accounts/{site.account_sid}/Recordings.json"]
    return "\n".join(httpx.get(site.platform.store_url + path, auth=site.api_key).text for path in paths)


def _of_secrets(site: Site) -> dict[str, str]:
    """Everything secret in the Secrets of the site's and the operator's namespaces."""
    found = {}
    for namespace in (site.namespace, site.platform.namespace):
        for secret in site.kube.list("v1", "Secret", namespace=namespace):
            for key, value in secret.get("data", {}).items():
                if key not in PUBLIC:
                    text = base64.b64decode(value).decode(errors="replace")
                    found[f"{key} of Secret {secret['metadata']['name']}"] = text
    assert len(found) >= 3, "the bucket's key, the account's API key, the operator's own"
    return found


def _objects(kube: Kube) -> bytes:
    """Every object of the API server but Secrets, with all that is in its metadata; events are objects, too."""
    versions = ["v1", *(group["preferredVersion"]["groupVersion"] for group in kube.request("GET", "/apis")["groups"])]
    texts = []
    for version in versions:
        for resource in kube.request("GET", base_path(version))["resources"]:
            if "list" not in resource["verbs"] or resource["name"] == "secrets" or "/" in resource["name"]:
                continue
            try:
                texts.append(json.dumps(kube.request("GET", f"{base_path(version)}/{resource['name']}")))
            except KubeError as error:
                if error.status != 404:  # a CRD that another test has just removed
                    raise
    return "\n".join(texts).encode()


def _files(folder: Path, pattern: str) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.glob(pattern)) if path.is_file())


def _page(url: str) -> bytes:
    answer = httpx.get(url)
    assert answer.status_code == 200
    return answer.content


def _post(site: Site, path: str, form: Mapping[str, str]) -> httpx.Response:
    return httpx.post(site.platform.store_url + path, data=form, auth=site.api_key)


def _json(text: str) -> dict[str, str]:
    answer: dict[str, str] = json.loads(text)
    return answer


def _forms(secret: str) -> set[bytes]:
    """As it is, and as it could be wrapped on the way."""
    whole = secret.encode()
    forms = {whole, base64.b64encode(whole), quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    # A key made of base64 or hexadecimal digits may be kept as its bytes.
    for decode in (base64.b64decode, bytes.fromhex):
        try:
            decoded = decode(secret)
        except ValueError:
            continue
        forms |= {decoded, decoded.hex().encode()}
    return {form for form in forms if len(form) >= 12}
