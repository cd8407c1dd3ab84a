"""`python -m benchmarks [NAME...] [--quick]`: measure, print the table, write benchmarks/results.md."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import credentials, fleet, probes, propagation, reads, reloads, secrets, start
from benchmarks.support import machine
from benchmarks.support.table import Row, as_markdown, as_text

RESULTS = Path(__file__).with_name("results.md")

INTRODUCTION = """\
# What it costs, and how fast it follows

Made by `make bench`. Every comparison is measured in one run on one machine, ours and the rival's in
turn, and given as the median of the pairs' ratios with the least and the most; "how" below says what
each benchmark does. Ratios below 1 are in our favour, except where the target says "faster".
"""

BENCHMARKS: dict[str, Any] = {
    module.__name__.rpartition(".")[2]: module
    for module in (reads, start, propagation, secrets, credentials, reloads, fleet, probes)
}
"""Modules with `measure`, its `Counts`, and `QUICK` ones."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that are named, or all; the file is written when all are run in full."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="small counts, to see that it runs")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}: {', '.join(BENCHMARKS)}")
    if not sys.platform.startswith("linux"):
        parser.error("the benchmarks need Linux: they see in /proc which worker holds a connection")
    facts = machine.describe()
    rows: list[Row] = []
    broken: list[str] = []
    for name in options.names or BENCHMARKS:
        began = time.monotonic()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        module = BENCHMARKS[name]
        try:
            rows.extend(module.measure(module.QUICK if options.quick else module.Counts()))
        except Exception:  # noqa: BLE001 # what the others measured is not lost
            broken.append(name)
            traceback.print_exc()
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    print(as_text(rows), end="")
    if broken:
        sys.exit(f"could not be measured: {', '.join(broken)}")
    if not options.names and not options.quick:
        RESULTS.write_text(as_page(rows, facts), encoding="utf-8")
        print(f"wrote {RESULTS.relative_to(RESULTS.parents[1])}")


def as_page(rows: Sequence[Row], facts: dict[str, str]) -> str:
    """The whole of results.md."""
    where = "".join(f"- {name}: {text}\n" for name, text in facts.items())
    how = "".join(f"## {name}\n\n{module.__doc__.strip()}\n\n" for name, module in BENCHMARKS.items())
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{INTRODUCTION}\n- date: {date}\n{where}\n{as_markdown(rows)}\n# How\n\n{how}".rstrip() + "\n"


if __name__ == "__main__":
    main()
