#!/usr/bin/env python3
"""Runs the ONNX project's own test cases: those of Debian's libonnx-testdata (operators) and of PyPI's onnx (converted PyTorch models and operators).

    scripts/onnx_cases.py          prints how many pass, and what the others lack
    scripts/onnx_cases.py --save   writes the list to docs/onnx.md, and the cases that pass to crates/onnx/tests/fixtures

Needs cargo, apt-get and dpkg-deb; the first run makes a Python environment in target.
"""

import argparse
import collections
import gzip
import io
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
import torch_venv  # noqa: E402
from onnx_zoo import PACKAGES  # noqa: E402

ROOT = torch_venv.ROOT
FIXTURE = ROOT / "crates" / "onnx" / "tests" / "fixtures" / "onnx-cases.tar.gz"
BEGIN, END = "<!-- scripts/onnx_cases.py -->", "<!-- end of cases -->"
# Larger ones make the fixture large and show nothing that a small one does not.
LARGEST = 100_000


def debian(folder: pathlib.Path) -> pathlib.Path:
    subprocess.run(["apt-get", "download", "libonnx-testdata"], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(["dpkg-deb", "-x", next(folder.glob("*.deb")), folder / "debian"], check=True)
    return folder / "debian" / "usr" / "share" / "libonnx-testdata" / "data" / "node"


def pypi() -> pathlib.Path:
    python = torch_venv.python("onnx-venv", PACKAGES)
    code = "import onnx.backend.test, pathlib; print(pathlib.Path(onnx.backend.test.__file__).parent / 'data')"
    return pathlib.Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def run(example: pathlib.Path, folder: pathlib.Path) -> list[tuple[pathlib.Path, str | None]]:
    cases = sorted(path.parent for path in folder.glob("*/model.onnx"))
    out = subprocess.run([example, *cases], capture_output=True, text=True, check=True).stdout
    return [(case, json.loads(line)["reason"]) for case, line in zip(cases, out.splitlines(), strict=True)]


def short(reason: str) -> str:
    """What is missing, without the case's own names."""
    if found := re.search(r"\((\w*)\): operator", reason):
        return f"operator `{found[1]}`"
    if found := re.search(r"type (\w+) is not supported", reason):
        return f"type {found[1].lower()}"
    if "it is no tensor" in reason:
        return "sequences, maps and optional values"
    if "domain " in reason:
        return "other domains"
    if "version of operators" in reason:
        return "training operators of a domain of their own"
    if found := re.search(r"\((\w+)\): (.*)", reason):
        return f"`{found[1]}`: {found[2]}"
    return reason


def pack(cases: list[pathlib.Path]) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0, compresslevel=9) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for case in cases:
            files = [f for f in sorted(case.rglob("*")) if f.is_file()]
            if sum(f.stat().st_size for f in files) > LARGEST:
                continue
            for file in files:
                info = tarfile.TarInfo(f"{case.parent.name}/{case.name}/{file.relative_to(case)}")
                info.size = file.stat().st_size
                tar.addfile(info, io.BytesIO(file.read_bytes()))
    return out.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "striate", "--example", "onnx_cases"], cwd=ROOT, check=True)
    example = ROOT / "target" / "release" / "examples" / "onnx_cases"
    lines, passed = [], []
    with tempfile.TemporaryDirectory() as folder:
        data = pypi()
        for name, cases in [
            ("operators (libonnx-testdata)", debian(pathlib.Path(folder))),
            ("PyTorch layers", data / "pytorch-converted"),
            ("PyTorch operators", data / "pytorch-operator"),
        ]:
            results = run(example, cases)
            good = [case for case, reason in results if reason is None]
            passed += good
            missing = collections.Counter(short(reason) for _, reason in results if reason)
            lines += ["", f"**{name}**: {len(good)} of {len(results)} pass." + (" The others need:" if missing else ""), ""]
            lines += [f"- {what} ({count})" for what, count in sorted(missing.items(), key=lambda m: (-m[1], m[0]))]
        print("\n".join(lines))
        if args.save:
            FIXTURE.parent.mkdir(parents=True, exist_ok=True)
            FIXTURE.write_bytes(pack(passed))
            page = ROOT / "docs" / "onnx.md"
            text = page.read_text()
            page.write_text(text.split(BEGIN)[0] + "\n".join([BEGIN, *lines, END]) + text.split(END)[1])


if __name__ == "__main__":
    main()
