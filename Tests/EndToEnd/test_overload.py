"""What backends say and show of how much they take, and what happens to work that cannot be served in time."""

import json
import threading
import time

import pytest

from runtime import until

LATER = {"Prefer": "respond-async"}


@pytest.fixture(autouse=True)
def forget(mock):
    mock.call("POST", "/mock/reset")


def later(runtime, count, headers=None, model="mock", **behaviour):
    """Requests that wait; answers their ids."""
    ids = []
    for _ in range(count):
        text = "mock:" + json.dumps(behaviour)
        status, _, body = runtime.chat(text, {**LATER, **(headers or {})}, model=model, max_tokens=16)
        assert status == 202, body
        ids.append(body["id"])
    return ids


def metric(runtime, name, pool="default"):
    text = runtime.call("GET", "/metrics")[2]
    text = text if isinstance(text, str) else text.decode()
    for line in text.splitlines():
        if line.startswith(name + "{") and f'pool="{pool}"' in line:
            return float(line.rsplit(" ", 1)[1])
    raise AssertionError(f"{name} is not there")


# MARK: Providers' limits


def keeps_to(start, mock, style):
    """600 a minute that come back evenly, 15 of them left: nothing is refused, and they are used.

    Alone on the machine: where requests overtake each other on their way, the answer to the later one does not count
    the earlier, and one too many may go out.
    """
    mock.behave(requests_per_minute=600, limit_mode="bucket", limit_headers=style, retry_after=30)
    # Somebody else has used most of it; whoever sends first learns of it.
    runtime = start(mock, "pools.default.slots=50")
    for _ in range(585):
        assert mock.call("POST", "/v1/chat/completions", {"model": "mock", "messages": []})[0] == 200
    assert runtime.chat()[0] == 200
    begun = time.monotonic()
    later(runtime, 60)
    until(lambda: runtime.pool()["books"]["live"] == 0, 30, "all ended")
    took = time.monotonic() - begun
    books = runtime.pool()["books"]["ended"]
    assert books == {"done/ok": 61}, books
    assert runtime.pool()["attempts"] == 61, "some were refused"
    return took


@pytest.mark.alone
def test_openais_headers_keep_requests_within_the_providers_limit(start, mock):
    # At least 60 − 25 or so have to come back, ten a second.
    assert keeps_to(start, mock, "openai") < 20


@pytest.mark.alone
def test_anthropics_headers_keep_requests_within_the_providers_limit(start, mock):
    assert keeps_to(start, mock, "anthropic") < 20


def test_a_model_whose_limit_is_used_up_says_so_and_holds_no_other_up(start, mock):
    mock.behave(tokens_per_minute=2000, limit_mode="bucket", limit_headers="openai", retry_after=30)
    runtime = start(mock, "pools.default.slots=50")
    mock.call("POST", "/v1/chat/completions",
              {"model": "m", "messages": [{"role": "user", "content": 'mock:{"tokens":1950}'}]})
    assert runtime.chat(model="a")[0] == 200
    waiting = runtime.chat("hello", LATER, model="a", max_tokens=900)[2]["id"]
    status, _, body = runtime.call("GET", f"/api/requests/{waiting}/explain")
    assert status == 200, body
    gate = next(g for g in body["gates"] if g["gate"] == "provider_limit")
    assert gate["state"] == "closed" and gate["detail"] == "a", body
    mock.behave()
    assert runtime.chat(model="b", timeout=5)[0] == 200


def test_a_stream_tells_of_the_limit_at_its_head(start, mock):
    mock.behave(requests_per_minute=600, limit_mode="bucket", limit_headers="openai", retry_after=30)
    for _ in range(598):
        mock.call("POST", "/v1/chat/completions", {"model": "mock", "messages": []})
    runtime = start(mock, "pools.default.slots=50")
    thread = threading.Thread(target=lambda: runtime.mocked(stream=True, tokens=40, tokens_per_second=20))
    thread.start()
    until(lambda: any(r["state"] == "streaming" for r in runtime.requests()), 10, "streaming")
    ids = later(runtime, 20)
    until(lambda: runtime.pool()["books"]["live"] == 0, 30, "all ended")
    thread.join()
    # Without the head's word all twenty are sent at once and eighteen refused. The bucket's level is told in whole
    # requests, so one at its edge may meet it empty.
    assert runtime.pool()["attempts"] <= len(ids) + 3, "some were refused"


