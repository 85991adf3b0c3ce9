"""Scheduling as operators and clients meet it: policies and limits that change while hundreds of requests wait, why a
request waits, and how long."""

import json
import signal
import subprocess
import threading
import time

import openai
import pytest

from runtime import SLUICE, Program, free_port, until

LATER = {"Prefer": "respond-async"}


def later(runtime, count, tenant="t", headers=None, **behaviour):
    """Requests that wait; answers their ids."""
    ids = []
    for _ in range(count):
        text = "mock:" + json.dumps(behaviour)
        status, _, body = runtime.chat(text, {**LATER, "x-sluice-tenant": tenant, **(headers or {})}, max_tokens=16)
        assert status == 202, body
        ids.append(body["id"])
    return ids


def explain(runtime, id):
    status, _, body = runtime.call("GET", f"/api/requests/{id}/explain")
    assert status == 200, body
    return body


def gate(explanation, name):
    return next((g for g in explanation["gates"] if g["gate"] == name), None)


def ended(runtime, id):
    body = runtime.call("GET", f"/api/requests/{id}")[2]
    return body if body["state"] == "ended" else None


# MARK: Changes while it works


def test_everything_can_be_changed_while_hundreds_wait_and_nothing_is_lost(start, mock):
    runtime = start(mock, "pools.default.slots=4")
    ids = later(runtime, 300, latency=5)
    stop = threading.Event()
    changes = [
        {"policy": {"preset": "fifo"}}, {"policy": {"preset": "priority"}}, {"policy": {"preset": "fair"}},
        {"policy": {"preset": "throughput-optimized", "weights": {"priority": 2}}}, {"tenants": {"fair": False}},
        {"tenants": {"fair": True, "weights": {"t": 3}, "max_in_flight": 3}}, {"tenants": {"max_in_flight": None}},
        {"limits": {"requests_per_minute": 600000, "tokens_per_minute": 100000000}}, {"limits": None},
        {"slots": 8}, {"slots": 3}, {"policy": {"preset": "default", "max_wait_ms": 1}},
        {"policy": {"max_wait_ms": 300000}}, {"concurrency": "adaptive"}, {"concurrency": "fixed"},
    ]

    def change():
        while not stop.is_set():
            for body in changes:
                status, _, answer = runtime.call("PATCH", "/api/pools/default", body)
                assert status == 200, answer

    thread = threading.Thread(target=change)
    thread.start()
    more = later(runtime, 100, tenant="u", latency=5)
    try:
        until(lambda: runtime.pool()["books"]["live"] == 0, 60, "all ended")
    finally:
        stop.set()
        thread.join()
    for id in ids + more:
        assert ended(runtime, id)["reason"] == "ok"
    runtime.check_books()
    assert runtime.log.count("pool changed") >= len(changes)


def test_a_change_that_contradicts_itself_is_refused_by_name_and_changes_nothing(runtime):
    before = runtime.pool()["limits"]
    status, _, body = runtime.call("PATCH", "/api/pools/default", {"limits": {"burst_tokens": 5}})
    assert status == 400 and body["error"]["param"] == "limits.burst_tokens"
    assert "tokens_per_minute" in body["error"]["message"]
    status, _, body = runtime.call("PATCH", "/api/pools/default", {"order": "fifo"})
    assert status == 400 and body["error"]["code"] == "unknown_field"
    assert runtime.pool()["limits"] == before


def test_a_hangup_applies_scheduling_and_loses_nothing(tmp_path, mock):
    port = free_port()
    file = tmp_path / "sluice.yaml"
    file.write_text(f"listen: 127.0.0.1:{port}\npools: {{default: {{slots: 2}}}}\n")
    program = Program(["serve", "--config", str(file)], port, {"OPENAI_API_BASE": f"{mock.url}/v1"})
    try:
        body = {"model": "mock", "messages": [{"role": "user", "content": 'mock:{"latency":20}'}]}
        ids = [program.call("POST", "/v1/chat/completions", body, LATER)[2]["id"] for _ in range(200)]
        file.write_text(
            f"listen: 127.0.0.1:{port}\n"
            "pools: {default: {slots: 8, policy: fair, weights: {retry: 0.5}, tenant_weights: {default: 2},\n"
            "                  shed_after: 10m, max_wait: 2m}}\n")
        program.process.send_signal(signal.SIGHUP)
        until(lambda: "configuration read again" in program.log, 10, "the reload")
        pool = program.call("GET", "/api/pools/default")[2]
        assert pool["policy"]["preset"] == "custom" and pool["policy"]["weights"]["retry"] == 0.5
        assert pool["policy"]["max_wait_ms"] == 120000 and pool["tenants"]["weights"] == {"default": 2}
        assert pool["shedding"]["after_ms"] == 600000 and pool["slots"] == 8
        until(lambda: program.call("GET", "/api/pools/default")[2]["books"]["live"] == 0, 30, "all ended")
        assert all(ended(program, id)["reason"] == "ok" for id in ids)
        file.write_text(f"listen: 127.0.0.1:{port}\npools: {{default: {{policy: fifo, weights: {{retry: 1}}}}}}\n")
        program.process.send_signal(signal.SIGHUP)
        until(lambda: "policy fifo scores nothing" in program.log, 10, "the refusal")
        assert program.call("GET", "/api/pools/default")[2]["slots"] == 8
        program.stop()
    finally:
        program.kill()


