#!/usr/bin/env python3
"""What looking on costs: questions about live requests, and one console that stays open.

    Benchmarks/console.py [--requests 10000] [--seconds 10]

Fills a paused pool, asks for pages of live requests (wall time at the client, CPU of the program), then measures the
program's CPU with nobody looking, with one console's stream open, and with that stream while requests end.
"""

import argparse
import http.client
import json
import os
import pathlib
import sys
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "EndToEnd"))
from runtime import Runtime  # noqa: E402

BODY = json.dumps({"model": "mock", "messages": [{"role": "user", "content": "hello there"}]}).encode()
PAGES = [
    "/api/live?limit=100",
    "/api/live?limit=100&offset=5000&sort=-age",
    "/api/live?sort=tokens&limit=100",
    "/api/live?tenant=t7&limit=100",
    "/api/live?q=t7&limit=100",
    "/api/live?waiting=pool_paused&limit=100",
    "/api/overview",
]


def fill(runtime, count):
    def some(number):
        connection = http.client.HTTPConnection("127.0.0.1", runtime.port)
        for i in range(number):
            headers = {"Content-Type": "application/json", "Prefer": "respond-async", "x-sluice-tenant": f"t{i % 50}"}
            connection.request("POST", "/v1/chat/completions", BODY, headers)
            connection.getresponse().read()

    threads = [threading.Thread(target=some, args=(count // 4,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    runtime = Runtime(
        "http://127.0.0.1:9/v1",
        "pools.default.max_requests=200000",
        "pools.default.max_bytes=4GiB",
        "request_timeout=1h",
    )

    def cpu():
        fields = open(f"/proc/{runtime.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def share(work):
        began, at = cpu(), time.monotonic()
        work()
        return (cpu() - began) / (time.monotonic() - at) * 100

    try:
        runtime.call("POST", "/api/pools/default/pause")
        fill(runtime, options.requests)
        print(f"{options.requests:,} live requests")
        connection = http.client.HTTPConnection("127.0.0.1", runtime.port)
        for path in PAGES:
            times = []
            began = cpu()
            for _ in range(25):
                at = time.perf_counter()
                connection.request("GET", path)
                size = len(connection.getresponse().read())
                times.append((time.perf_counter() - at) * 1000)
            used = (cpu() - began) / 25 * 1000
            print(f"  {sorted(times)[12]:6.1f} ms   worst {max(times):6.1f}   {used:5.1f} ms CPU   {size / 1e3:4.0f} kB   {path}")
        time.sleep(1)

        ids = iter([row["id"] for row in runtime.call("GET", "/api/live?limit=1000&offset=500")[2]["rows"]])

        def rest():
            time.sleep(options.seconds)

        def churn():
            end = time.monotonic() + options.seconds
            while time.monotonic() < end:
                runtime.call("POST", f"/api/requests/{next(ids)}/cancel")
                time.sleep(0.05)

        def watch():
            try:
                with urllib.request.urlopen(runtime.url + "/api/live/stream?limit=60&overview=1", timeout=100) as stream:
                    for _ in stream:
                        pass
            except OSError:
                pass

        alone, busy = share(rest), share(churn)
        threading.Thread(target=watch, daemon=True).start()
        time.sleep(1)
        watched, watched_busy = share(rest), share(churn)
        print(f"CPU of a core: nobody looking {alone:.2f} %, one console {watched:.2f} %: it costs {watched - alone:.2f} %")
        print(f"with some 20 ends a second: {busy:.2f} %, with a console {watched_busy:.2f} %: {watched_busy - busy:.2f} %")
    finally:
        runtime.kill()


if __name__ == "__main__":
    sys.exit(main())
