"""Official clients, in an environment of their own: started by Tests/EndToEnd/test_clients.py."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "EndToEnd"))

from runtime import Mock, Runtime  # noqa: E402
from wire import MODELS, settings  # noqa: E402


@pytest.fixture(scope="session")
def mock_program():
    program = Mock()
    yield program
    program.kill()


@pytest.fixture
def mock(mock_program):
    """The simulated provider, as well behaved as at its start."""
    mock_program.call("POST", "/mock/reset")
    yield mock_program
    mock_program.call("POST", "/mock/reset")


@pytest.fixture(scope="session")
def gateways(mock_program):
    """`gateways(provider)`: the runtime in front of that provider; one of each for all tests."""
    begun = {}

    def gateway(provider):
        if provider not in begun:
            begun[provider] = Runtime(mock_program.url, *settings(provider, mock_program.url))
        return begun[provider]

    yield gateway
    for program in begun.values():
        program.kill()


@pytest.fixture(params=list(MODELS))
def provider(request):
    return request.param


@pytest.fixture
def gateway(gateways, provider, mock):
    """The runtime in front of a provider; afterwards its books balance."""
    program = gateways(provider)
    yield program
    program.settle()


def pytest_collection_modifyitems(items):
    """Without what replays recordings: there are none."""
    items[:] = [item for item in items if getattr(item, "originalname", "") != "test_stream_time"]
