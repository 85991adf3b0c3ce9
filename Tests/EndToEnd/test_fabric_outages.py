"""Valkey and the way to it: killed, wiped, full, loading, read-only, silent, cut."""

import json
import re
import signal
import threading
import time

import pytest
import redis

from fabric import INDEX, INFLIGHT, REPLIES, REQUESTS, THREADS, resumed, stopped
from fabric_checks import (
    Call, begun, check_keys, counter, ended, pause, queued, resume, resumes, runs, settled, warm, warm_gateway)
from runtime import free_port, until


def slow(milliseconds):
    return "mock:" + json.dumps({"latency": milliseconds})


@pytest.fixture
def valkey(fabric):
    """By default what was said to be written may be held back for two seconds while a disk is busy."""
    return fabric.valkey("--appendfsync", "always", append_only=True)


@pytest.fixture
def witness(valkey, fabric):
    return fabric.producer(valkey)


# MARK: The server


def test_a_killed_valkey_comes_back_with_its_data(valkey, mock, fabric, witness):
    """What is queued survives; what is in flight is answered after the restart."""
    dispatcher = fabric.dispatcher(valkey, mock, "pools.default.slots=2", threads=THREADS)
    gateway = fabric.gateway(valkey, threads=THREADS)
    before = warm(dispatcher, witness, valkey.port), warm_gateway(gateway, valkey.port)
    flying, = witness.push(witness.envelope(slow(600)))
    call = Call(gateway, slow(600))
    until(lambda: dispatcher.books()["live"] == 2)
    waiting = witness.push(*[witness.envelope(slow(10)) for _ in range(10)])
    valkey.kill()
    until(lambda: mock.executions()["running"] == 0, what="the backend having answered")
    valkey.restart()
    back = time.monotonic()
    resumes(witness, back)
    assert all(reply["status"] == "ok" for reply in witness.wait(flying, *waiting))
    assert call.wait()[0] == 200, call.answer
    assert [runs(mock, id) for id in (flying, *waiting)] == [1] * 11
    settled(dispatcher, gateway)
    assert set(ended(dispatcher)) == {"done/ok"} and set(ended(gateway)) == {"done/ok"}
    until(lambda: dispatcher.call("GET", "/readyz")[0] == gateway.call("GET", "/readyz")[0] == 200, what="both ready")
    for opened in before:
        opened.return_()
    check_keys(valkey)


def test_a_wiped_valkey_loses_what_was_queued_and_nothing_else(valkey, mock, fabric, witness):
    dispatcher, gateway = fabric.dispatcher(valkey, mock, "pools.default.slots=2"), fabric.gateway(valkey)
    flying, = witness.push(witness.envelope(slow(600)))
    call = Call(gateway, slow(600))
    until(lambda: dispatcher.books()["live"] == 2)
    lost = witness.push(*[witness.envelope(slow(10)) for _ in range(10)])
    valkey.kill()
    until(lambda: mock.executions()["running"] == 0, what="the backend having answered")
    valkey.restart(wipe=True)
    back = time.monotonic()
    resumes(witness, back)
    assert witness.wait(flying)[0]["status"] == "ok"
    assert call.wait()[0] == 200, call.answer
    assert queued(valkey) == 0 and [runs(mock, id) for id in lost] == [0] * 10
    assert gateway.chat()[0] == 200
    settled(dispatcher, gateway)
    assert ended(gateway) == {"done/ok": 2}
    check_keys(valkey)


def test_a_full_valkey_is_drained_and_takes_no_more(valkey, mock, fabric, witness):
    settings = ("fabric.producer_ttl=2s", "fabric.producer_refresh=500ms")
    dispatcher, gateway = fabric.dispatcher(valkey, mock, "fabric.dispatcher_ttl=2s"), fabric.gateway(valkey, *settings)
    pause(valkey, dispatcher)
    waiting = witness.push(*[witness.envelope() for _ in range(20)])
    call = Call(gateway, "queued before")
    until(lambda: queued(valkey) == 21)
    valkey.client.config_set("maxmemory", valkey.client.info("memory")["used_memory"] - 100_000)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        valkey.client.set("more", "x")
    status, headers, answer = gateway.chat("refused")
    assert status == 503 and answer["error"]["code"] == "full" and "memory" in answer["error"]["message"], answer
    assert int(headers["Retry-After"]) >= 1
    # Longer than anybody is believed in without a word.
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        keys = {key.split(b":")[2] for key in valkey.client.keys("key:llm:*:alive")}
        assert keys == {b"producer", b"dispatcher"} and len(valkey.client.keys("key:llm:producer:*")) == 2
        time.sleep(0.1)
    resume(dispatcher)
    assert all(reply["status"] == "ok" for reply in witness.wait(*waiting))
    assert call.wait()[0] == 200, call.answer
    assert set(ended(dispatcher)) == {"done/ok"}
    valkey.client.config_set("maxmemory", 0)
    resumes(witness, time.monotonic())
    assert gateway.chat()[0] == 200
    settled(dispatcher, gateway)
    check_keys(valkey)


