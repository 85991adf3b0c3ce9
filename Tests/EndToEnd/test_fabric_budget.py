"""One limit for all dispatchers of a pool, with real processes: never more at the backend, and nearly all of it."""

import threading
import time

from fabric import server_program
from fabric_peers import completion
from runtime import until

import pytest

pytestmark = pytest.mark.skipif(server_program() is None, reason="needs valkey-server or redis-server")

PER_MINUTE = 600_000
EACH = 2_000
BUDGET = "hash:llm:budget:default"


class Arrivals:
    """A backend that notes when each request came. It uses up what was reserved for it, but for the prompt."""

    def __init__(self, seconds=0.2):
        self.seconds, self.times, self.lock = seconds, [], threading.Lock()

    def __call__(self, seen):
        with self.lock:
            self.times.append(time.monotonic())
        time.sleep(self.seconds)
        usage = {"prompt_tokens": 1, "completion_tokens": EACH - 1, "total_tokens": EACH}
        return completion(usage=usage)

    def used(self, end):
        return EACH * sum(at <= end for at in self.times)

    def excess(self, slack):
        """By how much the law was broken over any span, if all that arrives may be late by so many seconds."""
        rate, worst, lowest, used = PER_MINUTE / 60, 0, float("inf"), 0
        for at in sorted(self.times):
            lowest = min(lowest, used - rate * (at - self.times[0]))
            used += EACH
            worst = max(worst, used - rate * (at - self.times[0] + slack) - lowest - PER_MINUTE)
        return worst


def push(producer, count):
    for start in range(0, count, 100):
        producer.push(*[producer.envelope(call={"max_tokens": EACH}) for _ in range(min(100, count - start))])


def questions(valkey):
    return int(valkey.client.hget(BUDGET, "state").split()[6])


@pytest.mark.timeout(120)
def test_three_dispatchers_share_a_limit_and_one_is_killed(fabric, backend):
    valkey, arrivals = fabric.valkey(), Arrivals()
    mock = backend(arrivals)
    settings = [f"pools.default.tokens_per_minute={PER_MINUTE}", "pools.default.slots=60"]
    dispatchers = [fabric.dispatcher(valkey, mock, *settings) for _ in range(3)]
    producer = fabric.producer(valkey)
    push(producer, 1_200)
    until(lambda: arrivals.times, 20, "a first request")
    begin = arrivals.times[0]
    time.sleep(max(0, begin + 12 - time.monotonic()))
    before = questions(valkey)
    time.sleep(4)
    calls = (questions(valkey) - before) / 4 / 3
    dispatchers[0].process.kill()
    seconds = 26
    time.sleep(max(0, begin + seconds - time.monotonic()))
    used, most = arrivals.used(begin + seconds), PER_MINUTE + PER_MINUTE / 60 * seconds
    print(f"{used:,} of {most:,.0f} tokens ({used / most:.1%}), excess {arrivals.excess(0):,.0f}, {calls:.2f} calls/s")
    assert arrivals.excess(0.5) <= 0
    assert used >= 0.95 * most
    assert calls <= 4.5


@pytest.mark.timeout(120)
def test_with_valkey_away_the_budget_is_used_up_and_then_waited_for(fabric, backend):
    valkey, arrivals = fabric.valkey(append_only=True), Arrivals()
    mock = backend(arrivals)
    settings = ["pools.default.tokens_per_minute=60000", "pools.default.burst_tokens=20000"]
    dispatcher = fabric.dispatcher(valkey, mock, *settings)
    producer = fabric.producer(valkey)
    push(producer, 20)
    until(lambda: len(arrivals.times) >= 9, 20, "the burst")
    valkey.kill()
    time.sleep(6)
    held = len(arrivals.times)
    time.sleep(4)
    assert len(arrivals.times) == held, "started without a lease"
    valkey.restart()
    until(lambda: len(arrivals.times) >= held + 3, 20, "more after Valkey is back")
    begin = arrivals.times[0]
    assert EACH * len(arrivals.times) <= 20_000 + 1_000 * (arrivals.times[-1] - begin + 0.5)
    dispatcher.settle(60)


@pytest.mark.timeout(60)
def test_dispatchers_with_different_limits_say_so(fabric, backend):
    valkey, mock = fabric.valkey(), backend(Arrivals(0.01))
    first = fabric.dispatcher(valkey, mock, "pools.default.tokens_per_minute=600000")
    second = fabric.dispatcher(valkey, mock, "pools.default.tokens_per_minute=300000")
    producer = fabric.producer(valkey)
    push(producer, 200)
    said = "dispatchers of a pool have different limits"
    until(lambda: said in first.log or said in second.log, 20, "a word about the limits")
