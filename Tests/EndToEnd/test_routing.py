"""A pool with several targets: who gets what, what becomes of failures, and what clients see of them."""

import http.client
import json
import socket
import subprocess
import threading
import time

import pytest

from fabric_peers import completion
from runtime import SLUICE, free_port, until


@pytest.fixture
def mocks(fabric):
    """As many simulated backends as are asked for."""
    return lambda count: [fabric.mock() for _ in range(count)]


def routed(start, targets, *settings, **urls):
    """A runtime whose pool has these targets; `urls` name the backends."""
    addresses = [f"backends.{name}.url={url if isinstance(url, str) else url.url}/v1" for name, url in urls.items()]
    first = next(iter(urls.values()))
    return start(
        first, *addresses, f"pools.default.route.targets={targets}", "pools.default.retry.base_delay=50ms", *settings)


def shown(runtime, headers):
    """The request as the operator API shows it."""
    status, _, body = runtime.call("GET", "/api/requests/" + headers["x-sluice-request-id"])
    assert status == 200, body
    return body


def ended(runtime, headers):
    return until(lambda: (seen := shown(runtime, headers))["state"] == "ended" and seen, 10, "the end of the request")


def target(runtime, name):
    return next(t for t in runtime.pool()["targets"] if t["target"] == name)


def at_once(runtime, count, **fields):
    answers = []

    def ask():
        answers.append(runtime.chat("hello", **fields))

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class Deaf:
    """Takes calls, answers none once it is mute, and knows which of them were given up. `answer` is sent in any case."""

    def __init__(self, answer=None, is_mute=True):
        self.is_mute = is_mute
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.answer, self.taken, self.closed = answer, 0, threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._hold, args=(connection,), daemon=True).start()

    def _hold(self, connection):
        with connection:
            seen = b""
            while b"\r\n\r\n" not in seen:
                seen += connection.recv(65536)
            self.taken += 1
            if self.answer:
                connection.sendall(self.answer)
            if not self.is_mute:
                body = json.dumps(completion()).encode()
                head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
                return connection.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body)
            try:
                while connection.recv(65536):
                    pass
            except OSError:
                pass
            self.closed.set()

    def kill(self):
        self.server.close()


@pytest.fixture
def deaf():
    begun = []

    def begin(*arguments, **options):
        begun.append(Deaf(*arguments, **options))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()


# MARK: Who gets what


def test_shares_follow_the_weights(start, mocks):
    a, b = mocks(2)
    runtime = routed(start, "a=3,b", a=a, b=b)
    for answer in [at_once(runtime, 20) for _ in range(20)]:
        assert {status for status, _, _ in answer} == {200}
    share = target(runtime, "a")["attempts"] / 400
    assert 0.65 < share < 0.85, share
    runtime.check_books()


def test_the_less_busy_target_gets_the_call(start, mocks, deaf):
    quick, = mocks(1)
    slow = deaf()
    runtime = routed(
        start, "slow,quick", "pools.default.route.strategy=least-busy", "request_timeout=20s", slow=slow, quick=quick)

    def ask():
        try:
            runtime.chat(timeout=60)
        except OSError:
            pass

    hung = [threading.Thread(target=ask, daemon=True) for _ in range(40)]
    for thread in hung:
        thread.start()
    # Who never answers keeps what it has, and gets nothing more while the other is idle.
    until(lambda: target(runtime, "quick")["attempts"] >= 10, 10, "calls of the quick target")
    before = target(runtime, "slow")["attempts"]
    assert before <= 20
    for _ in range(30):
        assert runtime.chat()[0] == 200
    assert target(runtime, "slow")["attempts"] - before <= 1


def test_the_fastest_target_gets_most(start, mocks):
    slow, quick = mocks(2)
    slow.behave(latency=60)
    quick.behave(latency=5)
    runtime = routed(start, "slow,quick", "pools.default.route.strategy=latency", slow=slow, quick=quick)
    for _ in range(120):
        assert runtime.chat()[0] == 200
    assert target(runtime, "quick")["attempts"] > 90
    assert target(runtime, "slow")["answer_ms"] > target(runtime, "quick")["answer_ms"]


