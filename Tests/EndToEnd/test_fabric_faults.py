"""Processes that die, stop and leave, and what becomes of their work."""

import json
import signal
import time

import pytest

from fabric import ALIVE, INDEX, INFLIGHT, REPLIES, THREADS, resumed, stopped
from fabric_checks import (
    Call, begun, check_keys, counter, ended, pause, queued, resume, resumes, runs, settled, warm)
from runtime import until

BRIEF = "fabric.dispatcher_ttl=2s"


def slow(milliseconds):
    return "mock:" + json.dumps({"latency": milliseconds})


def record(program, outcome):
    return program.call("GET", f"/api/requests?state={outcome}&limit=1")[2]["requests"][0]


@pytest.fixture
def valkey(fabric):
    """One for each test: nothing of another's dead is swept here."""
    return fabric.valkey()


@pytest.fixture
def witness(valkey, fabric):
    """A producer that nothing happens to."""
    return fabric.producer(valkey)


def gone(valkey, producer):
    until(lambda: not valkey.client.exists(ALIVE.format(producer)), 10, "the alive key gone")


# MARK: Producers


def test_a_producer_that_dies_while_queued_costs_nothing(valkey, mock, fabric, witness):
    dispatcher = fabric.dispatcher(valkey, mock, BRIEF)
    pause(valkey, dispatcher)
    victim = fabric.producer(valkey, ttl=1)
    id, = victim.push(victim.envelope())
    victim.die()
    gone(valkey, victim.id)
    assert queued(valkey) == 1
    resume(dispatcher)
    resumes(witness, time.monotonic())
    settled(dispatcher)
    assert ended(dispatcher) == {"done/ok": 1, "dropped/offline_producer_before_dispatch": 1}
    assert runs(mock, id) == 0
    assert f"request={id}" in dispatcher.log and "reason=offline_producer_before_dispatch" in dispatcher.log
    assert record(dispatcher, "dropped")["producer"] == victim.id
    check_keys(valkey)


def test_a_producer_that_dies_while_executing_costs_what_is_recorded(valkey, mock, fabric, witness):
    dispatcher = fabric.dispatcher(valkey, mock, BRIEF)
    victim = fabric.producer(valkey, ttl=1)
    id, = victim.push(victim.envelope(slow(2500)))
    begun(mock, id)
    victim.die()
    until(lambda: ended(dispatcher).get("dropped/offline_producer_before_reply") == 1)
    row = record(dispatcher, "dropped")
    assert row["reason"] == "offline_producer_before_reply" and row["usage"]["completion_tokens"] > 0
    assert runs(mock, id) == 1 and not valkey.client.exists(REPLIES.format(victim.id))
    resumes(witness, time.monotonic())
    settled(dispatcher)
    check_keys(valkey)


# MARK: Gateways


def test_a_gateway_killed_before_it_pushed_leaves_at_most_one_run(valkey, mock, fabric, witness):
    dispatcher = fabric.dispatcher(valkey, mock)
    gateway = fabric.gateway(valkey, "fabric.producer_ttl=2s")
    before = mock.executions()["total"]
    stopped(valkey)
    call = Call(gateway, "lost with its gateway")
    until(lambda: gateway.books()["live"] == 1)
    gateway.kill()
    resumed(valkey)
    assert call.wait() is None and call.error is not None
    resumes(witness, time.monotonic())
    settled(dispatcher)
    assert mock.executions()["total"] - before - 1 <= 1
    check_keys(valkey)


def test_a_gateway_killed_while_its_client_waits(valkey, mock, fabric, witness):
    dispatcher = fabric.dispatcher(valkey, mock)
    gateway = fabric.gateway(valkey, "fabric.producer_ttl=2s")
    before = mock.executions()["total"]
    call = Call(gateway, slow(3000))
    until(lambda: mock.executions()["total"] == before + 1)
    gateway.kill()
    assert call.wait(5) is None and call.error is not None
    resumes(witness, time.monotonic())
    until(lambda: ended(dispatcher).get("dropped/offline_producer_before_reply") == 1)
    assert mock.executions()["total"] == before + 2
    settled(dispatcher)
    check_keys(valkey)


