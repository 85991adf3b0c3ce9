"""History: the same answers from a file and from ClickHouse, before and after a restart; exports; the command."""

import csv
import io
import json
import os
import random
import re
import resource
import sqlite3
import subprocess
import threading
import time

import pytest

from clickhouse import ClickHouse
from runtime import SLUICE, Mock, Runtime, until

PATH = "/api/executions"


def work(runtime):
    """Ends of several kinds."""
    for index in range(12):
        runtime.mocked(tokens=3 + index, latency=index % 3 * 20)
    runtime.mocked(stream=True, tokens=5)
    runtime.mocked(status=500)
    runtime.mocked(status=400)
    runtime.mocked(hang=True, headers={"x-sluice-timeout-ms": "150"})
    runtime.call("POST", "/v1/chat/completions", {"model": "it's <b>\"odd\"</b>, 100%", "messages": [
        {"role": "user", "content": "hi"}]})
    runtime.settle()


def set_up(runtime):
    """In ClickHouse a table and a view are made first; whoever asks meanwhile is told so."""
    until(lambda: runtime.call("GET", PATH)[0] == 200, 60, "history to be set up")
    return runtime


def rows(runtime, query=""):
    status, _, body = runtime.call("GET", PATH + query)
    assert status == 200, body
    return body["rows"]


def everything(runtime, query="?limit=5"):
    """All pages of a list."""
    found, cursor = [], None
    while True:
        body = runtime.call("GET", PATH + query + (f"&cursor={cursor}" if cursor else ""))[2]
        found += body["rows"]
        cursor = body["next_cursor"]
        if not cursor:
            return found


def test_by_default_the_memory_is_asked_and_nothing_is_written(mock, start, tmp_path):
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        runtime = start(mock)
    finally:
        os.chdir(here)
    work(runtime)
    body = runtime.call("GET", PATH)[2]
    assert body["store"] == "memory" and len(body["rows"]) == 17
    assert runtime.call("GET", "/api/me")[2]["history"] == "memory"
    assert list(tmp_path.iterdir()) == []


QUERIES = [
    "?limit=1000", "?sort=ended&limit=1000", "?sort=-latency&limit=7", "?sort=tokens&limit=1000",
    "?sort=-cost&limit=1000", "?sort=queue&limit=1000", "?outcome=done&limit=1000", "?outcome=!done&limit=1000",
    "?outcome=failed&outcome=expired&limit=1000", "?reason=ok&reason=backend&limit=1000", "?pool=default&limit=3",
    "?pool=none", "?latency_over_ms=15&limit=1000", "?latency_under_ms=15&limit=1000", "?queue_over_ms=0.01",
    "?tokens_over=10&limit=1000", "?attempts_over=1&limit=1000", "?from=-1h&to=-0s&limit=1000", "?q=req_&limit=2",
    "?model=it%27s%20%3Cb%3E%22odd%22%3C/b%3E,%20100%25", "?model=!mock", "?producer=&limit=3", "?error_class=!&limit=9",
    "?tenant=default&operation=chat/completions&priority=normal&limit=4", "?backend=default&limit=1000",
]
# Whole hours, from before the first to after the last that ends here: what figures are over is the same whenever they
# are asked for.
FROM = int(time.time()) // 3600 * 3600 - 7200
HOURS = f"from={FROM}&to={FROM + 6 * 3600}"
FIGURES = [
    "/aggregate?by=outcome", "/aggregate?by=pool,model,reason", "/aggregate", "/aggregate?by=backend&groups=1",
    f"/aggregate?by=outcome&bucket_s=3600&{HOURS}", "/aggregate?by=model&metrics=count,tokens,prompt_tokens,cost,failed",
    "/aggregate?by=outcome&metrics=p50,p95,p99,queue_p50,queue_p95,queue_p99,first_token_p50,first_token_p95",
    f"/aggregate?by=tenant&{HOURS}&metrics=count,rate,failed_ratio",
]


def answers(runtime):
    result = {}
    for query in QUERIES:
        body = runtime.call("GET", PATH + query)[2]
        result[query] = [body["rows"], bool(body["next_cursor"])]
    for query in FIGURES:
        body = runtime.call("GET", PATH + query)[2]
        result[query] = [body["groups"], body["truncated"]]
    for row in rows(runtime, "?limit=1000"):
        result[row["id"]] = runtime.call("GET", f"{PATH}/{row['id']}")[2]
    return result


def same(left, right):
    assert left.keys() == right.keys()
    for query in left:
        assert left[query] == right[query], query