def test_the_command_line_changes_scheduling(runtime):
    def command(*words):
        return subprocess.run([SLUICE, *words, "--url", runtime.url], capture_output=True, text=True, timeout=20)

    assert command("pools", "set", "default", "--policy", "fair", "--tenant-weights", "a=2").returncode == 0
    assert runtime.pool()["policy"]["preset"] == "fair" and runtime.pool()["tenants"]["weights"] == {"a": 2}
    refused = command("pools", "set", "default", "--burst-tokens", "5")
    assert refused.returncode == 1 and "limits.burst_tokens" in refused.stderr
    assert command("pools", "set", "default", "--policy", "default", "--tenant-weights", "off").returncode == 0
    assert runtime.pool()["policy"]["preset"] == "default" and runtime.pool()["tenants"]["weights"] == {}


# MARK: Why not me yet


def test_slots_and_those_ahead(start, mock):
    runtime = start(mock, "pools.default.slots=1")
    ids = later(runtime, 4, latency=60000)
    until(lambda: runtime.pool()["in_flight"] == 1, 5, "one running")
    said = explain(runtime, ids[3])
    assert said["position"] == 3 and said["queued"] == 3 and said["state"] == "queued"
    assert said["summary"].startswith("It waits because the only slot of pool 'default' is in use, and 2 requests are")
    assert gate(said, "slots") | {"state": "closed", "value": 1, "threshold": 1} == gate(said, "slots")
    assert gate(said, "order")["value"] == 2 and gate(said, "pool_mode")["state"] == "open"
    running = explain(runtime, ids[0])
    assert running["state"] == "started" and running["summary"].startswith("It runs")
    text = subprocess.run(
        [SLUICE, "explain", ids[3], "--url", runtime.url], capture_output=True, text=True, timeout=20).stdout
    assert text.startswith("It waits because the only slot") and "THRESHOLD" in text and "place 3 of 3" in text
    for id in ids:
        runtime.call("POST", f"/api/requests/{id}/cancel")
    runtime.settle()
    assert explain(runtime, ids[3])["outcome"] == "cancelled"


def test_a_paused_pool(start, mock):
    runtime = start(mock)
    runtime.call("POST", "/api/pools/default/pause")
    (id,) = later(runtime, 1)
    said = explain(runtime, id)
    assert said["reason"] == "pool_paused" and gate(said, "pool_mode")["detail"] == "paused"
    assert said["summary"] == (
        "It waits because pool 'default' is paused; it starts when the pool is resumed (sluice pools resume default).")
    runtime.call("POST", "/api/pools/default/resume")
    until(lambda: ended(runtime, id), 5, "the end")


def test_an_open_circuit(start, mock):
    runtime = start(
        mock, "backends.default.breaker.consecutive_failures=2", "backends.default.breaker.open_for=60s",
        "pools.default.retry.attempts=1")
    for _ in range(2):
        assert runtime.mocked(status=500)[0] == 502
    (id,) = later(runtime, 1)
    said = explain(runtime, id)
    assert said["reason"] == "circuit_open" and "the circuit of backend 'default' is open" in said["summary"]
    breaker = gate(said, "circuit_breaker")
    assert breaker["state"] == "closed" and breaker["value"] == 2 and breaker["threshold"] == 2
    assert 50000 < breaker["reopens_in_ms"] <= 60000
    runtime.call("POST", f"/api/requests/{id}/cancel")