def test_the_command_shows_targets_below_their_pool(start, mocks):
    one, two = mocks(2)
    runtime = routed(start, "east,west", east=one, west=two)
    for _ in range(4):
        assert runtime.chat()[0] == 200
    shown = subprocess.run(
        [SLUICE, "pools", "--url", runtime.url], capture_output=True, text=True, timeout=30, check=True).stdout
    lines = [line for line in shown.splitlines() if line.startswith("  ")]
    assert [line.split()[:2] for line in lines] == [["east", "ready"], ["west", "ready"]], shown
    assert sum(int(line.split(" calls")[0].split()[-1]) for line in lines) == 4, shown


def test_a_target_names_its_own_model_and_the_body_passes_otherwise(start, backend):
    peer = backend()
    runtime = routed(start, "a/large:free=2", a=peer)
    status, headers, _ = runtime.chat("hello", temperature=0.25)
    assert status == 200
    assert peer.seen[0].body["model"] == "large:free"
    attempt, = ended(runtime, headers)["attempts"]
    assert (attempt["backend"], attempt["model"], attempt["hedge"]) == ("a", "large:free", False)


# MARK: Failures


def test_no_client_sees_a_dead_target(start, mocks):
    alive, = mocks(1)
    runtime = routed(start, "dead,alive", dead=f"http://127.0.0.1:{free_port()}", alive=alive)
    answers = [answer for _ in range(5) for answer in at_once(runtime, 20)]
    assert {status for status, _, _ in answers} == {200}
    dead = target(runtime, "dead")
    assert dead["state"] in ("cooling", "probing") and dead["cause"] == "connect_refused"
    assert dead["failures"] == dead["attempts"] <= 25
    tried = [seen for _, headers, _ in answers if headers["x-sluice-attempts"] == "2"
             for seen in [ended(runtime, headers)]]
    assert tried
    for seen in tried:
        first, second = seen["attempts"]
        assert (first["backend"], first["class"], second["backend"]) == ("dead", "connect_refused", "alive")
        assert first["retry_delay_ms"] == 0 and second["status"] == 200
    runtime.check_books()


def test_a_dead_target_comes_back(start, mocks):
    alive, broken = mocks(2)
    broken.behave(status=500)
    runtime = routed(start, "broken,alive", "pools.default.route.cool_down=300ms", broken=broken, alive=alive)
    for _ in range(20):
        assert runtime.chat()[0] == 200
    assert target(runtime, "broken")["state"] != "ready"
    broken.behave(status=500, errors={})
    broken.call("POST", "/mock/reset")
    broken.call("PUT", "/mock/config", {"errors": {}})
    until(lambda: runtime.chat()[0] == 200 and target(runtime, "broken")["state"] == "ready", 15, "the recovery")


def test_a_429_with_retry_after_leaves_its_target_alone_for_so_long(start, mocks):
    limited, free = mocks(2)
    limited.behave(requests_per_minute=1, retry_after=3)
    runtime = routed(start, "limited,free", limited=limited, free=free)
    began = time.monotonic()
    for _ in range(20):
        assert runtime.chat()[0] == 200
    assert time.monotonic() - began < 3, "nobody waited"
    seen = target(runtime, "limited")
    assert seen["state"] == "cooling" and seen["cause"] == "rate_limited"
    assert 0 < seen["cools_for_ms"] <= 3000
    assert seen["attempts"] <= 3


def test_all_targets_refuse_and_the_pool_waits_as_long_as_they_ask(start, backend):
    refuse = {"for": 2}

    def answer(seen):
        if refuse["for"]:
            return 429, {"error": {"message": "slow down"}}, {"Retry-After": str(refuse["for"])}
        return completion()

    runtime = routed(start, "a,b", a=backend(answer), b=backend(answer))
    threading.Timer(1, lambda: refuse.update({"for": 0})).start()
    began = time.monotonic()
    status, headers, _ = runtime.chat()
    assert status == 200 and 1.9 < time.monotonic() - began < 8
    seen = ended(runtime, headers)["attempts"]
    assert [one["class"] for one in seen] == ["rate_limited", "rate_limited", None]
    assert {one["backend"] for one in seen[:2]} == {"a", "b"}
    # Who cannot wait as long as they ask is told at once, and until when.
    refuse["for"] = 30
    until(lambda: runtime.chat(headers={"x-sluice-timeout-ms": "1000"})[0] != 200, 10, "both targets refusing")
    began = time.monotonic()
    status, headers, body = runtime.chat(headers={"x-sluice-timeout-ms": "2000"})
    assert status in (429, 503, 504) and time.monotonic() - began < 1.5, body
    assert int(headers["Retry-After"]) > 2


