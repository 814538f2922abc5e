"""Threads: as many as the process may use, and on no core that it may not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facedial.runtime.threads import default_threads

ALLOWED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def tree(root: Path, files: dict[str, str]) -> Path:
    """`root` with `files`: path -> text."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("asked", "threads"), [("3", 3), ("5,2", 5), (" 7 ", 7), ("0", None), ("", None), ("all", None)]
)
def test_the_environment_is_honoured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: str, threads: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert default_threads(tmp_path) == (ALLOWED if threads is None else threads)


def test_two_processors_of_one_core_count_once(tmp_path: Path) -> None:
    cores = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    pairs = {cores.format(n): f"{n // 2 * 2}-{n // 2 * 2 + 1}\n" for n in range(1024)}
    allowed = os.sched_getaffinity(0)
    assert default_threads(tree(tmp_path, pairs)) == len({n // 2 for n in allowed})


# Today's machine has at least one core, so a quota below one always gives one thread.
GROUPS = {
    "version 2, a container's own": {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "50000 100000\n",
    },
    "version 2, a parent's": {
        "proc/self/cgroup": "0::/user.slice/job.scope\n",
        "sys/fs/cgroup/user.slice/cpu.max": "100000 100000\n",
        "sys/fs/cgroup/user.slice/job.scope/cpu.max": "max 100000\n",
    },
    "version 1": {
        "proc/self/cgroup": "5:memory:/a\n4:cpu,cpuacct:/docker/1f\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_quota_us": "90000\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_period_us": "100000\n",
    },
    "version 1, as the container sees it": {
        "proc/self/cgroup": "4:cpu,cpuacct:/docker/1f\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "10000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    },
}


@pytest.mark.parametrize("group", GROUPS)
def test_the_quota_of_a_control_group_is_the_most(tmp_path: Path, group: str) -> None:
    assert default_threads(tree(tmp_path, GROUPS[group])) == 1


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"},
        {
            "proc/self/cgroup": "1:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        # 1024 processors' time is more than there are here, and more than a half rounds up
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "102400000 100000\n"},
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": f"{(ALLOWED or 1) * 100000 - 60000} 100000\n",
        },
    ],
)
def test_without_a_smaller_quota_every_allowed_core_is_used(
    tmp_path: Path, files: dict[str, str]
) -> None:
    assert default_threads(tree(tmp_path, files)) == ALLOWED


PINNED = """
import os
allowed = {min(os.sched_getaffinity(0))}
os.sched_setaffinity(0, allowed)
from facedial.runtime.bundle import Bundle
from facedial.runtime.threads import default_threads
with Bundle.open() as bundle:
    bundle.run("reader", __import__("numpy").zeros((1, 128, 128, 3), "uint8"))
    tasks = [int(task) for task in os.listdir("/proc/self/task")]
    assert all(os.sched_getaffinity(task) <= allowed for task in tasks)
print(default_threads())
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="affinity is told on Linux only")
def test_a_process_of_one_core_uses_no_other_and_says_nothing() -> None:
    done = subprocess.run(  # noqa: S603 (our own text, no shell)
        [sys.executable, "-c", PINNED],
        env={name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