def test_a_valkey_that_loads_is_waited_for(valkey, mock, fabric, witness):
    dispatcher, gateway = fabric.dispatcher(valkey, mock, "pools.default.slots=1"), fabric.gateway(valkey)
    flying, = witness.push(witness.envelope(slow(300)))
    begun(mock, flying)
    waiting = witness.push(witness.envelope(), witness.envelope())
    filler = valkey.client.pipeline(transaction=False)
    for number in range(4000):
        filler.set(f"filler:{number}", "x" * 100, ex=600)
    filler.execute()
    valkey.client.bgrewriteaof()
    until(lambda: not valkey.client.info("persistence")["aof_rewrite_in_progress"])
    valkey.kill()
    valkey.options += ["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"]
    loading = threading.Thread(target=valkey.start)
    loading.start()
    seen = set()
    probe = redis.Redis(port=valkey.port, socket_timeout=30)
    call = None
    while loading.is_alive():
        try:
            probe.get("filler:1")
        except redis.exceptions.RedisError as error:
            seen.add(type(error).__name__)
            if isinstance(error, redis.exceptions.BusyLoadingError) and call is None:
                call = Call(gateway, "while it loads")
        time.sleep(0.02)
    back = time.monotonic()
    assert "BusyLoadingError" in seen
    resumes(witness, back)
    assert all(reply["status"] == "ok" for reply in witness.wait(flying, *waiting))
    assert call.wait()[0] == 200, call.answer
    assert [runs(mock, id) for id in (flying, *waiting)] == [1] * 3
    settled(dispatcher, gateway)
    check_keys(valkey)


def test_a_valkey_that_may_not_be_written_is_waited_for(valkey, mock, fabric, witness):
    dispatcher, gateway = fabric.dispatcher(valkey, mock, "pools.default.slots=1"), fabric.gateway(valkey)
    flying, = witness.push(witness.envelope(slow(300)))
    begun(mock, flying)
    waiting = witness.push(witness.envelope(), witness.envelope())
    valkey.client.replicaof("127.0.0.1", free_port())
    with pytest.raises(redis.exceptions.ReadOnlyError):
        valkey.client.set("more", "x")
    call = Call(gateway, "while it is read-only")
    until(lambda: mock.executions()["running"] == 0)
    until(lambda: counter(dispatcher, "sluice_fabric_store_errors_total") > 5)
    assert flying not in witness.replies
    valkey.client.replicaof("NO", "ONE")
    back = time.monotonic()
    resumes(witness, back)
    assert all(reply["status"] == "ok" for reply in witness.wait(flying, *waiting))
    assert call.wait()[0] == 200, call.answer
    assert [runs(mock, id) for id in (flying, *waiting)] == [1] * 3
    settled(dispatcher, gateway)
    check_keys(valkey)


def test_a_valkey_that_stalls_loses_nothing(valkey, mock, fabric, witness):
    """Longer than anything waits for an answer: what was sent may have been done, and is looked for."""
    dispatcher, gateway = fabric.dispatcher(valkey, mock, threads=THREADS), fabric.gateway(valkey)
    before = warm(dispatcher, witness, valkey.port)
    ids = witness.push(*[witness.envelope(slow(200)) for _ in range(5)])
    begun(mock, *ids)
    stopped(valkey)
    time.sleep(6)
    resumed(valkey)
    resumes(witness, time.monotonic())
    assert all(reply["status"] == "ok" for reply in witness.wait(*ids))
    assert [runs(mock, id) for id in ids] == [1] * 5
    settled(dispatcher, gateway)
    before.return_()
    check_keys(valkey)


def tokens(stream):
    return re.findall(rb'"content":"([^"]+)"', stream)


