"""Wrong use of every command ends in one clear line on standard error, with exit code 2 or 1, and no traceback.

Real processes where more is done than parsing: what a person sees is what is checked.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from recording_storage.cli.main import COMMANDS, main
from tests.wrong_uses import CASES, USAGE, Case

COMMAND = Path(sys.executable).with_name("recording-storage")
_PLAIN = ("Usage: ", " ", "Try '", "[")
"""How lines begin that may stand before the clear one: click's usage, the demo's progress."""
FOREIGN = re.compile(
    r"\[Errno|HTTPConnection|Max retries|Cannot connect|ssl:|object does not support|codec can't|\[SSL|unable to open"
    r"|File exists|Is a directory|Not a directory|Name or service"
)
"""What no person should have to read."""
CONFIG = """
destination: {url: "http://127.0.0.1:9/bucket/calls", region: us-east-1, accessKeyId: AKIA, secretAccessKey: s}
allowHttp: true
"""

NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""


PATHS = [
    *((name,) for name in COMMANDS),
    ("receipts", "verify"),
    *(("store", name) for name in ("migrate", "create-account", "create-token", "reseal")),
]
"""Every command and sub-command, as it is typed."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Files, folders and a port to be wrong about."""
    folder = tmp_path_factory.mktemp("commands")
    for name in ("spool", "folder", "used"):
        (folder / name).mkdir()
    files = {
        "text": "neither key nor kubeconfig\n",
        "token": "token\n",
        "key": "",
        "config": CONFIG,
        "yaml": "destination: [unclosed\n",
        "unknown": f"{CONFIG}retriesWindow: 2h\n",
        "badurl": CONFIG.replace("http://127.0.0.1:9/bucket/calls", "ftp://bucket"),
        "nowhere": NOWHERE,
    }
    for name, content in files.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    (folder / "key").unlink()
    database = f"sqlite:///{folder / 'store.db'}"
    create = ["--master-key-file", str(folder / "key"), "--create-master-key"]
    made = _run(
        ["store", "create-account", "--friendly-name", "x", "--database", database, *create],
        folder=folder,
    )
    assert made.returncode == 0, made.stderr
    _run(["uploader", "--spool", str(folder / "used"), "--config", str(folder / "config"), "--once"], folder=folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        names = [*files, "binary", "spool", "folder", "used", "missing"]
        yield {name: str(folder / name) for name in names} | {
            "taken": str(taken.getsockname()[1]),
            "database": database,
            "root": str(folder),
        }


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_has_help_and_refuses_an_unknown_option(path: tuple[str, ...]) -> None:
    """In this process: parsing starts nothing, and the imports are paid once."""
    helped = CliRunner().invoke(main, [*path, "--help"])
    assert (helped.exit_code, helped.stderr) == (0, "")
    assert helped.stdout.startswith("Usage: ")
    assert len(helped.stdout.splitlines()) > 3, "it says what the command does"

    refused = CliRunner().invoke(main, [*path, "--wrong"])
    assert refused.exit_code == USAGE
    assert "--wrong" in _line(refused.stderr)


@pytest.mark.parametrize("path", [(), *PATHS], ids=" ".join)
@pytest.mark.parametrize("columns", ["60", "200"])
def test_help_tells_the_exit_codes_and_what_each_option_wants(path: tuple[str, ...], columns: str) -> None:
    """In whole sentences, none of them cut off, and with each default written alike."""
    text = CliRunner().invoke(main, [*path, "--help"], env={"COLUMNS": columns}).stdout
    assert "Exit codes" in text
    assert "..." not in text.replace("]...", "").replace("FILE...", "")
    for option in _options(path):
        assert option.help, option.name
        sentence, bracket, default = option.help.partition("  [")
        assert sentence[0] == sentence[0].upper() or sentence.startswith("sqlite:"), option.help
        assert sentence.endswith("."), option.help
        assert "default" not in sentence.lower(), option.help
        assert not bracket or re.fullmatch(r"(default: [^.].*|required)\]", default), option.help


def test_a_choice_is_shown_as_its_default_is() -> None:
    chosen = [option for path in PATHS for option in _options(path) if isinstance(option.type, click.Choice)]
    assert len(chosen) > 4
    for option in chosen:
        with click.Context(main) as context:
            shown = option.make_metavar(context).strip("[]").split("|")
        assert shown == list(option.type.choices)  # type: ignore[attr-defined]
        assert option.multiple or option.default in shown


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wrong_use_ends_in_one_clear_line(case: Case, places: dict[str, str]) -> None:
    env = {name: value.format_map(places) for name, value in case.env.items()}
    arguments = [argument.format_map(places) for argument in case.arguments]

    ended = _run(arguments, folder=Path(places["root"]), env=env)

    assert ended.returncode == case.code, ended.stderr
    line = _line(ended.stderr)
    for word in case.words:
        assert word.format_map(places) in line
    assert "planted" not in ended.stdout + ended.stderr


def _options(path: tuple[str, ...]) -> list[click.Option]:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        with click.Context(command) as context:
            found = command.get_command(context, name)
        assert found is not None
        command = found
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def test_every_command_is_tried() -> None:
    assert set(_commands(main)) == set(PATHS)
    covered = {case.arguments[0] for case in CASES}
    assert set(COMMANDS) <= covered


def _run(
    arguments: Sequence[str], *, folder: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    foreign = ("RECORDING_STORAGE_", "KUBE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        env={**kept, **(env or {})},
        cwd=folder,
        timeout=60,
        check=False,
    )


def _line(err: str) -> str:
    """The one line; whatever else is there but click's usage is one too many."""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.strip() and not line.startswith(_PLAIN)]
    assert len(lines) == 1, err
    assert not FOREIGN.search(lines[0]), "the words of a library, or of the system"
    return lines[0]


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            yield (*path, name)
            if isinstance(command, click.Group):
                yield from _commands(command, (*path, name))
