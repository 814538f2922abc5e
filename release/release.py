"""Everything that a release needs, made and tested: `make release`, or `python release/release.py`.

From a clean checkout, into `dist/`:

* wheel and sdist, built twice with the commit's time: the same bytes both times, or it fails;
* the wheel in a fresh environment of each Python that is found (3.11 to 3.13), without torch, with the
  newest versions of what it needs, and once with the lowest ones that `pyproject.toml` admits:
  `wheel_check.py` generates, edits, encodes and decodes there;
* the sdist, installed in the same way;
* an SBOM (CycloneDX) of what an installed wheel consists of, and SHA-256 sums;
* `pyright --verifytypes`: how much of the public interface has types.

Needs the extra `release`. The version is that of the last tag; nothing is uploaded.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
MOST_MB = 42
CHECK = ROOT / "release" / "wheel_check.py"


def run(
    *command: str | Path, env: dict[str, str] | None = None, cwd: Path = ROOT, most: int = 0
) -> str:
    """Standard output of a command; ends the release with its error output where it fails.

    `most`: the highest exit code that is no failure.
    """
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    if done.returncode > most:
        sys.exit(
            f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def built(out: Path) -> list[Path]:
    """Wheel and sdist of the commit, the same bytes whenever they are built."""
    time = run("git", "log", "-1", "--format=%ct").strip()
    run(sys.executable, "-m", "build", "--outdir", out, env={"SOURCE_DATE_EPOCH": time})
    return sorted(out.iterdir())


def lowest() -> list[str]:
    """The lowest versions that the package admits, as constraints."""
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = [re.fullmatch(r"([\w-]+)>=([\d.]+)", one) for one in facts["project"]["dependencies"]]
    assert all(found), "a dependency without a lower bound"
    return [f"{one[1]}=={one[2]}" for one in found if one]


def interpreters() -> dict[str, Path]:
    """Version -> interpreter, of those that this machine has."""
    found = {}
    for version in PYTHONS:
        path = shutil.which(f"python{version}")
        told = path and subprocess.run([path, "--version"], capture_output=True, text=True)
        if path and told and told.stdout.startswith(f"Python {version}."):
            found[version] = Path(path)
    return found


def installed(python: Path, folder: Path, what: Path, constraints: list[str]) -> Path:
    """The interpreter of a fresh environment in which `what` is installed and was tried."""
    run(python, "-m", "venv", folder)
    own = folder / "bin" / "python"
    pip = (own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, what, *constraints)
    with tempfile.TemporaryDirectory() as elsewhere:
        run(own, CHECK, cwd=Path(elsewhere))
    return own


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "dist")
    out: Path = parser.parse_args().out
    if changed := run("git", "status", "--porcelain").strip():
        sys.exit(f"the checkout differs from its commit; commit or remove:\n{changed}")
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        made, again = built(out), built(work / "again")
        for one, other in zip(made, again, strict=True):
            if sha256(one) != sha256(other):
                sys.exit(
                    f"{one.name} was built twice and differs; find what depends on time or order"
                )
        (wheel,) = (one for one in made if one.suffix == ".whl")
        (sdist,) = (one for one in made if one.suffix == ".gz")
        size = wheel.stat().st_size / 1e6
        print(f"{wheel.name}: {size:.1f} MB, twice the same bytes")
        if size > MOST_MB:
            sys.exit(f"the wheel has {size:.1f} MB, at most {MOST_MB} are allowed")
        found = interpreters()
        if not found:
            sys.exit(f"none of Python {', '.join(PYTHONS)} was found")
        for version, python in found.items():
            own = installed(python, work / version, wheel, [])
            print(f"Python {version}: the wheel works with the newest versions")
        first, python = next(iter(found.items()))
        installed(python, work / "lowest", wheel, lowest())
        print(f"Python {first}: the wheel works with {', '.join(lowest())}")
        installed(python, work / "sdist", sdist, [])
        print(f"Python {first}: the sdist works")
        sbom = out / f"{wheel.name.split('-py3')[0]}.cdx.json"
        cyclonedx = ("-m", "cyclonedx_py", "environment", "--output-reproducible", "--of", "JSON")
        run(sys.executable, *cyclonedx, "--pyproject", ROOT / "pyproject.toml", "-o", sbom, own)
        print(f"{sbom.name}: an SBOM of the wheel with Python {version}")
        # Asked for types, pyright looks only into the environment that the shell would use.
        shell = {
            "PATH": f"{own.parent}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(own.parent.parent),
        }
        types = ("-m", "pyright", "--ignoreexternal", "--verifytypes", "facedial")
        # It exits with 1 where a single symbol has no known type.
        told = run(sys.executable, *types, env=shell, cwd=work, most=1)
        share = re.search(r"Type completeness score: ([\d.]+)%", told)
        print(f"types of the public interface: {share[1] if share else '?'} % complete")
    files = sorted(out.iterdir())
    sums = "".join(f"{sha256(one)}  {one.name}\n" for one in files)
    (out / "SHA256SUMS").write_text(sums, encoding="utf-8")
    print(sums, end="")


if __name__ == "__main__":
    main()