def test_a_stream_outlives_a_restart(valkey, mock, fabric):
    dispatcher, gateway = fabric.dispatcher(valkey, mock), fabric.gateway(valkey)
    behaviour = "mock:" + json.dumps({"tokens": 60, "tokens_per_second": 40})
    untroubled = gateway.chat(behaviour, stream=True)[2]
    call = Call(gateway, behaviour, stream=True)
    until(lambda: counter(dispatcher, "sluice_fabric_frames_total") > 60)
    valkey.restart()
    status, _, stream = call.wait()
    assert status == 200 and stream.endswith(b"data: [DONE]\n\n")
    assert tokens(stream) == tokens(untroubled) and len(tokens(stream)) == 60
    settled(dispatcher, gateway)
    assert ended(gateway) == {"done/ok": 2}
    check_keys(valkey)


def test_leaving_does_not_wait_for_a_valkey_that_is_away(valkey, mock, fabric, witness):
    dispatcher, gateway = fabric.dispatcher(valkey, mock, "drain=2s"), fabric.gateway(valkey, "drain=2s")
    witness.push(witness.envelope(slow(300)))
    call = Call(gateway, slow(300))
    until(lambda: mock.executions()["running"] == 2)
    valkey.kill()
    began = time.monotonic()
    for program in (dispatcher, gateway):
        program.process.send_signal(signal.SIGTERM)
    assert dispatcher.process.wait(20) == 0 and gateway.process.wait(20) == 0
    took = time.monotonic() - began
    print(f"left after {took:.2f} s")
    assert took < 15 and call.wait()[0] == 503, call.answer


def test_keys_of_another_type_hurt_nobody_else(valkey, mock, fabric, witness):
    dispatcher = fabric.dispatcher(valkey, mock)
    valkey.client.set(REQUESTS.format("default"), "no list")
    until(lambda: counter(dispatcher, "sluice_fabric_store_errors_total") > 2)
    valkey.client.delete(REQUESTS.format("default"))
    resumes(witness, time.monotonic())
    vandal = fabric.producer(valkey)
    vandal.die()
    valkey.client.set(REPLIES.format(vandal.id), "no list", ex=60)
    vandal.push(*[vandal.envelope() for _ in range(50)])
    until(lambda: ended(dispatcher).get("dropped/offline_producer_before_reply") == 50)
    assert counter(dispatcher, "sluice_fabric_held") == 0
    resumes(witness, time.monotonic())
    settled(dispatcher)
    check_keys(valkey)


# MARK: The way to it


@pytest.mark.parametrize("questions", [True, False], ids=["nothing passes", "answers do not pass"])
def test_a_half_open_connection_is_found(valkey, mock, fabric, witness, questions):
    proxy = fabric.proxy(valkey)
    dispatcher = fabric.dispatcher(proxy.url, mock, threads=THREADS)
    before = warm(dispatcher, witness, proxy.port)
    flying = witness.push(*[witness.envelope(slow(1000)) for _ in range(4)])
    begun(mock, *flying)
    proxy.swallow(questions)
    silent = time.monotonic()
    ids = witness.push(*[witness.envelope() for _ in range(10)])
    # Five seconds to find out, two to go on.
    resumes(witness, silent, limit=7)
    assert all(reply["status"] == "ok" for reply in witness.wait(*flying, *ids))
    assert [runs(mock, id) for id in (*flying, *ids)] == [1] * 14
    settled(dispatcher)
    until(lambda: not valkey.client.exists(INFLIGHT.format("default", dispatcher.id()), INDEX.format("default")))
    assert set(ended(dispatcher)) <= {"done/ok", "done/late"}
    before.return_()
    check_keys(valkey)


@pytest.mark.parametrize("milliseconds", [300, 1500], ids=["popped for nobody", "left on its list"])
def test_a_gateways_half_open_connection_is_found(valkey, mock, fabric, milliseconds):
    proxy = fabric.proxy(valkey)
    dispatcher, gateway = fabric.dispatcher(valkey, mock), fabric.gateway(proxy.url, threads=THREADS)
    before = warm_gateway(gateway, proxy.port)
    # Long enough for the pop of replies that is under way to end: what it took with it would be lost, as is documented.
    call = Call(gateway, slow(4000))
    until(lambda: mock.executions()["running"] == 1)
    proxy.swallow()
    silent = time.monotonic()
    assert call.wait()[0] == 200, call.answer
    status, _, answer = gateway.chat()
    took = time.monotonic() - silent
    print(f"resumed after {took:.2f} s (promised: 7 s)")
    assert status == 200 and took < 9, (took, answer)
    settled(dispatcher, gateway)
    before.return_()
    check_keys(valkey)


