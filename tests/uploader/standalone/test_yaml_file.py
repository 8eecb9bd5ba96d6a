"""The configuration's YAML: no fault of it shows what it holds, and none ends an uploader that works."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recording_storage.uploader.standalone import config, yaml_file
from recording_storage.uploader.standalone.config import ConfigError, read_plan
from recording_storage.uploader.standalone.source import ConfigSource

GOOD = """\
destination:
  url: https://s3.example.com/bucket
  region: us-east-1
  accessKeyId: AKIAEXAMPLE
  secretAccessKey: wJalrXUtnFEMI
"""
SECRET = "Sup3rSecret"


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both that may be there: they word their errors apart."""
    monkeypatch.setattr(yaml_file, "LOADER", getattr(yaml, request.param))


@pytest.fixture
def fault(tmp_path: Path) -> Callable[[str], str]:
    def read(text: str) -> str:
        path = tmp_path / "uploader.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            read_plan(path)
        words = str(caught.value)
        assert words.isprintable()
        assert words.startswith(str(path))
        return words.removeprefix(str(path))

    return read


def outcome(path: Path) -> str:
    try:
        read, plan = read_plan(path)
    except ConfigError as error:
        return str(error)
    assert 0 <= read.settle <= 86400
    assert plan.destinations
    return "usable"


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    "written",
    [
        *("!{}", "!!{}", "!<{}>", "!{} x", "!!int {}", "!!float {}", "!!bool {}", "!!binary {}", "!!set {{{}}}"),
        *("*{}", "&{} *{}", "@{}", "%{}", "`{}", "|{}", "[{}", '"{}', "{}: x", "{{{}: ["),
        *('"\\q{}"', '"\\ud800{}"', "{}\x07", "{}\n---\n{}"),
    ],
)
def test_a_secret_that_yaml_stumbles_over_is_not_shown(written: str, fault: Callable[[str], str]) -> None:
    words = fault(GOOD.replace("wJalrXUtnFEMI", written.replace("{}", SECRET).replace("{{", "{").replace("}}", "}")))
    assert SECRET.lower() not in words.lower()
    assert words.startswith((", line 5: ", ", line 6: ")), "the next one, where a bracket or quote stays open"


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("wJalrXUtnFEMI", "!x"), ", line 5: destination.secretAccessKey: a tag (`!`) that is not known"),
        (GOOD.replace("wJalrXUtnFEMI", "*x"), ", line 5: no YAML: an alias (`*`) without its anchor"),
        (GOOD + "---\na: b\n", ", line 6: no YAML: a second document"),
        (GOOD + "settle: 1s\nsettle: 2s\n", ", line 7: settle is there twice; remove one"),
        (GOOD + "  secretAccessKey: other\n", ", line 6: destination.secretAccessKey is there twice"),
        (GOOD + "1: 1\n", ", line 6: 1: the key must be a text; put it in quotes"),
        (GOOD + "policy: {tags: {1: a}}\n", ", line 6: policy.tags.1: the key must be a text; put it in quotes"),
        (GOOD + "? [a]\n: 1\n", ", line 6: a key must be a text"),
        (GOOD + "policy: &p\n  tags: *p\n", ", line 6: policy.tags: an alias (`*`) of a mapping"),
        (GOOD + "settle: 2001-13-01\n", ": settle '2001-13-01' is no duration"),
        (GOOD + "settle: !!timestamp x\n", ": settle 'x' is no duration"),
        (GOOD + f"settle: {'9' * 400}\n", ": settle a number of that length must be a duration of 1d at most"),
        (GOOD + f"settle: {'9' * 5000}\n", ", line 6: settle: a value that can't be read"),
        (GOOD + "x: \x07\n", ", line 6: a control character"),
        ("- " * 100_000, ", line 1: no configuration is nested as deep"),
        ("a: " + "[" * 900 + "]" * 900, ", line 1: no configuration is nested as deep"),
        ("a: x\n" * 300_000, ": is longer than any configuration"),
    ],
)
def test_what_is_wrong_has_its_place_and_its_remedy(text: str, words: str, fault: Callable[[str], str]) -> None:
    assert fault(text).startswith(words)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(["destination", "policy", "settle", "allowHttp", "url", "region", "caFile", "keyTemplate"]),
    tag=st.sampled_from(["", "!!int ", "!!float ", "!!bool ", "!!null ", "!!timestamp ", "!!str ", "! ", "&a "]),
    value=st.text(alphabet="09ax.:-_+eE{}[]/\\'\"?#@%,~\0\né\U0001f600 ", max_size=12) | st.text(max_size=12),
)
def test_whatever_stands_there_it_is_a_configuration_or_a_config_error(
    tmp_path: Path, field: str, tag: str, value: str
) -> None:
    lines = {"url": "https://bucket", "region": "r", "accessKeyId": "a", "secretAccessKey": "s"}
    top = {"destination": "{" + ", ".join(f"{key}: '{text}'" for key, text in lines.items()) + "}"}
    if field in {"url", "region", "caFile"}:
        inner = {**{key: f"'{text}'" for key, text in lines.items()}, field: tag + value}
        top["destination"] = "\n" + "\n".join(f"  {key}: {text}" for key, text in inner.items())
    elif field == "keyTemplate":
        top["policy"] = f"\n  keyTemplate: {tag}{value}"
    else:
        top[field] = tag + value
    path = tmp_path / "uploader.yaml"
    path.write_bytes("\n".join(f"{key}: {text}" for key, text in top.items()).encode(errors="surrogatepass"))
    assert "something in it can't be used" not in outcome(path), "it has words of its own"


def test_a_fault_that_nobody_thought_of_is_one_of_the_file(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[str], str]
) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr(config, "parse_bucket_url", stumble)
    assert fault(GOOD) == ": something in it can't be used (KeyError)"


@pytest.mark.parametrize(
    "wrong",
    [
        *("settle: 2001-13-01", "settle: !!int x", "settle: !!timestamp x", f"settle: {'9' * 400}", "settle: .nan"),
        *('  caFile: "a\\0b"', "  caFile: junk.pem", "  caFile: none.pem", "- " * 100_000, "\x00"),
    ],
)
def test_a_file_that_is_wrong_just_now_leaves_the_plan_as_it_is(
    tmp_path: Path, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "uploader.yaml"
    (tmp_path / "junk.pem").write_text("junk")
    path.write_text(GOOD)
    plans: list[Any] = []
    source = ConfigSource(path, apply=plans.append)
    path.write_text(GOOD + wrong)
    assert not source.refresh(timeout=1)
    assert not plans
    assert f"the configuration stays as it was: {path}" in caplog.text
    path.write_text(GOOD.replace("/bucket", "/other"))
    assert source.refresh(timeout=1)
    assert [one.bucket for one in plans[0].destinations.values()] == ["other"]
