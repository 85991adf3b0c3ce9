"""The fabric's first promises, with real processes on a real Valkey."""

import json

from fabric import INDEX, INFLIGHT
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
