import pytest

from runtime import Mock, Runtime


@pytest.fixture(scope="module")
def mock():
    program = Mock()
    yield program
    program.kill()


@pytest.fixture(scope="module")
def shared(mock):
    program = Runtime(mock)
    yield program
    program.stop()


@pytest.fixture
def runtime(shared, mock):
    """The shared runtime; after each test its books must balance and nothing may be left running."""
    mock.call("POST", "/mock/reset")
    yield shared
    shared.call("POST", "/api/pools/default/resume")
    shared.settle()


@pytest.fixture
def start():
    """Starts runtimes of a test's own."""
    programs = []

    def begin(backend, *settings, **options):
        program = Runtime(backend, *settings, **options)
        programs.append(program)
        return program

    yield begin
    for program in programs:
        program.kill()
