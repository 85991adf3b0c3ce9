"""Dispatchers that are not ours, behind Sluice's gateway."""

import json
import random
import threading
import time

import openai
import pytest

from fabric import ALIVE, REQUESTS
from fabric_peers import PlainDispatcher, completion, page
from runtime import until

pytestmark = pytest.mark.usefixtures("emptied")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def plain(valkey):
    """Starts dispatchers that know the contract and nothing of Sluice: `plain(backend)`."""
    begun = []

    def begin(*arguments, **options):
        begun.append(PlainDispatcher(valkey.port, *arguments, **options))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()


def replies(gateway):
    """What came on the gateway's list, by kind."""
    text = gateway.call("GET", "/metrics")[2].decode()
    lines = [line for line in text.splitlines() if line.startswith("sluice_fabric_replies_total{")]
    return {line.split('kind="')[1].split('"')[0]: int(float(line.split()[-1])) for line in lines}


def client(gateway):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=30)


def test_a_plain_dispatcher_serves_the_gateway(valkey, backend, fabric, plain):
    pages = backend(lambda seen: completion(f"{len(seen.body['messages'])} messages"))
    dispatcher, gateway = plain(pages), fabric.gateway(valkey)
    schema = {"type": "object"}
    status, headers, body = gateway.call("POST", "/v1/chat/completions", {
        "model": "m", "messages": page(1), "temperature": 0, "guided_json": schema, "seed": 3, "max_tokens": 9.0,
    }, {"traceparent": TRACE})
    assert status == 200 and body == completion("2 messages")
    assert headers["x-sluice-dispatcher"] == dispatcher.id
    seen, = pages.seen
    assert seen.body == {"model": "m", "messages": page(1), "temperature": 0, "stream": False, "guided_json": schema,
                         "seed": 3, "max_tokens": 9}
    assert seen.headers["traceparent"].split("-")[1] == TRACE.split("-")[1]
    request, = dispatcher.taken
    assert set(request) == PlainDispatcher.FIELDS and set(request["call"]) == PlainDispatcher.CALL
    assert request["submitted_at"] == pytest.approx(time.time(), abs=10) and request["pool_id"] == "default"
    assert request["timeout_seconds"] == pytest.approx(600, abs=1) and request["dispatch_profile_key"] == "m"
    alive = ALIVE.format(request["producer_id"])
    assert valkey.client.get(alive).decode() == request["producer_id"] and 15 < valkey.client.ttl(alive) <= 30
    assert not dispatcher.malformed and not dispatcher.dropped
    gateway.settle()
    gateway.stop()
    assert not list(valkey.client.scan_iter("key:llm:producer:*")), "a clean end says so"


def test_many_requests_at_once_through_a_plain_dispatcher(valkey, backend, fabric, plain):
    pages = backend(lambda seen: time.sleep(random.random() / 10) or completion(seen.body["messages"][0]["content"]))
    plain(pages, workers=4)
    plain(pages, workers=4)
    gateway = fabric.gateway(valkey)
    answers = {}

    def ask(number):
        answers[number] = gateway.chat(f"number {number}")[2]["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: f"number {n}" for n in range(60)} and len(pages.seen) == 60
    gateway.settle()
    assert replies(gateway) == {"ok": 60, "error": 0, "frame": 0, "late": 0, "unknown": 0, "malformed": 0, "repeated": 0}


def test_who_asked_for_a_stream_gets_one(valkey, backend, fabric, plain):
    calls = [{"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": f'{{"n":{n}}}'}} for n in (1, 2)]
    answer = completion("first", system_fingerprint="fp")
    answer["choices"][0]["message"]["tool_calls"] = calls
    answer["choices"].append({"index": 1, "finish_reason": "length", "message": {"role": "assistant", "content": "second"}})
    pages = backend(lambda seen: answer)
    plain(pages)
    gateway = fabric.gateway(valkey)
    chunks = list(client(gateway).chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True, stream_options={"include_usage": True}, n=2))
    assert {(c.id, c.object, c.model, c.system_fingerprint) for c in chunks} == {
        ("chatcmpl-1", "chat.completion.chunk", "m", "fp")}
    deltas = {(choice.index, choice.delta.content) for c in chunks for choice in c.choices if choice.delta.content}
    assert deltas == {(0, "first"), (1, "second")}
    assert [(t.index, t.id, t.function.arguments) for c in chunks for choice in c.choices
            for t in choice.delta.tool_calls or []] == [(0, "call_1", '{"n":1}'), (1, "call_2", '{"n":2}')]
    assert {(choice.index, choice.finish_reason) for c in chunks for choice in c.choices if choice.finish_reason} == {
        (0, "stop"), (1, "length")}
    assert [c.usage.total_tokens for c in chunks if c.usage] == [5] and not chunks[-1].choices
    assert pages.seen[0].body["stream"] is False
    status, headers, body = gateway.chat(stream=True)
    assert status == 200 and headers["Content-Type"] == "text/event-stream" and b'"usage"' not in body
    assert body.endswith(b"data: [DONE]\n\n")
    ended = gateway.call("GET", "/api/requests?limit=1")[2]["requests"][0]
    assert ended["outcome"] == "done" and ended["usage"]["completion_tokens"] == 2, ended
    gateway.settle()


