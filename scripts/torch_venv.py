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

# For explanations. grad-cam asks for a desktop build of OpenCV, which needs libraries that a server lacks: it comes alone.
EXPLAIN = [*PACKAGES, "captum==0.9.0", "ttach==0.0.3", "tqdm", "scikit-learn", "matplotlib", "opencv-python-headless"]
EXPLAIN_ALONE = ("grad-cam==1.5.7",)


def python(name: str = "bench-venv", packages: list[str] = PACKAGES, alone: tuple = ()) -> str:
    """The path of the interpreter of the environment target/`name`, which is made if it is not there. Packages in `alone` come without what they ask for."""
    if venv := os.environ.get("VENV"):
        return str(pathlib.Path(venv) / "bin" / "python")
    venv = ROOT / "target" / name
    interpreter = venv / "bin" / "python"
    complete = venv / "complete"
    wanted = "\n".join([*packages, *alone])
    if not complete.exists() or complete.read_text() != wanted:
        size = " (PyTorch is a download of some gigabytes)" if any(p.startswith("torch==") for p in packages) else ""
        print(f"making {venv} with {', '.join(packages)}{size}", file=sys.stderr)
        maker = os.environ.get("PYTHON", sys.executable)
        subprocess.run([maker, "-m", "venv", str(venv)], check=True)
        install = [str(interpreter), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, *packages], check=True)
        if alone:
            subprocess.run([*install, "--no-deps", *alone], check=True)
        complete.write_text(wanted)
    return str(interpreter)


def run_inside(name: str = "bench-venv", packages: list[str] = PACKAGES, modules: tuple = ("torch", "torchvision"), alone: tuple = ()) -> None:
    """Starts the running script again inside the environment target/`name`, unless these modules can be imported already."""
    try:
        for module in modules:
            importlib.import_module(module)
    except ImportError:
        interpreter = python(name, packages, alone)
        if os.path.realpath(sys.prefix) == os.path.realpath(pathlib.Path(interpreter).parent.parent):
            sys.exit(f"{interpreter} lacks {' or '.join(modules)}: remove that environment, or point VENV at one that has it")
        os.execv(interpreter, [interpreter, *sys.argv])
