"""How backends are reached: HTTP/2, TLS, proxies."""

import collections
import concurrent.futures
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import ssl

import pytest

from runtime import ROOT, free_port, post, until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", files[1], "-out", files[0], "-days", "2",
         "-subj", "/CN=sluice-test", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return files


class Backend:
    """`http2_backend` behind TLS, with the protocols that it offers."""

    def __init__(self, certificate, folder, *protocols):
        self.certificate = certificate
        self.port = free_port()
        settings = folder / "hypercorn.toml"
        settings.write_text(f"alpn_protocols = {json.dumps(protocols)}\n")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hypercorn", "--config", settings, "--bind", f"127.0.0.1:{self.port}",
             "--certfile", certificate[0], "--keyfile", certificate[1], "http2_backend:app"],
            cwd=ROOT / "Tests" / "EndToEnd", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens, 20, "the backend listening")

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def abandoned(self):
        context = ssl.create_default_context(cafile=self.certificate[0])
        with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/abandoned", context=context) as answer:
            return json.load(answer)

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def backend(certificate, tmp_path):
    backends = []

    def begin(*protocols):
        backends.append(Backend(certificate, tmp_path, *protocols))
        return backends[-1]

    yield begin
    for one in backends:
        one.kill()


def runtime_for(start, backend, *settings, **options):
    return start(f"https://127.0.0.1:{backend.port}/v1", "threads=1", f"client.ca_file={backend.certificate[0]}",
                 *settings, **options)


def content(answer):
    assert answer[0] == 200, answer
    return answer[2]["choices"][0]["message"]["content"]


def together(count, call):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def chunks(body):
    """What a chunked body holds."""
    while True:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            return
        yield body[:int(size, 16)]
        body = body[int(size, 16) + 2:]


def open_stream(runtime, events, model="m"):
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": str(events)}]}
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(30)
    s.connect(("127.0.0.1", runtime.port))
    s.sendall(post(json.dumps(body).encode()))
    return s


def test_calls_to_an_http2_backend_share_one_connection(start, backend):
    runtime = runtime_for(start, backend("h2", "http/1.1"))
    # From the first: none of them may open a connection of its own because the first is not ready yet.
    seen = collections.Counter(together(20, lambda _: content(runtime.chat())))
    assert len(seen) == 1 and next(iter(seen)).startswith("2 "), seen
    assert content(runtime.chat()) in seen
    runtime.settle()
    runtime.stop()


def test_calls_to_an_http1_backend_behind_tls_do_not_wait_for_each_other(start, backend):
    runtime = runtime_for(start, backend("http/1.1"))
    seen = collections.Counter(together(5, lambda _: content(runtime.chat())))
    assert len(seen) == 5 and all(protocol.startswith("1.1 ") for protocol in seen), seen
    runtime.stop()


def test_slow_reader_does_not_hold_up_others_on_its_connection(start, backend):
    runtime = runtime_for(start, backend("h2"))
    slow = open_stream(runtime, 8000)
    until(lambda: runtime.requests("?state=streaming"))
    first = slow.recv(4096)
    seen = {content(runtime.chat(timeout=5)) for _ in range(5)}
    assert len(seen) == 1
    answer = first
    while not answer.endswith(b"0\r\n\r\n"):
        part = slow.recv(1 << 20)
        assert part, answer[-100:]
        answer += part
    # All of it, in order, over the same connection.
    text = b"".join(chunks(answer.partition(b"\r\n\r\n")[2]))
    assert text.count(next(iter(seen)).encode() + b" ") == 8000 and b"[DONE]" in text
    runtime.settle()
    runtime.stop()


def test_client_gone_stops_its_stream_and_nobody_elses(start, backend):
    peer = backend("h2")
    runtime = runtime_for(start, peer)
    before = content(runtime.chat())
    flood = open_stream(runtime, 1_000_000, "flood")
    until(lambda: runtime.requests("?state=streaming"))
    flood.close()
    until(lambda: peer.abandoned() == ["flood"], 1, "the stream being reset")
    # No byte comes or goes for these: the reset of one has to be sent for its own sake.
    later = {"Prefer": "respond-async"}
    one, other = (runtime.chat(model=model, headers=later)[2]["id"] for model in ("hang one", "hang other"))
    until(lambda: len(runtime.requests("?state=started")) == 2)
    assert content(runtime.chat()) == (again := content(runtime.chat()))
    runtime.call("POST", f"/api/requests/{one}/cancel")
    until(lambda: peer.abandoned() == ["flood", "hang one"], 1, "the second being reset")
    assert content(runtime.chat()) == again
    # Now nobody is left on the connection.
    runtime.call("POST", f"/api/requests/{other}/cancel")
    until(lambda: peer.abandoned() == ["flood", "hang one", "hang other"], 1, "the last being reset")
    assert before.startswith("2 ") and content(runtime.chat())
    runtime.settle()
    runtime.stop()


def test_deadline_stops_the_backends_work(start, backend):
    peer = backend("h2")
    runtime = runtime_for(start, peer, "pools.default.retry.attempts=1")
    assert runtime.chat(model="hang", headers={"x-sluice-timeout-ms": "300"})[0] == 504
    until(lambda: peer.abandoned() == ["hang"], 1, "the stream being reset")
    assert content(runtime.chat())
    runtime.stop()


def test_self_signed_backend_is_refused_without_its_authority(start, backend):
    peer = backend("h2", "http/1.1")
    runtime = start(f"https://127.0.0.1:{peer.port}/v1", "pools.default.retry.attempts=1")
    status, _, answer = runtime.chat()
    assert status == 502 and "certificate" in answer["error"]["message"].lower(), answer
    runtime.stop()


@pytest.fixture
def proxy():
    """Takes note of what is asked of it and closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve():
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            with s:
                asked.append(s.recv(65536).split(b"\r\n")[0])

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    listener.close()


def test_proxy_of_the_environment_is_ignored(start, mock, proxy):
    address, asked = proxy
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    runtime = start(mock, environment={name: address for name in names})
    assert runtime.chat()[0] == 200 and asked == []
    runtime.stop()


def test_configured_proxy_is_used(start, mock, proxy):
    address, asked = proxy
    runtime = start(mock, f"client.proxy={address}", "pools.default.retry.attempts=1")
    assert runtime.chat()[0] == 502
    assert asked == [f"POST {mock.url}/v1/chat/completions HTTP/1.1".encode()]
    runtime.stop()
