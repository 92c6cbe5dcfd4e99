"""How many processor cores there are for us, and how worker processes share them."""

from __future__ import annotations

from loky import cpu_count

# Every library under numpy, scipy, OpenCV and torch that starts threads of its own reads one of these when it is loaded.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def cores() -> int:
    """Cores that this process may use, at least 1.

    The smallest of: those of the machine, the process's affinity, the CPU quota of its cgroup (containers, Slurm) and
    ``$LOKY_MAX_CPU_COUNT``.

    Examples:
        >>> cores() >= 1
        True
    """
    return int(cpu_count())


def threads_each(workers: int) -> dict[str, str]:
    """Environment in which one of ``workers`` processes uses its share of the cores and no more.

    Examples:
        >>> threads_each(10_000)["OMP_NUM_THREADS"]
        '1'
    """
    # Rounded down: one team of threads too many waits for all the others.
    return dict.fromkeys(THREAD_VARIABLES, str(max(1, cores() // max(1, workers))))


def one_thread_each() -> dict[str, str]:
    """Environment of a process that computes in one thread, as the workers of a pool do."""
    return dict.fromkeys(THREAD_VARIABLES, "1")
