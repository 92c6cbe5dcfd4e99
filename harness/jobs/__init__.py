"""The only way to start work: one pool, one count of cores, one progress bar, workers of a command, how they ended."""

from harness.jobs.bound import end_with_parent, run_bound
from harness.jobs.cores import cores, one_thread_each, threads_each
from harness.jobs.devices import device_of, visible_devices
from harness.jobs.ends import OutOfMemoryWatch, ending
from harness.jobs.pool import Pool, map_ordered
from harness.jobs.progress import Progress
from harness.jobs.workers import orphaned, run_workers, start_worker, worker_command

__all__ = [
    "OutOfMemoryWatch",
    "Pool",
    "Progress",
    "cores",
    "device_of",
    "end_with_parent",
    "ending",
    "map_ordered",
    "one_thread_each",
    "orphaned",
    "run_bound",
    "run_workers",
    "start_worker",
    "threads_each",
    "visible_devices",
    "worker_command",
]
