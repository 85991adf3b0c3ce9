#!/usr/bin/env python3
"""What history costs and how fast it answers.

    Benchmarks/history.py [--rows 1000000] [--clickhouse-rows 10000000] [--only insert,sqlite,clickhouse]

SQLite: a file is filled by SQL with rows such as the program writes, opened by `sluice serve`, and asked over HTTP.
ClickHouse: the table that the program makes is filled by the engine, and asked over HTTP through the program. Each
question is asked 7 times; the median and the worst are shown, the first included. The cost of writing is the difference
in CPU time per request between a runtime with a file and one without, measured in turns.
"""

import argparse
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "EndToEnd"))
from clickhouse import ClickHouse  # noqa: E402
from runtime import Mock, Runtime, until  # noqa: E402

QUESTIONS = [
    ("newest 50", "?limit=50"),
    ("one pool, newest 50", "?pool=pool-3"),
    ("rare tenant and failures, newest 50", "?tenant=tenant-777&outcome=failed"),
    ("nothing matches", "?tenant=nobody&pool=pool-3"),
    ("a tenth of the time, one model", "?model=model-4&from={a}&to={b}"),
    ("latency > 50 s of one pool, slowest first", "?pool=pool-2&latency_over_ms=50000&sort=-latency"),
    ("one trace", "?trace_id=00000000000000000000000000abcdef"),
    ("text in ids, nothing matches", "?q=nosuchid"),
    ("cost, greatest first", "?sort=-cost"),
]
FIGURES = [
    ("count and percentiles by model, a tenth of the time", "/aggregate?by=model&from={a}&to={b}"),
    ("by pool, 100 buckets, all of it", "/aggregate?by=pool&bucket_s={bucket}&from={from}&to={to}"),
]
START = 1_790_000_000


def ask(runtime, rows):
    span = rows / 100
    values = {"from": START, "to": START + span + 100, "a": START + span * 0.5, "b": START + span * 0.6,
              "bucket": max(1, span / 100)}
    for name, query in QUESTIONS + FIGURES:
        taken = []
        for _ in range(7):
            begin = time.perf_counter()
            status, _, body = runtime.call("GET", "/api/executions" + query.format(**values), timeout=120)
            taken.append((time.perf_counter() - begin) * 1000)
            assert status == 200, body
        count = len(body.get("rows", body.get("groups", [])))
        print(f"  {statistics.median(taken):8.1f} ms   worst {max(taken):8.1f}   {name} ({count})", flush=True)