def test_a_gateway_killed_after_it_acknowledged(valkey, mock, fabric, witness):
    """What it queued is there until its alive key has gone; then nobody waits for it."""
    dispatcher = fabric.dispatcher(valkey, mock)
    pause(valkey, dispatcher)
    gateway = fabric.gateway(valkey, "fabric.producer_ttl=2s", "fabric.producer_refresh=500ms")
    status, _, answer = gateway.chat("later", {"Prefer": "respond-async"})
    assert status == 202
    until(lambda: queued(valkey) == 1)
    name = next(key.decode() for key in valkey.client.keys("key:llm:producer:*") if witness.id not in key.decode())
    gateway.kill()
    assert queued(valkey) == 1
    gone(valkey, name.split(":", 3)[3].removesuffix(":alive"))
    before = mock.executions()["total"]
    resume(dispatcher)
    resumes(witness, time.monotonic())
    settled(dispatcher)
    assert ended(dispatcher) == {"done/ok": 1, "dropped/offline_producer_before_dispatch": 1}
    assert answer["id"] in dispatcher.log
    assert mock.executions()["total"] == before + 1
    check_keys(valkey)


# MARK: Dispatchers


@pytest.mark.parametrize("orphans", ["drop", "requeue"])
def test_a_dispatcher_killed_before_it_sent(valkey, mock, fabric, witness, orphans):
    """It has taken a request and dies before it could ask whether the producer lives."""
    proxy = fabric.proxy(valkey)
    victim = fabric.dispatcher(proxy.url, mock, BRIEF)
    assert witness.run()["status"] == "ok"
    proxy.hold(lambda part: b"EVALSHA" in part)
    id, = witness.push(witness.envelope())
    name = victim.id()
    until(lambda: valkey.client.llen(INFLIGHT.format("default", name)) == 1)
    victim.kill()
    killed = time.monotonic()
    survivor = fabric.dispatcher(valkey, mock, BRIEF, f"fabric.orphans={orphans}")
    if orphans == "requeue":
        assert witness.wait(id)[0]["status"] == "ok" and runs(mock, id) == 1
        assert ended(survivor) == {"done/ok": 1} and "request requeued" in survivor.log
        assert counter(survivor, "sluice_fabric_requeued_total") == 1
    else:
        until(lambda: ended(survivor).get("lost/dispatcher_crash") == 1)
        assert runs(mock, id) == 0 and f"request={id}" in survivor.log and f"dispatcher={name}" in survivor.log
    print(f"swept after {time.monotonic() - killed:.2f} s")
    assert time.monotonic() - killed < 2 + 1 + 3
    settled(survivor)
    check_keys(valkey)


@pytest.mark.parametrize("orphans", ["drop", "requeue"])
def test_a_dispatcher_killed_after_it_sent(valkey, mock, fabric, witness, orphans):
    victim = fabric.dispatcher(valkey, mock, BRIEF)
    gateway = fabric.gateway(valkey)
    name = victim.id()
    before = mock.executions()["total"]
    foreign, = witness.push(witness.envelope('mock:{"hang":true,"times":1}'))
    call = Call(gateway, 'mock:{"hang":true,"times":1}')
    until(lambda: mock.executions()["total"] == before + 2)
    until(lambda: valkey.client.hlen(INDEX.format("default")) == 2)
    victim.kill()
    killed = time.monotonic()
    survivor = fabric.dispatcher(valkey, mock, BRIEF, f"fabric.orphans={orphans}")
    resumes(witness, time.monotonic())
    status, _, answer = call.wait(15)
    took = time.monotonic() - killed
    print(f"the gateway's client knew after {took:.2f} s")
    assert took < 2 + 1 + 3
    if orphans == "requeue":
        assert status == 200 and witness.wait(foreign)[0]["status"] == "ok"
        assert runs(mock, foreign) == 2
        assert ended(survivor) == {"done/ok": 3}
    else:
        assert status == 502 and name in answer["error"]["message"], answer
        until(lambda: ended(survivor).get("lost/dispatcher_crash") == 2)
        row = next(r for r in survivor.call("GET", "/api/requests?state=lost")[2]["requests"]
                   if r["producer"] == witness.id)
        assert name in row["message"] and abs(row["submitted_at"] - time.time()) < 60
        assert foreign not in witness.replies and runs(mock, foreign) == 1
        assert ended(survivor) == {"done/ok": 1, "lost/dispatcher_crash": 2}
    settled(survivor, gateway)
    check_keys(valkey)


