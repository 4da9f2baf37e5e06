"""What the Python sides of the benchmarks time with."""

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
