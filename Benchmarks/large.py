#!/usr/bin/env python3
"""Throughput of large bodies: a chat completion with a 15 MiB image, through Sluice and through nginx.

usage: large.py [--mebibytes 15] [--seconds 4] [--rounds 3] [--connections 2]

The backend reads the body and answers a short completion. Rounds are interleaved, medians reported; the ratio counts.
"""

import argparse
import base64
import json
import os
import random
import socket
import statistics
import sys
import threading
import time

from programs import Programs, cpu_seconds, free_port, memory_mb, read_answer, request

SINK = r"""
import re, socket, sys, threading
REPLY = (b'{"id":"c","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,"message":'
         b'{"role":"assistant","content":"an image"},"finish_reason":"stop"}]}')
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(REPLY) + REPLY

def serve(s):
    space = memoryview(bytearray(1 << 20))
    try:
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                part = s.recv(1 << 16)
                if not part: return
                head += part
            head, _, rest = head.partition(b"\r\n\r\n")
            if b"100-continue" in head.lower(): s.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            left = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1)) - len(rest)
            while left > 0:
                count = s.recv_into(space, min(left, len(space)))
                if not count: return
                left -= count
            s.sendall(ANSWER)
    except OSError:
        pass
    finally:
        s.close()

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def load(port, payload, connections, seconds):
    """Whole requests answered within the time, and how long it really took."""
    counts = [0] * connections
    end = time.monotonic() + seconds

    def client(number):
        with socket.create_connection(("127.0.0.1", port), 60) as s:
            while time.monotonic() < end:
                s.sendall(payload)
                read_answer(s)
                counts[number] += 1

    began = time.monotonic()
    threads = [threading.Thread(target=client, args=(n,)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts), time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mebibytes", type=float, default=15)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=2)
    arguments = parser.parse_args()

    pixels = base64.b64encode(os.urandom(int(arguments.mebibytes * (1 << 20) * 3 / 4))).decode()
    payload = request(json.dumps({"model": "mock", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixels}"}}]}]}).encode())
    with Programs() as programs:
        sink, proxy, gateway = free_port(), free_port(), free_port()
        backend = programs.start([sys.executable, "-c", SINK, str(sink)], sink)
        targets = {
            "direct": (sink, backend),
            "nginx": (proxy, programs.nginx_proxy(proxy, sink, "proxy_request_buffering off;")),
            "sluice": (gateway, programs.sluice(gateway, sink)),
        }
        rows = {name: [] for name in targets}
        for turn in range(arguments.rounds + 1):
            for name in random.sample(list(targets), len(targets)):
                port, pid = targets[name]
                before = cpu_seconds(pid)
                count, took = load(port, payload, arguments.connections, arguments.seconds if turn else 1)
                if turn:
                    rows[name].append((count * len(payload) / took / 1e6, (cpu_seconds(pid) - before) / count * 1e3))
        print(f"{'target':8} {'MB/s':>8} {'CPU ms/request':>15} {'memory MB':>10}")
        rates = {}
        for name, (_, pid) in targets.items():
            rates[name], cost = (statistics.median(column) for column in zip(*rows[name]))
            print(f"{name:8} {rates[name]:8.0f} {cost:15.1f} {memory_mb(pid):10.0f}")
        print(f"sluice / nginx: {rates['sluice'] / rates['nginx']:.2f} (wanted: at least 0.5)")


if __name__ == "__main__":
    main()
