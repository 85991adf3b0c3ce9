"""Backends that fail, clients that vanish, signals."""

import concurrent.futures
import json
import os
import random
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from runtime import CHAT, Mock, Runtime, free_port, post, until


@pytest.mark.parametrize(
    ("behaviour", "status", "attempts"),
    [
        ({"status": 500}, 502, "3"),
        ({"disconnect": True}, 502, "3"),
        ({"garbage": True}, 502, "3"),
        ({"half_body": True}, 502, "3"),
        ({"wrong_type": True}, 502, "3"),
        ({"status": 400}, 400, "1"),
        ({"status": 404}, 404, "1"),
        ({"status": 401}, 502, "1"),
    ],
)
def test_backend_failure_by_class(start, mock, behaviour, status, attempts):
    runtime = start(mock, "backends.default.breaker.consecutive_failures=1000")
    got, headers, answer = runtime.mocked(**behaviour)
    assert got == status, answer
    assert headers["x-sluice-attempts"] == attempts
    assert "error" in answer
    runtime.settle()
    assert runtime.log.count("request ended") == 1
    runtime.stop()


def test_retry_mends_a_passing_failure(runtime, mock):
    status, headers, answer = runtime.mocked(status=500, times=2)
    assert status == 200 and headers["x-sluice-attempts"] == "3", answer
    row = runtime.call("GET", f"/api/requests/{headers['x-sluice-request-id']}")[2]
    assert [a["class"] for a in row["attempts"]] == ["server_error", "server_error", None]


def test_retry_after_is_honoured(runtime, mock):
    began = time.monotonic()
    status, headers, _ = runtime.mocked(status=429, times=1, retry_after=1)
    assert status == 200 and time.monotonic() - began >= 1


def test_refused_connection_is_502(start):
    runtime = start(f"http://127.0.0.1:{free_port()}/v1")
    status, headers, answer = runtime.chat()
    assert status == 502 and headers["x-sluice-attempts"] == "3"
    assert answer["error"]["code"] == "connect_refused"
    runtime.stop()


def test_hanging_backend_is_504_at_the_deadline(runtime, mock):
    began = time.monotonic()
    status, _, answer = runtime.mocked(hang=True, headers={"x-sluice-timeout-ms": "700"})
    assert status == 504, answer
    assert 0.6 < time.monotonic() - began < 3


def test_at_most_once_when_asked(start, mock):
    runtime = start(mock, "pools.default.retry.mode=never-after-send")
    status, headers, answer = runtime.mocked(disconnect=True)
    assert status == 502 and headers["x-sluice-attempts"] == "1" and answer["error"]["code"] == "outcome_unknown"
    assert mock.executions(headers["x-sluice-request-id"])["executions"][headers["x-sluice-request-id"]]["count"] == 1
    runtime.stop()


def test_breaker_opens_holds_and_closes(start):
    mock = Mock()
    runtime = start(
        mock, "backends.default.breaker.consecutive_failures=2", "backends.default.breaker.open_for=500ms",
        "backends.default.breaker.probes=1", "pools.default.retry.attempts=2")
    assert runtime.mocked(status=500)[0] == 502
    assert runtime.pool()["breaker"]["state"] == "open"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(runtime.chat)
        until(lambda: runtime.pool()["waiting_reason"] == "circuit_open", what="waiting for the circuit")
        assert waiting.result()[0] == 200
    assert runtime.pool()["breaker"]["state"] == "closed"
    runtime.stop()
    mock.kill()


def stream(runtime, **behaviour):
    body = json.dumps({**CHAT, "stream": True, "messages": [
        {"role": "user", "content": "mock:" + json.dumps(behaviour)}]}).encode()
    s = socket.create_connection(("127.0.0.1", runtime.port), 30)
    s.sendall(post(body))
    return s


def drain(s):
    answer = b""
    while part := s.recv(65536):
        answer += part
        if answer.endswith(b"0\r\n\r\n"):
            break
    return answer


def test_error_inside_a_stream_before_content_is_retried(runtime, mock):
    answer = drain(stream(runtime, error_in_stream=True, times=1))
    assert answer.startswith(b"HTTP/1.1 200 ") and b"[DONE]" in answer and b'"error"' not in answer
    row = runtime.requests("?state=done&limit=1")[0]
    assert len(row["attempts"]) == 2