def test_a_prompt_that_is_too_long_goes_to_the_larger_model(start, backend):
    def answer(seen):
        if seen.body["model"] == "small":
            return 400, {"error": {"message": "This model's maximum context length is 8192 tokens.",
                                   "type": "invalid_request_error", "code": "context_length_exceeded"}}
        return completion()

    peer = backend(answer)
    runtime = routed(
        start, "a/small", "pools.default.route.fallbacks.context_window=a/large", "pools.default.retry.budget_floor=0",
        a=peer)
    for _ in range(5):
        status, headers, _ = runtime.chat()
        assert status == 200
        first, second = ended(runtime, headers)["attempts"]
        assert (first["status"], first["class"], first["model"]) == (400, "invalid_request", "small")
        assert (second["status"], second["class"], second["model"]) == (200, None, "large")
    assert target(runtime, "a/small")["state"] == "ready"
    assert target(runtime, "a/large")["is_fallback"]


def test_without_a_larger_model_the_client_gets_the_refusal(start, backend):
    refusal = {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}
    peer = backend(lambda seen: (400, refusal))
    runtime = routed(start, "a,b", a=peer, b=peer)
    status, headers, body = runtime.chat()
    assert status == 400 and body["error"]["code"] == "context_length_exceeded"
    assert len(peer.seen) == 1


def test_fallbacks_in_their_order(start, mocks):
    a, b, c, d = mocks(4)
    for one in (a, b, c):
        one.behave(status=500)
    runtime = routed(
        start, "a", "pools.default.route.fallbacks.error=b,c,d", "pools.default.retry.attempts=5", a=a, b=b, c=c, d=d)
    status, headers, _ = runtime.chat()
    assert status == 200
    assert [one["backend"] for one in ended(runtime, headers)["attempts"]] == ["a", "b", "c", "d"]
    assert headers["x-sluice-backend"] == "d"


def test_no_more_attempts_than_the_pool_allows(start, mocks):
    names = dict(zip("abcde", mocks(5)))
    for one in names.values():
        one.behave(status=500)
    runtime = routed(start, "a,b,c,d,e", **names)
    status, headers, body = runtime.chat()
    assert status == 502 and "3 attempts" in body["error"]["message"]
    attempts = ended(runtime, headers)["attempts"]
    assert len({one["backend"] for one in attempts}) == 3
    assert sum(target(runtime, name)["attempts"] for name in names) == 3


# MARK: Streams


