import pytest
from playwright.sync_api import sync_playwright

from console import launch, watched
from fabric import Dispatcher, Gateway, Producer, Valkey
from fabric_peers import Backend
from proxy import Proxy
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


@pytest.fixture(scope="module")
def valkey():
    server = Valkey()
    yield server
    server.stop()


@pytest.fixture
def fabric():
    """Starts what a test needs: `fabric.valkey()`, `.dispatcher(...)`, `.gateway(...)`, `.producer(...)`,
    `.proxy(valkey)`."""
    begun = []

    class Fabric:
        def valkey(self, *options, **settings):
            return self._keep(Valkey(*options, **settings))

        def dispatcher(self, valkey, backend, *settings, **options):
            return self._keep(Dispatcher(valkey, backend, *settings, **options))

        def gateway(self, valkey, *settings, **options):
            return self._keep(Gateway(valkey, *settings, **options))

        def producer(self, valkey, **options):
            return self._keep(Producer(valkey.port, **options))

        def proxy(self, valkey):
            return self._keep(Proxy(valkey.port))

        def mock(self):
            return self._keep(Mock())

        def _keep(self, thing):
            begun.append(thing)
            return thing

    yield Fabric()
    for thing in reversed(begun):
        if isinstance(thing, Producer):
            thing.stopping.set()
        elif isinstance(thing, Proxy):
            thing.close()
        elif isinstance(thing, Valkey):
            thing.stop()
        else:
            thing.kill()


@pytest.fixture
def backend():
    """Starts backends that remember: `backend(answer)`."""
    begun = []

    def begin(*arguments):
        begun.append(Backend(*arguments))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()


@pytest.fixture
def emptied(valkey):
    """For tests that share the server: afterwards it is empty, and no list was left that has no end."""
    yield
    lists = [key for key in valkey.client.scan_iter("list:*") if valkey.client.ttl(key) == -1]
    valkey.client.flushall()
    assert not lists


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that must not have complained by the end of the test."""
    page = watched(browser)
    yield page
    faults = page.faults
    page.context.close()
    assert faults == []