def test_stream_that_breaks_after_content_ends_with_an_error_event(runtime, mock):
    answer = drain(stream(runtime, disconnect_mid_body=True, tokens=10))
    assert answer.startswith(b"HTTP/1.1 200 ") and b'"error"' in answer and answer.endswith(b"0\r\n\r\n")
    assert runtime.requests("?state=failed&limit=1")[0]["reason"] == "backend"


EVENT = b'data: {"choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


@pytest.fixture
def scripted():
    """A backend that answers every call with the same bytes and closes; HTTP alone calls that a proper end."""
    listeners = []

    def begin(events):
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        listeners.append(listener)

        def serve():
            while True:
                try:
                    s, _ = listener.accept()
                except OSError:
                    return
                with s:
                    s.recv(65536)
                    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + events)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"

    yield begin
    for listener in listeners:
        listener.close()


def test_stream_that_ends_without_its_end_is_not_called_done(start, scripted):
    runtime = start(scripted(EVENT + EVENT))
    status, headers, answer = runtime.chat(stream=True)
    assert status == 200 and answer.count(b" token") == 2 and b'"error"' in answer and b"not whole" in answer
    row = runtime.requests("?limit=1")[0]
    assert row["outcome"] == "failed" and len(row["attempts"]) == 1
    runtime.settle()
    runtime.stop()


def test_stream_with_a_finish_reason_and_no_done_is_whole(start, scripted):
    runtime = start(scripted(EVENT + FINISH))
    assert runtime.chat(stream=True)[2] == EVENT + FINISH
    assert runtime.requests("?limit=1")[0]["outcome"] == "done"
    runtime.stop()


def test_stream_arrives_chunk_for_chunk(runtime, mock):
    s = stream(runtime, tokens=10, tokens_per_second=50)
    reads = 0
    answer = b""
    while not answer.endswith(b"0\r\n\r\n"):
        answer += s.recv(65536)
        reads += 1
    assert reads >= 9


