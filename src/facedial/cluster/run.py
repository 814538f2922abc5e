"""Runs: the list of photos made once, parts shared out by Ray Data, entries given back as they come."""

import json
import logging
import os
import re
import secrets
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from facedial.cluster.inputs import LeftOut, items
from facedial.cluster.job import Job
from facedial.cluster.manifest import HOME, Manifest, Run, part_size
from facedial.cluster.places import Place
from facedial.cluster.worker import Plan, Worker
from facedial.errors import BadRequest, FacedialError
from facedial.runtime.threads import default_threads

LOCAL = "local"
STARTS = 3
BLOCKS = 8_192  # of parts that Ray is given: so many are shared out one by one
WAITING = 2  # parts that a worker has: one that it works on, and the next
STORE_BYTES = 80 * 2**20  # about the least that Ray takes; only entries pass through it
SCRATCH = re.compile(r"\.[0-9a-f]{16}")  # files of workers that ended (`Place.writing`)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run whose list is stored; `missing`: its parts that are not done; `resumed`: from before."""

    plan: Plan
    missing: list[int]
    resumed: bool
    left_out: LeftOut

    @property
    def photos(self) -> int:
        """Photos of the parts that are missing."""
        return sum(self.plan.run.photos_of(part)[1] for part in self.missing)


def prepare(job: Job, inputs: Sequence[str], out: str, *, recursive: bool) -> Prepared:
    """List the photos of `inputs`, or take the list of the run that `out` holds already.

    Raises `BadRequest` for inputs without photos, a folder with other things, or another run's.
    """
    roots = [Place.of(text) for text in inputs]
    manifest, left_out = Manifest(Place.of(out)), LeftOut()
    settings = {**job.settings, "recursive": recursive, "digest": job.digest}
    settings = json.loads(json.dumps(settings))
    try:
        run = manifest.load()
        resumed = run is not None
        if run is None:
            manifest.clear()
            found = items(roots, recursive=recursive, left_out=left_out, avoid=manifest.out)
            count = manifest.listing.write(found)
            names = [str(root) for root in roots]
            run = Run(job.verb, settings, names, count, part_size(count))
            manifest.save(run)
        _check_same(run, job.verb, settings, [str(root) for root in roots], str(manifest.out))
        missing = manifest.missing(run, job.files)
    except OSError as error:
        raise FacedialError(f"cannot list photos, or store their list ({_text(error)})") from error
    plan = Plan(job, run, tuple(roots), manifest, secrets.token_hex(8))
    return Prepared(plan, missing, resumed, left_out)


def _check_same(run: Run, verb: str, settings: dict[str, Any], inputs: list[str], out: str) -> None:
    """Raise `BadRequest` where a folder holds results of something else."""
    otherwise = f"; give another folder for -o than {out}"
    if run.verb != verb:
        raise BadRequest(f"the run there is of `facedial {run.verb}`, not {verb}{otherwise}")
    if run.inputs != inputs:
        raise BadRequest(f"the run there is on {', '.join(run.inputs)}, not these{otherwise}")
    names = settings.keys() | run.settings.keys()
    other = sorted(name for name in names if settings.get(name) != run.settings.get(name))
    if other:
        what = "another model" if other == ["digest"] else f"other settings ({', '.join(other)})"
        raise BadRequest(f"the run there has {what}{otherwise}")


def entries(
    prepared: Prepared, *, address: str = LOCAL, workers: int | None = None
) -> Iterator[dict[str, Any]]:
    """Do the missing parts by Ray at `address`, and give the entry of each as it is done.

    `address`: `local` for workers of this machine, which end with the run; else as `ray.init` takes
    it.  `workers`: how many, by default as many as there are cores for.  A worker that ends is replaced
    and its part done again.  Raises `FacedialError` where the run cannot go on.
    """
    plan, parts = prepared.plan, prepared.missing
    if not parts:
        return
    ray = _ray(address)
    with connected(address, workers, plan.job.threads) as cores:
        count = workers or max(1, int(cores) // plan.job.threads)
        rows = [{"part": part} for part in parts]
        parts_of = ray.data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS))
        # Ray Data replaces a worker that ends and tries its part again, as often as it takes; what ends
        # workers again and again is left out (`Trial`).
        done = parts_of.map_batches(
            Worker,
            fn_constructor_args=(plan,),
            batch_size=1,
            num_cpus=plan.job.threads,
            compute=ray.data.ActorPoolStrategy(
                size=min(count, len(parts)), max_tasks_in_flight_per_actor=WAITING
            ),
        )
        try:
            for row in done.iter_rows():
                yield json.loads(row["entry"])
        except ray.exceptions.RayError as error:
            raise _reason(error) from error
        except Exception as error:  # Ray Data's own, around what a worker raised
            if _known(error) is None and not type(error).__module__.startswith("ray."):
                raise
            raise _reason(error) from error
    _tidy(plan.manifest)


