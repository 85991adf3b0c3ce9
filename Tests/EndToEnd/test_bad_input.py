"""What malformed, oversize and unauthorised requests get."""

import json
import socket
import threading
import time

import pytest

from runtime import CHAT, post, raw, until


def error(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        (b"{", None, "JSON"),
        (b'{"messages": []}', "model", "model"),
        (b'{"model": 3, "messages": []}', "model", "string"),
        (b'{"model": "m"}', "messages", "messages"),
        (b'{"model": "m", "messages": "hi"}', "messages", "list"),
        (b'{"model": "m", "messages": []}', "messages", "empty"),
        (b'{"model": "m", "messages": [{}], "stream": 1}', "stream", "true or false"),
        (b'{"model": "m", "messages": [{}], "max_tokens": -1}', "max_tokens", "max_tokens"),
        (b'{"model": "m", "messages": [{}], "temperature": NaN}', None, "JSON"),
        (b'{"model": "m", "messages": [{}], "temperature": 1e999}', None, "number"),
        (b'{"model": "m\xff", "messages": [{}]}', None, "UTF-8"),
        (b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, "nested"),
        (b"[1]", None, "object"),
        (b"", None, "empty"),
    ],
)
def test_body_that_no_backend_would_take(runtime, body, param, word):
    status, _, answer = runtime.call("POST", "/v1/chat/completions", body)
    assert status == 400
    assert answer["error"]["param"] == param
    assert word.lower() in answer["error"]["message"].lower()
    assert answer["error"]["type"] == "invalid_request_error"


def test_body_over_the_limit_is_413(runtime):
    limit = (16 << 20) + (64 << 10)
    answer = raw(runtime.port, post(b"x" * (limit + 1)))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert str(limit) in error(answer)["message"]


def test_what_is_turned_away_is_booked_and_logged(start, mock):
    runtime = start(mock, "http.head_timeout=1s")
    _, headers, _ = runtime.call("POST", "/v1/chat/completions", b"{", {"x-sluice-tenant": "acme"})
    assert runtime.chat(headers={"x-sluice-pool": "nowhere"})[0] == 404
    assert raw(runtime.port, post(b"x" * ((16 << 20) + (64 << 10) + 1))).startswith(b"HTTP/1.1 413 ")
    assert raw(runtime.port, post(b"{", ["Content-Length: 2"])).startswith(b"HTTP/1.1 408 ")
    until(lambda: runtime.pool()["books"]["ended"] == {"rejected/oversize": 1, "rejected/malformed": 3})
    text = runtime.call("GET", "/metrics")[2].decode()
    for line in ('outcome="rejected",reason="malformed"} 3', 'outcome="rejected",reason="oversize"} 1'):
        assert line in text
    rows = runtime.requests("?state=rejected")
    assert [row["reason"] for row in rows] == ["malformed", "oversize", "malformed", "malformed"]
    row = runtime.call("GET", f"/api/requests/{headers['x-sluice-request-id']}")[2]
    assert row["tenant"] == "acme" and row["message"] and row["attempts"] == []
    assert runtime.log.count("request refused") == 4
    runtime.settle()
    runtime.stop()


def test_body_at_the_limit_is_read(runtime):
    padding = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"pad":"'
    body = padding + b"x" * ((16 << 20) + (64 << 10) - len(padding) - 2) + b'"}'
    status, _, answer = runtime.call("POST", "/v1/chat/completions", body)
    assert status == 200, answer


def test_hundred_headers_are_fine(runtime):
    body = json.dumps(CHAT).encode()
    answer = raw(runtime.port, post(body, [f"x-header-{i}: value" for i in range(100)]))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_header_block_over_the_limit_is_431(runtime):
    answer = raw(runtime.port, post(b"{}", [f"x-header-{i}: {'v' * 1000}" for i in range(40)]))
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_both_length_and_chunked_is_400_and_closes(runtime):
    data = post(b"0\r\n\r\n", ["Content-Length: 5", "Transfer-Encoding: chunked"])
    with socket.create_connection(("127.0.0.1", runtime.port), 10) as s:
        s.sendall(data)
        answer = b""
        while part := s.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_head_byte_by_byte_is_408(start, mock):
    runtime = start(mock, "http.head_timeout=1s")
    with socket.create_connection(("127.0.0.1", runtime.port), 30) as s:
        stopped = threading.Event()

        def drip():
            for byte in b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-slow: " + b"y" * 1000:
                try:
                    s.send(bytes([byte]))
                except OSError:
                    return
                if stopped.wait(0.1):
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        answer = s.recv(65536)
        took = time.monotonic() - began
        stopped.set()
        thread.join()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert took < 6


