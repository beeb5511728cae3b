#!/usr/bin/env python3
"""Writes what the benches measured as tables into docs/BENCHMARKS.md, between the marks of the benches.

    benches/table.py COMMAND...

COMMAND is what was run. The measurements are those that criterion left under $CARGO_TARGET_DIR (target) since it was run:
whatever is older than the file target/criterion/.begun, which `make bench` touches, is of another run. What stands outside
the marks is left alone.
"""

import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "BENCHMARKS.md"
BEGIN, END = "<!-- benches -->", "<!-- /benches -->"
ORDER = ["dispatch", "queue", "store", "transport", "wire", "segment"]
SERVERS = [
    ("PostgreSQL", ["postgres", "--version"]),
    ("Redis", ["redis-server", "--version"]),
    ("RabbitMQ", ["dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server"]),
    ("Mosquitto", ["mosquitto", "-h"]),
]


def measurements():
    """For each: the bench, the row's name, the column (a batch, or nothing) and messages a second with their bounds."""
    criterion = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "criterion"
    begun = criterion / ".begun"
    since = begun.stat().st_mtime if begun.exists() else 0
    for path in criterion.glob("**/new/benchmark.json"):
        if path.stat().st_mtime < since:
            continue
        about = json.loads(path.read_text())
        mean = json.loads((path.parent / "estimates.json").read_text())["mean"]
        messages = about["throughput"]["Elements"] * 1e9
        bench, _, row = about["group_id"].partition("/")
        name = " ".join(filter(None, [row, about["function_id"]]))
        bounds = mean["confidence_interval"]
        rate = messages / mean["point_estimate"]
        spread = messages / bounds["lower_bound"] - messages / bounds["upper_bound"]
        yield bench, name, about["value_str"], rate, spread / 2 / rate


def number(rate):
    """Three digits that mean something."""
    digits = len(str(int(rate)))
    return f"{round(rate, 3 - digits) if digits > 3 else round(rate):,.0f}"


def tables():
    benches = {}
    for bench, name, batch, rate, spread in measurements():
        benches.setdefault(bench, {}).setdefault(name, {})[batch] = (rate, spread)
    known = [name for name in ORDER if name in benches]
    for bench in known + sorted(set(benches) - set(known)):
        rows = benches[bench]
        batches = sorted({batch for row in rows.values() for batch in row if batch}, key=int)
        columns = [f"batch {int(batch):,}" for batch in batches] or ["messages/s"]
        yield f"### {bench}\n"
        yield "| " + " | ".join([bench, *columns]) + " |"
        yield "|---" * (len(columns) + 1) + "|"
        for name, row in sorted(rows.items()):
            cells = [row.get(batch) for batch in batches or [None]]
            texts = [f"{number(cell[0])} ±{cell[1]:.0%}" if cell else "" for cell in cells]
            yield "| " + " | ".join([name or bench, *texts]) + " |"
        yield ""


def said(command):
    """What a program says first, or nothing."""
    places = [f"{os.environ.get('PATH', '')}", "/usr/sbin", *map(str, sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin")))]
    program = shutil.which(command[0], path=os.pathsep.join(places))
    if program is None:
        return ""
    out = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    lines = (out.stdout + out.stderr).strip().splitlines()
    return lines[0] if lines else ""


def version(text):
    found = re.search(r"\d+(\.\d+)+", text)
    return found.group() if found else ""


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) / 2**20
    yield "machine", f"{cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB"
    yield "kernel", platform.release()
    yield "servers", ", ".join(f"{name} {version(said(command))}" for name, command in SERVERS if version(said(command)))
    yield "compiler", said(["rustc", "-V"])
    yield "date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    commit = said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    changed = said(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs"])
    yield "commit", commit + (" and changes" if changed else "")


def main():
    command = " ".join(sys.argv[1:])
    found = list(tables())
    if not found:
        sys.exit("there are no measurements")
    lines = ["", f"`{command}`", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in machine()]
    lines += ["", "Messages a second, and half the width of the 95 % confidence interval.", "", *found]
    text = TABLE.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{TABLE} has no {BEGIN} … {END}")
    TABLE.write_text(before + begin + "\n".join(lines) + end + after)


if __name__ == "__main__":
    main()
