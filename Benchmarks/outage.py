#!/usr/bin/env python3
"""Spans while ClickHouse is away: a steady load, the engine stopped in the midst of it and started again.

    Benchmarks/outage.py [--seconds 60] [--rate 500]

The engine is the real one (chDB). At the end every request that was answered must have its span, once.
"""

import argparse
import asyncio
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "EndToEnd"))
from clickhouse import ClickHouse  # noqa: E402
from runtime import Mock, Runtime  # noqa: E402

BODY = json.dumps({"model": "mock", "messages": [{"role": "user", "content": "hello"}]}).encode()
WORKERS = 16


async def worker(port, times, latencies):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    for at in times:
        await asyncio.sleep(max(0, at - time.monotonic()))
        begin = time.perf_counter()
        writer.write(head.encode() + BODY)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = next(int(line[15:]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(length)
        latencies.append((time.perf_counter() - begin) * 1000)
    writer.close()


async def load(port, rate, seconds):
    begin = time.monotonic() + 0.2
    latencies = []
    count = int(rate * seconds)
    await asyncio.gather(*(
        worker(port, [begin + i / rate for i in range(number, count, WORKERS)], latencies) for number in range(WORKERS)))
    return latencies


def tell(name, latencies):
    latencies.sort()
    print(f"{name}: {len(latencies):,} requests, p50 {latencies[len(latencies) // 2]:.2f} ms, "
          f"p99 {latencies[len(latencies) * 99 // 100]:.2f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=500)
    options = parser.parse_args()
    with ClickHouse() as house:
        mock = Mock()
        runtime = Runtime(mock, f"clickhouse.url={house.url}", "log.requests=failures")
        answered = 0
        try:
            for name, seconds in [("ClickHouse there", 10), ("ClickHouse away", options.seconds), ("back", 10)]:
                if name == "ClickHouse away":
                    house.stop()
                if name == "back":
                    house.start()
                latencies = asyncio.run(load(runtime.port, options.rate, seconds))
                answered += len(latencies)
                tell(name, latencies)
            seen = None
            for _ in range(120):
                seen = house.query("SELECT count() AS spans, uniqExact(TraceId) AS requests FROM otel.otel_traces "
                                   "WHERE SpanName = 'LLMDispatch.completion'")[0]
                if int(seen["requests"]) >= answered:
                    break
                time.sleep(1)
            lines = runtime.call("GET", "/metrics")[2].decode().splitlines()
            lost = sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("sluice_spans_lost_total"))
            print(f"{answered:,} answered; in ClickHouse {seen['requests']} of them, {seen['spans']} times; {lost:.0f} lost")
        finally:
            runtime.kill()
            mock.kill()


if __name__ == "__main__":
    sys.exit(main())