def test_patience_that_the_backend_asked_for(start, mock):
    runtime = start(mock)
    (first,) = later(runtime, 1, status=429, retry_after=30)
    until(lambda: runtime.requests("?reason=rate_limited"), 5, "a throttled request")
    said = explain(runtime, first)
    assert gate(said, "back_off")["state"] == "closed" and gate(said, "back_off")["reopens_in_ms"] > 20000
    (second,) = later(runtime, 1)
    said = explain(runtime, second)
    assert gate(said, "backend_patience")["state"] == "closed" and "asked for patience" in said["summary"]
    for id in (first, second):
        runtime.call("POST", f"/api/requests/{id}/cancel")


def test_a_tenant_sees_its_own_requests_without_other_tenants_names(tmp_path, mock, start):
    keys = tmp_path / "keys"
    keys.write_text("a key-a tenant=a\nb key-b tenant=b\nroot key-root operator\n")
    keys.chmod(0o600)
    runtime = start(mock, f"api_keys_file={keys}", "pools.default.slots=1")

    def ask(key):
        body = {"model": "mock", "messages": [{"role": "user", "content": 'mock:{"latency":60000}'}]}
        headers = {**LATER, "Authorization": f"Bearer {key}"}
        return runtime.call("POST", "/v1/chat/completions", body, headers)[2]["id"]

    ids = [ask("key-b"), ask("key-b"), ask("key-a")]

    def look(id, key):
        return runtime.call("GET", f"/api/requests/{id}/explain", headers={"Authorization": f"Bearer {key}"})

    assert look(ids[2], "key-a")[0] == 200
    seen = look(ids[2], "key-a")[2]
    assert ids[1] not in json.dumps(seen) and '"b"' not in json.dumps(seen)
    assert look(ids[2], "key-b")[0] == 404 and look(ids[2], "key-root")[0] == 200
    runtime.kill()


# MARK: How long


def test_a_202_says_the_place_and_the_wait(start, mock):
    runtime = start(mock, "pools.default.slots=1")
    for _ in range(10):
        runtime.mocked(latency=20)
    headers = [runtime.mocked(LATER, latency=100)[1] for _ in range(4)]
    places = [int(h["x-sluice-queue-position"]) for h in headers]
    waits = [int(h["x-sluice-estimated-wait-ms"]) for h in headers]
    assert places[0] == 0 and places == sorted(places) and places[3] >= 2
    assert waits[0] == 0 and 0 < waits[3] < 5000 and waits == sorted(waits)
    runtime.settle()


@pytest.fixture
def busy(start, mock):
    """A runtime whose only slot is taken for a while."""
    runtime = start(mock, "pools.default.slots=1", "pools.default.retry.attempts=1")
    (id,) = later(runtime, 1, latency=2500)
    until(lambda: runtime.pool()["in_flight"] == 1, 5, "a busy slot")
    return runtime


UPDATES = {"x-sluice-queue-updates": "1"}
HELLO = [{"role": "user", "content": "hello"}]


def test_a_stream_says_its_place_while_it_waits(busy):
    answer = busy.call(
        "POST", "/v1/chat/completions", {"model": "mock", "stream": True, "messages": HELLO}, UPDATES)
    lines = answer[2].decode().split("\n\n")
    comments = [line for line in lines if line.startswith(": queued position=1")]
    assert answer[0] == 200 and 2 <= len(comments) <= 4, comments
    assert answer[1]["x-sluice-queue-position"] == "1" and lines[-2] == "data: [DONE]"


def test_the_official_sdk_reads_such_a_stream_without_trouble(busy):
    client = openai.OpenAI(base_url=f"{busy.url}/v1", api_key="none", max_retries=0, default_headers=UPDATES)
    began = time.monotonic()
    stream = client.chat.completions.create(model="mock", messages=HELLO, stream=True)
    assert time.monotonic() - began < 1.5, "opened at once"
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_official_sdk_raises_a_failure_that_comes_in_such_a_stream(busy):
    client = openai.OpenAI(base_url=f"{busy.url}/v1", api_key="none", max_retries=0, default_headers=UPDATES)
    stream = client.chat.completions.create(
        model="mock", stream=True, messages=[{"role": "user", "content": 'mock:{"status":500}'}])
    with pytest.raises(openai.APIError, match="failed after 1 attempt"):
        list(stream)


def test_a_client_that_goes_while_its_stream_waits_takes_its_request_with_it(busy):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", busy.port, timeout=10)
    connection.request(
        "POST", "/v1/chat/completions", json.dumps({"model": "mock", "stream": True, "messages": HELLO}),
        {"Content-Type": "application/json", **UPDATES})
    assert connection.getresponse().readline().startswith(b": queued")
    connection.sock.close()
    connection.close()
    until(lambda: busy.pool()["queued"] == 0, 5, "the request gone")
    assert busy.requests("?reason=client_gone")
    busy.settle()


