"""A short form of `benchmarks/fuzz.py`: damaged files of every format give a photo or one sentence."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[2] / "benchmarks/fuzz.py"
NUMBERS = range(0, 10_000, 67)


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module  # where its classes look for themselves
    spec.loader.exec_module(module)
    return module


def test_damaged_files_neither_crash_nor_hang_nor_trace(fuzz: ModuleType) -> None:
    files = fuzz.sound_files()
    found = fuzz.run((fuzz.case(i, 0, files) for i in NUMBERS), 1, None)
    assert found["failed"] == []
    assert set(found["table"]) >= {*files, *(f"damage: {name}" for name in fuzz.DAMAGES)}
    counts = found["table"]["all"]
    assert counts.total() == len(NUMBERS)
    assert min(counts["read"], counts["refused"]) > len(NUMBERS) / 5


def test_what_the_harness_counts_it_also_sees(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that raises, dies or does not answer is each told apart."""
    programs = {
        "traceback": 'read(); print(\'["traceback", ""]\', flush=True)',
        "crash": "read(); import os; os.kill(os.getpid(), 11)",
        "hang": "read()\nwhile True: pass",
    }
    monkeypatch.setattr(fuzz, "LIMIT_S", 0.1)
    case = fuzz.Case(0, "PNG", "cut", b"no picture")
    for expected, body in programs.items():
        program = "import sys; read = lambda: sys.stdin.buffer.read(18)\n" + body
        worker = fuzz.Worker([sys.executable, "-c", program])
        assert worker.outcome(case)[0] == expected
        worker.close()