def _tidy(manifest: Manifest) -> None:
    """Delete what workers left that ended while they wrote."""
    for folder in (manifest.out, manifest.out.at(f"{HOME}/done"), manifest.out.at(f"{HOME}/begun")):
        for one in folder.entries():
            if not one.is_folder and SCRATCH.fullmatch(one.name):
                folder.at(one.name).remove()


@contextmanager
def connected(address: str, workers: int | None, threads: int) -> Iterator[float]:
    """Ray's cores, connected to while the block runs; a connection that is there already is used."""
    ray = _ray(address)
    if ray.is_initialized():
        yield ray.cluster_resources().get("CPU", 1)
        return
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as scratch:
        _start(ray, address, scratch, (workers or default_threads()) * threads)
        try:
            yield ray.cluster_resources().get("CPU", 1)
        finally:
            ray.shutdown()


def _start(ray: Any, address: str, scratch: str, cores: int) -> None:
    """Connect to Ray, or begin one here; raises `FacedialError`."""
    for again in reversed(range(STARTS if address == LOCAL else 1)):
        folder = tempfile.mkdtemp(dir=scratch)
        try:
            with _without_greeting(folder):
                ray.init(**_options(address, folder, cores))
            return
        except Exception as error:  # Ray's are of no kind of their own
            _end(error)
            # A busy machine begins too slowly for Ray.
            if again and "timed out during startup" in str(error):
                continue
            where = "begin Ray on this machine" if address == LOCAL else f"reach Ray at {address}"
            raise FacedialError(f"cannot {where} ({_text(error)})") from error


def _end(error: Exception) -> None:
    """End the processes of a Ray that did not begin: only the error's traceback knows of them."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        kill = getattr(frame.f_locals.get("self"), "kill_all_processes", None)
        if kill is not None:
            kill(check_alive=False, allow_graceful=False)


@contextmanager
def _without_greeting(scratch: str) -> Iterator[None]:
    """Ray's core prints that it prints nothing, past Python: into a file, while it begins."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.path.join(scratch, "greeting"), "wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _options(address: str, scratch: str, cores: int) -> dict[str, Any]:
    common = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
    if address != LOCAL:
        return common
    return {
        **common,
        "num_cpus": cores,
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
        "_temp_dir": scratch,
    }


def _ray(address: str) -> Any:
    """The package, with what it reads from the environment when it is imported and begins.

    No report to Ray's makers; nothing beside the command's own lines; on this machine alone, no
    port that another one can reach.
    """
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_BACKEND_LOG_LEVEL": "fatal",
    }
    if address == LOCAL:
        settings["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # its name, on every system
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it came from, also where Ray carries them between processes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "cause", None) or error.__cause__ or error.__context__


def _known(error: BaseException) -> FacedialError | OSError | None:
    """What a worker raised that a user can act on."""
    return next((e for e in _chain(error) if isinstance(e, FacedialError | OSError)), None)


def _reason(error: BaseException) -> FacedialError:
    """One sentence for a run that ended."""
    known = _known(error)
    if isinstance(known, FacedialError):
        return known
    last = list(_chain(error))[-1] if known is None else known
    return FacedialError(f"the run ended ({_text(last)}); the same command goes on with the rest")


def _text(error: BaseException) -> str:
    parts = [getattr(error, "strerror", None) or str(error), getattr(error, "filename", None)]
    words = " ".join(": ".join(str(part) for part in parts if part).split())
    return words or type(error).__name__
