"""A browser for tests of the console: what it says on its console, and what moves without having been asked to."""

import json
import shutil
import socket
import threading
import urllib.parse

from runtime import ROOT

ARTIFACTS = ROOT / "artifacts"

# Movements that nobody asked for, as browsers count them, with what moved.
WATCH = """
window.__shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const what = entry.sources.map((s) => `${s.node?.nodeName}.${s.node?.className?.baseVal ?? s.node?.className}#${s.node?.id}`);
    __shifts.push({ value: entry.value, what });
  }
}).observe({ type: 'layout-shift', buffered: true });
"""


def launch(playwright):
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


def watched(browser, width=1280, height=860, theme="light", **options):
    """A page whose faults are collected in `faults`; expected ones are taken out by who expects them."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, **options)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(f"error: {error}"))
    page.on("console", lambda line: page.faults.append(f"{line.type}: {line.text}")
            if line.type in ("error", "warning") else None)
    page.add_init_script(WATCH)
    page.set_default_timeout(10_000)
    return page


def shifts(page):
    """The sum of unasked movements since the page was opened, and what moved most."""
    seen = page.evaluate("window.__shifts")
    return sum(each["value"] for each in seen), sorted(seen, key=lambda each: -each["value"])[:3]


def shot(page, name):
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"console-{name}.png")


def go(page, runtime, hash_, fresh=True):
    if fresh:
        page.goto("about:blank")
    page.goto(f"{runtime.url}/#/{hash_}")


def row(page, id):
    return page.locator(f'[role=row]:has(a[title="{id}"]):not([aria-hidden])')


def answering(page, pattern, body, status=200, kind="application/json"):
    """Asks of that pattern are answered with this instead of by the program."""
    text = body if isinstance(body, str) else json.dumps(body)
    page.route(pattern, lambda route: route.fulfill(status=status, body=text, content_type=kind))


def forgive(page, *words):
    """Takes the complaints out that a test has caused on purpose."""
    page.faults[:] = [fault for fault in page.faults if not any(word in fault for word in words)]


# Of a program where keys are asked for: one may look, the other may do everything.
KEYS = {"SLUICE_API_KEYS_WATCHER_KEY": "watcher-key-0123456789", "SLUICE_API_KEYS_WATCHER_ROLE": "viewer",
        "SLUICE_API_KEYS_CHIEF_KEY": "chief-key-0123456789ab", "SLUICE_API_KEYS_CHIEF_ROLE": "admin"}


def enter(page, key):
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Open").click()


def filtered(text):
    return urllib.parse.quote(text, safe=":,")


class Line:
    """A way to a program that can be cut, made silent and mended."""

    def __init__(self, port):
        self.target = port
        self.is_open = threading.Event()
        self.speaks = threading.Event()
        self.is_open.set()
        self.speaks.set()
        self.pairs = []
        self.hushed = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if not self.is_open.is_set():
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self.pairs += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source, target):
        try:
            while part := source.recv(65536):
                self.speaks.wait()
                if source not in self.hushed:
                    target.sendall(part)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.is_open.clear()
        for end in self.pairs:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.pairs = []

    def hush(self):
        """Nothing goes through any more on what is connected now, though nothing is closed; new connections work."""
        self.hushed |= set(self.pairs)

    def mend(self):
        self.is_open.set()

    def close(self):
        self.cut()
        self.listener.close()
