"""What import contracts can't say of the code's structure; `make check` runs it.

    python -m tests.tools.structure

- SQL stands in the journal's room alone, of all the uploader's
- no file of the product is longer than one reads at a time
- a library of somebody else is used where it belongs, and nowhere else
- each function that a page of docs/ leads to is there
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path("operator/recording_storage")
LONGEST = 350
"""Lines."""
BORDERS: Mapping[str, tuple[str, ...]] = {
    "aiohttp": ("controller/cluster/kube.py", "controller/cluster/handlers.py", "store/internal"),
    "alembic": ("store/database",),
    "awscrt": ("s3/checksums.py",),
    "boto3": ("demo",),
    "botocore": ("demo",),
    "click": ("cli", "demo", "resources/generate.py"),
    "cryptography": (
        "controller/kinds/public_key/act.py",
        "controller/trust/certificates.py",
        "store/secrets_box.py",
        "store/services",
    ),
    "fastapi": ("store",),
    "greenlet": ("s3/greenlets.py",),
    "h11": ("store/server.py",),
    "httpcore": ("controller/stores/transport.py",),
    "httpx": ("controller",),
    "kopf": ("controller/cluster/handlers.py",),
    "kubernetes": ("cli", "controller/cluster/kube.py", "controller/cluster/identity.py", "demo", "store/internal"),
    "moto": ("demo",),
    "msgspec": ("protocol", "store/internal", "uploader/standalone"),
    "mypy_boto3_iam": ("demo",),
    "mypy_boto3_s3": ("demo",),
    "prometheus_client": (
        "controller/core/metrics.py",
        "controller/probes.py",
        "store/health.py",
        "store/internal/metrics.py",
        "uploader/status/metrics.py",
    ),
    "pydantic": ("controller", "resources", "store/config.py"),
    "pydantic_core": ("resources",),
    "pydantic_settings": ("store/config.py",),
    "rich": ("cli", "demo/view.py", "terminal.py"),
    "sqlalchemy": ("store",),
    "starlette": ("store",),
    "urllib3": ("cli/verify_cluster.py", "demo/kube.py"),
    "uvicorn": ("store/server.py",),
    "yaml": ("cli", "demo", "resources/generate.py", "store/internal", "uploader/standalone"),
}
"""Each foreign library, and the files or rooms that may use it."""
_SQL = re.compile(
    r"\b(SELECT\b.*\bFROM|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX|UNIQUE)|PRAGMA \w)\b",
    re.DOTALL,
)
_RUNS = frozenset({"execute", "executemany", "executescript"})
_STEP = re.compile(r"`([\w/]+\.py):(\w+(?:\.\w+)?)`")


def faults(root: Path) -> Iterator[str]:
    """One line for each, with the file, what is wrong and what to do."""
    for path in sorted((root / PACKAGE).rglob("*.py")):
        text = path.read_text()
        where = path.relative_to(root)
        if (lines := text.count("\n")) > LONGEST:
            yield f"{where}: {lines} lines; past {LONGEST} a file wants splitting"
        room = path.relative_to(root / PACKAGE)
        tree = ast.parse(text)
        if room.is_relative_to("uploader") and not room.is_relative_to("uploader/journal"):
            yield from (
                f"{where}:{line}: SQL; only uploader/journal/ speaks with the database" for line in _sql_in(tree)
            )
        for library, line in _foreign_in(tree):
            if not any(room.is_relative_to(each) for each in BORDERS.get(library, ())):
                yield f"{where}:{line}: {library} has no place here; see BORDERS in tests/tools/structure.py"
    yield from _lost_steps(root)


def _foreign_in(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Top packages of others that are imported anywhere in a module, for types alone, too; and the lines."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != PACKAGE.name:
                yield top, node.lineno


def _sql_in(tree: ast.Module) -> Iterator[int]:
    """Lines with a text that is a statement, or a call that runs one; docstrings are prose."""
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _RUNS:
            yield node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            if _SQL.search(node.value):
                yield node.lineno
        elif isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values]
            if _SQL.search("".join(parts)) and not any(_SQL.search(part) for part in parts):
                yield node.lineno


def _lost_steps(root: Path) -> Iterator[str]:
    for page in sorted((root / "docs").glob("*.md")):
        for number, line in enumerate(page.read_text().splitlines(), start=1):
            for file, name in _STEP.findall(line):
                path = root / PACKAGE / file
                if not path.is_file() or name not in _names_in(path.read_text()):
                    where = f"docs/{page.name}:{number}"
                    yield f"{where}: {file} has no {name}; lead to where it is done now"


def _names_in(text: str) -> set[str]:
    """Of the functions and classes of a module, and `Class.method`."""
    names = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return names


def main() -> int:
    found = list(faults(ROOT))
    for fault in found:
        sys.stderr.write(f"{fault}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
