"""Official clients (Tests/Clients), each in an environment of its own: first straight at the simulated providers, which
shows that their wire is the real one, then over the runtime to each of them."""

import os
import subprocess

import pytest

import litellm_proxy
from client_tools import CLIENTS, installed
from runtime import SLUICE

pytestmark = pytest.mark.timeout(900)


def run(python, *arguments):
    done = subprocess.run(
        [python, *arguments], cwd=CLIENTS, capture_output=True, text=True,
        env={**os.environ, "SLUICE_BINARY": SLUICE, "AWS_EC2_METADATA_DISABLED": "true"})
    assert done.returncode == 0, (done.stdout + done.stderr)[-12000:]


@pytest.mark.parametrize("file", sorted(file.name for file in CLIENTS.glob("test_*.py")))
def test_client(file):
    run(installed("clients"), "-m", "pytest", "-q", "--tb=short", file)


def test_litellm_as_a_client():
    program = litellm_proxy.installed()
    run(program.removesuffix("litellm") + "python", "litellm_client.py")
