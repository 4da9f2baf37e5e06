"""What the Python sides of the benchmarks measure time and memory with."""

import resource
import sys
import time
from collections.abc import Callable


def milliseconds(f: Callable[[], object], warmup: int, times: int) -> list[float]:
    """What each of `times` calls takes, after `warmup` others."""
    for _ in range(warmup):
        f()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        f()
        taken.append((time.perf_counter() - start) * 1e3)
    return taken


def peak_megabytes(usage: resource.struct_rusage | None = None) -> float:
    """The largest resident memory that a process has had: this one, or the one that `usage` is of."""
    usage = usage or resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
