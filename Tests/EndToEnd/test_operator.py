"""The operator's API, answers that are fetched later, and the command line."""

import http.client
import json
import subprocess
import urllib.request

from runtime import SLUICE, until


def test_answer_that_is_fetched_later(runtime, mock):
    status, headers, body = runtime.chat(headers={"Prefer": "respond-async"})
    assert status == 202 and headers["Location"] == f"/api/requests/{body['id']}"
    row = until(lambda: (r := runtime.call("GET", headers["Location"])[2])["state"] == "ended" and r)
    # Whoever is told of the end is told the result.
    assert row["outcome"] == "done" and row["result"] and row["result"]["status"] == 200
    assert row["result"]["body"]["choices"][0]["message"]["content"]
    assert row["timings_ms"]["ended"] >= row["timings_ms"]["started"]


def test_cancel(runtime, mock):
    runtime.call("POST", "/api/pools/default/pause")
    queued = runtime.chat(headers={"Prefer": "respond-async"})[2]["id"]
    assert runtime.call("POST", f"/api/requests/{queued}/cancel")[2]["answer"] == "cancelled"
    runtime.call("POST", "/api/pools/default/resume")
    running = runtime.chat('mock:{"hang":true}', headers={"Prefer": "respond-async"})[2]["id"]
    until(lambda: mock.executions(running)["running"] == 1)
    assert runtime.call("POST", f"/api/requests/{running}/cancel")[0] == 202
    until(lambda: mock.executions(running)["abandoned"] == 1, 2)
    for id in (queued, running):
        row = until(lambda: (r := runtime.call("GET", f"/api/requests/{id}")[2])["state"] == "ended" and r)
        assert row["reason"] == "operator_request"


def test_runtime_snapshot(runtime):
    runtime.call("POST", "/api/pools/default/pause")
    id = runtime.chat(headers={"Prefer": "respond-async"})[2]["id"]
    status, _, body = runtime.call("GET", "/api/llm-dispatch/runtime?limit=50")
    result = body["result"]
    assert body["status"] == "OK" and result["runtime_summary"]["pending_request_count"] == 1
    row = result["live_requests"][0]
    assert row["request_id"] == id and row["lifecycle_stage"] == "pending" and row["popped_at"] is None
    assert runtime.call("GET", "/api/llm-dispatch/runtime?limit=251")[0] == 400


def test_pool_can_be_changed(runtime):
    status, _, pool = runtime.call("PATCH", "/api/pools/default", {"slots": 7})
    assert status == 200 and pool["slots"] == 7
    status, _, answer = runtime.call("PATCH", "/api/pools/default", {"slotz": 7})
    assert status == 400 and "slotz" in answer["error"]["message"] and "slots" in answer["error"]["message"]
    runtime.call("PATCH", "/api/pools/default", {"slots": 64})


def test_list_pages_and_filters(runtime):
    for _ in range(5):
        runtime.chat(headers={"x-sluice-tenant": "pages"})
    seen, cursor = [], ""
    while True:
        body = runtime.call("GET", f"/api/requests?tenant=pages&limit=2{cursor}")[2]
        seen += [r["id"] for r in body["requests"]]
        if body["next_cursor"] is None:
            break
        cursor = f"&cursor={body['next_cursor']}"
    assert len(seen) == 5 and len(set(seen)) == 5
    assert runtime.call("GET", "/api/requests?state=nonsense")[0] == 400


def test_events(runtime):
    request = urllib.request.Request(f"{runtime.url}/api/events")
    with urllib.request.urlopen(request, timeout=10) as feed:
        assert feed.readline() == b"event: pools\n"
        id = runtime.chat()[1]["x-sluice-request-id"]
        states = []
        while "ended" not in states:
            line = feed.readline()
            if line.startswith(b"data: ") and id.encode() in line:
                states.append(json.loads(line[6:])["state"])
    assert states[-1] == "ended" and "started" in states


def test_metrics_agree_with_the_pools(runtime):
    runtime.chat()
    text = runtime.call("GET", "/metrics")[2].decode()
    done = [l for l in text.splitlines() if l.startswith('sluice_requests_ended_total{pool="default",outcome="done"')]
    assert float(done[0].rsplit(" ", 1)[1]) == runtime.pool()["books"]["ended"]["done/ok"]
    assert "sluice_queue_wait_seconds_bucket" in text