def test_unknown_path_is_404(runtime):
    status, _, answer = runtime.call("GET", "/nothing")
    assert status == 404 and "/v1/chat/completions" in answer["error"]["message"]


def test_wrong_method_is_405(runtime):
    status, headers, _ = runtime.call("GET", "/v1/chat/completions")
    assert status == 405 and headers["Allow"] == "POST"


def test_unknown_pool_is_404_and_names_the_known(runtime):
    status, _, answer = runtime.chat(headers={"x-sluice-pool": "nowhere"})
    assert status == 404 and "default" in answer["error"]["message"]


@pytest.mark.parametrize(
    "header", [{"x-sluice-pool": "a b"}, {"x-sluice-priority": "top"}, {"x-sluice-timeout-ms": "0"},
               {"x-sluice-timeout-ms": "soon"}, {"x-sluice-tenant": "ü"}])
def test_bad_header_is_400_and_named(runtime, header):
    name = next(iter(header))
    raw_headers = [f"{k}: {v}" for k, v in header.items()]
    answer = raw(runtime.port, "\r\n".join(
        ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", f"Content-Length: {len(json.dumps(CHAT))}", *raw_headers]
    ).encode() + b"\r\n\r\n" + json.dumps(CHAT).encode())
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert name in error(answer)["message"]


def test_keys(start, mock, tmp_path):
    file = tmp_path / "keys"
    file.write_text("alice key-alice tenant=a pools=default max_priority=normal\nroot key-root operator\n")
    file.chmod(0o600)
    runtime = start(mock, f"api_keys_file={file}", "pools.other.slots=1")
    assert runtime.chat()[0] == 401
    assert runtime.chat(headers={"Authorization": "Bearer wrong"})[0] == 401
    alice = {"Authorization": "Bearer key-alice"}
    assert runtime.chat(headers=alice)[0] == 200
    status, _, answer = runtime.chat(headers={**alice, "x-sluice-pool": "other"})
    assert status == 403 and "default" in answer["error"]["message"]
    status, _, answer = runtime.chat(headers={**alice, "x-sluice-priority": "urgent"})
    assert status == 403 and "normal" in answer["error"]["message"]
    assert runtime.call("GET", "/api/pools", headers=alice)[0] == 403
    assert runtime.call("GET", "/metrics")[0] == 401
    root = {"Authorization": "Bearer key-root"}
    assert runtime.call("GET", "/api/pools", headers=root)[0] == 200
    assert runtime.call("GET", "/healthz")[0] == 200
    assert "key-alice" not in runtime.log and "key-root" not in runtime.log
    runtime.stop()


def test_full_pool_is_503_and_full_tenant_429(start, mock):
    runtime = start(mock, "pools.default.max_requests=2", "pools.default.max_requests_per_tenant=1")
    runtime.call("POST", "/api/pools/default/pause")
    later = {"Prefer": "respond-async"}
    assert runtime.chat(headers={**later, "x-sluice-tenant": "a"})[0] == 202
    status, headers, answer = runtime.chat(headers={**later, "x-sluice-tenant": "a"})
    assert status == 429 and int(headers["Retry-After"]) >= 1 and "1" in answer["error"]["message"]
    assert runtime.chat(headers={**later, "x-sluice-tenant": "b"})[0] == 202
    status, headers, answer = runtime.chat(headers={**later, "x-sluice-tenant": "c"})
    assert status == 503 and int(headers["Retry-After"]) >= 1 and "2" in answer["error"]["message"]
    runtime.call("POST", "/api/pools/default/resume")
    runtime.settle()
    runtime.stop()


def test_paused_pool_holds_and_draining_refuses(start, mock):
    runtime = start(mock)
    runtime.call("POST", "/api/pools/default/pause")
    _, _, accepted = runtime.chat(headers={"Prefer": "respond-async"})
    row = runtime.call("GET", f"/api/requests/{accepted['id']}")[2]
    assert row["state"] == "queued" and row["waiting"] == {
        "reason": "pool_paused", "position": 1, "estimated_start_ms": row["waiting"]["estimated_start_ms"]}
    runtime.call("POST", "/api/pools/default/drain")
    status, headers, _ = runtime.chat()
    assert status == 503 and "Retry-After" in headers
    runtime.stop()


def test_deadline_in_the_queue_is_504_and_never_sent(runtime, mock):
    runtime.call("POST", "/api/pools/default/pause")
    status, headers, answer = runtime.chat(headers={"x-sluice-timeout-ms": "200"})
    assert status == 504 and "deadline" in answer["error"]["message"]
    assert mock.executions(headers["x-sluice-request-id"])["total"] == 0
    until(lambda: "expired" in runtime.log, what="a log line")
