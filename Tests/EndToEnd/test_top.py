"""`sluice top` on a real terminal."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from runtime import SLUICE, Program, free_port, until
from standin import StandIn
from terminal import Terminal

LATER = {"Prefer": "respond-async"}


@pytest.fixture
def top():
    terminals = []

    def begin(url, *arguments, **options):
        terminal = Terminal("top", "--url", url, *arguments, **options)
        terminals.append(terminal)
        return terminal

    yield begin
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def standin():
    server = StandIn()
    yield server
    server.close()


@pytest.fixture
def held(runtime):
    """Three requests that wait in a paused pool."""
    runtime.call("POST", "/api/pools/default/pause")
    ids = [runtime.chat(headers=LATER, model=model)[2]["id"] for model in ("alpha", "beta", "beta")]
    yield ids
    for id in ids:
        runtime.call("POST", f"/api/requests/{id}/cancel")


def test_frame_filter_and_resize(runtime, held, top):
    view = top(runtime.url)
    view.until(lambda lines: any(held[2] in line and "pending" in line for line in lines))
    assert "pending 3   in flight 0/64" in view.text and runtime.url in view.text and "up " in view.text
    assert any("default" in line and "paused" in line and "pool_paused" in line for line in view.lines)
    view.press("/beta\r")
    view.until(lambda lines: not any("alpha" in line for line in lines))
    assert "(2 of 3 with beta)" in view.text and held[1] in view.text
    # With another size the frame fills it, and nothing of the old one is left.
    view.resize(70, 16)
    view.until(lambda lines: lines[15].startswith("q quit"))
    assert "* POOL" in view.text and "beta" in view.text
    view.resize(160, 50)
    view.until(lambda lines: lines[49].startswith("q quit") and not lines[15].startswith("q quit"))
    view.press("\x1b")
    view.until("alpha")
    view.press("?")
    view.until("freeze the picture")
    view.press("x")
    view.until("* POOL")
    view.press("q")
    assert view.ended() == 0


def test_pause_and_resume_by_key(runtime, top):
    view = top(runtime.url)
    view.until("running")
    view.press("p")
    view.until("[y/n] Pause pool 'default'?")
    view.press("n")
    view.until("Nothing was changed.")
    assert runtime.pool()["mode"] == "running"
    view.press("p")
    view.until("[y/n]")
    view.press("y")
    until(lambda: runtime.pool()["mode"] == "paused", what="the pool paused")
    view.until("Pool 'default' is paused.")
    view.until(lambda lines: any("default" in line and " paused " in line for line in lines[3:]))
    view.press("p")
    view.until("[y/n] Resume pool 'default'?")
    view.press("y")
    until(lambda: runtime.pool()["mode"] == "running", what="the pool running")
    view.press("\x03")
    assert view.ended() == 0


def test_cancel_by_key(runtime, held, top):
    view = top(runtime.url)
    view.until(held[2])
    view.press("\t\t")
    view.until("* REQUEST")
    view.press("\x1b[B")
    view.until(f"> {held[1]}")
    view.press("c")
    view.until(f"[y/n] Cancel request '{held[1]}'?")
    view.press("y")
    row = until(lambda: (r := runtime.call("GET", f"/api/requests/{held[1]}")[2])["state"] == "ended" and r)
    assert row["reason"] == "operator_request"
    view.until(lambda lines: not any(held[1] in line for line in lines[3:]))
    assert runtime.pool()["queued"] == 2
    view.press("q")
    assert view.ended() == 0


def test_frozen_picture_stays(runtime, top):
    view = top(runtime.url)
    view.until("pending 0")
    view.press(" ")
    view.until("Frozen")
    runtime.call("POST", "/api/pools/default/pause")
    id = runtime.chat(headers=LATER)[2]["id"]
    view.until("Frozen for 2")
    assert id not in view.text and "pending 0" in view.text
    view.press(" ")
    view.until(id)
    runtime.call("POST", f"/api/requests/{id}/cancel")
    view.press("q")
    assert view.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_every_signal_gives_the_terminal_back(runtime, top, number):
    view = top(runtime.url)
    view.until("running")
    view.signal(number)
    assert view.ended() == 130


def test_a_terminal_that_goes_takes_the_program_with_it(runtime, top):
    view = top(runtime.url)
    view.until("running")
    view.hang_up()
    assert view.process.wait(10) in (1, 130)


def test_suspended_and_resumed(runtime, top):
    view = top(runtime.url)
    view.until("running")
    view.press("\x1a")
    state = lambda: open(f"/proc/{view.process.pid}/stat").read().rsplit(")", 1)[1].split()[0]
    until(lambda: state() == "T", what="the program stopped")
    view.read(0.1)
    assert view.raw.endswith(b"\x1b[?1049l")
    view.screen.reset()
    view.signal(signal.SIGCONT)
    view.until("* POOL")
    view.press("q")
    assert view.ended() == 0


def test_a_lost_gateway_is_said_and_found_again(mock, top):
    port = free_port()
    serve = lambda: Program(["serve", "--listen", f"127.0.0.1:{port}"], port, {"OPENAI_API_BASE": f"{mock.url}/v1"})
    gateway = serve()
    view = top(gateway.url)
    try:
        view.until("running")
        # Silent: the data gets old.
        gateway.process.send_signal(signal.SIGSTOP)
        view.until("No answer yet; the data is")
        gateway.process.send_signal(signal.SIGCONT)
        view.until(lambda lines: not lines[2])
        gateway.kill()
        view.until("Trying again: cannot reach")
        assert "The data is" in view.text and "default" in view.text
        gateway = serve()
        view.until(lambda lines: not lines[2])
        view.press("q")
        assert view.ended() == 0
    finally:
        gateway.kill()


def test_nobody_there_at_first(top):
    view = top(f"http://127.0.0.1:{free_port()}")
    view.until("Trying again: cannot reach")
    view.press("q")
    assert view.ended() == 0


FABRIC = {
    "runtime_summary": {"registered_dispatchers": 2, "running_dispatchers": 1, "pending_request_count": 7,
                        "inflight_request_count": 1, "malformed_requests_dropped": 0,
                        "offline_producer_requests_dropped": 4, "offline_producer_replies_dropped": None},
    "pool_config": [{"pool_id": "bulk", "max_concurrent": 4, "enabled": True}],
    "live_requests": [
        {"request_id": "b_task_0", "producer_id": "host:1:x", "pool_id": "bulk", "model": "qwen",
         "lifecycle_stage": "executing", "state_source": "dispatcher", "queue_wait_age_seconds": 1.5,
         "inflight_age_seconds": 2.5, "dispatcher_id": "bulk:aa", "attempt": 2},
        {"request_id": "b_task_1\x1b]0;pwned\x07\x1b[31m", "pool_id": "bulk", "model": "模型\u202e\x9b2J",
         "lifecycle_stage": "pending", "state_source": "valkey", "queue_wait_age_seconds": 9.0},
    ],
    "dispatchers": [
        {"dispatcher_id": "bulk:aa", "pool_id": "bulk", "valkey_configured": True, "running": True,
         "processed_items": 100, "execution_failures": 0, "inflight_request_count": 1, "request_queue_depth": 7,
         "total_concurrency": 4, "last_error": None},
        {"dispatcher_id": "bulk:bb", "pool_id": "bulk", "valkey_configured": True, "running": False,
         "processed_items": None, "last_error": "connection \x1b[2Jrefused"},
    ],
}


def test_a_whole_fabric_costs_two_calls_a_second_and_cannot_steer_the_terminal(standin, top):
    standin.runtime = FABRIC
    begun = time.monotonic()
    view = top(standin.url, columns=180)
    view.until("bulk:bb")
    row = next(line for line in view.lines if "b_task_0" in line)
    assert row.split() == ["b_task_0", "bulk", "qwen", "executing", "4", "s", "1.5", "s", "bulk:aa", "2"]
    assert next(line for line in view.lines if "bulk:bb" in line).split()[1:5] == ["no", "bulk", "–", "–"]
    assert "dropped –" in view.text and "dispatchers 1/2" in view.text and "模" in view.text
    # Rates come from counters.
    row = standin.runtime["dispatchers"][0]
    for _ in range(3):
        row["processed_items"] += 50
        view.read(1)
    view.until(lambda lines: any("bulk:aa" in line and "/s" in line and "0.0/s" not in line for line in lines))
    elapsed = time.monotonic() - begun
    for path in ("/api/pools", "/api/llm-dispatch/runtime"):
        assert 2 <= standin.counts[path] <= elapsed + 1.1, (standin.counts, elapsed)
    assert standin.counts["/healthz"] == standin.counts["/api/version"] == 1
    view.press("q")
    assert view.ended() == 0
    for hostile in (b"\x1b]", b"\x07", b"\x9b", b"\xc2\x9b", b"\xe2\x80\xae"):
        assert hostile not in view.raw, hostile
    # Whole frames only at the beginning; then rows that changed.
    assert view.raw.count(b"\x1b[2J") == 1


def test_a_real_fabric(fabric, mock, top):
    valkey = fabric.valkey()
    dispatchers = [fabric.dispatcher(valkey, mock, "pools.default.slots=1") for _ in range(2)]
    gateway, producer = fabric.gateway(valkey), fabric.producer(valkey)
    ids = producer.push(*[producer.envelope('mock:{"hang":true}') for _ in range(3)])
    view = top(gateway.url, columns=200)
    view.until(lambda lines: sum("executing" in line for line in lines) == 2)
    view.until(lambda lines: any("default" in line and "slots_full" in line for line in lines[3:6]))
    for dispatcher in dispatchers:
        assert any(dispatcher.id() in line and "yes" in line for line in view.lines)
        assert any(dispatcher.id() in line and "executing" in line for line in view.lines)
    assert "pending 1   in flight 2/2" in view.text and all(id in view.text for id in ids)
    view.press("q")
    assert view.ended() == 0


def test_plain_terminals(standin, top):
    standin.runtime = FABRIC
    view = top(standin.url, environment={"LANG": "C", "NO_COLOR": "1"})
    view.until("b_task_0")
    view.press("q")
    assert view.ended() == 0
    assert all(byte < 128 for byte in view.raw)
    assert set(re.findall(rb"\x1b\[[0-9;]*m", view.raw)) == {b"\x1b[0m"}


def test_a_refused_key_is_said(standin, top):
    standin.refusal = (401, {"error": {"message": "No API key was given."}})
    view = top(standin.url)
    view.until("the key is refused: No API key was given.")
    view.press("q")
    assert view.ended() == 0


def once(url, *arguments, **environment):
    return subprocess.run([SLUICE, "top", "--url", url, "--once", *arguments], capture_output=True, text=True, timeout=30,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **environment})


def test_once(runtime, held):
    result = once(runtime.url)
    assert result.returncode == 0 and "\x1b" not in result.stdout, result
    assert "pending 3   in flight 0/64   done 0.0/s" in result.stdout
    assert all(id in result.stdout for id in held) and "pool_paused" in result.stdout


def test_once_as_json(runtime, held):
    result = once(runtime.url, "--json")
    document = json.loads(result.stdout)
    assert document["totals"]["pending"] == 3 and document["totals"]["done_per_second"] == 0
    assert document["pools"][0]["state"] == "paused" and document["pools"][0]["slots"] == 64
    assert [row["id"] for row in document["requests"]] == held
    assert document["requests"][0]["stage"] == "pending" and document["requests"][0]["dispatcher"] is None
    assert document["uptime_seconds"] > 0 and document["requests_not_shown"] == 0


def test_command_lines_that_cannot_be_meant(runtime):
    for arguments in (["--json"], ["--interval", "100ms", "--once"], ["--limit", "0", "--once"], []):
        result = subprocess.run([SLUICE, "top", "--url", runtime.url, *arguments], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=30)
        assert result.returncode == 2 and result.stderr.startswith("error: "), (arguments, result)
    assert once(f"http://127.0.0.1:{free_port()}").returncode == 4