def test_a_plain_dispatchers_errors_come_back_in_their_class(valkey, backend, fabric, plain):
    pages = backend(lambda seen: (int(seen.body["messages"][0]["content"]), {"error": {"message": "as told"}}))
    dispatcher, gateway = plain(pages), fabric.gateway(valkey)
    ask = client(gateway).chat.completions.create
    classes = {
        400: (openai.BadRequestError, 400), 403: (openai.PermissionDeniedError, 403), 404: (openai.NotFoundError, 404),
        422: (openai.UnprocessableEntityError, 422), 429: (openai.RateLimitError, 429),
        500: (openai.InternalServerError, 502),
        # The dispatcher's own key is its operator's trouble.
        401: (openai.InternalServerError, 502)}
    for stream in (False, True):
        for status, (error, told) in classes.items():
            with pytest.raises(error) as caught:
                ask(model="m", messages=[{"role": "user", "content": str(status)}], stream=stream)
            assert caught.value.status_code == told and "as told" in caught.value.message
            assert caught.value.response.headers["x-sluice-dispatcher"] == dispatcher.id
    pages.kill()
    status, _, body = gateway.chat("down")
    assert status == 502 and body["error"]["code"] == "APIConnectionError" and "Connection error" in body["error"]["message"]
    gateway.settle()
    assert gateway.books()["ended"]["failed/backend"] == 2 * len(classes) + 1
    assert len(pages.seen) == 2 * len(classes), "the gateway repeats nothing"


def test_a_slow_dispatcher_and_a_dead_one(valkey, backend, fabric, plain):
    pages = backend(lambda seen: time.sleep(float(seen.body["messages"][0]["content"])) or completion("at last"))
    dispatcher, gateway = plain(pages), fabric.gateway(valkey)
    assert gateway.chat("1.2")[2]["choices"][0]["message"]["content"] == "at last"
    for stream in (False, True):
        began = time.monotonic()
        status, _, body = gateway.chat("1.5", {"x-sluice-timeout-ms": "600"}, stream=stream)
        assert status == 504 and body["error"]["code"] == "deadline_exceeded" and time.monotonic() - began < 1.4
    # The dispatcher gives up by the same clock, and says so too late; or its answer does.
    until(lambda: replies(gateway)["late"] == 2)
    dispatcher.kill()
    began = time.monotonic()
    status, _, body = gateway.chat("0", {"x-sluice-timeout-ms": "700"})
    assert status == 504 and body["error"]["type"] == "timeout_error" and 0.6 < time.monotonic() - began < 2
    assert valkey.client.llen(REQUESTS.format("default")) == 1, "there is no cancelling"
    # Somebody takes it after all, and the next is served as if nothing had been.
    plain(pages)
    assert gateway.chat("0")[0] == 200
    until(lambda: replies(gateway)["late"] == 3)
    gateway.settle()
    assert gateway.books()["ended"]["expired/deadline"] == 3


def test_replies_that_nobody_waits_for_are_counted_and_harmless(valkey, backend, fabric, plain):
    pages = backend()
    gateway = fabric.gateway(valkey)

    class Careless(PlainDispatcher):
        def reply(self, request, **outcome):
            producer = request["producer_id"]
            self.push(producer, "{", "", "[]", "null", b"\xff", json.dumps({"request_id": request["request_id"]}))
            super().reply({**request, "request_id": "of nobody"}, **outcome)
            super().reply({**request, "producer_id": producer, "request_id": "x" * 600}, **outcome)
            super().reply(request, **outcome, contract_version="v1")
            super().reply(request, completion={"a": 1}, status="perhaps")
            super().reply(request, **outcome, new_field=[1])
            super().reply(request, **outcome)

    dispatcher = Careless(valkey.port, pages)
    try:
        for _ in range(5):
            assert gateway.chat()[0] == 200
        until(lambda: replies(gateway)["late"] == 5)
    finally:
        dispatcher.kill()
    assert replies(gateway) == {"ok": 5, "error": 0, "frame": 0, "late": 5, "unknown": 5, "malformed": 45, "repeated": 0}
    assert gateway.call("GET", "/readyz")[0] == 200
    gateway.settle()


def test_a_gateway_that_dies_is_waited_for_no_longer_than_its_key_lives(valkey, backend, fabric, plain):
    gateway = fabric.gateway(valkey, "fabric.producer_ttl=1s")
    threading.Thread(target=lambda: pytest.raises(Exception, gateway.chat), daemon=True).start()
    until(lambda: valkey.client.llen(REQUESTS.format("default")) == 1)
    gateway.kill()
    until(lambda: not list(valkey.client.scan_iter("key:llm:producer:*")))
    pages = backend()
    dispatcher = plain(pages)
    until(lambda: dispatcher.dropped)
    assert not pages.seen and not valkey.client.exists(REQUESTS.format("default"))


def test_the_gateway_routes_by_metadata(valkey, backend, fabric, plain):
    first, second = backend(), backend()
    plain(first)
    plain(second, pool="document-large")
    gateway = fabric.gateway(valkey, "pools.document-large.slots=8")
    for metadata, used in (({"pool_id": "document-large"}, second), ({"pool_id": " "}, first), (None, first)):
        before = len(used.seen)
        assert gateway.chat(metadata=metadata)[0] == 200
        assert len(used.seen) == before + 1
    gateway.settle()
