"""The fabric's first promises, with real processes on a real Valkey."""

import json
import socket

from fabric import INDEX, INFLIGHT, REPLIES
from runtime import until


def test_an_executor_gets_its_answer(valkey, mock, fabric):
    dispatcher = fabric.dispatcher(valkey, mock)
    producer = fabric.producer(valkey)
    reply = producer.run("hello")
    assert reply["status"] == "ok" and reply["contract_version"] == "v2" and reply["error_type"] is None
    assert reply["completion"]["choices"][0]["message"]["content"]
    assert reply["dispatcher_id"] == dispatcher.id() and reply["execution_backend_address"] == f"{mock.url}/v1"
    assert set(reply) == {
        "request_id", "producer_id", "pool_id", "status", "completed_at", "contract_version", "completion",
        "error_type", "error_message", "error_source", "dispatcher_id", "execution_backend_address"}
    dispatcher.settle()
    assert not valkey.client.exists(INFLIGHT.format("default", dispatcher.id()), INDEX.format("default"))


def test_a_gateway_gets_its_answer_and_its_stream(valkey, mock, fabric):
    dispatcher, gateway = fabric.dispatcher(valkey, mock), fabric.gateway(valkey)
    status, headers, body = gateway.chat("hello")
    assert status == 200 and body["choices"][0]["message"]["content"]
    assert headers["x-sluice-dispatcher"] == dispatcher.id()
    status, _, body = gateway.chat("hello", stream=True)
    events = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert status == 200 and events[-1] == "[DONE]"
    assert "".join(json.loads(e)["choices"][0]["delta"].get("content") or "" for e in events[:-1] if '"choices":[{' in e)
    status, _, body = gateway.call("GET", "/v1/models")
    assert status == 200 and body == {"object": "list", "data": []}
    gateway.settle()
    dispatcher.settle()


def test_a_dispatcher_gives_back_what_it_has_not_sent(valkey, mock, fabric):
    dispatcher = fabric.dispatcher(valkey, mock, "pools.default.slots=1")
    producer = fabric.producer(valkey)
    ids = producer.push(*[producer.envelope('mock:{"latency":300}') for _ in range(5)])
    until(lambda: valkey.client.llen("list:llm:requests:default") < 5)
    dispatcher.stop()
    left = valkey.client.llen("list:llm:requests:default")
    assert left + len(producer.replies) == 5 and left >= 3
    other = fabric.dispatcher(valkey, mock)
    replies = producer.wait(*ids)
    assert all(reply["status"] == "ok" for reply in replies)
    other.settle()


def metrics(program):
    lines = program.call("GET", "/metrics")[2].decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}


def test_metrics_have_our_names_and_the_first_ones(mock, fabric):
    valkey = fabric.valkey()
    dispatcher, gateway = fabric.dispatcher(valkey, mock), fabric.gateway(valkey)
    producer = fabric.producer(valkey)
    assert producer.run("hello")["status"] == "ok"
    assert producer.run('mock:{"status":400}')["status"] == "error"
    producer.push("not json")
    until(lambda: metrics(dispatcher)['sluice_fabric_taken_total{pool="default"}'] == 3)
    assert gateway.chat("hello")[0] == 200
    valkey.client.rpush(REPLIES.format(gateway.log.split("producer ", 1)[1].split()[0]), "not a reply")
    until(lambda: metrics(gateway)['sluice_fabric_replies_total{kind="malformed"}'] == 1)
    seen, asked = metrics(dispatcher), metrics(gateway)
    labels = f'pool_id="default",dispatcher_id="{dispatcher.id()}"'
    version = 'contract_version="v2"'
    assert seen[f'marie_llm_dispatch_items_total{{{labels},status="ok",{version}}}'] == 2
    assert seen[f'marie_llm_dispatch_items_total{{{labels},status="error",{version}}}'] == 1
    assert seen[f'marie_llm_dispatch_execution_failures_total{{{labels},{version}}}'] == 1
    assert seen[f'marie_llm_dispatch_dropped_requests_total{{{labels},reason="malformed_request",{version}}}'] == 1
    assert seen[f'marie_llm_dispatch_request_seconds_count{{{labels},{version}}}'] == 3
    assert seen["sluice_fabric_held"] == 0 and seen["sluice_fabric_up"] == 1
    assert asked["marie_llm_dispatch_registered_dispatchers"] == asked["marie_llm_dispatch_running_dispatchers"] == 1
    assert asked['marie_llm_dispatch_request_queue_depth{pool_id="default"}'] == 0
    assert asked['sluice_fabric_replies_total{kind="ok"}'] == 1 and asked["sluice_fabric_pushed_total"] == 1


