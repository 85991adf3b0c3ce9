"""Environments for clients whose pins clash with those of the other tests."""

import pathlib
import subprocess

from runtime import ROOT

HERE = pathlib.Path(__file__).parent
CLIENTS = ROOT / "Tests" / "Clients"


def installed(name):
    """The interpreter of an environment with all that `requirements-NAME.txt` lists: everything by its exact version,
    so that nothing is to be resolved."""
    requirements = HERE / f"requirements-{name}.txt"
    place = ROOT / ".tools" / name
    stamp = place / ".requirements"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", str(place)], check=True)
        pip = [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]
        subprocess.run([*pip, "-r", str(requirements)], check=True)
        stamp.write_text(requirements.read_text())
    return str(place / "bin" / "python")
