#!/usr/bin/env python3
"""Writes the software bill of materials of the workspace, as CycloneDX 1.6 JSON, to the file named on the command line.

Everything that Cargo.lock names is in it, for every platform and feature. What only tests use has the scope `excluded`.
Build dependencies count as used, since some are embedded; so do the development dependencies of `smsgw`, which the
example gateway is built with. The same Cargo.lock makes the same file, but for the time, which SOURCE_DATE_EPOCH sets.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = "smsgw"
TESTS = {"smsgw-counts", "smsgw-test-support"}
# A package of Cargo.lock that was downloaded: Cargo writes these four lines in this order.
LOCKED = re.compile(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "([0-9a-f]{64})"')


def metadata():
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def purl(package):
    return f"pkg:cargo/{package['name']}@{quote(package['version'], safe='.-_~')}"


def component(package, checksums, scope):
    entry = {"type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"]}
    if package["description"]:
        entry["description"] = " ".join(package["description"].split())
    if package["source"]:
        entry["scope"] = scope
        entry["hashes"] = [{"alg": "SHA-256", "content": checksums[package["name"], package["version"]]}]
    # Before 2015 the operator was a slash.
    entry["licenses"] = [{"expression": package["license"].replace(" / ", "/").replace("/", " OR ")}]
    entry["purl"] = purl(package)
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return entry


def used_at_runtime(packages, nodes):
    """The ids of the packages of which something may be in a program that smsgw is built into."""
    members = [p["id"] for p in packages.values() if not p["source"] and p["name"] not in TESTS]
    found, ahead = set(), members
    while ahead:
        one = ahead.pop()
        if one in found:
            continue
        found.add(one)
        kinds = {None, "build"} | ({"dev"} if packages[one]["name"] == GATEWAY else set())
        for dependency in nodes[one]["deps"]:
            if any(kind["kind"] in kinds for kind in dependency["dep_kinds"]) and packages[dependency["pkg"]]["name"] not in TESTS:
                ahead.append(dependency["pkg"])
    return found


def bill():
    read = metadata()
    packages = {p["id"]: p for p in read["packages"]}
    nodes = {n["id"]: n for n in read["resolve"]["nodes"]}
    lock = (ROOT / "Cargo.lock").read_text()
    checksums = {(name, version): checksum for name, version, checksum in LOCKED.findall(lock)}
    runtime = used_at_runtime(packages, nodes)

    order = sorted(packages, key=lambda one: purl(packages[one]))
    parts = {one: component(packages[one], checksums, "required" if one in runtime else "excluded") for one in order}
    own = [one for one in order if not packages[one]["source"]]
    gateway = next(one for one in own if packages[one]["name"] == GATEWAY)
    subject = parts[gateway] | {"type": "application", "components": [parts[one] for one in own if one != gateway]}
    made = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(lock.encode()).hexdigest()).urn,
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made)),
            "component": subject,
        },
        "components": [parts[one] for one in order if packages[one]["source"]],
        "dependencies": [
            {"ref": purl(packages[one]), "dependsOn": sorted({purl(packages[d["pkg"]]) for d in nodes[one]["deps"]})}
            for one in order
        ],
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FILE")
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill(), ensure_ascii=False, indent=1) + "\n")
    print(target)


if __name__ == "__main__":
    main()
