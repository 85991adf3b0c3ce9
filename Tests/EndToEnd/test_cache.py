"""The cache through real HTTP: hits, streams, shared calls, Valkey between two gateways."""

import concurrent.futures

import pytest

from runtime import until

CACHED = "pools.default.cache=on"


def chat(runtime, content="hello", headers=None, **fields):
    status, fields_, body = runtime.chat(content, headers, **fields)
    lower = {name.lower(): value for name, value in fields_.items()}
    return status, lower, body


def state(runtime, *arguments, **fields):
    status, headers, _ = chat(runtime, *arguments, **fields)
    assert status == 200
    return headers.get("x-sluice-cache")


def test_hits_are_the_same_answer_and_make_no_call(start, mock):
    runtime = start(mock, CACHED)
    mock.call("POST", "/mock/reset")
    first = chat(runtime)
    second = chat(runtime, temperature=None, user="somebody")
    assert first[1]["x-sluice-cache"] == "miss" and second[1]["x-sluice-cache"] == "hit"
    assert first[2] == second[2] and second[1]["age"] == "0"
    assert state(runtime, temperature=0) == "miss" and state(runtime, temperature=0.0) == "hit"
    assert state(runtime, headers={"Cache-Control": "no-cache"}) == "miss"
    assert state(runtime, headers={"x-sluice-tenant": "other"}) == "miss"
    row = runtime.requests("?reason=cached")[0]
    assert row["outcome"] == "done" and row["attempts"] == []
    runtime.settle()


def test_streams_and_whole_answers_answer_each_other(start, mock):
    runtime = start(mock, CACHED)
    usage = {"stream_options": {"include_usage": True}}
    assert state(runtime, "a stream", stream=True, **usage) == "miss"
    whole = until(lambda: (lambda a: a if a[1]["x-sluice-cache"] == "hit" else None)(chat(runtime, "a stream")))
    assert whole[2]["object"] == "chat.completion" and whole[2]["choices"][0]["finish_reason"] == "stop"
    status, headers, body = chat(runtime, "a stream", stream=True)
    assert headers["x-sluice-cache"] == "hit" and headers["content-type"].startswith("text/event-stream")
    assert body.rstrip().endswith(b"data: [DONE]") and whole[2]["choices"][0]["message"]["content"].encode() in body
    runtime.settle()


@pytest.mark.parametrize("stream", [False, True])
def test_identical_requests_in_flight_share_one_call(start, mock, stream):
    runtime = start(mock, CACHED)
    mock.call("POST", "/mock/reset")
    mock.behave(latency=300, first_token=300)
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: runtime.chat(stream=stream), range(20)))
    mock.call("POST", "/mock/reset")
    bodies = {answer[2] if stream else answer[2]["choices"][0]["message"]["content"] for answer in answers}
    assert {answer[0] for answer in answers} == {200} and len(bodies) == 1
    states = [{k.lower(): v for k, v in answer[1].items()}["x-sluice-cache"] for answer in answers]
    assert states.count("miss") == 1 and set(states) <= {"miss", "shared", "hit"}
    runtime.settle()


def test_a_gateway_answers_from_what_another_has_kept(start, mock, valkey):
    url = f"fabric.url=redis://127.0.0.1:{valkey.port}/0"
    one, two = (start(mock, CACHED, url, "cache.store=valkey") for _ in range(2))
    assert state(one, "for both") == "miss"
    until(lambda: state(two, "for both") == "hit", what="a hit")


def test_without_valkey_everything_is_a_miss_and_nothing_waits(start, mock):
    runtime = start(mock, CACHED, "fabric.url=redis://127.0.0.1:1/0", "cache.store=valkey")
    for _ in range(5):
        assert state(runtime) == "miss"
    text = runtime.call("GET", "/metrics")[2].decode()
    assert "sluice_cache_failures_total 0\n" not in text
    runtime.settle()
