#!/usr/bin/env python3
"""What telemetry costs: the same program with and without it, interleaved, CPU of the program per request.

    Benchmarks/telemetry.py --binary .build/release/sluice [--rounds 3] [--seconds 4] [--connections 64]

Needs wrk. ClickHouse is a stand-in that takes every insert at once and counts its bytes: what the real one does is
not the program's CPU, and would take the machine's.
"""

import argparse
import http.server
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import socket

LUA = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model":"mock","messages":[{"role":"user","content":"hello"}]}'
"""


class Sink(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    taken = 0

    def do_POST(self):
        left = int(self.headers["Content-Length"])
        Sink.taken += left
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(port):
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Served:
    def __init__(self, binary, mock, settings):
        self.port = free_port()
        arguments = [binary, "serve", "--listen", f"127.0.0.1:{self.port}", "--threads", "1",
                     "--set", "log.requests=failures", "--set", "pools.default.slots=256"]
        for setting in settings:
            arguments += ["--set", setting]
        self.process = subprocess.Popen(
            arguments, env={"PATH": os.environ["PATH"], "OPENAI_API_BASE": f"http://127.0.0.1:{mock}/v1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(self.port)

    def run(self, script, seconds, connections):
        before = cpu(self.process.pid)
        out = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script,
             f"http://127.0.0.1:{self.port}/v1/chat/completions"], capture_output=True, text=True).stdout
        time.sleep(1.2)  # what is still to be sent belongs to these requests
        count = int(re.search(r"(\d+) requests in", out).group(1))
        assert "Non-2xx" not in out and "Socket errors" not in out, out
        return (cpu(self.process.pid) - before) / count * 1e6, count / seconds

    def lost(self):
        import urllib.request

        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics").read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith("sluice_spans_lost_total"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=".build/release/sluice")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--with", dest="more", action="append", default=[], help="further settings of the one with")
    options = parser.parse_args()
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    mock_port = free_port()
    mock = subprocess.Popen([options.binary, "mock", "--listen", f"127.0.0.1:{mock_port}"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(mock_port)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA)
        script.flush()
        variants = {
            "without": Served(options.binary, mock_port, ["telemetry.disabled=true"]),
            "with": Served(options.binary, mock_port,
                           [f"clickhouse.url=http://127.0.0.1:{sink.server_address[1]}", *options.more]),
        }
        figures = {name: [] for name in variants}
        for served in variants.values():
            served.run(script.name, 1, options.connections)
        for _ in range(options.rounds):
            for name, served in variants.items():
                figures[name].append(served.run(script.name, options.seconds, options.connections))
        medians = {}
        for name, found in figures.items():
            medians[name] = statistics.median(cost for cost, _ in found)
            rate = statistics.median(rate for _, rate in found)
            print(f"{name:8} {medians[name]:6.1f} µs CPU a request, {rate:,.0f} requests/s "
                  f"({', '.join(f'{cost:.1f}' for cost, _ in found)})")
        print(f"ratio {medians['with'] / medians['without']:.3f}; {variants['with'].lost():.0f} spans lost; "
              f"{Sink.taken / 1e6:.0f} MB inserted")
        for served in variants.values():
            served.process.terminate()
            served.process.wait()
    mock.terminate()
    mock.wait()


if __name__ == "__main__":
    sys.exit(main())
