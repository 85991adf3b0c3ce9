"""Roles, read-only, audit and undo, the live list and its stream, dead requests, the fleet: against the program."""

import gzip
import json
import threading
import urllib.request

import pytest

from runtime import until

KEYS = {"worker": None, "looker": "viewer", "fixer": "operator", "boss": "admin"}


def settings(*more):
    made = []
    for name, role in KEYS.items():
        made.append(f"api_keys.{name}.key=sk-{name}")
        if role:
            made.append(f"api_keys.{name}.role={role}")
    return [*made, *more]


def key(name):
    return {"Authorization": f"Bearer sk-{name}"}


def test_what_each_role_may(start, mock):
    runtime = start(mock, *settings())
    calls = [
        ("GET", "/api/me", 2), ("GET", "/api/overview", 2), ("GET", "/api/live", 2), ("GET", "/api/fleet", 2),
        ("GET", "/api/fabrics", 2), ("GET", "/api/audit", 2), ("GET", "/api/dead", 2), ("GET", "/metrics", 2),
        ("POST", "/api/pools/default/pause", 3), ("POST", "/api/pools/default/resume", 3),
        ("PATCH", "/api/pools/default", 3), ("POST", "/api/dead/redrive", 3), ("POST", "/api/dead/purge", 4),
    ]
    for method, path, least in calls:
        body = {"slots": 7} if method == "PATCH" else {"ids": []} if "/dead/" in path else None
        assert runtime.call(method, path, body)[0] == 401, path
        for rank, name in enumerate(KEYS, 1):
            status = runtime.call(method, path, body, key(name))[0]
            assert (status == 403) == (rank < least), (path, name, status)
    assert runtime.call("GET", "/api/me", headers=key("looker"))[2]["role"] == "viewer"
    assert runtime.chat(headers=key("worker"))[0] == 200
    assert runtime.call("GET", "/api/nothing", headers=key("worker"))[0] == 403


def test_read_only(start, mock):
    runtime = start(mock, "console.read_only=true")
    for method, path, body in [("POST", "/api/pools/default/pause", None), ("PATCH", "/api/pools/default", {"slots": 2}),
                               ("POST", "/api/dead/purge", {"filter": {}})]:
        status, _, answer = runtime.call(method, path, body)
        assert status == 403 and answer["error"]["code"] == "read_only"
    assert runtime.call("GET", "/api/me")[2]["read_only"] is True
    assert runtime.chat()[0] == 200 and runtime.pool()["mode"] == "running"


def test_audit_and_undo(start, mock, tmp_path):
    path = tmp_path / "audit.jsonl"
    runtime = start(mock, *settings(f"audit.path={path}"))
    before = runtime.call("GET", "/api/pools/default", headers=key("looker"))[2]
    change = {"slots": 3, "limits": {"requests_per_minute": 600}, "tenants": {"weights": {"acme": 2}}}
    status, headers, _ = runtime.call("PATCH", "/api/pools/default", change, key("fixer"))
    assert status == 200
    audit = headers["x-sluice-audit-id"]
    assert runtime.call("POST", f"/api/audit/{audit}/undo", headers=key("fixer"))[0] == 200
    after = runtime.call("GET", "/api/pools/default", headers=key("looker"))[2]
    assert {k: after[k] for k in change} == {k: before[k] for k in change}
    assert runtime.call("POST", f"/api/audit/{audit}/undo", headers=key("fixer"))[0] == 409
    rows = runtime.call("GET", "/api/audit?action=pool", headers=key("looker"))[2]["rows"]
    assert rows[0]["who"] == "fixer" and rows[0]["after"]["slots"] == 3 and rows[0]["undone"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["action"] for line in lines] == ["pool.change", "audit.undo"] and lines[1]["undoes"] == audit
    assert path.stat().st_mode & 0o777 == 0o600


def test_answers_are_for_those_who_asked(start, mock):
    runtime = start(mock, *settings("api_keys.worker.tenant=acme", "api_keys.boss.tenant=ops"))
    path = runtime.chat(headers={**key("worker"), "Prefer": "respond-async"})[1]["Location"]
    until(lambda: runtime.call("GET", path, headers=key("worker"))[2]["state"] == "ended")
    assert runtime.call("GET", path, headers=key("worker"))[2]["result"]["body"]["choices"]
    assert runtime.call("GET", path, headers=key("boss"))[2]["result"] == {"status": 200, "withheld": True}
    shown = runtime.call("POST", path + "/reveal", {"part": "answer"}, key("boss"))[2]
    assert "choices" in shown["body"]


