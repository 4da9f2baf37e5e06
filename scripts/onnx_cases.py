#!/usr/bin/env python3
"""Runs the ONNX project's own test cases: those of Debian's libonnx-testdata (operators) and of PyPI's onnx (newer operators, converted PyTorch models and
operators, whole networks).

    scripts/onnx_cases.py          prints how many pass, and what the others lack
    scripts/onnx_cases.py --save   writes the list to docs/onnx.md, and the cases that pass to crates/onnx/tests/fixtures

Needs cargo, apt-get and dpkg-deb; the first run makes a Python environment in target.
"""

import argparse
import collections
import gzip
import importlib.metadata
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
    import onnx.backend.test

    return pathlib.Path(onnx.backend.test.__file__).parent / "data"


def write_operators(folder: pathlib.Path) -> pathlib.Path:
    """The cases of operators, which PyPI's onnx makes and does not ship as files."""
    import warnings

    import onnx.backend.test.case.node
    from onnx import TensorProto, numpy_helper

    def message(value, kind):
        if kind.HasField("map_type"):
            return numpy_helper.from_dict(value)
        if kind.HasField("sequence_type"):
            return numpy_helper.from_list(value)
        if kind.HasField("optional_type"):
            return numpy_helper.from_optional(value)
        return value if isinstance(value, TensorProto) else numpy_helper.from_array(value)

    warnings.simplefilter("ignore")
    for case in onnx.backend.test.case.node.collect_testcases():
        for i, (inputs, outputs) in enumerate(case.data_sets):
            data = folder / case.name / f"test_data_set_{i}"
            data.mkdir(parents=True)
            for name, values, infos in [("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)]:
                for j, (value, info) in enumerate(zip(values, infos)):
                    if value is not None:
                        (data / f"{name}_{j}.pb").write_bytes(message(value, info.type).SerializeToString())
        (folder / case.name / "model.onnx").write_bytes(case.model.SerializeToString())
    return folder


def write_light(data: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """The networks whose weights are generated: those in data/light, with the input that the project's runner gives them."""
    import numpy
    import onnx
    from onnx import numpy_helper

    for about in sorted(data.glob("real/*/data.json")):
        model = data / "light" / pathlib.Path(json.loads(about.read_text())["url"]).name
        if not model.exists():
            continue
        graph = onnx.load(model).graph
        case = folder / about.parent.name
        (case / "test_data_set_0").mkdir(parents=True)
        (case / "model.onnx").write_bytes(model.read_bytes())
        (case / "relative").write_text(str(json.loads(about.read_text())["rtol"]))
        weights = {tensor.name for tensor in graph.initializer}
        for i, info in enumerate(info for info in graph.input if info.name not in weights):
            shape = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
            n = numpy.prod(shape)
            array = (numpy.arange(n).reshape(shape) / n).astype("f4")
            (case / "test_data_set_0" / f"input_{i}.pb").write_bytes(numpy_helper.from_array(array).SerializeToString())
        for i in range(len(graph.output)):
            output = model.with_name(f"{model.stem}_output_{i}.pb")
            (case / "test_data_set_0" / f"output_{i}.pb").write_bytes(output.read_bytes())
    return folder


def run(example: pathlib.Path, folder: pathlib.Path) -> list[tuple[pathlib.Path, str | None]]:
    cases = sorted(path.parent for path in folder.glob("*/model.onnx"))
    typed = [f"{case}={(case / 'relative').read_text()}" if (case / "relative").exists() else str(case) for case in cases]
    out = subprocess.run([example, *typed], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
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
    parser.add_argument("--example", type=pathlib.Path, help="the built example onnx_cases [default: it is built]")
    args = parser.parse_args()
    torch_venv.run_inside("onnx-venv", PACKAGES, ("onnx",))
    example = args.example
    if example is None:
        subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "striate-onnx", "--example", "onnx_cases"], cwd=ROOT, check=True)
        example = ROOT / "target" / "release" / "examples" / "onnx_cases"
    lines, passed = [], []
    with tempfile.TemporaryDirectory() as folder:
        data, folder = pypi(), pathlib.Path(folder)
        version = importlib.metadata.version("onnx")
        for name, cases in [
            ("operators (libonnx-testdata)", debian(folder)),
            (f"operators (onnx {version})", write_operators(folder / "operators")),
            ("PyTorch layers", data / "pytorch-converted"),
            ("PyTorch operators", data / "pytorch-operator"),
            ("models", data / "simple"),
            ("networks", write_light(data, folder / "networks")),
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
