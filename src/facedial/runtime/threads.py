"""How many threads a session may use: what this process is allowed, not what the machine has."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def default_threads(root: Path = ROOT) -> int:
    """Threads for one session, at least 1.

    `OMP_NUM_THREADS` where it is set to a number. Otherwise one for each physical core in the CPU
    affinity mask, and no more than the CPU quota of the control group (versions 1 and 2), rounded up.

    onnxruntime's own default counts the cores of the machine and pins a thread to each, whether or not
    this process may run there. `root`: where `proc` and `sys` are mounted.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    cores = _cores(root)
    quota = min(_quotas(root), default=math.inf)
    return max(1, cores if quota == math.inf else min(cores, math.ceil(quota)))


def _cores(root: Path) -> int:
    """Physical cores that this process may run on; all processors where the system does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    topology = root / "sys/devices/system/cpu"
    # Processors of one physical core name the same siblings.
    return len({_text(topology / f"cpu{n}/topology/thread_siblings_list") or n for n in allowed})


def _quotas(root: Path) -> Iterator[float]:
    """Processors' worth of time for each control group that this process is in and that has a quota."""
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        # A container sees its own group at the mount's root, under whatever path the host has for it.
        relative = Path(path.lstrip("/"))
        for folder in (relative, *relative.parents):
            if controllers:
                for mount in {controllers, "cpu"}:
                    yield from _quota_v1(base / mount / folder)
            else:
                yield from _quota_v2(base / folder)


def _quota_v2(group: Path) -> Iterator[float]:
    """Of `cpu.max`: "QUOTA PERIOD" in microseconds, or "max PERIOD"."""
    words = _text(group / "cpu.max").split()
    if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
        yield int(words[0]) / int(words[1])


def _quota_v1(group: Path) -> Iterator[float]:
    """Of `cpu.cfs_quota_us` (-1 for none) and `cpu.cfs_period_us`."""
    quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal() and int(period):
        yield int(quota) / int(period)


def _text(path: Path) -> str:
    """A file's text without the space around it; nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