def stream(runtime, **behaviour):
    """Status, headers and all bytes of a streamed answer."""
    connection = http.client.HTTPConnection("127.0.0.1", runtime.port, timeout=30)
    content = "mock:" + json.dumps(behaviour) if behaviour else "hello"
    body = {"model": "mock", "stream": True, "messages": [{"role": "user", "content": content}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(delta):
    data = json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                       "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    line = f"data: {data}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(line), line)


def test_a_stream_cut_before_its_first_content_goes_elsewhere(start, mocks):
    good, cut = mocks(2)
    cut.behave(disconnect=True)
    runtime = routed(start, "cut,good order=1", cut=cut, good=good)
    status, headers, text = stream(runtime)
    assert status == 200 and text.rstrip().endswith("data: [DONE]") and '"error"' not in text
    attempts = ended(runtime, headers)["attempts"]
    assert [one["backend"] for one in attempts] == ["cut", "good"]


def test_a_stream_cut_after_its_first_content_is_an_error_and_goes_nowhere(start, mocks):
    good, cut = mocks(2)
    cut.behave(disconnect_mid_body=True)
    runtime = routed(start, "cut,good order=1", cut=cut, good=good)
    status, headers, text = stream(runtime)
    assert status == 200 and '"error"' in text
    attempt, = ended(runtime, headers)["attempts"]
    assert attempt["backend"] == "cut" and attempt["class"]
    assert target(runtime, "good")["attempts"] == 0


def test_a_first_token_that_does_not_come_in_time_is_sought_elsewhere(start, mocks, deaf):
    good, = mocks(1)
    mute = deaf(HEAD)
    runtime = routed(start, "mute,good order=1", "pools.default.route.first_token_timeout=300ms", mute=mute, good=good)
    began = time.monotonic()
    status, headers, text = stream(runtime)
    assert status == 200 and text.rstrip().endswith("data: [DONE]")
    assert 0.25 < time.monotonic() - began < 5
    first, second = ended(runtime, headers)["attempts"]
    assert (first["backend"], first["class"], second["backend"]) == ("mute", "read_timeout", "good")
    assert "no content within 300 ms" in first["message"]
    assert mute.closed.wait(5), "the late call was given up"


def test_an_attempt_that_takes_too_long_is_made_elsewhere(start, mocks, deaf):
    good, = mocks(1)
    slow = deaf()
    runtime = routed(start, "slow,good order=1", "pools.default.route.attempt_timeout=300ms", slow=slow, good=good)
    status, headers, _ = runtime.chat()
    assert status == 200
    first, second = ended(runtime, headers)["attempts"]
    assert (first["class"], second["backend"]) == ("read_timeout", "good")
    assert slow.closed.wait(5)


# MARK: Second calls


def learned(start, mocks, *settings):
    """A runtime that knows what is usual for its targets, and the targets."""
    a, b = mocks(2)
    for one in (a, b):
        one.behave(latency=20, first_token=20)
    runtime = routed(start, "a,b", "pools.default.route.hedge=0.5", *settings, a=a, b=b)
    return runtime, a, b


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_second_call_wins_against_a_slow_one_which_is_closed(start, mocks, is_stream):
    runtime, a, b = learned(start, mocks)
    ask = (lambda: stream(runtime)) if is_stream else runtime.chat
    for _ in range(60):
        assert ask()[0] == 200
    before = runtime.pool()
    a.behave(hang=True, latency=0, first_token=0)
    began = time.monotonic()
    answers = [ask() for _ in range(12)]
    assert {status for status, _, _ in answers} == {200}
    assert time.monotonic() - began < 10
    after = runtime.pool()
    assert after["hedges_won"] > before["hedges_won"]
    won = [seen for _, headers, _ in answers for seen in [ended(runtime, headers)]
           if any(one["hedge"] and one["class"] is None for one in seen["attempts"])]
    assert won
    for seen in won:
        first, second = seen["attempts"]
        assert (first["backend"], first["class"], first["hedge"]) == ("a", "cancelled", False)
        assert (second["backend"], second["status"], second["hedge"]) == ("b", 200, True)
        assert first["ended_ms"] is not None
    # The losers are closed at once, at the backend too.
    until(lambda: target(runtime, "a")["in_flight"] == 0, 2, "nothing under way at the slow target")
    runtime.settle()
    runtime.check_books()


def test_the_connection_of_the_loser_is_closed(start, mocks, deaf):
    quick, = mocks(1)
    slow = deaf(is_mute=False)
    runtime = routed(start, "slow,quick", "pools.default.route.hedge=1", slow=slow, quick=quick)
    for _ in range(60):
        assert runtime.chat()[0] == 200
    slow.is_mute = True
    until(lambda: runtime.chat()[0] == 200 and slow.closed.is_set(), 20, "a loser that was closed")
    assert runtime.pool()["hedges_won"] > 0
    until(lambda: target(runtime, "slow")["in_flight"] == 0, 5, "nothing under way")


def test_second_calls_stay_within_their_budget(start, mocks):
    runtime, a, b = learned(start, mocks, "pools.default.route.hedge=0.1")
    for _ in range(60):
        assert runtime.chat()[0] == 200
    a.behave(latency="uniform(10,200)")
    for _ in range(10):
        at_once(runtime, 10)
    pool = runtime.pool()
    assert 0 < pool["hedges"] <= pool["books"]["accepted"] * 0.1


def test_no_second_call_where_nothing_may_run_twice(start, mocks):
    with pytest.raises(AssertionError, match="a second call is a repetition"):
        learned(start, mocks, "pools.default.retry.mode=never-after-send")


# MARK: To be seen


def test_targets_are_in_metrics_and_a_pool_without_them_has_none(start, mocks):
    a, b = mocks(2)
    runtime = routed(start, "a=2,b/m", "pools.plain.backend=a", a=a, b=b)
    for _ in range(10):
        assert runtime.chat()[0] == 200
    text = runtime.call("GET", "/metrics")[2].decode()
    for name in ("in_flight", "ready", "attempts_total", "failures_total", "cool_downs_total", "answer_seconds"):
        assert f'sluice_target_{name}{{pool="default",target="a"}}' in text, name
    assert 'target="b/m"' in text and 'sluice_hedges_total{pool="default",won="true"} 0' in text
    assert 'sluice_target_in_flight{pool="plain"' not in text
    assert runtime.pool("plain")["targets"] == []
    assert runtime.pool()["backend"] == "a"
