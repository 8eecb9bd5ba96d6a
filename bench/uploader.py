"""Our uploader beside s5cmd, in one run: `make bench-uploader`, or `python -m bench.uploader --help`."""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import clients, servers
from bench.measure import Run, RunFailed, medians, run

MIB = 1024 * 1024
CLIENTS = {"ours": clients.ours, "s5cmd": clients.s5cmd}
RSS_LIMIT = 200_000_000
"""Bytes that our whole process may need at its peak."""


@dataclass(frozen=True)
class Workload:
    name: str
    files: int
    size: int
    """Bytes of each."""


@dataclass(frozen=True)
class Row:
    server: str
    workload: str
    ours: Run
    s5cmd: Run

    @property
    def ratio(self) -> float:
        """Above 1, ours is faster."""
        return self.s5cmd.seconds / self.ours.seconds

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "ratio": round(self.ratio, 3)}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    all_workloads = {
        "big": Workload(f"1 file of {options.big_mib} MiB", 1, options.big_mib * MIB),
        "small": Workload(f"{options.small_count} files of 100 KB", options.small_count, 100_000),
    }
    workloads = [all_workloads[options.workload]] if options.workload else list(all_workloads.values())
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="recording-storage-bench-", dir=options.folder) as folder:
        for workload in workloads:
            template = _template(Path(folder) / f"template-{workload.files}", workload)
            for server in options.server or list(servers.SERVERS):
                runs: dict[str, list[Run]] = {name: [] for name in CLIENTS}
                for repeat in range(options.repeats):
                    # Alternating, so that what the machine does meanwhile strikes both.
                    for name in list(CLIENTS) if repeat % 2 == 0 else reversed(list(CLIENTS)):
                        one = _one(name, server, workload, template=template, folder=Path(folder))
                        runs[name].append(one)
                        _say(f"{server}, {workload.name}, {name}: {_figures(one, workload)}")
                rows.append(Row(server, workload.name, medians(runs["ours"]), medians(runs["s5cmd"])))
            shutil.rmtree(template)
    _print_table(rows)
    if options.json:
        _print(json.dumps({"machine": _machine(), "repeats": options.repeats, "rows": [r.as_json() for r in rows]}))
    return 0


def _one(client: str, server: str, workload: Workload, *, template: Path, folder: Path) -> Run:
    """One client once, on a fresh server and a fresh folder. Raises RunFailed when not everything has arrived."""
    with _fresh_folder(folder, template) as spool, servers.SERVERS[server]() as target:
        work = spool.parent
        call = CLIENTS[client](target, folder=spool, work=work)
        result = run(call.argv, env=call.env, log=work / "log")
        expected = (workload.files, workload.files * workload.size)
        if target.arrived is not None and (arrived := target.arrived()) != expected:
            raise RunFailed(f"{client} on {server}: {arrived} objects and bytes arrived, not {expected}")
    return result


@contextmanager
def _fresh_folder(folder: Path, template: Path) -> Iterator[Path]:
    """Files that are hard links: the page cache is as warm for one client as for the other."""
    work = Path(tempfile.mkdtemp(dir=folder))
    spool = work / "spool"
    spool.mkdir()
    for path in template.iterdir():
        os.link(path, spool / path.name)
    os.sync()  # what earlier runs left to be written must not be paid for by this one
    yield spool
    shutil.rmtree(work)


def _template(folder: Path, workload: Workload) -> Path:
    folder.mkdir()
    for number in range(workload.files):
        with (folder / f"call-{number:05}.wav").open("wb") as file:
            left = workload.size
            while left:
                left -= file.write(os.urandom(min(left, 8 * MIB)))
    return folder


def _figures(one: Run, workload: Workload) -> str:
    rate = workload.files * workload.size / MIB / one.seconds
    speed = f"{rate:6.0f} MiB/s" if workload.files == 1 else f"{workload.files / one.seconds:6.0f} files/s"
    return f"{one.seconds:6.2f} s  {speed}  CPU {one.cpu:5.2f} s  peak {one.rss / 1e6:4.0f} MB"


def _print_table(rows: Sequence[Row]) -> None:
    head = ("server", "workload", "ours s", "s5cmd s", "ratio", "ours CPU", "s5cmd CPU", "ours MB", "s5cmd MB")
    _print("| " + " | ".join(head) + " |")
    _print("|" + "---|" * len(head))
    for row in rows:
        cells = (
            row.server,
            row.workload,
            f"{row.ours.seconds:.2f}",
            f"{row.s5cmd.seconds:.2f}",
            f"{row.ratio:.2f}",
            f"{row.ours.cpu:.2f}",
            f"{row.s5cmd.cpu:.2f}",
            f"{row.ours.rss / 1e6:.0f}",
            f"{row.s5cmd.rss / 1e6:.0f}",
        )
        _print("| " + " | ".join(cells) + " |")
    for row in rows:
        if row.ratio < 1 or row.ours.rss >= RSS_LIMIT:
            _print(f"NOT REACHED: {row.server}, {row.workload}: ratio {row.ratio:.2f}, {row.ours.rss / 1e6:.0f} MB")


def _machine() -> dict[str, object]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "kernel": platform.release()}


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.uploader", description=__doc__)
    parser.add_argument("--json", action="store_true", help="also print one object with all figures, last")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--server", action="append", choices=list(servers.SERVERS), help="default: all")
    parser.add_argument("--workload", choices=("big", "small"), help="default: both")
    parser.add_argument("--big-mib", type=int, default=1024)
    parser.add_argument("--small-count", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="where the files are put; needs three times the big file's size")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RunFailed as error:
        sys.exit(f"bench: {error}")
