#!/usr/bin/env python3
"""Has PyTorch read a .pth file that Striate's tests wrote:

    python3 scripts/check_weights.py

`cargo test` alone shows that Striate reads what it writes; this shows that torch.load(weights_only=True) does, as a copy and mapped into
memory.
"""

import os
import pathlib
import subprocess
import tempfile

from torch_venv import ROOT, run_inside

run_inside()

import torch  # noqa: E402


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "written.pth"
        command = ["cargo", "test", "-p", "striate-formats", "--test", "weights", "storages_are_aligned"]
        subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"STRIATE_WRITE_WEIGHTS": str(path)})
        for mmap in [False, True]:
            state = torch.load(path, weights_only=True, mmap=mmap)
            assert list(state) == ["bytes", "conv.weight", "empty", "name with spaces, ä and 'quotes'", "odd"], list(state)
            assert torch.equal(state["conv.weight"], torch.arange(60.0).reshape(2, 3, 2, 5))
            assert torch.equal(state["bytes"], torch.tensor([[1], [2]], dtype=torch.uint8))
            assert (state["empty"].shape, state["empty"].dtype) == ((0, 4), torch.int64)
            assert state["name with spaces, ä and 'quotes'"].item() == 7
            odd = state["odd"]
            assert odd.dtype == torch.float64 and odd[0].isnan() and odd[1] == -torch.inf and odd[2].signbit()
            assert all(tensor.is_contiguous() for tensor in state.values())
            assert torch.nn.Conv2d(3, 2, (2, 5), bias=False).load_state_dict({"weight": state["conv.weight"]})
    print("PyTorch reads what Striate writes")


if __name__ == "__main__":
    main()
