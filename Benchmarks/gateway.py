#!/usr/bin/env python3
"""Sluice beside nginx, which is the floor: plain completions, streams, many in flight, start and memory.

usage: gateway.py [--seconds 3] [--rounds 3] [--threads 1] [--only plain,streams,inflight,start]

Every target forwards to the same mock; rounds are interleaved and medians reported. CPU is user and system time of the
process tree per request.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
SLUICE = os.environ.get("SLUICE_BINARY") or str(ROOT / ".build" / "release" / "sluice")
TICK = os.sysconf("SC_CLK_TCK")
MOCK, PROXY, STREAMS, STREAM_PROXY, SLUICE_PLAIN, SLUICE_STREAM, HOLD, SLUICE_HOLD = range(19401, 19409)
BODY = {"model": "mock", "messages": [{"role": "system", "content": "You are a helpful assistant."},
                                      {"role": "user", "content": "hello world " * 20}], "max_tokens": 100}
REPLY = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "mock",
         "choices": [{"index": 0, "message": {"role": "assistant", "content": "lorem ipsum " * 20},
                      "finish_reason": "stop", "logprobs": None}],
         "usage": {"prompt_tokens": 50, "completion_tokens": 40, "total_tokens": 90}}
PATH = "/v1/chat/completions"


def tree(pid):
    found = [pid]
    for child in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split():
        found += tree(int(child))
    return found


def cpu(pid):
    total = 0
    for p in tree(pid):
        try:
            fields = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except FileNotFoundError:
            pass
    return total / TICK


def memory(pid):
    return sum(int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{p}/status").read()).group(1)) for p in tree(pid)) / 1024


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.processes = []

    def start(self, command, environment=None):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        self.processes.append(process)
        return process.pid

    def nginx(self, name, server):
        path = self.folder / f"{name}.conf"
        path.write_text(
            f"worker_processes 1; error_log /dev/null; pid {self.folder}/{name}.pid; daemon off;\n"
            "events { worker_connections 16384; }\nhttp { access_log off; keepalive_requests 100000000;\n"
            f"client_body_buffer_size 1m; client_max_body_size 64m; default_type application/json;\n{server}\n}}")
        return self.start(["nginx", "-c", str(path)])

    def sluice(self, port, backend, slots=16384, settings=()):
        more = [word for setting in settings for word in ("--set", setting)]
        return self.start(
            [SLUICE, "serve", "--listen", f"127.0.0.1:{port}", "--threads", str(self.arguments.threads),
             "--slots", str(slots), "--set", "pools.default.max_requests=100000", *more],
            {"OPENAI_API_BASE": f"http://127.0.0.1:{backend}/v1"})

    def wait(self, port):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(urllib.request.Request(
                    f"http://127.0.0.1:{port}{PATH}", json.dumps(BODY).encode(),
                    {"Content-Type": "application/json"}), timeout=20).read()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"bench: nothing answers on {port}")

    def stop(self):
        for process in self.processes:
            process.terminate()

    # Plain completions

    def plain(self):
        reply = json.dumps(REPLY)
        mock = self.nginx("mock", f"server {{ listen 127.0.0.1:{MOCK} backlog=4096; location / {{ return 200 '{reply}'; }} }}")
        proxy = self.nginx(
            "proxy", f"upstream b {{ server 127.0.0.1:{MOCK}; keepalive 512; keepalive_requests 100000000; }}\n"
            f"server {{ listen 127.0.0.1:{PROXY} backlog=4096; location / {{ proxy_pass http://b; "
            'proxy_http_version 1.1; proxy_set_header Connection ""; } }')
        targets = {"direct": (MOCK, mock), "nginx": (PROXY, proxy), "sluice": (SLUICE_PLAIN, self.sluice(SLUICE_PLAIN, MOCK))}
        script = self.folder / "wrk.lua"
        script.write_text(f'wrk.method="POST"\nwrk.body=[==[{json.dumps(BODY)}]==]\n'
                          'wrk.headers["Content-Type"]="application/json"\n')
        for port, _ in targets.values():
            self.wait(port)
        print(f"{'target':8} {'conns':>5} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>7} {'MB':>5} errors")
        for connections in (1, 64):
            results = {}
            for round_number in range(self.arguments.rounds + 1):
                order = list(targets)
                random.shuffle(order)
                for name in order:
                    row = self.wrk(script, connections, *targets[name], warm=round_number == 0)
                    if round_number:
                        results.setdefault(name, []).append(row)
            for name in targets:
                median = [statistics.median(column) for column in zip(*results[name])]
                print(f"{name:8} {connections:5} {median[0]:8.0f} {median[1]:8.3f} {median[2]:8.3f} {median[3]:7.1f} "
                      f"{memory(targets[name][1]):5.0f} {sum(r[4] for r in results[name])}")

    def wrk(self, script, connections, port, pid, warm):
        seconds = 1 if warm else self.arguments.seconds
        before = cpu(pid)
        text = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script),
             f"http://127.0.0.1:{port}{PATH}"], capture_output=True, text=True).stdout
        used = cpu(pid) - before
        count = int(re.search(r"(\d+) requests in", text).group(1))
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)

        def latency(percent):
            value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", text).groups()
            return float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]

        return count / seconds, latency(50), latency(99), used / max(count, 1) * 1e6, int(bad.group(1)) if bad else 0

    # Streams: 200 at once, one event each 10 ms

    def streams(self):
        program = str(self.folder / "streams")
        subprocess.run(["gcc", "-O2", "-o", program, str(ROOT / "Benchmarks" / "streams.c")], check=True)
        self.start([program, "serve", str(STREAMS), "300", "10"])
        proxy = self.nginx(
            "streams", f"upstream b {{ server 127.0.0.1:{STREAMS}; keepalive 512; }}\n"
            f"server {{ listen 127.0.0.1:{STREAM_PROXY} backlog=4096; location / {{ proxy_pass http://b; "
            'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } }')
        targets = {"nginx": (STREAM_PROXY, proxy), "sluice": (SLUICE_STREAM, self.sluice(SLUICE_STREAM, STREAMS))}
        time.sleep(1)
        print(f"{'target':8} {'events':>7} {'expected':>8} {'reads':>7} {'CPU µs/event':>12}")
        for _ in range(self.arguments.rounds):
            for name, (port, pid) in targets.items():
                before = cpu(pid)
                row = json.loads(subprocess.run(
                    [program, "read", str(port), "200", "300", PATH], capture_output=True, text=True).stdout)
                print(f"{name:8} {row['events']:7} {row['expected']:8} {row['reads']:7} "
                      f"{(cpu(pid) - before) / row['events'] * 1e6:12.1f}")

    # Many in flight: the backend holds each for 5 s

    def inflight(self):
        self.start(["python3", str(ROOT / "Benchmarks" / "hold.py"), str(HOLD), "5"])
        pid = self.sluice(SLUICE_HOLD, HOLD)
        self.wait(SLUICE_HOLD)
        print(f"{'in flight':>9} {'good':>6} {'bad':>4} {'CPU µs':>7} {'KB each':>8}")
        for count in (64, 1000, 8000):
            good, bad, used, peak = asyncio.run(self.hold(SLUICE_HOLD, pid, count))
            print(f"{count:9} {good:6} {bad:4} {used / max(good, 1) * 1e6:7.0f} {peak / count:8.1f}")

    async def hold(self, port, pid, count):
        body = json.dumps(BODY).encode()
        request = (f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode() + body
        outcomes = []
        base, before, peak = memory(pid) * 1024, cpu(pid), [0]

        async def one():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                outcomes.append((await reader.read()).startswith(b"HTTP/1.1 200"))
                writer.close()
            except OSError:
                outcomes.append(False)

        async def watch():
            while True:
                peak[0] = max(peak[0], memory(pid) * 1024 - base)
                await asyncio.sleep(0.2)

        watcher = asyncio.create_task(watch())
        await asyncio.gather(*[one() for _ in range(count)])
        watcher.cancel()
        return sum(outcomes), count - sum(outcomes), cpu(pid) - before, peak[0]

    # Start and memory

    def begin(self):
        times = []
        for _ in range(self.arguments.rounds):
            began = time.monotonic()
            process = subprocess.Popen(
                [SLUICE, "serve", "--listen", "127.0.0.1:19420"], stderr=subprocess.DEVNULL,
                env={**os.environ, "OPENAI_API_BASE": f"http://127.0.0.1:{MOCK}/v1"})
            while True:
                try:
                    urllib.request.urlopen("http://127.0.0.1:19420/healthz", timeout=1).read()
                    break
                except OSError:
                    time.sleep(0.001)
            times.append((time.monotonic() - began) * 1000)
            idle = memory(process.pid)
            process.terminate()
            process.wait()
        print(f"start to first answer {statistics.median(times):.0f} ms, idle memory {idle:.1f} MB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="plain,streams,inflight,start")
    bench = Bench(parser.parse_args())
    try:
        for part in bench.arguments.only.split(","):
            print(f"\n{part}")
            {"plain": bench.plain, "streams": bench.streams, "inflight": bench.inflight, "start": bench.begin}[part]()
    finally:
        bench.stop()


if __name__ == "__main__":
    main()
