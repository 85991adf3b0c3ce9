"""Executors that are not ours, against Sluice's dispatcher."""

import json
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from fabric import ALIVE, INDEX, INFLIGHT, REPLIES, REQUESTS
from fabric_peers import completion, page
from runtime import ROOT, until

EXECUTOR = ROOT / "examples" / "executor.py"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
pytestmark = pytest.mark.usefixtures("emptied")


def raw(value):
    """As executors of the first hour write it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def dropped(dispatcher, what, reason):
    """By the names that dashboards for the first dispatchers know."""
    lines = dispatcher.call("GET", "/metrics")[2].decode().splitlines()
    line, = [line for line in lines if line.startswith(f"marie_llm_dispatch_dropped_{what}_total{{") and reason in line]
    return int(float(line.split()[-1]))


def ended(dispatcher, reason, pool="default"):
    return dispatcher.books(pool)["ended"].get(reason, 0)


# An executor against `sluice dispatcher`.

@pytest.mark.parametrize("pop", ["blmove", "blpop"])
def test_thirty_pages_come_back_in_any_order_and_go_out_unchanged(valkey, backend, fabric, pop):
    delays = [0.05 * n for n in range(10)]
    random.Random(7).shuffle(delays)

    def answer(seen):
        number = int(seen.body["messages"][1]["content"][0]["text"].split()[1])
        time.sleep(delays[number % 10])
        return completion(f"page {number}")

    pages = backend(answer)
    dispatcher = fabric.dispatcher(valkey, pages, environment={"LLM_QUEUE_POP": pop})
    producer = fabric.producer(valkey)
    batch = [producer.envelope(id=f"batch_task_{n}", call={"messages": page(n), "max_tokens": 16384}) for n in range(30)]
    ids = producer.push(*batch)
    replies = producer.wait(*ids)
    assert [r["completion"]["choices"][0]["message"]["content"] for r in replies] == [f"page {n}" for n in range(30)]
    assert list(producer.replies) != ids, "they came in the order of the queue: the test shows nothing"
    assert all(len(of) == 1 for of in producer.replies.values())
    for request in batch:
        seen, = pages.of(request["request_id"])
        assert b'"messages":' + raw(request["call"]["messages"]) in seen.raw
        assert seen.body == {
            "model": "mock", "messages": request["call"]["messages"], "temperature": 0.0, "top_p": 1.0,
            "frequency_penalty": 0.0, "presence_penalty": 0.0, "n": 1, "max_tokens": 16384}
        assert seen.path == "/v1/chat/completions" and seen.headers["authorization"] == "Bearer EMPTY"
    dispatcher.settle()
    assert 0 < valkey.client.ttl(REPLIES.format(producer.id)) <= 300 or not valkey.client.exists(REPLIES.format(producer.id))
    assert not valkey.client.exists(INFLIGHT.format("default", dispatcher.id()), INDEX.format("default"))
    producer.close()


def test_a_reply_list_lives_three_hundred_seconds(valkey, backend, fabric):
    fabric.dispatcher(valkey, backend())
    producer = fabric.producer(valkey)
    producer.die()
    valkey.client.expire(ALIVE.format(producer.id), 30)
    producer.push(producer.envelope())
    key = REPLIES.format(producer.id)
    until(lambda: valkey.client.exists(key))
    assert 290 < valkey.client.ttl(key) <= 300
    valkey.client.expire(key, 5)
    producer.push(producer.envelope())
    until(lambda: valkey.client.llen(key) == 2)
    assert 290 < valkey.client.ttl(key) <= 300, "each reply renews it"


def test_what_is_too_large_is_refused_where_it_can_be_read(valkey, backend, fabric):
    pages = backend()
    dispatcher = fabric.dispatcher(valkey, pages)
    producer = fabric.producer(valkey)
    # 16 MiB is the executor's rule; one that does not keep it is served up to 32 MiB.
    large = producer.envelope("x" * (20 << 20))
    reply, = producer.wait(*producer.push(large))
    assert reply["status"] == "ok" and len(pages.of(large["request_id"])[0].raw) > 20 << 20
    giant, small = producer.envelope("x" * (33 << 20)), producer.envelope()
    refusal, reply = producer.wait(*producer.push(giant, small))
    assert refusal["status"] == "error" and "33554432" in refusal["error_message"]
    assert refusal["error_source"] == "llm_dispatcher" and refusal["completion"] is None
    assert reply["status"] == "ok" and not pages.of(giant["request_id"])
    assert ended(dispatcher, "rejected/malformed") == 1
    dispatcher.settle()


def test_what_cannot_be_read_is_answered_if_possible_and_never_stops_the_rest(valkey, backend, fabric):
    pages = backend()
    dispatcher = fabric.dispatcher(valkey, pages)
    producer = fabric.producer(valkey)
    wrong = {
        "version": producer.envelope(contract_version="v1"),
        "versionless": {k: v for k, v in producer.envelope().items() if k != "contract_version"},
        "no model": producer.envelope(call={"model": None}),
        "no messages": producer.envelope(call={"messages": None}),
        "wrong type": producer.envelope(call={"temperature": "cold"}),
        "no time": producer.envelope(submitted_at="now"),
    }
    ids = producer.push(*wrong.values())
    nan = producer.envelope(call={"temperature": float("nan")})
    producer.push(nan)
    cut = producer.envelope()
    nobody = [b"{", b"", b"[]", b"null", b"\xff\xfe", b'{"request_id":"x"}', b"\x00" * 100]
    producer.push(json.dumps(cut)[:-20], *nobody)
    fine = producer.run("fine")
    assert fine["status"] == "ok"
    replies = dict(zip(wrong, producer.wait(*ids)))
    assert {r["status"] for r in replies.values()} == {"error"}
    assert {name for name, r in replies.items() if r["error_type"] == "UnsupportedContractVersion"} == {
        "version", "versionless"}
    for reply in [*replies.values(), *producer.wait(nan["request_id"], cut["request_id"])]:
        assert reply["error_source"] == "llm_dispatcher" and reply["error_message"] and reply["completion"] is None
        assert reply["contract_version"] == "v2" and reply["producer_id"] == producer.id
    assert ended(dispatcher, "rejected/malformed") == len(wrong) + 2 + len(nobody)
    assert dropped(dispatcher, "requests", "malformed_request") == len(wrong) + 2 + len(nobody)
    assert len(pages.seen) == 1
    dispatcher.settle()


def test_what_the_contract_does_not_know_is_ignored_and_stays_in_the_fabric(valkey, backend, fabric):
    pages = backend()
    fabric.dispatcher(valkey, pages)
    producer = fabric.producer(valkey)
    reply = producer.run(new_field={"a": [1]}, call={
        "context": {"job_id": "j", "page_number": 1}, "repetition_recovery": True, "unheard_of": 1})
    assert reply["status"] == "ok"
    assert set(pages.seen[0].body) == {
        "model", "messages", "temperature", "top_p", "frequency_penalty", "presence_penalty", "n"}
    # The least that an executor may say; whole numbers where fractions are usual.
    least = {"request_id": "least", "producer_id": producer.id, "pool_id": "default", "contract_version": "v2",
             "submitted_at": int(time.time()), "call": {"model": "m", "messages": [{"role": "user", "content": "x"}]}}
    assert producer.wait(*producer.push(least))[0]["status"] == "ok"
    assert pages.of("least")[0].raw == raw(least["call"])


def test_a_body_is_made_as_the_contract_says(valkey, backend, fabric):
    pages = backend()
    fabric.dispatcher(valkey, pages)
    producer = fabric.producer(valkey)
    schema = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    reply = producer.run(call={
        "temperature": 0.2, "stop": ["\n\n"], "max_tokens": 100, "tools": tools, "tool_choice": "auto",
        "response_format": {"type": "json_object"}, "stream": True, "stream_options": {"include_usage": True},
        "extra_body": {"guided_json": schema, "top_k": 5, "min_p": None, "seed": 2},
        "extra_create_kwargs": {"seed": 1, "temperature": 0.7, "top_p": None, "logit_bias": {"1": 2},
                                "extra_headers": {"x-a": "b"}, "timeout": 3}})
    assert reply["status"] == "ok"
    seen, = pages.seen
    assert seen.body == {
        "model": "mock", "messages": [{"role": "user", "content": "hello"}], "temperature": 0.7, "top_p": 1.0,
        "frequency_penalty": 0.0, "presence_penalty": 0.0, "n": 1, "stop": ["\n\n"], "max_tokens": 100, "tools": tools,
        "tool_choice": "auto", "response_format": {"type": "json_object"}, "guided_json": schema, "top_k": 5,
        "min_p": None, "seed": 2, "logit_bias": {"1": 2}}
    assert b'"guided_json":' + raw(schema) in seen.raw and "x-a" not in seen.headers


def test_the_trace_goes_on_at_the_backend(valkey, backend, fabric):
    pages = backend()
    fabric.dispatcher(valkey, pages)
    producer = fabric.producer(valkey)
    producer.run(traceparent=TRACE, tracestate="vendor=value,other=1")
    producer.run()
    with_trace, without = pages.seen
    assert with_trace.headers["traceparent"] == TRACE and with_trace.headers["tracestate"] == "vendor=value,other=1"
    assert "traceparent" not in without.headers and "tracestate" not in without.headers


def test_a_completion_comes_back_byte_for_byte(valkey, backend, fabric):
    body = (b'{ "id":"c", "choices":[{"index":0,"finish_reason":"length","message":{"role":"assistant",'
            b'"content":"<think>\\u00e9 hm</think>{\\"a\\": 1.0e2}","reasoning_content":null}}],\n'
            b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"vendor":12345678901234567890.10}')
    fabric.dispatcher(valkey, backend(lambda seen: body))
    producer = fabric.producer(valkey)
    producer.die()  # nobody but this test pops
    producer.push(producer.envelope())
    _, element = valkey.client.blpop(REPLIES.format(producer.id), 10)
    assert body in element
    choice = json.loads(element)["completion"]["choices"][0]
    assert choice["finish_reason"] == "length" and choice["message"]["content"].startswith("<think>")


def test_an_error_says_what_and_where(valkey, backend, fabric):
    statuses = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
                422: "UnprocessableEntityError", 429: "RateLimitError", 500: "InternalServerError"}
    pages = backend(lambda seen: (
        int(seen.body["messages"][0]["content"]), {"error": {"message": "as told", "type": "x"}}, {"Retry-After": "0"}))
    url = pages.url.replace("://", "://user:secret@") + "/v1"
    dispatcher = fabric.dispatcher(
        valkey, url, "pools.default.retry.attempts=1", "pools.default.retry.max_throttles=0",
        "backends.default.breaker.consecutive_failures=1000")
    producer = fabric.producer(valkey)
    for status, name in statuses.items():
        reply = producer.run(str(status))
        assert (reply["status"], reply["error_type"], reply["error_source"]) == ("error", name, "llm_dispatcher"), reply
        assert reply["execution_backend_address"] == f"{pages.url}/v1" and reply["completion"] is None
        assert "secret" not in json.dumps(reply) and reply["dispatcher_id"] == dispatcher.id()
        assert set(reply) == {
            "request_id", "producer_id", "pool_id", "status", "completed_at", "contract_version", "completion",
            "error_type", "error_message", "error_source", "dispatcher_id", "execution_backend_address"}
    dispatcher.settle()
    assert ended(dispatcher, "failed/backend") == len(statuses)
    assert "secret" not in dispatcher.log


def test_the_deadline_holds_in_the_queue_and_at_the_backend(valkey, backend, fabric):
    pages = backend(lambda seen: time.sleep(3) or completion())
    dispatcher = fabric.dispatcher(valkey, pages)
    producer = fabric.producer(valkey)
    began = time.monotonic()
    slow, late = producer.wait(*producer.push(
        producer.envelope(timeout_seconds=0.5), producer.envelope(submitted_at=time.time() - 60, timeout_seconds=30)))
    assert time.monotonic() - began < 2.5
    assert slow["error_type"] == late["error_type"] == "APITimeoutError"
    assert len(pages.seen) == 1, "what was late already is not sent"
    assert ended(dispatcher, "expired/deadline") == 2
    dispatcher.settle()


def test_pools_have_lists_and_backends_of_their_own(valkey, backend, fabric):
    default, large = backend(), backend()
    dispatcher = fabric.dispatcher(
        valkey, default, f"backends.large.url={large.url}/v1", "backends.large.key=EMPTY",
        "pools.document-large.backend=large")
    producer = fabric.producer(valkey)

    def place(metadata):
        """As executors choose: metadata.pool_id if it is a string that is not blank, else what they are set to."""
        pool = (metadata or {}).get("pool_id")
        return pool if isinstance(pool, str) and pool.strip() else "default"

    cases = [{"pool_id": "document-large"}, {"pool_id": "  "}, {"pool_id": ""}, {"pool_id": 7}, None]
    for metadata in cases:
        pool = place(metadata)
        request = producer.envelope(metadata=metadata, pool_id=pool)
        valkey.client.rpush(REQUESTS.format(pool), raw(request))
        reply, = producer.wait(request["request_id"])
        assert reply["status"] == "ok" and reply["pool_id"] == pool
        used = large if pool == "document-large" else default
        assert len(used.of(request["request_id"])) == 1 and reply["execution_backend_address"] == f"{used.url}/v1"
    assert len(large.seen) == 1 and len(default.seen) == 4
    dispatcher.settle()
    assert ended(dispatcher, "done/ok", "document-large") == 1


@pytest.mark.parametrize("pop", ["blmove", "blpop"])
def test_work_of_the_dead_is_dropped_and_the_next_is_served(valkey, backend, fabric, pop):
    pages = backend()
    dispatcher = fabric.dispatcher(valkey, pages, environment={"LLM_QUEUE_POP": pop})
    dead, living = fabric.producer(valkey), fabric.producer(valkey)
    dead.close()
    ids = dead.push(*[dead.envelope() for _ in range(3)])
    assert living.run()["status"] == "ok"
    until(lambda: ended(dispatcher, "dropped/offline_producer_before_dispatch") == 3)
    assert not valkey.client.exists(REPLIES.format(dead.id)) and len(pages.seen) == 1
    assert not any(pages.of(id) for id in ids)
    dispatcher.settle()


@pytest.mark.parametrize("pop", ["blmove", "blpop"])
def test_an_executor_that_dies_in_the_middle_of_a_batch(valkey, backend, fabric, pop):
    gate = threading.Event()

    def answer(seen):
        if seen.body["messages"][0]["content"] == "slow":
            gate.wait(30)
        return completion()

    pages = backend(answer)
    dispatcher = fabric.dispatcher(valkey, pages, "pools.default.slots=4", environment={"LLM_QUEUE_POP": pop})
    producer = fabric.producer(valkey)
    quick = producer.push(*[producer.envelope("quick") for _ in range(3)])
    producer.wait(*quick)
    slow = producer.push(*[producer.envelope("slow") for _ in range(10)])
    until(lambda: len(pages.seen) == 7)
    producer.close()
    gate.set()
    until(lambda: ended(dispatcher, "dropped/offline_producer_before_reply") == 4)
    until(lambda: ended(dispatcher, "dropped/offline_producer_before_dispatch") == 6)
    dispatcher.settle()
    assert dropped(dispatcher, "replies", "offline_producer_before_reply") == 4
    assert dropped(dispatcher, "requests", "offline_producer_before_dispatch") == 6
    assert len(pages.seen) == 7 and not any(id in producer.replies for id in slow)
    assert not valkey.client.exists(REPLIES.format(producer.id), REQUESTS.format("default"))
    assert not valkey.client.exists(INFLIGHT.format("default", dispatcher.id()), INDEX.format("default"))
    assert fabric.producer(valkey).run("quick")["status"] == "ok"


def test_the_live_view_tells_all_of_the_queue_by_a_sample(valkey, backend, fabric):
    gate = threading.Event()
    pages = backend(lambda seen: gate.wait(60) and completion())
    dispatcher = fabric.dispatcher(valkey, pages, "pools.default.slots=2", environment={
        "LLM_QUEUE_FABRIC_GROUP_ID": "fabric-1", "LLM_QUEUE_GATEWAY_ID": "gateway-1"})
    gateway = fabric.gateway(valkey)
    producer = fabric.producer(valkey)
    # A second later each: what waits longest stands first.
    began = time.time() - 100
    ids = producer.push(*[
        producer.envelope("Hi", id=f"batch_task_{n}", submitted_at=began + n, estimated_cost_units=n) for n in range(40)])
    until(lambda: len(pages.seen) == 2)
    view = until(lambda: (lambda v: v if len(v["dispatchers"]) and v["runtime_summary"]["inflight_request_count"] == 2
                          and {r["lifecycle_stage"] for r in v["live_requests"]} == {"executing", "pending"} else None)(
        gateway.runtime(limit=10)))
    assert view["contract_version"] == "v2"
    summary = view["runtime_summary"]
    held = 40 - valkey.client.llen(REQUESTS.format("default"))
    assert summary["pending_request_count"] == 40 - held and summary["pending_request_sample_count"] == 10
    assert summary["live_request_sample_limit_per_pool"] == 10 and summary["registered_dispatchers"] == 1
    running = [row for row in view["live_requests"] if row["state_source"] == "dispatcher"]
    pending = [row for row in view["live_requests"] if row["state_source"] == "valkey"]
    assert view["live_requests"] == running + pending and len(running) == 2 and len(pending) == 10
    assert [row["request_id"] for row in running] == ids[:2]
    assert [row["request_id"] for row in pending] == ids[held:held + 10]
    for row in running:
        assert row["producer_id"] == producer.id and row["pool_id"] == "default" and row["model"] == "mock"
        assert row["dispatcher_id"] == dispatcher.id() and row["lifecycle_stage"] == "executing"
        assert row["message_count"] == 1 and row["timeout_seconds"] == 600 and row["popped_at"] > row["submitted_at"]
        assert row["queue_wait_age_seconds"] == pytest.approx(row["popped_at"] - row["submitted_at"], abs=0.01)
    for row in pending:
        assert row["lifecycle_stage"] == "pending" and row["popped_at"] is None and row["dispatcher_id"] is None
        assert row["queue_wait_age_seconds"] == pytest.approx(time.time() - row["submitted_at"], abs=5)
        assert row["dispatch_profile_key"] == "mock" and row["submitted_at"] >= began
    time.sleep(0.3)  # a view that is younger than 0.2 s is shown again
    later = [row for row in gateway.runtime(limit=10)["live_requests"] if row["state_source"] == "dispatcher"]
    for then, now in zip(running, later):
        assert now["queue_wait_age_seconds"] == then["queue_wait_age_seconds"], "frozen by the pop"
        assert now["inflight_age_seconds"] > then["inflight_age_seconds"] + 0.2, "computed anew"
    row, = view["dispatchers"]
    assert row["dispatcher_id"] == dispatcher.id() and row["pool_id"] == "default" and row["running"]
    assert (row["fabric_group_id"], row["gateway_id"]) == ("fabric-1", "gateway-1")
    assert row["valkey_configured"] and row["request_queue_depth"] == 40 - held and row["endpoint_url"] == f"{pages.url}/v1"
    gate.set()
    producer.wait(*ids)
    dispatcher.settle()


def test_the_live_view_counts_what_was_dropped(valkey, backend, fabric):
    gate = threading.Event()
    pages = backend(lambda seen: gate.wait(30) and completion())
    fabric.dispatcher(valkey, pages, "fabric.dispatcher_ttl=1s")
    gateway = fabric.gateway(valkey)
    leaving, dead = fabric.producer(valkey), fabric.producer(valkey)
    leaving.push(leaving.envelope())
    until(lambda: pages.seen)
    leaving.close()
    dead.close()
    dead.push(dead.envelope(), dead.envelope(), b"{")
    gate.set()

    def counted():
        summary = gateway.runtime()["runtime_summary"]
        return (summary["malformed_requests_dropped"], summary["offline_producer_requests_dropped"],
                summary["offline_producer_replies_dropped"]) == (1, 2, 1)

    until(counted, 10, "the counts in the view")


# The example.

def executor(valkey, *arguments, **options):
    # Whoever runs these tests in the background may have had SIGINT ignored, which children inherit.
    return subprocess.Popen(
        [sys.executable, str(EXECUTOR), "--url", valkey.url, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options)


def test_the_example_prints_what_comes_and_leaves_nothing(valkey, backend, fabric):
    def answer(seen):
        text = seen.body["messages"][0]["content"]
        time.sleep({"first": 0.6, "second": 0.3}.get(text, 0))
        return (400, {"error": {"message": "no such thing"}}) if text == "wrong" else completion(text.upper())

    fabric.dispatcher(valkey, backend(answer))
    process = executor(valkey, "first", "second", "third", "wrong")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1 and not err
    lines = out.splitlines()
    assert [line.split("'")[1] for line in lines if "failed" not in line] == ["third", "second", "first"]
    assert "'first': FIRST" in lines[-1]
    assert any("'wrong' failed: BadRequestError from llm_dispatcher dispatcher=default:" in line for line in lines)
    assert not list(valkey.client.scan_iter("key:llm:producer:*")) and not list(valkey.client.scan_iter("list:*"))


def test_the_example_leaves_when_it_is_told_to(valkey, backend, fabric):
    gate = threading.Event()
    pages = backend(lambda seen: gate.wait(30) and completion())
    dispatcher = fabric.dispatcher(valkey, pages)
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        process = executor(valkey, "slow")
        until(lambda: pages.seen)
        process.send_signal(number)
        _, err = process.communicate(timeout=10)
        assert process.returncode == code and "Traceback" not in err
        assert not list(valkey.client.scan_iter("key:llm:producer:*"))
        pages.seen.clear()
    gate.set()
    until(lambda: ended(dispatcher, "dropped/offline_producer_before_reply") == 2)
    dispatcher.settle()


def test_the_example_keeps_the_rules(valkey, monkeypatch):
    monkeypatch.syspath_prepend(str(EXECUTOR.parent))
    from executor import Executor
    call = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    large = {"model": "m", "messages": [{"role": "user", "content": "x" * (16 << 20)}]}
    with Executor(valkey.url) as one, Executor(valkey.url, pool="other") as other:
        assert one.id != other.id and 0 < valkey.client.ttl(ALIVE.format(one.id)) <= 30
        with pytest.raises(ValueError, match="max inline payload is 16777216 bytes"):
            list(one.run([call, large]))
        assert not valkey.client.exists(REQUESTS.format("default")), "one that is too large fails the batch"
        with pytest.raises(TimeoutError, match="1 of 1"):
            list(one.run([call], timeout=0.2))
        assert valkey.client.llen(REQUESTS.format("default")) == 1, "there is no cancelling"
        given_up = json.loads(valkey.client.lpop(REQUESTS.format("default")))

        def answer():
            element = valkey.client.blpop(REQUESTS.format("elsewhere"), 10)
            request = json.loads(element[1])
            good = {"request_id": request["request_id"], "contract_version": "v2", "status": "ok"}
            for reply in ({"request_id": given_up["request_id"], "contract_version": "v2", "status": "ok"}, "{", [],
                          {**good, "contract_version": "v1"}, {"contract_version": "v2"}, good, good):
                valkey.client.rpush(one.replies, reply if isinstance(reply, str) else json.dumps(reply))

        thread = threading.Thread(target=answer)
        thread.start()
        replies = list(one.run([call], timeout=10, metadata={"pool_id": "elsewhere"}))
        thread.join()
        assert [(index, reply["status"]) for index, reply in replies] == [(0, "ok")]
        with pytest.raises(TimeoutError):
            list(other.run([call], timeout=0.1, metadata={"pool_id": " "}))
        assert valkey.client.llen(REQUESTS.format("other")) == 1
        valkey.client.delete(REQUESTS.format("other"))
    assert not list(valkey.client.scan_iter("*producer*")) and not list(valkey.client.scan_iter("list:*"))