def gone(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()


def test_client_gone_while_queued_is_removed_and_never_sent(runtime, mock):
    runtime.call("POST", "/api/pools/default/pause")
    s = socket.create_connection(("127.0.0.1", runtime.port))
    s.sendall(post(json.dumps(CHAT).encode()))
    until(lambda: runtime.pool()["queued"] == 1)
    s.close()
    until(lambda: runtime.pool()["queued"] == 0, 2, "removal")
    row = runtime.requests("?state=cancelled&limit=1")[0]
    assert row["reason"] == "client_gone" and row["attempts"] == []
    assert mock.executions(row["id"])["executions"] == {}


@pytest.mark.alone
@pytest.mark.parametrize("streamed", [False, True])
def test_client_gone_while_executing_closes_the_backend(runtime, mock, streamed):
    if streamed:
        s = stream(runtime, tokens=1000, tokens_per_second=50)
        until(lambda: runtime.requests("?state=streaming"))
    else:
        body = {**CHAT, "messages": [{"role": "user", "content": 'mock:{"hang":true}'}]}
        s = socket.create_connection(("127.0.0.1", runtime.port))
        s.sendall(post(json.dumps(body).encode()))
        until(lambda: mock.executions()["running"] == 1)
    began = time.monotonic()
    gone(s)
    report = until(lambda: (r := mock.executions())["abandoned"] == 1 and r, 2, "the backend's side closing")
    # As the backend saw it: what asking for it took does not count.
    (execution,) = report["executions"].values()
    assert (time.monotonic() - began) * 1000 - execution["abandoned_ms_ago"] < 100
    runtime.settle()


def test_thousand_clients_cancel_at_random(runtime, mock):
    mock.behave(latency="uniform(5,50)")
    random.seed(7)
    before = runtime.descriptors()

    def client(_):
        try:
            s = socket.create_connection(("127.0.0.1", runtime.port), 10)
            s.sendall(post(json.dumps(CHAT).encode()))
            if random.random() < 0.5:
                time.sleep(random.random() * 0.05)
                gone(s)
                return "gone"
            answer = s.recv(65536)
            s.close()
            return answer[:12]
        except OSError as error:
            return repr(error)

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        outcomes = list(pool.map(client, range(1000)))
    assert set(outcomes) <= {"gone", b"HTTP/1.1 200"}, set(outcomes)
    runtime.settle(20)
    # Connections to the backend are kept for the next requests; what is left is bounded by the slots.
    until(lambda: runtime.descriptors() <= before + 64 + 8, 10, "descriptors to be given back")


def test_stopped_backend_for_five_seconds(start):
    mock = Mock()
    runtime = start(mock)
    assert runtime.chat()[0] == 200
    mock.process.send_signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = [pool.submit(runtime.chat) for _ in range(50)]
        time.sleep(5)  # The fault itself lasts this long.
        mock.process.send_signal(signal.SIGCONT)
        assert {a.result()[0] for a in answers} == {200}
    runtime.settle()
    runtime.stop()
    mock.kill()


def test_sigterm_under_load_loses_nothing(start, mock):
    mock.call("POST", "/mock/reset")
    runtime = start(mock)
    mock.behave(latency=200)
    outcomes = []

    def client():
        try:
            outcomes.append(runtime.chat()[0])
        except OSError as error:
            outcomes.append(repr(error))

    threads = [threading.Thread(target=client) for _ in range(40)]
    for thread in threads:
        thread.start()
    until(lambda: runtime.pool()["in_flight"] == 40)
    runtime.stop()
    for thread in threads:
        thread.join()
    assert outcomes == [200] * 40, outcomes
    assert "drained" in runtime.log and "books" not in runtime.log


def test_signals_are_heeded_from_the_first_moment(start, mock):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for _ in range(5):
            # It listens, and nothing more is known of it.
            runtime = start(mock)
            runtime.process.send_signal(number)
            if number == signal.SIGHUP:
                assert runtime.chat()[0] == 200
                runtime.stop()
            else:
                assert runtime.process.wait(5) == 0, runtime.log


def test_second_signal_leaves_at_once(start, mock):
    runtime = start(mock)
    threading.Thread(target=lambda: _quietly(lambda: runtime.mocked(hang=True)), daemon=True).start()
    until(lambda: runtime.pool()["in_flight"] == 1)
    runtime.process.send_signal(signal.SIGINT)
    until(lambda: runtime.call("GET", "/readyz")[0] == 503, what="readiness going off")
    runtime.process.send_signal(signal.SIGINT)
    assert runtime.process.wait(2) == 130


def _quietly(action):
    try:
        action()
    except OSError:
        pass


def test_descriptors_run_out_and_come_back(start, mock):
    runtime = start(mock, "threads=1", preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160)))
    held = []
    for _ in range(200):
        try:
            held.append(socket.create_connection(("127.0.0.1", runtime.port), 1))
        except OSError:
            break
    for s in held:
        s.close()
    assert until(lambda: _status(runtime) == 200, 10, "recovery")
    runtime.settle()
    runtime.stop()


def test_connections_at_the_limit_that_close_together_leave_a_server_that_listens(start, mock):
    runtime = start(mock, "threads=1", preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160)))
    held = [socket.create_connection(("127.0.0.1", runtime.port), 1) for _ in range(100)]
    until(lambda: runtime.descriptors() > 48, what="the limit of connections")
    # While it is stopped all of them close, so that it learns of it in one turn.
    runtime.process.send_signal(signal.SIGSTOP)
    for s in held:
        s.close()
    runtime.process.send_signal(signal.SIGCONT)
    assert until(lambda: _status(runtime) == 200, 10, "recovery")
    runtime.stop()


def _status(runtime):
    try:
        return runtime.chat(timeout=2)[0]
    except OSError:
        return None


def test_second_instance_on_the_same_port_is_refused(runtime):
    from runtime import SLUICE
    done = subprocess.run(
        [SLUICE, "serve", "--demo", "--listen", f"127.0.0.1:{runtime.port}"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and "another program listens" in done.stderr


def test_tls(start, mock, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    runtime = start(mock, f"tls.certificate_file={certificate}", f"tls.key_file={key}", scheme="https")
    context = ssl.create_default_context(cafile=certificate)
    with socket.create_connection(("127.0.0.1", runtime.port)) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as s:
            s.sendall(post(json.dumps(CHAT).encode()))
            assert s.recv(4096).startswith(b"HTTP/1.1 200")
    runtime.process.send_signal(signal.SIGTERM)
    assert runtime.process.wait(20) == 0
