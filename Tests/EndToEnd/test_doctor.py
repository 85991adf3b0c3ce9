"""`sluice doctor`: faults are provoked, and exactly they are found."""

import email.utils
import json
import os
import subprocess
import time

import pytest

from fabric import DISPATCHER_ALIVE
from runtime import SLUICE, free_port, until
from standin import StandIn

LATER = {"Prefer": "respond-async"}


@pytest.fixture
def standin():
    server = StandIn()
    server.pools = [{"id": "default", "mode": "running", "queued": 0, "in_flight": 0, "slots": 4, "books": {"ended": {}}}]
    yield server
    server.close()


def doctor(url, *arguments, environment=None):
    result = subprocess.run(
        [SLUICE, "doctor", "--url", url, "--json", "--watch-for", "1s", *arguments],
        capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})})
    assert result.returncode in (0, 1), result
    report = json.loads(result.stdout)
    assert (result.returncode == 1) == bool(report["findings"]), result
    return {finding["code"]: finding for finding in report["findings"]}


def test_all_is_good(start, mock):
    mock.call("POST", "/mock/reset")
    runtime = start(mock)
    assert doctor(runtime.url) == {}
    for _ in range(20):
        assert runtime.chat()[0] == 200
    assert doctor(runtime.url) == {}
    text = subprocess.run([SLUICE, "doctor", "--url", runtime.url, "--watch-for", "1s"], capture_output=True, text=True)
    assert text.returncode == 0 and text.stdout.startswith(f"Nothing found at {runtime.url} after 2 looks in 1")
    assert "Not visible from here: " in text.stdout and "LiteLLM" in text.stdout


def test_backend_down(start):
    runtime = start(f"http://127.0.0.1:{free_port()}/v1", "pools.default.retry.attempts=10")
    for _ in range(8):
        runtime.chat(headers=LATER)
    until(lambda: runtime.pool()["breaker"]["state"] == "open", what="an open circuit")
    found = doctor(runtime.url)
    assert set(found) == {"pending_grows", "backend_errors"}
    assert "waiting for circuit_open" in found["pending_grows"]["evidence"]
    evidence = " ".join(found["backend_errors"]["evidence"])
    assert "breaker open" in evidence and "connect_refused" in evidence and "100 %" in evidence


def test_paused_pool_with_queued_work(start, mock):
    runtime = start(mock)
    runtime.call("POST", "/api/pools/default/pause")
    assert doctor(runtime.url) == {}
    for _ in range(2):
        runtime.chat(headers=LATER)
    found = doctor(runtime.url)
    assert set(found) == {"pending_grows"}
    assert found["pending_grows"]["numbers"]["pending"] == 2
    assert "waiting for pool_paused" in found["pending_grows"]["evidence"]
    assert found["pending_grows"]["look_at"] == ["somebody paused it: sluice pools resume default"]


def test_hanging_backend(start, mock):
    mock.call("POST", "/mock/reset")
    runtime = start(mock)
    for _ in range(10):
        runtime.chat()
    id = runtime.chat('mock:{"hang":true}', headers=LATER)[2]["id"]
    until(lambda: mock.executions(id)["running"] == 1)
    assert doctor(runtime.url) == {}
    found = doctor(runtime.url, "--stuck-after", "500ms")
    assert set(found) == {"in_flight_sticks"}
    assert found["in_flight_sticks"]["evidence"][0] == "1 of 1 request in flight that were seen"
    assert id in found["in_flight_sticks"]["evidence"][1] and "usual are" in found["in_flight_sticks"]["evidence"][1]


def test_errors_of_the_backend(start, mock):
    mock.call("POST", "/mock/reset")
    runtime = start(mock)
    for number in range(20):
        runtime.mocked(status=500, times=1) if number % 4 == 0 else runtime.chat()
    found = doctor(runtime.url)
    assert set(found) == {"backend_errors"}
    assert found["backend_errors"]["numbers"] == {"attempts": 25, "attempts_failed": 5}
    assert "classes: server_error 5 (status 500)" in found["backend_errors"]["evidence"]


def test_rate_limits(start, mock):
    mock.call("POST", "/mock/reset")
    runtime = start(mock)
    for _ in range(5):
        runtime.chat()
    runtime.mocked(status=429, headers={"x-sluice-timeout-ms": "300"})
    found = doctor(runtime.url)
    assert "budget_rejections" in found and "backend_errors" not in found
    assert "rate_limited" in found["budget_rejections"]["evidence"][0]
    assert "LiteLLM" in found["budget_rejections"]["look_at"][0]


def test_expired_requests(start, mock):
    mock.call("POST", "/mock/reset")
    runtime = start(mock)
    runtime.call("POST", "/api/pools/default/pause")
    assert runtime.chat(headers={"x-sluice-timeout-ms": "100"})[0] == 504
    found = doctor(runtime.url)
    assert set(found) == {"requests_vanish"}
    assert "expired/deadline: 1 of the last 1 that ended" in found["requests_vanish"]["evidence"][0]


