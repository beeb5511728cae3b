#!/usr/bin/env python3
"""Measures what it costs to embed smsgw, and writes the table into docs/BENCHMARKS.md.

Builds core, the facade and the quickstart (examples/embed.rs, as a program of somebody else) each into an empty target
directory, which takes some minutes, and the gateway into the usual one.
"""

import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "BENCHMARKS.md"
CARGO = os.environ.get("CARGO", "cargo")
BEGIN, END = "<!-- cost -->", "<!-- /cost -->"
# What the quickstart's manifest says, beside smsgw itself.
QUICKSTART = ["async-trait", "tokio", "tokio-util"]
EVERYTHING = "amqp,broker,device,http,postgres,redis,sqlite,tls"
STARTS = 9


def cargo(*arguments, cwd=ROOT, **environment):
    command = [CARGO, *arguments]
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{done.stderr}")
    return done.stdout


def packages(*arguments, cwd=ROOT):
    """How many packages are built for normal use, one's own included."""
    tree = ["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"]
    lines = cargo(*tree, *arguments, cwd=cwd).splitlines()
    return len({line.split(" ")[0] for line in lines if line})


def cold(*arguments, cwd=ROOT):
    """Seconds and CPU seconds of a release build from nothing, and the directory of its programs."""
    target = tempfile.mkdtemp(prefix="smsgw-cost-")
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    cargo("build", "--release", "--offline", *arguments, cwd=cwd, CARGO_TARGET_DIR=target, CARGO_INCREMENTAL="0")
    seconds, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, Path(target)


def quickstart(directory):
    """The quickstart as a package of its own, with the versions that this workspace has locked."""
    manifest = (ROOT / "Cargo.toml").read_text()
    edition = re.search(r'^edition = "(\d+)"', manifest, re.M).group(1)
    metadata = json.loads(cargo("metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"))
    root = next(package for package in metadata["packages"] if package["name"] == "smsgw")
    needs = {need["name"]: need for need in root["dependencies"] if need["kind"] == "dev"}
    lines = [f'[package]\nname = "quickstart"\nversion = "0.0.0"\nedition = "{edition}"\n\n[workspace]\n\n[dependencies]']
    lines.append(f'smsgw = {{ path = "{ROOT}", features = ["device"] }}')
    for name in QUICKSTART:
        features = json.dumps(needs[name]["features"])
        lines.append(f'{name} = {{ version = "{needs[name]["req"]}", features = {features} }}')
    (directory / "src").mkdir()
    (directory / "Cargo.toml").write_text("\n".join(lines) + "\n")
    shutil.copy(ROOT / "examples" / "embed.rs", directory / "src" / "main.rs")
    shutil.copy(ROOT / "Cargo.lock", directory / "Cargo.lock")


def sizes(program):
    """MB of a program, as it is built and without its symbols."""
    with tempfile.NamedTemporaryFile() as bare:
        subprocess.run(["strip", "-o", bare.name, program], check=True)
        return [Path(path).stat().st_size / 1e6 for path in (program, bare.name)]


def gateway(features):
    """The gateway's program, with default features or with these."""
    build = ["build", "--release", "--locked", "--offline", "--example", "gateway", "--message-format", "json"]
    lines = map(json.loads, cargo(*build, *features).splitlines())
    return next(line["executable"] for line in lines if line.get("executable"))


def start(program):
    """Milliseconds until the gateway serves on a database that is there, and MiB that it has when at rest."""
    ready, rss = [], []
    with tempfile.TemporaryDirectory(prefix="smsgw-cost-") as home:
        for number in range(STARTS + 1):
            serve = [program, "--json", "--devices", "0", "--data", home, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]
            begun = time.monotonic()
            process = subprocess.Popen(serve, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            said = process.stdout.readline()
            took = (time.monotonic() - begun) * 1000
            if not said:
                sys.exit("the gateway does not start")
            # The first makes the database.
            if number > 0:
                ready.append(took)
            if number >= STARTS - 1:
                time.sleep(5)
                status = Path(f"/proc/{process.pid}/status").read_text()
                rss.append(int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024)
            process.terminate()
            process.wait()
            process.stdout.close()
    return statistics.median(ready), max(rss)


def machine():
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    name = model.group(1).strip() if model else platform.machine()
    return f"{os.cpu_count()} cores ({name}), Linux {platform.release()}, Rust {rustc}"


def table():
    lines = ["| | packages | cold release build | CPU for it |", "|---|---:|---:|---:|"]
    with tempfile.TemporaryDirectory(prefix="smsgw-quickstart-") as place:
        place = Path(place)
        quickstart(place)
        for name, arguments, cwd in [
            ("`smsgw-core`", ["-p", "smsgw-core"], ROOT),
            ("`smsgw`, default features", ["-p", "smsgw"], ROOT),
            ("the quickstart, `examples/embed.rs`", [], place),
        ]:
            seconds, cpu, target = cold(*arguments, cwd=cwd)
            lines.append(f"| {name} | {packages(*arguments, cwd=cwd)} | {seconds:.0f} s | {cpu:.0f} s |")
            if cwd == place:
                embedded = sizes(target / "release" / "quickstart")
            shutil.rmtree(target)
    lines += ["", "| program | size | stripped | ready after | RSS at rest |", "|---|---:|---:|---:|---:|"]
    lines.append(f"| the quickstart | {embedded[0]:.1f} MB | {embedded[1]:.1f} MB | | |")
    for name, features in [("default features", []), ("every backend", ["--features", EVERYTHING])]:
        program = gateway(features)
        size, (ready, rss) = sizes(program), start(program)
        lines.append(
            f"| the gateway, {name} | {size[0]:.1f} MB | {size[1]:.1f} MB | {ready:.0f} ms | {rss:.1f} MiB |"
        )
    return "\n".join(lines)


def main():
    text = PAGE.read_text() if PAGE.exists() else "# Benchmarks\n"
    if BEGIN not in text:
        text += f"\n## What it costs to embed\n\n{BEGIN}\n{END}\n"
    about = (
        f"`make cost`, on {machine()}. Packages are those for normal use, one's own\n"
        f"included. The gateway runs on SQLite with its embedded broker; it is ready when it says so, on a database that is\n"
        f"there (median of {STARTS} starts)."
    )
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{about}\n\n{table()}\n{END}{after}")
    print(f"written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