def test_a_gateway_says_whether_its_request_waits_or_runs_and_where(mock, fabric):
    valkey = fabric.valkey()
    gateway, dispatcher = fabric.gateway(valkey), fabric.dispatcher(valkey, mock, "pools.default.slots=1")
    later = {"Prefer": "respond-async"}
    first = gateway.chat('mock:{"latency":1500}', later)[2]["id"]
    until(lambda: valkey.client.hexists(INDEX.format("default"), first))
    second = gateway.chat('mock:{"latency":10}', later)[2]["id"]
    until(lambda: valkey.client.llen("list:llm:requests:default") == 1)

    def listed(state):
        rows = gateway.call("GET", f"/api/requests?state={state}")[2]["requests"]
        return [(row["id"], row.get("dispatcher"), (row["waiting"] or {}).get("reason")) for row in rows]

    assert listed("started") == [(first, dispatcher.id(), None)]
    assert listed("queued") == [(second, None, "ahead_in_queue")]
    shown = gateway.call("GET", f"/api/requests/{second}")[2]
    assert shown["state"] == "queued" and shown["waiting"]["position"] is None
    until(lambda: gateway.call("GET", f"/api/requests/{second}")[2]["outcome"] == "done")
    # The dispatcher knows it by the same id, a moment after the reply has gone out.
    dispatcher.settle()
    rows = until(lambda: dispatcher.call("GET", f"/api/requests?request_id={second}")[2]["requests"])
    assert [row["id"] for row in rows] == [second] and rows[0]["outcome"] == "done"


def test_a_request_that_nobody_takes_says_so(fabric):
    gateway = fabric.gateway(fabric.valkey())
    status, _, body = gateway.chat("hello", {"x-sluice-timeout-ms": "300"})
    assert status == 504 and body["error"]["code"] == "deadline_exceeded"
    assert "is a dispatcher running?" in body["error"]["message"] and "pool 'default'" in body["error"]["message"]
    until(lambda: "is a dispatcher running?" in gateway.log, what="the log saying so")
    gateway.settle()
    assert gateway.books()["ended"] == {"expired/deadline": 1}


def test_a_runtime_that_serves_lists_too_shares_its_slots(mock, fabric, start):
    valkey = fabric.valkey()
    runtime = start(mock, "pools.default.slots=2", environment={
        "LLM_QUEUE_ENABLED": "true", "LLM_QUEUE_VALKEY_URL": valkey.url, "OPENAI_API_KEY": "EMPTY"})
    later = {"Prefer": "respond-async"}

    def ask(count):
        return [runtime.chat('mock:{"latency":300}', later)[2]["id"] for _ in range(count)]

    ids = ask(4)
    producer = fabric.producer(valkey)
    first, = producer.push(producer.envelope('mock:{"latency":10}'))
    until(lambda: valkey.client.hexists(INDEX.format("default"), first), what="it being taken though all slots are")
    ids += ask(16)
    # It has its place in the one order of the pool: behind those before it, before those behind it.
    assert producer.wait(first)[0]["status"] == "ok"
    assert sum(runtime.call("GET", f"/api/requests/{id}")[2]["state"] != "ended" for id in ids) >= 10
    rows = runtime.call("GET", "/api/llm-dispatch/runtime")[2]["result"]["live_requests"]
    assert {row["request_id"] for row in rows} <= set(ids) and rows
    runtime.settle()
    assert runtime.call("GET", "/api/pools")[2]["pools"][0]["books"]["ended"] == {"done/ok": 21}


def test_who_goes_away_frees_the_slot_of_a_dispatcher(mock, fabric):
    valkey = fabric.valkey()
    dispatcher, gateway = fabric.dispatcher(valkey, mock), fabric.gateway(valkey)
    for stream in (False, True):
        slow = 'mock:{"tokens":1000,"tokens_per_second":20}' if stream else 'mock:{"latency":20000}'
        body = json.dumps({"model": "mock", "stream": stream, "messages": [{"role": "user", "content": slow}]}).encode()
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                           b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            until(lambda: mock.executions()["running"] == 1, what="the backend at work")
        until(lambda: mock.executions()["running"] == 0, 5, "the backend's call closed")
    # An operator's cancel takes the same way.
    id = gateway.chat('mock:{"latency":20000}', {"Prefer": "respond-async"})[2]["id"]
    until(lambda: mock.executions()["running"] == 1)
    assert gateway.call("POST", f"/api/requests/{id}/cancel")[0] in (200, 202)
    until(lambda: mock.executions()["running"] == 0, 5, "the backend's call closed")
    dispatcher.settle()
    gateway.settle()
    assert dispatcher.books()["ended"] == {"cancelled/client_gone": 3}
    assert not valkey.client.exists("list:llm:cancelled:default")