def test_what_failed_at_a_dispatcher_is_driven_again_there(fabric):
    valkey, mock = fabric.valkey(), fabric.mock()
    mock.behave(errors={"500": 1})
    dispatcher = fabric.dispatcher(valkey, mock, "pools.default.retry.attempts=1")
    gateway = fabric.gateway(valkey)
    assert gateway.chat()[0] >= 500
    row = until(lambda: (rows := dispatcher.call("GET", "/api/dead")[2]["rows"]) and rows[0])
    assert row["redrivable"]
    mock.behave(errors={})
    answer = dispatcher.call("POST", "/api/dead/redrive", {"ids": [row["id"]]})[2]
    assert answer["count"] == 1, answer
    new = answer["redriven"][0]["to"]
    done = until(lambda: (r := dispatcher.call("GET", f"/api/requests/{new}")[2])["state"] == "ended" and r)
    assert done["outcome"] == "done" and done["redriven_from"] == row["id"]


def test_other_origins_cannot_act(start, mock):
    runtime = start(mock, *settings())
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        status, _, answer = runtime.call("POST", "/api/pools/default/pause", headers={**key("boss"), **headers})
        assert status == 403 and answer["error"]["code"] == "origin_not_allowed"
    own = {**key("boss"), "Sec-Fetch-Site": "same-origin", "Origin": "https://proxy.example"}
    assert runtime.call("POST", "/api/pools/default/pause", headers=own)[0] == 200


