"""What an installed wheel must do, tried in an environment that has nothing else: no torch, no tests."""

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np

import facedial

assert importlib.util.find_spec("torch") is None, "torch is installed"
home = Path(sysconfig.get_path("purelib"))
assert Path(facedial.__file__).is_relative_to(home), f"{facedial.__file__} is not the wheel's"
command = Path(sys.executable).with_name("facedial")


def told(*arguments: str) -> str:
    """Standard output of the command."""
    done = subprocess.run([command, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"facedial {' '.join(arguments)}: {done.stderr}"
    return done.stdout


assert facedial.__version__ in told("--version")
told("models", "check")
told("generate", "-n", "1", "--seed", "1", "-o", "face.png")
told("edit", "face.png", "--set", "Smiling=1", "--set", "Blond_Hair=1", "-o", "edited.png")
told("encode", "face.png", "-o", "face.npz")
told("decode", "face.npz", "-o", "decoded.png")
told("verify", "edited.png")
with facedial.Editor.open() as editor:
    photo = facedial.Photo.open("face.png")
    (portrait,) = editor.read(photo)
    assert portrait.code.values.shape == (1024,)
    assert editor.render(portrait, {}).pixels.tobytes() == photo.pixels.tobytes()
    edited = editor.render(portrait, {"Eyeglasses": 1})
    assert np.abs(edited.pixels.astype(int) - photo.pixels.astype(int)).max() > 30
