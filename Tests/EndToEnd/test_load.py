"""Many clients, many of them rude: nothing is lost and nothing stays behind."""

import concurrent.futures
import json
import random
import re
import socket
import time

from runtime import CHAT, post, until
from test_bad_days import gone

ROUND = 20_000


def memory(runtime):
    """Resident megabytes."""
    with open(f"/proc/{runtime.process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024


def gauge(runtime, name):
    text = runtime.call("GET", "/metrics")[2].decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])


def cancelling_streams(runtime, seed):
    """A thousand clients of streams; half of them leave somewhere between the request and the end."""
    fate = random.Random(seed)
    plans = [(fate.random() < 0.5, fate.random(), fate.randint(1, 30)) for _ in range(1000)]
    behaviour = {"role": "user", "content": 'mock:{"tokens":30,"tokens_per_second":300}'}
    request = post(json.dumps({**CHAT, "stream": True, "messages": [behaviour]}).encode())

    def client(plan):
        leaves, when, events = plan
        s = socket.create_connection(("127.0.0.1", runtime.port), 20)
        s.settimeout(60)
        s.sendall(request)
        answer = b""
        if leaves and when < 0.3:
            # Before anything has come: queued, claimed or just sent.
            time.sleep(when / 10)
            gone(s)
            return "left"
        while not answer.endswith(b"0\r\n\r\n"):
            part = s.recv(65536)
            if not part:
                return f"cut after {answer[-100:]}"
            answer += part
            if leaves and answer.count(b"data: ") >= events:
                gone(s)
                return "left"
        s.close()
        return "whole" if b"[DONE]" in answer and b'"error"' not in answer else f"odd {answer[:200]} {answer[-200:]}"

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        return list(pool.map(client, plans))


def test_thousand_streams_that_end_at_random_leave_nothing(start, mock):
    mock.call("POST", "/mock/reset")
    runtime = start(mock)
    assert runtime.chat()[0] == 200
    descriptors = runtime.descriptors()
    resident = []
    whole = 1
    for seed in (1, 2, 3):
        outcomes = cancelling_streams(runtime, seed)
        assert set(outcomes) == {"left", "whole"}, set(outcomes)
        whole += outcomes.count("whole")
        runtime.settle(20)
        until(lambda: mock.executions()["running"] == 0, 5, "the backend to be left alone")
        until(lambda: gauge(runtime, "sluice_http_connections") <= 1, 5, "the clients' connections closing")
        # Connections to the backend are kept for the next requests, but not more than there were slots.
        until(lambda: runtime.descriptors() <= descriptors + 64 + 8, 5, "descriptors to be given back")
        resident.append(memory(runtime))
    books = runtime.pool()["books"]["ended"]
    # Who left at once was perhaps never heard; who left after the last event has left too late.
    assert set(books) == {"done/ok", "cancelled/client_gone"} and whole <= books["done/ok"], books
    assert books["cancelled/client_gone"] > 900 and sum(books.values()) <= 3001, books
    assert resident[2] - resident[1] < 4, resident
    runtime.stop()
    assert "books" not in runtime.log


def requests_on_kept_connections(runtime, count, connections=16):
    request = post(json.dumps(CHAT).encode())

    def client(share):
        with socket.create_connection(("127.0.0.1", runtime.port), 20) as s:
            s.settimeout(60)
            for _ in range(share):
                s.sendall(request)
                head, length, answer = b"", None, b""
                while length is None or len(answer) < length:
                    answer += s.recv(65536)
                    if length is None and b"\r\n\r\n" in answer:
                        head, _, answer = answer.partition(b"\r\n\r\n")
                        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                assert head.startswith(b"HTTP/1.1 200 ")
        return share

    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(client, [count // connections] * connections))


def test_memory_does_not_grow_with_the_number_of_requests(start, mock):
    mock.call("POST", "/mock/reset")
    mock.behave(latency=0)
    runtime = start(mock)
    resident = []
    for _ in range(3):
        assert requests_on_kept_connections(runtime, ROUND) == ROUND
        runtime.settle()
        resident.append(memory(runtime))
    print("resident MB after each round:", resident)
    # The first fills history and pools of buffers; from then on nothing may be added.
    assert resident[2] - resident[1] < 3, resident
    assert runtime.pool()["books"]["ended"] == {"done/ok": 3 * ROUND}
    runtime.stop()
