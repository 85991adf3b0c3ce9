"""Starts the real program, talks to it, and checks that it leaves nothing behind."""

import asyncio
import concurrent.futures
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLUICE = os.environ.get("SLUICE_BINARY") or str(ROOT / ".build" / "release" / "sluice")
CHAT = {"model": "mock", "messages": [{"role": "user", "content": "hello"}]}


def run_async(coroutine):
    """In a thread of its own: the driver of a browser may run a loop in this one."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, seconds=10, what="the condition"):
    """Polls; nothing here sleeps for a fixed time and hopes."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(0.01)


class Program:
    """One process, its log and its address."""

    def __init__(self, arguments, port, environment=None, scheme="http", preexec=None):
        self.port = port
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.log_path = tempfile.mktemp(prefix="sluice-test-", suffix=".log")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "SLUICE_", "LLM_", "OTEL_"))}
        self.process = subprocess.Popen(
            [SLUICE, *arguments], stdout=open(self.log_path, "a"), stderr=subprocess.STDOUT,
            env={**clean, "SLUICE_LOG_FORMAT": "text", **(environment or {})}, preexec_fn=preexec)
        until(self._listens, 10, f"{arguments[0]} listening")

    def _listens(self):
        assert self.process.poll() is None, self.log
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    @property
    def log(self):
        return pathlib.Path(self.log_path).read_text()

    def call(self, method, path, body=None, headers=None, timeout=30):
        """Answers status, headers and body; errors are answers too."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, dict(answer.headers), _parse(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), _parse(error.read())

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, expect=0, seconds=20):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        assert code == expect, f"ended with {code}:\n{self.log}"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _parse(raw):
    try:
        return json.loads(raw)
    except ValueError:
        return raw


class Mock(Program):
    def __init__(self, port=None):
        port = port or free_port()
        super().__init__(["mock", "--listen", f"127.0.0.1:{port}"], port)

    def behave(self, **behaviour):
        status, _, body = self.call("PUT", "/mock/config", behaviour)
        assert status == 200, body

    def executions(self, id=None):
        return self.call("GET", "/mock/executions" + (f"?id={id}" if id else ""))[2]


class Runtime(Program):
    def __init__(self, backend, *settings, environment=None, scheme="http", preexec=None):
        port = free_port()
        arguments = ["serve", "--listen", f"127.0.0.1:{port}", "--set", "pools.default.retry.base_delay=20ms"]
        for setting in settings:
            arguments += ["--set", setting]
        url = backend if isinstance(backend, str) else f"{backend.url}/v1"
        super().__init__(arguments, port, {"OPENAI_API_BASE": url, **(environment or {})}, scheme, preexec)

    def chat(self, content="hello", headers=None, timeout=30, **fields):
        body = {"model": "mock", "messages": [{"role": "user", "content": content}], **fields}
        return self.call("POST", "/v1/chat/completions", body, headers, timeout)

    def mocked(self, headers=None, stream=False, timeout=30, **behaviour):
        """A request that tells the simulated backend how to behave."""
        return self.chat("mock:" + json.dumps(behaviour), headers, timeout, stream=stream)

    def pool(self, name="default"):
        return self.call("GET", f"/api/pools/{name}")[2]

    def requests(self, query=""):
        return self.call("GET", f"/api/requests{query}")[2]["requests"]

    def check_books(self):
        """accepted + redriven = live + everything that ended, rejections aside."""
        for pool in self.call("GET", "/api/pools")[2]["pools"]:
            books = pool["books"]
            ended = sum(n for reason, n in books["ended"].items() if not reason.startswith("rejected/"))
            assert books["accepted"] + books["redriven"] == books["live"] + ended, books
        self.check_metrics()

    def check_metrics(self):
        """The same identity in what monitoring sees."""
        text = self.call("GET", "/metrics")[2].decode()
        totals = {}
        for line in text.splitlines():
            name, labelled, rest = line.partition("{")
            if labelled and name.startswith("sluice_") and 'outcome="rejected"' not in rest:
                totals[name] = totals.get(name, 0) + float(rest.rsplit(" ", 1)[-1])
        live = totals["sluice_queue_depth"] + totals["sluice_in_flight"]
        accepted = totals["sluice_requests_accepted_total"] + totals["sluice_requests_redriven_total"]
        assert accepted == live + totals.get("sluice_requests_ended_total", 0), text

    def settle(self, seconds=10):
        until(lambda: self.pool()["in_flight"] + self.pool()["queued"] == 0, seconds, "an empty pool")
        self.check_books()


def raw(port, data, timeout=20, read=True):
    """Sends bytes as they are; answers everything that comes until the connection ends or the answer is whole."""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.settimeout(timeout)
        try:
            s.sendall(data)
        except OSError:
            pass
        answer = b""
        while read:
            try:
                part = s.recv(65536)
            except ConnectionError:
                break
            if not part:
                break
            answer += part
            head, separator, body = answer.partition(b"\r\n\r\n")
            if separator and b"content-length:" in head.lower():
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                if len(body) >= length:
                    break
        return answer


def post(body, headers=()):
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    if not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