# MARK: Limits and shares


def test_requests_a_minute_are_kept_and_explained(start, mock):
    runtime = start(mock, "pools.default.requests_per_minute=60", "pools.default.burst_requests=2")
    ids = later(runtime, 6)
    until(lambda: runtime.pool()["books"]["ended"].get("done/ok") == 2, 5, "the burst")
    said = explain(runtime, ids[5])
    limit = gate(said, "requests_per_minute")
    assert limit["state"] == "closed" and limit["value"] == 0 and limit["threshold"] == 1
    assert 0 < limit["reopens_in_ms"] <= 1000 and said["reason"] == "rate_limited"
    assert "the requests a minute of pool 'default' are used up" in said["summary"]
    until(lambda: ended(runtime, ids[5]), 10, "the last")
    starts = sorted(r["submitted_at"] * 1000 + r["timings_ms"]["started"] for r in runtime.requests("?state=done"))
    for i, first in enumerate(starts):
        for j, last in enumerate(starts[i:], 1):
            assert j <= 2 + (last - first) / 1000 + 0.05, starts
    assert starts[-1] - starts[0] < 6000, "and not much slower than it may"


def test_tokens_a_minute_are_kept(start, mock):
    rate, burst = 100, 300
    runtime = start(mock, f"pools.default.tokens_per_minute={60 * rate}", f"pools.default.burst_tokens={burst}")
    ids = later(runtime, 60, latency=5, tokens=16)
    waiting = until(
        lambda: next((r for r in runtime.requests("?reason=rate_limited&limit=1")), None), 5, "a request that waits")
    tokens = gate(explain(runtime, waiting["id"]), "tokens_per_minute")
    if tokens["state"] == "closed":  # It may have started meanwhile.
        assert tokens["value"] < tokens["threshold"] and tokens["unit"] == "tokens" and tokens["reopens_in_ms"] > 0
    until(lambda: all(ended(runtime, id) for id in ids[:1] + ids[-1:]), 60, "all ended")
    until(lambda: runtime.pool()["books"]["live"] == 0, 30, "all ended")
    rows = sorted(
        (r["submitted_at"] * 1000 + r["timings_ms"]["started"], sum(r["usage"].values()))
        for r in runtime.requests("?state=done&limit=100"))
    assert len(rows) == 60
    for i, (first, _) in enumerate(rows):
        used = 0
        for last, amount in rows[i:]:
            used += amount
            # One request's error of estimation at most is outstanding beyond what the bucket had.
            assert used <= burst + rate * (last - first) / 1000 + 64, (i, used, last - first)
    span = (rows[-1][0] - rows[0][0]) / 1000
    assert sum(amount for _, amount in rows) >= 0.8 * (rate * span), "and most of it is used"


def test_what_needs_more_than_the_limit_ever_lets_through_is_refused_at_the_door(start, mock):
    runtime = start(mock, "pools.default.tokens_per_minute=1000")
    status, headers, body = runtime.chat("x " * 4000)
    assert status == 413 and body["error"]["code"] == "oversize" and "tokens_per_minute" in body["error"]["message"]
    assert "1000" in body["error"]["message"]


def test_a_tenants_requests_at_once_are_bounded_and_explained(start, mock):
    runtime = start(mock, "pools.default.slots=8", "pools.default.tenant_max_in_flight=2")
    ids = later(runtime, 6, tenant="greedy", latency=1500)
    until(lambda: runtime.pool()["in_flight"] == 2, 5, "two running")
    said = explain(runtime, ids[5])
    cap = gate(said, "tenant_in_flight")
    assert said["reason"] == "tenant_slots_full"
    assert cap["state"] == "closed" and cap["value"] == 2 and cap["threshold"] == 2
    assert "tenant 'greedy' runs 2 requests and may run 2 at once" in said["summary"]
    assert said["tenant_share"]["in_flight"] == 2 and said["tenant_share"]["queued"] == 4
    began = time.monotonic()
    assert runtime.mocked({"x-sluice-tenant": "modest"}, latency=5)[0] == 200
    assert time.monotonic() - began < 1, "others pass"
    for _ in range(5):
        assert runtime.pool()["in_flight"] <= 2
        time.sleep(0.1)
    status, _, _ = runtime.call("PATCH", "/api/pools/default", {"tenants": {"max_in_flight": None}})
    assert status == 200
    until(lambda: runtime.pool()["in_flight"] == 4 or runtime.pool()["books"]["live"] <= 4, 2, "the rest runs")
    runtime.settle()


