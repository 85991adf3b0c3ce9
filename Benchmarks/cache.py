#!/usr/bin/env python3
"""What a cache hit costs beside a dispatched request: CPU per request, in one interleaved run.

usage: cache.py [--seconds 3] [--rounds 3] [--threads 1] [--connections 64]

Three gateways before the same mock: without a cache; with one, always hit; with one, asked for fresh answers.
"""

import argparse
import json
import random
import statistics

import gateway

MOCK, PLAIN, CACHED = 19411, 19412, 19413


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--connections", type=int, default=64)
    bench = gateway.Bench(parser.parse_args())
    try:
        reply = json.dumps(gateway.REPLY)
        bench.nginx("mock", f"server {{ listen 127.0.0.1:{MOCK} backlog=4096; location / {{ return 200 '{reply}'; }} }}")
        plain = bench.sluice(PLAIN, MOCK)
        cached = bench.sluice(CACHED, MOCK, settings=("pools.default.cache=on",))
        targets = {"dispatched": (PLAIN, plain, {}), "hit": (CACHED, cached, {}),
                   "no-cache": (CACHED, cached, {"Cache-Control": "no-cache"})}
        scripts = {name: script(bench, name, headers) for name, (_, _, headers) in targets.items()}
        for port, _, _ in targets.values():
            bench.wait(port)
        results = {name: [] for name in targets}
        for round_number in range(bench.arguments.rounds + 1):
            order = list(targets)
            random.shuffle(order)
            for name in order:
                port, pid, _ = targets[name]
                row = bench.wrk(scripts[name], bench.arguments.connections, port, pid, warm=round_number == 0)
                if round_number:
                    results[name].append(row)
        print(f"{'request':12} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>7} errors")
        medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
        for name, (rate, p50, p99, cost, _) in medians.items():
            print(f"{name:12} {rate:8.0f} {p50:8.3f} {p99:8.3f} {cost:7.1f} {sum(r[4] for r in results[name])}")
        print(f"a hit costs {medians['hit'][3] / medians['dispatched'][3]:.2f} of a dispatched request")
    finally:
        bench.stop()


def script(bench, name, headers):
    path = bench.folder / f"{name}.lua"
    lines = "".join(f'wrk.headers["{key}"]="{value}"\n' for key, value in headers.items())
    path.write_text(f'wrk.method="POST"\nwrk.body=[==[{json.dumps(gateway.BODY)}]==]\n'
                    f'wrk.headers["Content-Type"]="application/json"\n{lines}')
    return path


if __name__ == "__main__":
    main()