def spans(runtime):
    """The spans of what has ended, as exporters write them."""
    def us(milliseconds):
        return None if milliseconds is None else str(round(milliseconds * 1000))

    result = []
    for row in rows(runtime, "?limit=1000"):
        one = runtime.call("GET", f"{PATH}/{row['id']}")[2]
        attempts = [{
            "number": a["number"], "backend": a["backend"], "model": a["model"], "hedge": a["hedge"] or None,
            "started_us": int(us(a["started_ms"])), "first_byte_us": a["first_byte_ms"] and int(us(a["first_byte_ms"])),
            "ended_us": a["ended_ms"] and int(us(a["ended_ms"])), "status": a["status"], "failure": a["class"],
            "message": a["message"], "retry_us": a["retry_delay_ms"] and int(us(a["retry_delay_ms"])),
        } for a in one["attempt_list"]]
        attempts = [{k: v for k, v in a.items() if v is not None} for a in attempts]
        attributes = {
            "sluice.request.id": row["id"], "sluice.request.remote_id": row["request_id"], "sluice.pool": row["pool"],
            "sluice.tenant": row["tenant"], "sluice.priority": row["priority"], "gen_ai.request.model": row["model"],
            "sluice.operation": row["operation"], "sluice.stream": str(row["stream"]).lower(),
            "sluice.producer": row["producer"], "sluice.fabric_group": row["fabric_group"],
            "sluice.gateway": row["gateway"], "sluice.dispatcher": row["dispatcher"], "sluice.backend": row["backend"],
            "http.response.status_code": row["status"], "sluice.error_class": row["error_class"],
            "sluice.outcome": row["outcome"], "sluice.reason": row["reason"], "sluice.message": row["message"],
            "sluice.queue_us": us(row["queue_ms"]), "sluice.first_token_us": us(row["first_token_ms"]),
            "sluice.execution_us": us(row["execution_ms"]), "gen_ai.usage.input_tokens": row["prompt_tokens"],
            "gen_ai.usage.output_tokens": row["completion_tokens"],
            "gen_ai.usage.cache_read.input_tokens": row["cached_tokens"],
            "gen_ai.usage.reasoning.output_tokens": row["reasoning_tokens"],
            "sluice.cost_nanodollars": None if row["cost_dollars"] is None else round(row["cost_dollars"] * 1e9),
            "sluice.payload_bytes": row["payload_bytes"], "sluice.message_count": row["message_count"],
            "sluice.attempts": row["attempts"],
            "sluice.attempt_list": json.dumps(attempts, separators=(",", ":")) if attempts else None,
        }
        begin, end, total = round(row["submitted_at"] * 1e6), round(row["ended_at"] * 1e6), round(row["total_ms"] * 1e3)
        # Three times that were cut off to microseconds: the nanoseconds may have made one more of them.
        more = 999 * (end - begin - total)
        result.append({
            "Timestamp": str(begin * 1000 + more), "Duration": total * 1000 + more,
            "TraceId": row["trace_id"], "SpanId": row["span_id"], "SpanName": "LLMDispatch.completion",
            "SpanAttributes": {k: str(v) for k, v in attributes.items() if v is not None},
        })
    return result


TRACES = """CREATE TABLE otel.otel_traces (Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String,
    SpanName LowCardinality(String), SpanAttributes Map(LowCardinality(String), String), Duration UInt64)
    ENGINE = MergeTree ORDER BY Timestamp"""


def test_a_file_and_clickhouse_give_the_same_answers_also_after_a_restart(mock, start, tmp_path):
    file = tmp_path / "history.db"
    settings = [f"history.path={file}", "pools.default.retry.attempts=2"]
    first = start(mock, *settings)
    work(first)
    before = answers(first)
    assert len(before["?limit=1000"][0]) == 17
    assert {r["outcome"] for r in before["?limit=1000"][0]} >= {"done", "failed", "expired"}
    assert everything(first) == before["?limit=1000"][0]
    first.stop()
    with ClickHouse() as house:
        house.query("CREATE DATABASE otel")
        house.query(TRACES)
        second = start(mock, *settings)
        same(answers(second), before)
        assert second.call("GET", "/api/me")[2]["history"] == "sqlite"
        reader = set_up(start(mock, "history.store=clickhouse", f"clickhouse.url={house.url}",
                              "history.timeout=60s"))
        assert reader.call("GET", "/api/me")[2]["history"] == "clickhouse"
        house.insert("otel.otel_traces", spans(second))
        until(lambda: len(rows(reader, "?limit=1000")) == 17, 60, "rows from spans")
        same(answers(reader), before)
        assert everything(reader) == before["?limit=1000"][0]
        # A span that is inserted again is the same row.
        house.insert("otel.otel_traces", spans(second)[:3])
        assert rows(reader, "?limit=1000") == before["?limit=1000"][0]
        reader.stop()
        again = set_up(start(mock, "history.store=clickhouse", f"clickhouse.url={house.url}",
                             "history.timeout=60s"))
        assert rows(again, "?sort=-latency&limit=7") == before["?sort=-latency&limit=7"][0]
        house.stop()
        status, headers, body = again.call("GET", PATH)
        assert status == 503 and body["error"]["code"] == "history_unavailable", body
        assert "clickhouse.url" in body["error"]["message"]
        # Work goes on.
        assert again.chat()[0] == 200