def test_console_below_a_prefix_and_compressed(start, mock):
    runtime = start(mock, "http.path_prefix=/ops/sluice")
    for path in ("/", "/ops/sluice/"):
        status, headers, body = runtime.call("GET", path)
        assert status == 200 and b"<" in body and "unsafe" not in headers["Content-Security-Policy"]
        status, headers, body = runtime.call("GET", path, headers={"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip" and b"<" in gzip.decompress(body)
        assert runtime.call("GET", path, headers={"If-None-Match": headers["ETag"], "Accept-Encoding": "gzip"})[0] == 304
    assert runtime.call("GET", "/ops/sluice/api/me")[0] == 200
    _, headers, _ = runtime.chat(headers={"Prefer": "respond-async"})
    assert headers["Location"].startswith("/ops/sluice/api/requests/")
    assert runtime.call("GET", headers["Location"])[0] == 200


class Stream:
    """Reads server-sent events in a thread."""

    def __init__(self, runtime, path):
        self.events = []
        self.answer = urllib.request.urlopen(runtime.url + path, timeout=60)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        name = None
        try:
            for line in self.answer:
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    name = text[7:]
                elif text.startswith("data: "):
                    self.events.append((name, json.loads(text[6:])))
        except (OSError, ValueError):
            pass

    def rows(self):
        return [data for name, data in list(self.events) if name == "rows"]

    def state(self):
        """What a console shows that has followed from the start."""
        known, order, total = {}, [], None
        for data in self.rows():
            if data["full"]:
                known = {}
            known.update((row["id"], row) for row in data["upsert"])
            order, total = data["order"], data["total"]
        return [known[id] for id in order], total


def test_live_list_and_its_stream(start, mock):
    runtime = start(mock, "pools.default.slots=1")
    runtime.call("POST", "/api/pools/default/pause")
    stream = Stream(runtime, "/api/live/stream?limit=5&overview=1")
    until(lambda: len(stream.rows()) == 1 and stream.rows()[0]["full"])
    model = '<img src=x onerror="alert(1)">'
    ids = [runtime.chat(model=model, headers={"Prefer": "respond-async"})[2]["id"] for _ in range(8)]
    rows, total = until(lambda: (s := stream.state())[1] == 8 and s)
    assert [row["id"] for row in rows] == ids[:5] and rows[0]["model"] == model
    assert rows[0]["waiting"]["reason"] == "pool_paused" and rows[0]["place"]["stage"] == "pending"
    page = runtime.call("GET", "/api/live?offset=5&limit=5")[2]
    assert [row["id"] for row in page["rows"]] == ids[5:] and page["matched"] == page["total"] == 8
    assert runtime.call("GET", "/api/live?sort=age&limit=1")[2]["rows"][0]["id"] == ids[-1]
    assert runtime.call("GET", "/api/live?state=in_flight")[2]["matched"] == 0
    overview = until(lambda: [data for name, data in list(stream.events) if name == "overview"
                              and data["totals"]["queued"] == 8])[-1]
    assert overview["pools"][0]["mode"] == "paused"
    runtime.call("POST", f"/api/requests/{ids[0]}/cancel")
    until(lambda: [row["id"] for row in stream.state()[0]] == ids[1:6])
    runtime.call("POST", "/api/pools/default/resume")
    until(lambda: stream.state()[1] == 0 and stream.state()[0] == [])
    runtime.settle()


def test_overview_says_what_is_wrong(start, mock):
    runtime = start(mock)
    runtime.call("POST", "/api/pools/default/pause")
    for _ in range(3):
        runtime.chat(headers={"Prefer": "respond-async"})
    finding = until(lambda: runtime.call("GET", "/api/overview")[2]["findings"], 40)[0]
    assert finding["code"] == "pending_grows" and finding["pool"] == "default"
    assert "paused" in finding["look"][0] and finding["href"].startswith("#/")
    series = until(lambda: (s := runtime.call("GET", "/api/pools/default/series?window_s=10")[2])["queued"][-1] == 3 and s)
    assert {len(v) for v in series.values() if isinstance(v, list)} == {10}
    runtime.call("POST", "/api/pools/default/resume")
    runtime.settle()


def test_dead_requests(start, mock):
    runtime = start(mock, "pools.default.retry.attempts=1")
    secret = "a secret that nobody may see"
    mock.behave(errors={"500": 1})
    for _ in range(3):
        assert runtime.chat(secret)[0] >= 500
    mock.call("POST", "/mock/reset")
    mock.behave(errors={})
    dead = runtime.call("GET", "/api/dead")[2]
    assert dead["total"] == 3 and secret not in json.dumps(dead)
    assert runtime.call("POST", "/api/dead/redrive", {"filter": {"pool": "default"}, "dry_run": True})[2]["count"] == 3
    first = dead["rows"][0]["id"]
    answer = runtime.call("POST", "/api/dead/redrive", {"ids": [first]})[2]
    assert answer["count"] == 1 and answer["redriven"][0]["from"] == first
    new = answer["redriven"][0]["to"]
    row = until(lambda: (r := runtime.call("GET", f"/api/requests/{new}")[2])["state"] == "ended" and r)
    assert row["outcome"] == "done" and row["redriven_from"] == first
    assert runtime.call("GET", "/api/dead")[2]["total"] == 2
    second = dead["rows"][1]["id"]
    status, headers, body = runtime.call("POST", f"/api/requests/{second}/retry", {"edits": {"model": "other"}})
    assert status == 202
    row = until(lambda: (r := runtime.call("GET", body["location"])[2])["state"] == "ended" and r)
    assert row["outcome"] == "done" and row["model"] == "other"
    shown = runtime.call("POST", f"/api/requests/{second}/reveal", {"part": "request"})[2]
    assert secret in shown["body"]
    assert runtime.call("POST", "/api/dead/purge", {"filter": {}})[2]["count"] == 2
    actions = [row["action"] for row in runtime.call("GET", "/api/audit")[2]["rows"]]
    assert actions == ["dead.purge", "request.reveal", "request.retry", "dead.redrive"]
    assert secret not in runtime.log
    runtime.settle()


def test_work_on_lists_waits(fabric):
    valkey = fabric.valkey()
    gateway = fabric.gateway(valkey)
    ids = [gateway.chat(headers={"Prefer": "respond-async"})[2]["id"] for _ in range(3)]
    producer = fabric.producer(valkey)
    page = until(lambda: (p := gateway.call("GET", "/api/live")[2])["queued"] == 3 and p)
    assert page["in_flight"] == 0 and [row["id"] for row in page["rows"]] == ids
    assert {row["place"]["process"] for row in page["rows"]} == {"valkey"}
    assert gateway.call("GET", "/api/live?state=pending")[2]["matched"] == 3
    assert gateway.call("GET", "/api/live?state=in_flight")[2]["matched"] == 0
    pool = gateway.call("GET", "/api/pools/default")[2]
    assert pool["queued"] == 3 and pool["in_flight"] == 0
    mock = fabric.mock()
    mock.behave(latency=3000)
    dispatcher = fabric.dispatcher(valkey, mock, "pools.default.slots=2")
    # Counts come with the dispatcher's beat, rows from its list of what it holds.
    until(lambda: (p := gateway.call("GET", "/api/live?state=in_flight")[2])["matched"] == 2
          and p["in_flight"] == 2 and p["queued"] == 1)
    fleet = gateway.call("GET", "/api/fleet")[2]
    assert fleet["dispatchers"][0]["state"] == "running" and fleet["dispatchers"][0]["slots"] == 2
    assert [p for p in fleet["producers"] if p["kind"] == "producer" and p["alive"]]
    until(lambda: gateway.call("GET", "/api/live")[2]["total"] == 0, 20)
    assert dispatcher and producer
