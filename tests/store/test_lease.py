"""One holder of a folder, whatever becomes of its process, its machine and its clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.files import create_text, write_text
from harness.store import lease as leases
from harness.store.lease import FOLDER, Holder, Lease, LeaseLostError, Watch, acquire, look
from harness.store.process import ended, this_process

ELSEWHERE = {"host": "another-host", "boot": "another-boot"}


def taken(folder: Path, watch: Watch | None = None, limit_s: float | None = None) -> Lease:
    lease = acquire(folder, watch or Watch(), limit_s)
    assert isinstance(lease, Lease), lease
    return lease


def disguise(folder: Path, **changes: object) -> None:
    """Rewrite the newest lease's file as if another process had written it."""
    path = max((folder / FOLDER).glob("*.json"), key=lambda item: int(item.stem))
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def finished_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_folder_has_one_holder_and_is_free_when_it_is_given_back(tmp_path):
    with taken(tmp_path) as lease:
        lease.check()
        busy = acquire(tmp_path, Watch())
        assert isinstance(busy, Holder)
        assert busy.by.startswith(f"process {os.getpid()} on ")
        assert look(tmp_path) == busy
    assert look(tmp_path) is None
    with taken(tmp_path) as again:
        assert again.number == lease.number + 1


def test_of_many_that_ask_at_once_one_gets_it(tmp_path):
    answers: list[Lease | Holder] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        answers.append(acquire(tmp_path, Watch()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(answer, Lease) for answer in answers) == 1


def test_a_process_of_this_machine_that_ended_holds_nothing(tmp_path):
    taken(tmp_path)
    disguise(tmp_path, pid=finished_process())
    assert look(tmp_path) is None
    assert taken(tmp_path).number == 2


def test_a_process_id_that_was_given_out_again_is_another_process(tmp_path):
    taken(tmp_path)
    disguise(tmp_path, started=this_process()["started"] - 1)
    assert taken(tmp_path).number == 2


@pytest.mark.parametrize("other", [ELSEWHERE, {"boot": "another-boot"}, {"space": "pid:[1]"}])
def test_a_holder_elsewhere_is_waited_for_until_its_counter_stood_still_for_the_limit(tmp_path, monkeypatch, other):
    """A restarted container: another host name or boot, the same process id."""
    clock = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: clock[0])
    taken(tmp_path)
    disguise(tmp_path, **other)
    watch = Watch()
    assert isinstance(acquire(tmp_path, watch), Holder)
    clock[0] += leases.LIMIT_S - 1
    assert isinstance(acquire(tmp_path, watch), Holder)
    disguise(tmp_path, beat=7, since="2001-01-01T00:00:00+00:00")  # a sign of life, by a clock that is years behind
    clock[0] += leases.LIMIT_S - 1
    assert isinstance(acquire(tmp_path, watch), Holder)
    clock[0] += leases.LIMIT_S + 1
    assert taken(tmp_path, watch).number == 2


def test_the_limit_is_that_of_the_lease_whoever_looks_at_it(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: clock[0])
    taken(tmp_path, limit_s=5)
    disguise(tmp_path, **ELSEWHERE)
    watch = Watch()
    assert isinstance(acquire(tmp_path, watch), Holder)
    clock[0] += 6
    assert taken(tmp_path, watch).number == 2


def test_who_was_taken_over_notices_and_commits_nothing(tmp_path):
    target = tmp_path / "below" / "file.txt"
    with taken(tmp_path) as first:
        write_text(target, "first")
        disguise(tmp_path, pid=finished_process())
        second = taken(tmp_path)
        with pytest.raises(LeaseLostError, match="no longer holds"):
            write_text(target, "late")
        with pytest.raises(LeaseLostError):
            first.check()
    assert target.read_text() == "first"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]  # nor a temporary file
    second.check()  # giving back what was lost disturbs nobody


def test_who_was_silent_for_the_limit_commits_nothing_even_if_nobody_took_over(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(leases, "_clock", lambda: clock[0])
    with taken(tmp_path) as lease:
        clock[0] += leases.LIMIT_S - 1
        write_text(tmp_path / "file.txt", "in time")
        clock[0] += 2
        assert lease.lost
        with pytest.raises(LeaseLostError):
            write_text(tmp_path / "file.txt", "too late")
    assert (tmp_path / "file.txt").read_text() == "in time"


def test_signs_of_life_keep_a_lease_for_longer_than_its_limit(tmp_path):
    with taken(tmp_path, limit_s=1.0) as lease:
        time.sleep(2.5)
        lease.check()
        assert json.loads((tmp_path / FOLDER / "1.json").read_text())["beat"] >= 2


def test_a_lease_whose_content_cannot_be_read_is_no_free_folder(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: clock[0])
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "3.json").write_text("")
    watch = Watch()
    assert acquire(tmp_path, watch) == Holder(by="another process", since="")
    clock[0] += leases.LIMIT_S + 1
    assert taken(tmp_path, watch).number == 4


def test_a_look_takes_an_old_file_for_nobody(tmp_path):
    taken(tmp_path)
    disguise(tmp_path, **ELSEWHERE)
    assert look(tmp_path) is not None
    old = time.time() - leases.LIMIT_S - leases.SKEW_S - 1
    os.utime(tmp_path / FOLDER / "1.json", (old, old))
    assert look(tmp_path) is None


def test_a_folder_without_hard_links_still_gives_a_file_to_one_process(tmp_path, monkeypatch):
    def refused(source: str, target: Path) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refused)
    assert create_text(tmp_path / "x", "first") is True
    assert create_text(tmp_path / "x", "second") is False
    assert (tmp_path / "x").read_text() == "first"


def test_this_process_has_not_ended_and_a_zombie_has():
    assert not ended(this_process())
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    fields = Path(f"/proc/{child.pid}/stat")
    described = {**this_process(), "pid": child.pid, "started": int(fields.read_text().rpartition(")")[2].split()[19])}
    assert not ended(described)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and left as a zombie
    assert fields.is_file()
    assert ended(described)
    child.wait()