@pytest.mark.parametrize("after", [1, 300, 60_000])
def test_a_connection_cut_in_the_middle_of_a_pop(valkey, mock, fabric, witness, after):
    proxy = fabric.proxy(valkey)
    dispatcher = fabric.dispatcher(proxy.url, mock, threads=THREADS)
    before = warm(dispatcher, witness, proxy.port)
    proxy.cut_pop(after)
    id, = witness.push(witness.envelope("x" * 200_000))
    assert witness.wait(id)[0]["status"] == "ok" and proxy.cuts == 1
    resumes(witness, time.monotonic())
    assert runs(mock, id) == 1 and len(witness.replies[id]) == 1
    assert counter(dispatcher, "sluice_fabric_recovered_total") == 1
    settled(dispatcher)
    until(lambda: not valkey.client.exists(INFLIGHT.format("default", dispatcher.id()), INDEX.format("default")))
    before.return_()
    check_keys(valkey)


def test_connections_cut_again_and_again_under_load(valkey, mock, fabric, witness):
    proxy = fabric.proxy(valkey)
    dispatcher = fabric.dispatcher(proxy.url, mock, "pools.default.slots=8", threads=THREADS)
    before = warm(dispatcher, witness, proxy.port)
    ids = witness.push(*[witness.envelope(slow(30)) for _ in range(300)])
    for _ in range(15):
        time.sleep(0.1)
        proxy.cut()
    resumes(witness, time.monotonic())
    replies = witness.wait(*ids)
    assert all(reply["status"] == "ok" for reply in replies)
    assert [runs(mock, id) for id in ids] == [1] * 300
    settled(dispatcher)
    until(lambda: not valkey.client.exists(INFLIGHT.format("default", dispatcher.id()), INDEX.format("default")))
    before.return_()
    check_keys(valkey)


# MARK: Who looks on


def test_views_and_metrics_do_not_wait_for_a_valkey_that_is_away(valkey, mock, fabric):
    """Whoever looks during an outage sees it, however many look."""
    dispatcher, gateway = fabric.dispatcher(valkey, mock), fabric.gateway(valkey)
    valkey.kill()
    answers = []

    def look(program, path):
        began = time.monotonic()
        answers.append((program.call("GET", path, timeout=60)[0], time.monotonic() - began))

    looks = [
        threading.Thread(target=look, args=(program, path))
        for program in (gateway, dispatcher) for path in ("/metrics", "/api/llm-dispatch/runtime", "/api/requests")
        for _ in range(3)]
    for one in looks:
        one.start()
    for one in looks:
        one.join()
    assert all(status == 200 and seconds < 8 for status, seconds in answers), answers
    # Who asks at the same time shares a look, which may have begun before.
    until(lambda: "sluice_fabric_up 0" in gateway.call("GET", "/metrics")[2].decode(), 3, "the outage to be seen")
    assert "sluice_fabric_up 0" in gateway.call("GET", "/metrics")[2].decode()
    valkey.restart()
    until(lambda: "sluice_fabric_up 1" in gateway.call("GET", "/metrics")[2].decode())


def test_a_stream_goes_on_after_a_valkey_that_lost_its_data(fabric, mock):
    valkey = fabric.valkey()
    dispatcher, gateway = fabric.dispatcher(valkey, mock), fabric.gateway(valkey)
    answer = {}

    def ask():
        answer["whole"] = gateway.chat('mock:{"tokens":60,"tokens_per_second":20}', stream=True)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: mock.executions()["running"] == 1)
    until(lambda: b"sluice_fabric_frames_total" in gateway.call("GET", "/metrics")[2]
          or gateway.call("GET", "/api/requests?state=streaming")[2]["requests"], what="the stream flowing")
    valkey.restart()
    thread.join(30)
    status, _, body = answer["whole"]
    assert status == 200 and body.rstrip().endswith(b"data: [DONE]") and body.count(b'"content":"') >= 60, body[-500:]
    settled(dispatcher, gateway)
    assert ended(dispatcher) == {"done/ok": 1} or ended(dispatcher) == {"done/late": 1}
