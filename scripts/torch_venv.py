"""The Python environments that the fixtures and the comparisons run in: the one with PyTorch, and others.

`VENV` names an existing environment to use as it is; `PYTHON` the interpreter that makes a new one. Without either, one
is made in target by the interpreter that runs this, once, and used again.
"""

import importlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ["torch==2.15.0", "torchvision==0.29.2", "pillow==13.0.0", "numpy==2.4.6", "safetensors==0.8.0", "onnx==1.23.2"]


def python(name: str = "bench-venv", packages: list[str] = PACKAGES) -> str:
    """The path of the interpreter of the environment target/`name`, which is made if it is not there."""
    if venv := os.environ.get("VENV"):
        return str(pathlib.Path(venv) / "bin" / "python")
    venv = ROOT / "target" / name
    interpreter = venv / "bin" / "python"
    complete = venv / "complete"
    wanted = "\n".join(packages)
    if not complete.exists() or complete.read_text() != wanted:
        size = " (PyTorch is a download of some gigabytes)" if any(p.startswith("torch==") for p in packages) else ""
        print(f"making {venv} with {', '.join(packages)}{size}", file=sys.stderr)
        maker = os.environ.get("PYTHON", sys.executable)
        subprocess.run([maker, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(interpreter), "-m", "pip", "install", "--quiet", *packages], check=True)
        complete.write_text(wanted)
    return str(interpreter)


def run_inside(name: str = "bench-venv", packages: list[str] = PACKAGES, modules: tuple = ("torch", "torchvision")) -> None:
    """Starts the running script again inside the environment target/`name`, unless these modules can be imported already."""
    try:
        for module in modules:
            importlib.import_module(module)
    except ImportError:
        interpreter = python(name, packages)
        if os.path.realpath(sys.prefix) == os.path.realpath(pathlib.Path(interpreter).parent.parent):
            sys.exit(f"{interpreter} lacks {' or '.join(modules)}: remove that environment, or point VENV at one that has it")
        os.execv(interpreter, [interpreter, *sys.argv])