def fill_sqlite(path, rows):
    database = sqlite3.connect(path, isolation_level=None)
    names = [f"pool-{i}" for i in range(5)] + [f"model-{i}" for i in range(10)] + ["done", "failed", "ok", "backend"]
    names += ["server_error", "default", "gateway-1", "dispatcher-1", "normal", "chat/completions", "group"]
    names += [f"tenant-{i}" for i in range(1000)]
    used = (START + rows // 100 + 100) * 1_000_000
    for name in names:
        database.execute("INSERT OR IGNORE INTO names(name, used_at) VALUES(?, ?)", (name, used))
    number = dict(database.execute("SELECT name, number FROM names"))
    n = {k: number[k] for k in number}
    pool, model, tenant = n["pool-0"], n["model-0"], n["tenant-0"]
    sql = f"""
        WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i + 1 < {rows}),
        r AS (SELECT i, abs(random()) AS a, abs(random()) AS b, abs(random()) AS d FROM c),
        s AS (SELECT *, a % 60000000 AS t, b % 1000 < 30 AS bad FROM r)
        INSERT INTO executions SELECT (({START} * 1000000 + i * 10000) << 10) | (i & 1023),
            {pool} + a % 5, {tenant} + b % 1000, {model} + d % 10, iif(bad, {n['failed']}, {n['done']}),
            iif(bad, {n['backend']}, {n['ok']}), iif(bad, {n['server_error']}, 0), {n['default']}, 0,
            {n['gateway-1']}, {n['dispatcher-1']}, {n['normal']}, {n['chat/completions']}, {n['group']}, t,
            b % (t + 1), a % 8000, b % 2000, 1 + (d % 50 = 0), a % 900000000, b % (t + 1) + 300000,
            printf('req_%026X', d), NULL, printf('%016x%016x', a, b), {START} * 1000000 + i * 10000 - t, t - b % (t + 1),
            d % 2, 200, 0, NULL, a % 100000, 1 + b % 9, printf('%016x', b), NULL,
            printf('[{{"number":1,"backend":"default","started_us":%d,"first_byte_us":%d,"ended_us":%d,"status":200}}]',
                b % (t + 1), b % (t + 1) + 300000, t) FROM s"""
    database.execute("PRAGMA synchronous = OFF")
    database.execute("BEGIN")
    database.execute(sql)
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def sqlite(mock, rows, folder):
    file = folder / "history.db"
    runtime = Runtime(mock, f"history.path={file}", "history.keep=3650d", "history.max_bytes=100GiB")
    runtime.stop()
    begin = time.perf_counter()
    fill_sqlite(file, rows)
    print(f"SQLite, {rows:,} rows, {file.stat().st_size / rows:.0f} bytes a row "
          f"(filled in {time.perf_counter() - begin:.0f} s)")
    runtime = Runtime(mock, f"history.path={file}", "history.keep=3650d", "history.max_bytes=100GiB")
    ask(runtime, rows)
    begin = time.perf_counter()
    with urllib.request.urlopen(runtime.url + "/api/executions/export?limit=100000") as answer:
        size = sum(len(part) for part in iter(lambda: answer.read(1 << 20), b""))
    print(f"  export of 100,000 rows as JSON Lines: {time.perf_counter() - begin:.1f} s, {size / 1e6:.0f} MB")
    runtime.stop()


def clickhouse(mock, rows):
    with ClickHouse() as house:
        house.query("CREATE DATABASE otel")
        house.query("""CREATE TABLE otel.otel_traces (Timestamp DateTime64(9), TraceId String, SpanId String,
            SpanName LowCardinality(String), SpanAttributes Map(LowCardinality(String), String), Duration UInt64)
            ENGINE = MergeTree ORDER BY Timestamp""")
        runtime = Runtime(mock, "history.store=clickhouse", f"clickhouse.url={house.url}", "history.keep=3650d",
                          "history.timeout=120s")
        until(lambda: runtime.call("GET", "/api/executions", timeout=120)[0] == 200, 120, "history to be set up")
        begin = time.perf_counter()
        part = 1_000_000
        for first in range(0, rows, part):
            house.query(f"""INSERT INTO otel.sluice_executions (ended_at, id, pool, tenant, priority, model, operation,
                stream, fabric_group, gateway, dispatcher, backend, status, error_class, outcome, reason, submitted_at,
                queued_us, first_token_us, execution_us, total_us, prompt_tokens, completion_tokens, cached_tokens,
                cost_nanodollars, payload_bytes, message_count, attempts, attempt_list, trace_id, span_id)
                SELECT fromUnixTimestamp64Micro(toInt64({START} * 1000000 + number * 10000), 'UTC') AS e,
                concat('req_', leftPad(hex(cityHash64(number)), 26, '0')), concat('pool-', toString(rand(1) % 5)),
                concat('tenant-', toString(rand(2) % 1000)), 'normal', concat('model-', toString(rand(3) % 10)),
                'chat/completions', rand(4) % 2, 'group', 'gateway-1', 'dispatcher-1', 'default', 200,
                if(rand(5) % 1000 < 30, 'server_error', '') AS c, if(c = '', 'done', 'failed'),
                if(c = '', 'ok', 'backend'), e - toIntervalMicrosecond(rand(6) % 60000000), rand(7) % 1000000,
                rand(7) % 1000000 + 300000, rand(6) % 60000000, rand(6) % 60000000, rand(8) % 8000, rand(9) % 2000, 0,
                rand(10) % 900000000, rand(11) % 100000, 1 + rand(12) % 9, 1, concat(
                '[{{"number":1,"backend":"default","started_us":', toString(rand(7) % 1000000),
                ',"ended_us":', toString(rand(6) % 60000000), ',"status":200}}]'),
                lower(leftPad(hex(sipHash64(number)), 32, '0')), lower(leftPad(hex(cityHash64(number, 1)), 16, '0'))
                FROM numbers({first}, {min(part, rows - first)})""")
        size = house.query("SELECT sum(bytes_on_disk) AS b FROM system.parts WHERE active AND table = "
                           "'sluice_executions'")[0]["b"]
        print(f"ClickHouse (chDB), {rows:,} rows, {int(size) / rows:.0f} bytes a row "
              f"(filled in {time.perf_counter() - begin:.0f} s)")
        ask(runtime, rows)
        runtime.stop()


def cpu(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def insert(mock, folder, seconds=8, rounds=4):
    """CPU per request with and without a file, in turns."""
    costs = {"memory": [], "sqlite": []}
    for turn in range(rounds):
        for kind in ("memory", "sqlite") if turn % 2 == 0 else ("sqlite", "memory"):
            settings = ["log.requests=none", "threads=1"]
            if kind == "sqlite":
                settings += [f"history.path={folder / f'insert-{turn}.db'}"]
            runtime = Runtime(mock, *settings)
            load(runtime, 2)
            before = cpu(runtime.process)
            count = load(runtime, seconds)
            costs[kind].append((cpu(runtime.process) - before) / count * 1e6)
            runtime.stop()
    memory, file = (statistics.median(costs[kind]) for kind in ("memory", "sqlite"))
    print(f"CPU of the runtime per request: without a file {memory:.1f} µs, with one {file:.1f} µs: "
          f"{file - memory:+.1f} µs ({costs})")


def load(runtime, seconds):
    body = folder_of_body()
    done = subprocess.run(
        ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", body, runtime.url + "/v1/chat/completions"],
        capture_output=True, text=True, check=True)
    return int(done.stdout.split(" requests in ")[0].split()[-1])


def folder_of_body():
    path = pathlib.Path(tempfile.gettempdir()) / "sluice-history-post.lua"
    path.write_text('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
                    'wrk.body = [[{"model":"mock","messages":[{"role":"user","content":"hello"}]}]]\n')
    return str(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--clickhouse-rows", type=int, default=10_000_000)
    parser.add_argument("--only", default="insert,sqlite,clickhouse")
    options = parser.parse_args()
    wanted = options.only.split(",")
    mock = Mock()
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-history-") as folder:
            folder = pathlib.Path(folder)
            if "insert" in wanted:
                insert(mock, folder)
            if "sqlite" in wanted:
                sqlite(mock, options.rows, folder)
            if "clickhouse" in wanted:
                clickhouse(mock, options.clickhouse_rows)
    finally:
        mock.kill()


if __name__ == "__main__":
    main()
