"""What operators do while work is under way must not mislead a client, nor open what was closed."""

import json
import signal
import urllib.request

from runtime import Program, free_port, until


def open_stream(runtime, **behaviour):
    body = {"model": "mock", "stream": True,
            "messages": [{"role": "user", "content": "mock:" + json.dumps(behaviour)}]}
    request = urllib.request.Request(
        runtime.url + "/v1/chat/completions", data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"})
    return urllib.request.urlopen(request, timeout=30)


def test_a_stream_that_an_operator_cancels_says_so_and_ends_properly(start, mock):
    runtime = start(mock)
    stream = open_stream(runtime, tokens=2000, tokens_per_second=50)
    first = stream.readline()
    assert first.startswith(b"data: ")
    id = stream.headers["x-sluice-request-id"]
    assert runtime.call("POST", f"/api/requests/{id}/cancel")[0] == 202
    rest = stream.read().decode()  # Raises if the body does not end properly.
    assert '"error"' in rest and rest.rstrip().endswith("data: [DONE]")
    assert "cancelled" in rest
    runtime.settle()


def test_keys_stay_while_the_address_needs_them(tmp_path, mock):
    port = free_port()
    file = tmp_path / "sluice.yaml"
    keys = tmp_path / "keys"
    keys.write_text("root key-root operator\n")
    keys.chmod(0o600)
    file.write_text(f"listen: 0.0.0.0:{port}\napi_keys_file: {keys}\n")
    runtime = Program(["serve", "--config", str(file)], port, {"OPENAI_API_BASE": f"{mock.url}/v1"})
    assert runtime.call("GET", "/api/pools")[0] == 401
    file.write_text(f"listen: 127.0.0.1:{port}\n")
    runtime.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration not taken over" in runtime.log, 10, "the refusal")
    assert runtime.call("GET", "/api/pools")[0] == 401
    runtime.stop()


def test_what_operators_set_outlives_a_reload_of_something_else(tmp_path, mock):
    port = free_port()
    file = tmp_path / "sluice.yaml"
    file.write_text(f"listen: 127.0.0.1:{port}\n")
    runtime = Program(["serve", "--config", str(file)], port, {"OPENAI_API_BASE": f"{mock.url}/v1"})
    assert runtime.call("PATCH", "/api/pools/default", {"slots": 0})[0] == 200
    file.write_text(f"listen: 127.0.0.1:{port}\nlog:\n  level: debug\n")
    runtime.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration read again" in runtime.log, 10, "the reload")
    assert runtime.call("GET", "/api/pools/default")[2]["slots"] == 0
    runtime.stop()


def test_a_reload_takes_over_only_what_the_file_says_anew(tmp_path, mock):
    port = free_port()
    file = tmp_path / "sluice.yaml"
    text = f"listen: 127.0.0.1:{port}\npools:\n  default:\n    slots: 8\n"
    file.write_text(text)
    runtime = Program(["serve", "--config", str(file)], port, {"OPENAI_API_BASE": f"{mock.url}/v1"})
    assert runtime.call("PATCH", "/api/pools/default", {"slots": 3})[0] == 200
    assert runtime.call("PATCH", "/api/log", {"level": "debug"})[0] == 200
    file.write_text(text + "    max_requests: 99\n")
    runtime.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration read again" in runtime.log, 10, "the reload")
    pool = runtime.call("GET", "/api/pools/default")[2]
    assert (pool["slots"], pool["maximum_requests"]) == (3, 99)
    assert runtime.call("GET", "/api/log")[2]["level"] == "debug"
    row = runtime.call("GET", "/api/audit?who=SIGHUP&action=pool.change")[2]["rows"][0]
    assert row["after"] == {"maximum_requests": 99} and row["undoable"]
    assert runtime.call("POST", f"/api/audit/{row['id']}/undo")[0] == 200
    assert runtime.call("GET", "/api/pools/default")[2]["maximum_requests"] == 10_000
    runtime.stop()


def test_work_that_is_held_back_is_not_sent_at_shutdown(start, mock):
    runtime = start(mock, "drain=1s")
    runtime.call("POST", "/api/pools/default/pause")
    before = mock.executions()["distinct"]
    assert runtime.chat(headers={"Prefer": "respond-async; wait=5"})[0] == 202
    runtime.process.send_signal(signal.SIGTERM)
    runtime.process.wait(20)
    assert mock.executions()["distinct"] == before


def test_a_field_that_stands_twice_is_refused(runtime):
    body = b'{"model":"mock","messages":[{"role":"user","content":"x"}],"stream":false,"stream":true}'
    status, _, answer = runtime.call("POST", "/v1/chat/completions", body)
    assert status == 400 and answer["error"]["param"] == "stream" and answer["error"]["code"] == "duplicate_field"
