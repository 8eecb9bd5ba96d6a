"""Our uploader beside s5cmd, or another checkout's: `make bench-uploader`, or `python -m bench.uploader --help`."""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import servers
from bench.arguments import positive
from bench.clients import Client, Ours, S5cmd
from bench.measure import Run, RunFailed, medians
from bench.workloads import MIB, Workload, fresh_folder, make_template

RSS_LIMIT = 200_000_000
"""Bytes that our whole process may need at its peak."""
SETTINGS: Mapping[bool, Sequence[S5cmd]] = {
    True: [S5cmd(workers) for workers in (4, 8, 16, 32, 64, 256)],
    False: [S5cmd(8, concurrency) for concurrency in (2, 4, 8, 16)],
}
"""Of s5cmd, for small files and for a big one; each is tried once, and the fastest is what ours is compared with."""
REPEATS, PAIRS = 3, 11


@dataclass(frozen=True)
class Row:
    """One workload on one server."""

    server: str
    workload: str
    other_is: str
    ours: Run
    other: Run
    ratio: float
    """The other's seconds through ours: above 1, ours is faster."""
    cpu: Sequence[float]
    """Of each pair of runs, our CPU seconds through the other's."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.unleased and (os.geteuid() != 0 or shutil.which("setpriv") is None):
        parser.error("--unleased needs root, for files of another user's, and setpriv (util-linux)")
    all_workloads = {
        "big": Workload(f"1 file of {options.big_mib} MiB", 1, options.big_mib * MIB),
        "small": Workload(f"{options.small_count} files of 100 KB", options.small_count, 100_000),
    }
    workloads = [all_workloads[options.workload]] if options.workload else list(all_workloads.values())
    repeats = options.repeats or (PAIRS if options.against or options.unleased else REPEATS)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="recording-storage-bench-", dir=options.folder) as folder:
        for workload in workloads:
            template = make_template(Path(folder) / f"template-{workload.files}", workload)
            for server in options.server or list(servers.SERVERS):
                bench = _Bench(server, workload, template=template)
                rows.append(bench.compare(Ours(leased=not options.unleased), _other(options, bench), repeats=repeats))
            shutil.rmtree(template)
    _print_table(rows)
    if options.json:
        _print(json.dumps({"machine": _machine(), "repeats": repeats, "rows": [asdict(row) for row in rows]}))
    return 0


def _other(options: argparse.Namespace, bench: "_Bench") -> Client:
    if options.against:
        return Ours(options.against / ".venv/bin/python")
    return Ours() if options.unleased else bench.best_s5cmd()


class _Bench:
    """One workload on one kind of server."""

    def __init__(self, server: str, workload: Workload, *, template: Path) -> None:
        self._server = server
        self._workload = workload
        self._template = template

    def best_s5cmd(self) -> S5cmd:
        """The fastest of its settings here and now."""
        return min(SETTINGS[self._workload.is_small], key=lambda setting: self._run(setting).seconds)

    def compare(self, ours: Client, other: Client, *, repeats: int) -> Row:
        pairs: list[tuple[Run, Run]] = []
        for repeat in range(repeats):
            # Alternating, so that what the machine does meanwhile strikes both.
            if repeat % 2:
                second = self._run(other)
                pairs.append((self._run(ours), second))
            else:
                pairs.append((self._run(ours), self._run(other)))
        mine, others = medians([pair[0] for pair in pairs]), medians([pair[1] for pair in pairs])
        return Row(
            self._server,
            self._workload.name,
            str(other),
            ours=mine,
            other=others,
            ratio=round(others.seconds / mine.seconds, 3),
            cpu=[round(one.cpu / another.cpu, 4) for one, another in pairs],
        )

    def _run(self, client: Client) -> Run:
        """On a fresh server, with fresh files. Raises RunFailed when not everything has arrived."""
        workload = self._workload
        with fresh_folder(self._template) as files, servers.SERVERS[self._server]() as target:
            result = client(target, files=files, small=workload.is_small)
            if target.arrived is not None:
                objects, size = target.arrived()
                if objects not in {workload.files, workload.files + 1} or size < workload.total:
                    raise RunFailed(f"{client} on {self._server}: {objects} objects, {size} bytes arrived")
        _say(f"{self._server}, {workload.name}, {client}: {_figures(result, workload)}")
        return result


def _figures(one: Run, workload: Workload) -> str:
    rate = workload.total / MIB / one.seconds
    speed = f"{workload.files / one.seconds:6.0f} files/s" if workload.is_small else f"{rate:6.0f} MiB/s"
    return f"{one.seconds:6.2f} s  {speed}  CPU {one.cpu:5.2f} s  peak {one.rss / 1e6:4.0f} MB"


def _print_table(rows: Sequence[Row]) -> None:
    head = ("server", "workload", "beside", "ours s", "its s", "ratio", "ours CPU", "its CPU", "CPU of pairs",
            "ours MB", "its MB")  # fmt: skip
    _print("| " + " | ".join(head) + " |")
    _print("|" + "---|" * len(head))
    for row in rows:
        cells = (
            row.server,
            row.workload,
            row.other_is,
            f"{row.ours.seconds:.2f}",
            f"{row.other.seconds:.2f}",
            f"{row.ratio:.2f}",
            f"{row.ours.cpu:.2f}",
            f"{row.other.cpu:.2f}",
            f"{statistics.median(row.cpu):.3f} ({min(row.cpu):.3f} to {max(row.cpu):.3f})",
            f"{row.ours.rss / 1e6:.0f}",
            f"{row.other.rss / 1e6:.0f}",
        )
        _print("| " + " | ".join(cells) + " |")
    for row in rows:
        if row.ours.rss >= RSS_LIMIT:
            _print(f"NOT REACHED: {row.server}, {row.workload}: {row.ours.rss / 1e6:.0f} MB")


def _machine() -> dict[str, object]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "kernel": platform.release()}


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _checkout(text: str) -> Path:
    program = Path(text) / ".venv/bin/recording-storage"
    if not program.exists():
        raise argparse.ArgumentTypeError(f"{program} is not there: set that checkout up first (make setup)")
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.uploader", description=__doc__)
    parser.add_argument("--json", action="store_true", help="also print one object with all figures, last")
    parser.add_argument("--repeats", type=positive, help=f"default: {REPEATS}, beside another uploader {PAIRS}")
    parser.add_argument("--server", action="append", choices=list(servers.SERVERS), help="default: all")
    parser.add_argument("--workload", choices=("big", "small"), help="default: both")
    parser.add_argument("--big-mib", type=positive, default=1024)
    parser.add_argument("--small-count", type=positive, default=10_000)
    others = parser.add_mutually_exclusive_group()
    others.add_argument(
        "--against", type=_checkout, metavar="CHECKOUT", help="instead of s5cmd: the uploader of another one, set up"
    )
    others.add_argument(
        "--unleased",
        action="store_true",
        help="ours without a lease of any file, beside ours with them; needs root and setpriv",
    )
    parser.add_argument("--folder", type=Path, help="where the files are put; needs three times the big file's size")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RunFailed as error:
        sys.exit(f"bench: {error}")
