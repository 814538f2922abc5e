"""What an evaluation ran on: processor, threads, system, package versions, commit."""

import platform
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = ("facedial", "numpy", "Pillow", "onnxruntime", "torch")


@dataclass(frozen=True, slots=True)
class RanOn:
    """Machine and package versions of an evaluation; `commit` if the package lies in a checkout."""

    cpu: str
    threads: int
    system: str
    python: str
    versions: dict[str, str]
    commit: str | None
    when: str  # UTC, to the minute

    @staticmethod
    def here(threads: int) -> "RanOn":
        """This machine, now."""
        return RanOn(
            cpu=_cpu(),
            threads=threads,
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            versions=_versions(),
            commit=_commit(Path(__file__).parent),
            when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        )


def _cpu() -> str:
    """The processor's model name on Linux, elsewhere its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit(folder: Path) -> str | None:
    """Commit of the checkout that holds `folder`, with "+" if tracked files differ; None without."""
    git = shutil.which("git")
    if git is None:
        return None

    def ask(*arguments: str) -> str | None:
        done = subprocess.run(  # noqa: S603
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "--short=12", "HEAD")
    # An installed package may lie in another project's checkout, which does not track this file.
    if not commit or not ask("ls-files", "--", Path(__file__).name):
        return None
    return commit + ("+" if ask("status", "--porcelain", "--untracked-files=no") else "")