def test_whose_turn_it_is(start, mock):
    runtime = start(mock, "pools.default.slots=1")
    flood = later(runtime, 20, tenant="flood", latency=100)
    until(lambda: runtime.pool()["books"]["ended"].get("done/ok", 0) >= 3, 5, "some service")
    (honest,) = later(runtime, 1, tenant="honest", latency=100)
    said = explain(runtime, flood[19])
    if said["winner"] and said["winner"]["id"] == honest:
        turn = gate(said, "tenant_turn")
        assert turn["state"] == "closed" and turn["detail"] == "honest" and turn["value"] > turn["threshold"]
        assert said["tenant_share"]["counter"] == turn["value"] and said["tenant_share"]["least_tenant"] == "honest"
    until(lambda: ended(runtime, honest), 2, "the honest tenant's turn")
    assert not ended(runtime, flood[19])
    runtime.settle()


def test_scores_side_by_side(start, mock):
    runtime = start(mock, "pools.default.slots=1")
    later(runtime, 1, latency=3000)
    low = later(runtime, 1, headers={"x-sluice-priority": "low"})[0]
    urgent = later(runtime, 1, headers={"x-sluice-priority": "urgent"})[0]
    said = explain(runtime, low)
    assert said["winner"]["id"] == urgent and said["winner"]["priority"] == "urgent"
    assert said["score"]["priority"] == pytest.approx(0.025)
    assert said["winner"]["score"]["priority"] == pytest.approx(0.25)
    assert said["winner"]["score"]["total"] > said["score"]["total"]
    score = gate(said, "score")
    assert score["state"] == "closed" and score["value"] == said["score"]["total"]
    assert gate(said, "ageing")["threshold"] == 300000
    assert explain(runtime, urgent)["winner"] is None and gate(explain(runtime, urgent), "score")["state"] == "open"
    text = subprocess.run(
        [SLUICE, "explain", low, "--url", runtime.url], capture_output=True, text=True, timeout=20).stdout
    assert "0.250" in text and "0.025" in text and urgent in text
    runtime.settle()


# MARK: On Valkey's lists


def test_a_gateway_of_the_fabric_says_where_on_the_list_a_request_lies(fabric, mock):
    valkey = fabric.valkey()
    gateway = fabric.gateway(valkey)
    ids = [gateway.chat(headers=LATER)[2]["id"] for _ in range(3)]
    until(lambda: all(explain(gateway, id)["state"] == "queued" and explain(gateway, id)["position"] for id in ids), 10,
          "all on the list")
    places = [explain(gateway, id)["position"] for id in ids]
    assert sorted(places) == [1, 2, 3]
    said = explain(gateway, ids[0])
    assert gate(said, "list")["threshold"] == 3 and said["queued"] == 3
    assert said["summary"].startswith(f"It waits because it lies at place {places[0]} on the list of pool 'default'")
    assert "no dispatcher serves this pool" in said["summary"]
    refused = gateway.call("PATCH", "/api/pools/default", {"limits": {"tokens_per_minute": 5}})
    assert refused[0] == 400 and refused[2]["error"]["code"] == "not_a_dispatcher"
    _, headers, _ = gateway.chat(headers=LATER)
    assert "x-sluice-queue-position" not in headers, "nobody counts there"
    dispatcher = fabric.dispatcher(valkey, mock, "pools.default.slots=1")
    until(lambda: all(explain(gateway, id)["outcome"] == "done" for id in ids), 20, "all ended")
    dispatcher.settle()


def test_a_gateway_of_the_fabric_says_what_holds_its_dispatchers_back(fabric, mock):
    valkey = fabric.valkey()
    gateway = fabric.gateway(valkey)
    dispatcher = fabric.dispatcher(valkey, mock, "pools.default.slots=1")
    dispatcher.call("POST", "/api/pools/default/pause")
    id = gateway.chat(headers=LATER)[2]["id"]
    said = until(
        lambda: (lambda s: s if "the pool is paused at the only dispatcher" in s["summary"] else None)(
            explain(gateway, id)), 10, "the reason")
    assert said["state"] == "queued" and gate(said, "slots")["detail"] == "1 dispatcher"
    dispatcher.call("POST", "/api/pools/default/resume")
    until(lambda: explain(gateway, id)["outcome"] == "done", 20, "the end")
    running = gateway.chat('mock:{"latency":3000}', headers=LATER)[2]["id"]
    until(lambda: explain(gateway, running)["state"] == "started", 5, "it runs")
    assert explain(gateway, running)["summary"].startswith("It runs")