def test_exports_are_whole_and_well_formed(mock, start, tmp_path):
    runtime = start(mock, f"history.path={tmp_path / 'history.db'}")
    work(runtime)
    expected = rows(runtime, "?limit=1000")
    status, headers, body = runtime.call("GET", PATH + "/export?format=jsonl")
    assert status == 200 and headers["Content-Type"] == "application/jsonl"
    assert [json.loads(line) for line in body.splitlines()] == expected
    status, headers, body = runtime.call("GET", PATH + "/export?format=csv&sort=ended")
    read = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert [r["id"] for r in read] == [r["id"] for r in reversed(expected)]
    for line, row in zip(read, reversed(expected)):
        assert line["model"] == row["model"] and float(line["total_ms"]) == row["total_ms"]


def test_a_wrong_question_is_refused_by_name(runtime):
    for query, name in [("?sort=age", "sort"), ("?colour=red", "colour"), ("?from=then", "from"),
                        ("/aggregate?by=id", "by"), ("/export?format=xml", "format"), ("?cursor=x", "cursor")]:
        status, _, body = runtime.call("GET", PATH + query)
        assert status == 400 and body["error"]["param"] == name, (query, body)
    assert runtime.call("GET", PATH + "/req_nothing")[0] == 404


def sluice(runtime, *arguments):
    done = subprocess.run([SLUICE, "history", "--url", runtime.url, *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_command(mock, start, tmp_path):
    runtime = start(mock, f"history.path={tmp_path / 'history.db'}")
    work(runtime)
    code, out, _ = sluice(runtime, "--outcome", "failed")
    assert code == 0 and "failed" in out and "done" not in out
    code, out, _ = sluice(runtime, "--json", "--limit", "3", "--sort", "-latency")
    assert code == 0 and len(json.loads(out)["rows"]) == 3
    code, out, _ = sluice(runtime, "--csv", "--all")
    assert code == 0 and len(list(csv.DictReader(io.StringIO(out)))) == 17
    code, out, _ = sluice(runtime, "--by", "outcome")
    assert code == 0 and out.splitlines()[0].split()[0] == "OUTCOME" and "done" in out
    code, _, err = sluice(runtime, "--sort", "age")
    assert code != 0 and "'sort'" in err
    code, out, _ = sluice(runtime, "--pool", "nowhere")
    assert code == 0 and out == "Nothing that has ended matches.\n"


def test_a_kill_loses_at_most_the_last_moment_and_no_file(mock, start, tmp_path):
    file = tmp_path / "history.db"
    runtime = start(mock, f"history.path={file}")
    for _ in range(20):
        runtime.chat()
    assert len(rows(runtime)) == 20  # asked for, so written
    runtime.kill()
    again = start(mock, f"history.path={file}")
    assert len(rows(again)) == 20
    again.stop()
    assert sqlite3.connect(file).execute("SELECT count(*) FROM executions").fetchone() == (20,)


def test_a_damaged_file_is_moved_aside_and_said(mock, start, tmp_path):
    file = tmp_path / "history.db"
    file.write_bytes(random.Random(1).randbytes(100_000))
    runtime = start(mock, f"history.path={file}")
    assert runtime.chat()[0] == 200
    assert len(rows(runtime)) == 1
    assert "history is damaged: it was moved aside" in runtime.log
    assert len(list(tmp_path.glob("history.db.damaged-*"))) == 1


def test_another_file_is_left_alone(mock, tmp_path):
    file = tmp_path / "theirs.db"
    with sqlite3.connect(file) as theirs:
        theirs.execute("CREATE TABLE precious(a)")
    done = subprocess.run([SLUICE, "serve", "--listen", "127.0.0.1:0", "--history", str(file)],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "another program's database" in done.stderr
    assert sqlite3.connect(file).execute("SELECT count(*) FROM precious").fetchone() == (0,)


def full_disk(mock, start, tmp_path):
    """A runtime whose files may not grow any more."""
    def limited():
        # Files may not grow beyond this; the signal that comes with it is ignored, writes fail.
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))

    runtime = start(mock, f"history.path={tmp_path / 'history.db'}", "log.requests=none", preexec=limited)
    until(lambda: runtime.chat()[0] == 200 and "history cannot be" in runtime.log, 60, "a full disk")
    for _ in range(20):
        assert runtime.chat()[0] == 200
    runtime.settle()
    return runtime


def test_a_full_disk_stops_no_request_and_what_is_lost_is_said(mock, start, tmp_path):
    runtime = full_disk(mock, start, tmp_path)
    runtime.stop()
    assert re.search(r"history: [1-9][0-9]* ended requests could not be written", runtime.log), runtime.log[-2000:]


def test_at_the_end_it_is_tried_once_more(mock, start, tmp_path):
    runtime = full_disk(mock, start, tmp_path)
    count = sum(int(line.split()[-1]) for line in runtime.call("GET", "/metrics")[2].decode().splitlines()
                if line.startswith("sluice_requests_ended_total{"))
    # There is room again, and the end comes before it was noticed.
    resource.prlimit(runtime.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    runtime.stop()
    assert "could not be written" not in runtime.log
    written = sqlite3.connect(tmp_path / "history.db").execute("SELECT count(*) FROM executions").fetchone()
    assert written == (count,)


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def test_history_in_clickhouse_has_all_requests_whatever_is_sampled(mock, start):
    with ClickHouse() as house:
        runtime = start(mock, "history.store=clickhouse", f"clickhouse.url={house.url}", "clickhouse.table=our.spans",
                        "telemetry.interval=50ms", "telemetry.sampler=always_off", "history.timeout=60s",
                        "pools.default.slots=1", "pools.default.max_requests=1")
        assert runtime.mocked({"traceparent": TRACEPARENT})[0] == 200
        assert runtime.mocked()[0] == 200
        slow = threading.Thread(target=lambda: runtime.mocked({"x-sluice-timeout-ms": "1000"}, hang=True))
        slow.start()
        until(lambda: runtime.pool()["in_flight"] == 1)
        assert runtime.chat("too much")[0] == 503
        slow.join()

        def found():
            status, _, body = runtime.call("GET", PATH)
            return body["rows"] if status == 200 and len(body["rows"]) == 4 else None

        ended = until(found, 60, "rows of requests that nobody sampled")
        assert sorted(row["outcome"] for row in ended) == ["done", "done", "expired", "rejected"]
        assert [row["trace_id"] for row in ended].count(TRACEPARENT[3:35]) == 1
        figures = runtime.call("GET", PATH + "/aggregate?from=-1h&metrics=count,rate")[2]["groups"][0]["buckets"][0]
        assert figures["count"] == 4 and figures["rate"] == pytest.approx(4 / 3600)


def test_following_shows_what_comes_late(mock, start):
    with ClickHouse() as house:
        house.query("CREATE DATABASE otel")
        house.query(TRACES)
        runtime = start(mock, "history.store=clickhouse", f"clickhouse.url={house.url}", "history.timeout=60s",
                        "telemetry.disabled=true")
        now = time.time_ns() // 1_000_000_000

        def ended(name, ago):
            at = (now - ago) * 1_000_000_000
            house.insert("otel.otel_traces", [{
                "Timestamp": str(at), "Duration": 1_000_000, "TraceId": "ab" * 16, "SpanId": "cd" * 8,
                "SpanName": "LLMDispatch.completion",
                "SpanAttributes": {"sluice.request.id": name, "sluice.outcome": "done", "sluice.reason": "ok"}}])

        until(lambda: runtime.call("GET", PATH)[0] == 200, 60, "a history")
        for number in range(3):
            ended(f"req_known_{number}", 8 - number)
        with subprocess.Popen([SLUICE, "history", "--url", runtime.url, "--follow", "--limit", "1", "--to", "-1s"],
                              stdout=subprocess.PIPE, text=True) as follower:
            try:
                first = follower.stdout.readline()
                assert "req_known_" in first
                ended("req_newer", 2)
                assert "req_newer" in follower.stdout.readline()
                ended("req_late", 9)
                assert "req_late" in follower.stdout.readline()
                ended("req_newest", 1)
                assert "req_newest" in follower.stdout.readline()
            finally:
                follower.kill()


@pytest.fixture(scope="module")
def mock():
    program = Mock()
    yield program
    program.kill()