def test_a_dispatcher_killed_in_the_middle_of_a_stream(valkey, mock, fabric):
    victim, gateway = fabric.dispatcher(valkey, mock, BRIEF), fabric.gateway(valkey)
    call = Call(gateway, 'mock:{"tokens":600,"tokens_per_second":20}', stream=True)
    until(lambda: counter(victim, "sluice_fabric_frames_total") > 3)
    name = victim.id()
    victim.kill()
    killed = time.monotonic()
    survivor = fabric.dispatcher(valkey, mock, BRIEF)
    status, _, stream = call.wait(15)
    took = time.monotonic() - killed
    print(f"the gateway's client knew after {took:.2f} s")
    error = json.loads(stream.split(b"data: ")[-2])["error"]
    assert status == 200 and name in error["message"] and stream.endswith(b"data: [DONE]\n\n"), stream[-500:]
    assert took < 2 + 1 + 3
    settled(survivor, gateway)
    assert ended(survivor) == {"lost/dispatcher_crash": 1} and ended(gateway) == {"dead/outcome_unknown": 1}
    check_keys(valkey)


def test_a_dispatcher_without_a_private_list_dies(valkey, mock, fabric, witness):
    """Nothing can be queued again, but what was lost is known from the index."""
    settings = (BRIEF, "fabric.pop=blpop", "fabric.orphans=requeue")
    victim = fabric.dispatcher(valkey, mock, *settings)
    ids = witness.push(*[witness.envelope('mock:{"hang":true}') for _ in range(5)])
    begun(mock, *ids)
    victim.kill()
    survivor = fabric.dispatcher(valkey, mock, *settings)
    until(lambda: ended(survivor).get("lost/dispatcher_crash") == 5)
    assert all(f"request lost request={id}" in survivor.log for id in ids) and [runs(mock, id) for id in ids] == [1] * 5
    resumes(witness, time.monotonic())
    settled(survivor)
    check_keys(valkey)


@pytest.mark.parametrize("orphans", ["drop", "requeue"])
def test_a_dispatcher_that_was_stopped_delivers_late(valkey, mock, fabric, witness, orphans):
    sleeper = fabric.dispatcher(valkey, mock, "fabric.dispatcher_ttl=1s", threads=THREADS)
    before = warm(sleeper, witness, valkey.port)
    id, = witness.push(witness.envelope(slow(500)))
    begun(mock, id)
    other = fabric.dispatcher(valkey, mock, BRIEF, f"fabric.orphans={orphans}")
    stopped(sleeper)
    if orphans == "drop":
        until(lambda: ended(other).get("lost/dispatcher_crash") == 1)
    else:
        assert witness.wait(id)[0]["dispatcher_id"] == other.id()
    resumed(sleeper)
    until(lambda: ended(sleeper).get("done/late") == 1)
    assert counter(sleeper, "sluice_fabric_late_total") == 1
    until(lambda: len(witness.replies.get(id, [])) == (1 if orphans == "drop" else 2))
    assert all(reply["status"] == "ok" for reply in witness.replies[id])
    assert witness.replies[id][-1]["dispatcher_id"] == sleeper.id()
    assert runs(mock, id) == (1 if orphans == "drop" else 2)
    # It is one of them again.
    other.stop()
    resumes(witness, time.monotonic())
    settled(sleeper)
    check_keys(valkey)
    before.return_()


def test_a_rolling_deploy_loses_and_repeats_nothing(valkey, mock, fabric):
    settings = ("pools.default.slots=4",)
    fleet = [fabric.dispatcher(valkey, mock, *settings) for _ in range(2)]
    gateway = fabric.gateway(valkey)
    producer = fabric.producer(valkey)
    ids, calls = [], []
    for generation in range(2):
        for place in range(2):
            for _ in range(20):
                ids += producer.push(producer.envelope(slow(60)))
            calls += [Call(gateway, slow(60)) for _ in range(4)]
            leaving = fleet[place]
            leaving.process.send_signal(signal.SIGTERM)
            fleet[place] = fabric.dispatcher(valkey, mock, *settings)
            assert leaving.process.wait(20) == 0, leaving.log
            assert "drained" in leaving.log
    replies = producer.wait(*ids)
    assert all(reply["status"] == "ok" for reply in replies) and len(ids) == 80
    assert all(call.wait()[0] == 200 for call in calls)
    assert [runs(mock, id) for id in ids] == [1] * len(ids)
    assert all(len(producer.replies[id]) == 1 for id in ids)
    settled(*fleet, gateway)
    assert ended(gateway) == {"done/ok": len(calls)}
    check_keys(valkey)
