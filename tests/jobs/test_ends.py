"""What the kernel counts, read as cgroup v2 and v1 write it (Documentation/admin-guide/cgroup-v2.rst, memory.rst)."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.jobs.ends import OutOfMemoryWatch

V2 = "low 0\nhigh 0\nmax 12\noom 3\noom_kill {}\noom_group_kill 0\n"
V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
LAYOUTS = {
    "v2": ("0::/user.slice/job\n", "sys/fs/cgroup/user.slice/job/memory.events", V2),
    "v2 in a container": ("0::/../../host/path\n", "sys/fs/cgroup/memory.events", V2),
    "v1": ("5:cpu:/x\n4:memory:/slurm/job_1\n", "sys/fs/cgroup/memory/slurm/job_1/memory.oom_control", V1),
    "v1 in a container": ("4:memory:/docker/ab\n", "sys/fs/cgroup/memory/memory.oom_control", V1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_kill_that_the_kernel_counted_is_noticed_and_older_ones_are_not(layout: str, tmp_path: Path) -> None:
    groups, name, text = LAYOUTS[layout]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    counter = tmp_path / name
    counter.parent.mkdir(parents=True)
    counter.write_text(text.format(7))
    watch = OutOfMemoryWatch(tmp_path)
    assert not watch.happened()
    counter.write_text(text.format(8))
    assert watch.happened()


def test_without_such_a_count_nothing_is_claimed(tmp_path: Path) -> None:
    assert not OutOfMemoryWatch(tmp_path).happened()
    assert not OutOfMemoryWatch().happened()