def test_a_full_queue_that_grows(start, mock):
    mock.call("POST", "/mock/reset")
    runtime = start(mock, "pools.default.slots=1")
    runtime.chat('mock:{"hang":true}', headers=LATER)
    for _ in range(5):
        runtime.chat(headers=LATER)
    command = subprocess.Popen([SLUICE, "doctor", "--url", runtime.url, "--json", "--watch-for", "3s"],
                               stdout=subprocess.PIPE, text=True)
    while command.poll() is None:
        runtime.chat(headers=LATER)
        time.sleep(0.05)
    found = {finding["code"]: finding for finding in json.loads(command.stdout.read())["findings"]}
    assert set(found) == {"pending_grows"} and command.returncode == 1
    evidence = found["pending_grows"]["evidence"]
    assert "waiting for slots_full" in evidence and "1 of 1 slot in use" in evidence
    assert found["pending_grows"]["numbers"]["pending"] > found["pending_grows"]["numbers"]["pending_before"]
    assert found["pending_grows"]["numbers"]["ended_per_second"] == 0


def test_nobody_there_and_a_key_that_is_refused(start, mock):
    found = doctor(f"http://127.0.0.1:{free_port()}")
    assert set(found) == {"gateway_unreachable"}
    runtime = start(mock, environment={"SLUICE_API_KEYS_ALICE_KEY": "a-key-of-a-tenant"})
    found = doctor(runtime.url)
    assert set(found) == {"key_refused"} and "status 401" in found["key_refused"]["evidence"][1]
    found = doctor(runtime.url, environment={"SLUICE_API_KEY": "a-key-of-a-tenant"})
    assert set(found) == {"key_refused"} and "status 403" in found["key_refused"]["evidence"][1]


NAMES = {"LLM_QUEUE_FABRIC_GROUP_ID": "fabric", "LLM_QUEUE_GATEWAY_ID": "gateway"}


def test_a_fabric_whose_dispatcher_dies(fabric, mock):
    mock.call("POST", "/mock/reset")
    valkey = fabric.valkey()
    dispatcher, gateway = fabric.dispatcher(valkey, mock, environment=NAMES), fabric.gateway(valkey, environment=NAMES)
    producer = fabric.producer(valkey)
    assert producer.run("hello")["status"] == "ok" and gateway.chat()[0] == 200
    assert doctor(gateway.url) == {}
    held = producer.push(producer.envelope('mock:{"hang":true}'))[0]
    until(lambda: any(row["request_id"] == held and row["lifecycle_stage"] != "pending"
                      for row in gateway.runtime()["live_requests"]), what="the request in flight")
    assert doctor(gateway.url) == {}
    # It dies, and its heartbeat's time runs out.
    dispatcher.kill()
    pops = lambda: [client for client in valkey.client.client_list() 
                    if "blmove" in client["cmd"] and client["name"] == "sluice-dispatcher"]
    until(lambda: not pops(), what="its pops gone")
    valkey.client.delete(DISPATCHER_ALIVE.format(dispatcher.id()))
    producer.push(producer.envelope("hello"))
    until(lambda: gateway.runtime()["runtime_summary"]["pending_request_count"] == 1, what="the gateway to see it")
    found = doctor(gateway.url)
    assert set(found) == {"dispatcher_gone", "pending_grows", "in_flight_sticks"}
    assert "waiting for no_dispatcher" in found["pending_grows"]["evidence"]
    assert dispatcher.id() in found["dispatcher_gone"]["evidence"][0]
    assert held in found["in_flight_sticks"]["evidence"][1]


def test_a_fabric_without_names_and_then_without_valkey(fabric, mock):
    valkey = fabric.valkey()
    dispatcher, gateway = fabric.dispatcher(valkey, mock), fabric.gateway(valkey)
    found = doctor(gateway.url)
    assert set(found) == {"history_missing"}
    assert found["history_missing"]["evidence"] == [f"dispatcher {dispatcher.id()} has no fabric_group_id and no gateway_id"]
    valkey.kill()
    until(lambda: gateway.call("GET", "/readyz")[0] == 503, 40, "a gateway that is not ready")
    found = doctor(gateway.url)
    assert "valkey_trouble" in found and "gateway_unreachable" not in found
    assert found["valkey_trouble"]["evidence"][0].startswith("/readyz: Valkey has not")


def test_what_only_a_fabric_has(standin):
    assert doctor(standin.url) == {}
    standin.ready = (503, {"status": "not_ready", "detail": "Valkey has not confirmed this gateway's alive key."})
    assert set(doctor(standin.url)) == {"valkey_trouble"}
    standin.ready = (200, {"status": "ready"})
    standin.date = email.utils.formatdate(time.time() - 60, usegmt=True)
    found = doctor(standin.url)
    assert set(found) == {"clock_skew"} and 58 <= found["clock_skew"]["numbers"]["worst_seconds"] <= 64
    standin.date = None
    dispatcher = {"dispatcher_id": "d1", "pool_id": "default", "valkey_configured": True, "running": True,
                  "fabric_group_id": "f", "gateway_id": "g"}
    standin.runtime["dispatchers"] = [dispatcher]
    assert doctor(standin.url) == {}
    dispatcher.update(gateway_id=None)
    assert set(doctor(standin.url)) == {"history_missing"}
    dispatcher.update(gateway_id="g", running=False, last_error="Its heartbeat has gone.")
    assert set(doctor(standin.url)) == {"dispatcher_gone"}


def test_command_lines_that_cannot_be_meant(standin):
    for arguments in (["--watch-for", "10"], ["--watch-for", "0s"], ["--stuck-after", "-1s"], ["extra"]):
        result = subprocess.run([SLUICE, "doctor", "--url", standin.url, *arguments], capture_output=True, text=True)
        assert result.returncode == 2 and result.stderr.startswith("error: "), (arguments, result)