# MARK: Concurrency


def test_concurrency_settles_near_the_backends_knee_and_follows_it(start, mock):
    mock.behave(latency=100, knee=12)
    runtime = start(mock, "pools.default.slots=200", "pools.default.concurrency=adaptive",
                    "pools.default.max_requests=100000")
    stop = threading.Event()

    def feed():
        while not stop.is_set():
            if runtime.pool()["queued"] < 400:
                later(runtime, 100)
            time.sleep(0.05)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        def settled(low, high):
            seen = []
            def look():
                seen.append(runtime.pool()["concurrency_limit"])
                time.sleep(0.05)
                recent = seen[-60:]
                return len(recent) == 60 and low <= sum(recent) / 60 <= high
            until(look, 60, f"a limit of {low} to {high}")

        settled(9, 17)
        assert 9 <= metric(runtime, "sluice_concurrency_limit") <= 25
        assert runtime.pool()["concurrency_state"] in (
            "growing", "steady", "shrinking", "probing", "unused", "learning")
        mock.behave(latency=100, knee=36)
        settled(28, 50)
        mock.behave(latency=100, knee=12)
        settled(9, 17)
    finally:
        stop.set()
        thread.join()
    runtime.call("PATCH", "/api/pools/default", {"concurrency": "fixed"})
    assert runtime.pool()["concurrency_limit"] is None
    until(lambda: runtime.pool()["books"]["live"] == 0, 90, "all ended")
    runtime.check_books()


# MARK: Shedding


def test_what_waits_too_long_is_shed_from_the_lowest_class_and_the_door_is_closed(start, mock):
    mock.behave(latency=20000)
    runtime = start(mock, "pools.default.slots=1", "pools.default.shed_after=300ms",
                    "pools.default.shed_interval=2s")
    later(runtime, 1)
    low = {"x-sluice-priority": "low"}
    answers = {}

    def ask(name, headers):
        answers[name] = runtime.chat("hello", headers)

    first = threading.Thread(target=ask, args=("first", low))
    first.start()
    until(lambda: runtime.pool()["queued"] == 1, 5, "one waits")
    urgent = later(runtime, 2, {"x-sluice-priority": "urgent"})
    first.join(10)
    status, headers, body = answers["first"]
    assert status == 503 and body["error"]["code"] == "shed", body
    assert int(headers["Retry-After"]) == 2
    message = body["error"]["message"]
    for part in ("pools.default.shed_after", "pools.default.shed_interval", "0.3 s", "2.0 s", "priority low"):
        assert part in message, message
    pool = runtime.pool()
    assert pool["is_shedding"] is True and pool["books"]["ended"]["dropped/shed"] == 1, pool
    assert metric(runtime, "sluice_pool_shedding") == 1
    # Now the urgent ones are the lowest class there is.
    status, headers, body = runtime.chat("hello", low)
    assert status == 503 and body["error"]["code"] == "overloaded", body
    assert "pools.default.shed_after" in body["error"]["message"] and int(headers["Retry-After"]) == 2
    for id in urgent:
        row = until(lambda: runtime.call("GET", f"/api/requests/{id}")[2].get("outcome") and
                    runtime.call("GET", f"/api/requests/{id}")[2], 10, "shed")
        assert (row["outcome"], row["reason"]) == ("dropped", "shed")
    until(lambda: runtime.pool()["is_shedding"] is False, 5, "not shedding any more")
    assert runtime.chat("hello", {**LATER, **low})[0] == 202
    runtime.check_books()


def test_a_request_that_would_start_too_late_is_refused_with_the_number(start, mock):
    mock.behave(latency=500)
    runtime = start(mock, "pools.default.slots=1")
    for _ in range(8):
        assert runtime.chat()[0] == 200
    later(runtime, 10)
    status, headers, body = runtime.chat("hello", {"x-sluice-timeout-ms": "2000"})
    assert status == 503 and body["error"]["code"] == "would_miss_deadline", body
    assert "it would start in about" in body["error"]["message"] and "2.0 s remain" in body["error"]["message"]
    assert 2 <= int(headers["Retry-After"]) <= 5