def test_health(runtime):
    assert runtime.call("GET", "/healthz")[0] == 200 and runtime.call("GET", "/readyz")[0] == 200


def test_nothing_of_a_prompt_is_shown(runtime):
    secret = "the-secret-prompt-text"
    runtime.chat(secret)
    runtime.mocked(status=400, tokens=1)
    for path in ("/api/requests", "/api/llm-dispatch/runtime", "/metrics", "/api/pools"):
        assert secret not in json.dumps(str(runtime.call("GET", path)[2]))
    assert secret not in runtime.log


def sluice(*arguments):
    return subprocess.run([SLUICE, *arguments], capture_output=True, text=True, timeout=20)


def test_command_line(runtime):
    at = ["--url", runtime.url]
    id = runtime.chat()[1]["x-sluice-request-id"]
    assert id in sluice("ls", *at).stdout
    assert json.loads(sluice("ls", "--json", *at).stdout)["requests"]
    assert "done" in sluice("show", id, *at).stdout
    assert "default" in sluice("pools", *at).stdout
    assert "chat completion" in sluice("try", *at).stdout
    assert sluice("show", "req_00000000000000000000000000", *at).returncode == 3
    assert sluice("ls", "--url", "http://127.0.0.1:1").returncode == 4
    assert sluice("lss").returncode == 2 and "ls" in sluice("lss").stderr
    for command in ("serve", "mock", "ls", "show", "cancel", "pools", "config", "version", "try"):
        page = sluice(command, "--help")
        assert page.returncode == 0 and "USAGE" in page.stdout
    assert "EXAMPLES" in sluice("ls", "--help").stdout


def test_many_are_cancelled_from_the_command_line(runtime):
    at = ["--url", runtime.url]
    runtime.call("POST", "/api/pools/default/pause")
    later = {"Prefer": "respond-async"}
    meant = [runtime.chat(headers={**later, "x-sluice-tenant": "batch"})[2]["id"] for _ in range(3)]
    other = runtime.chat(headers={**later, "x-sluice-tenant": "people"})[2]["id"]
    which = ["--tenant", "batch", "--state", "queued"]
    assert "3 would be cancelled by --yes" in sluice("cancel", *which, *at).stdout
    assert sorted(json.loads(sluice("cancel", *which, "--json", *at).stdout)["ids"]) == sorted(meant)
    assert runtime.call("GET", "/api/live")[2]["total"] == 4
    assert sluice("cancel", *which, "--yes", *at).stdout == "3 of 3 cancelled or told to stop.\n"
    # As a script gives it whose variable is not set: not everything.
    assert sluice("cancel", "--find", "", "--yes", *at).returncode == 2
    assert [row["id"] for row in runtime.call("GET", "/api/live")[2]["rows"]] == [other]
    for id in meant:
        assert runtime.call("GET", f"/api/requests/{id}")[2]["reason"] == "operator_request"
    assert sluice("cancel", *at).returncode == 2
    assert sluice("cancel", other, *which, *at).returncode == 2
    assert "state" in sluice("cancel", "--state", "odd", "--yes", *at).stderr
    assert "cancelled" in sluice("cancel", other, *at).stdout


def test_more_than_fit_into_one_call_are_cancelled_in_parts(start, mock):
    runtime = start(mock, "pools.default.max_requests=5000")
    runtime.call("POST", "/api/pools/default/pause")
    body = json.dumps({"model": "mock", "messages": [{"role": "user", "content": "hello"}]})
    line = http.client.HTTPConnection("127.0.0.1", runtime.port)
    for _ in range(2_100):
        line.request("POST", "/v1/chat/completions", body, {"Prefer": "respond-async"})
        answer = line.getresponse()
        answer.read()
        assert answer.status == 202
    done = sluice("cancel", "--state", "queued", "--yes", "--url", runtime.url)
    assert done.stdout == "2100 of 2100 cancelled or told to stop.\n"
    assert runtime.call("GET", "/api/live")[2]["total"] == 0
    entries = runtime.call("GET", "/api/audit")[2]["rows"]
    assert [e["count"] for e in entries if e["action"] == "request.cancel"] == [100, 1000, 1000]
    runtime.call("POST", "/api/pools/default/resume")
    runtime.settle()
    runtime.stop()


def test_open_address_without_keys_is_refused():
    done = sluice("serve", "--demo", "--listen", "0.0.0.0:0")
    assert done.returncode != 0 and "--insecure" in done.stderr
