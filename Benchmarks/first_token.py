#!/usr/bin/env python3
"""What a gateway adds to the time to a stream's first token, at one connection: Sluice and nginx over direct.

usage: first_token.py [--requests 400] [--rounds 5]

The backend sends its first event at once, so that what is measured is the way and not the model. Rounds are interleaved.
"""

import argparse
import random
import socket
import statistics
import sys
import time

from programs import Programs, free_port, read_answer, request

BACKEND = r"""
import re, socket, sys, threading
def chunk(text): return b"%x\r\n%s\r\n" % (len(text), text)
EVENT = (b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"mock","choices":[{"index":0,"delta":'
         b'{"content":" token"},"finish_reason":null}]}\n\n')
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST, REST = HEAD + chunk(EVENT), chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"

def serve(s):
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pending = b""
    while True:
        part = s.recv(1 << 16)
        if not part: return s.close()
        pending += part
        head, separator, body = pending.partition(b"\r\n\r\n")
        if separator and len(body) >= int(re.search(rb"content-length: *(\d+)", head, re.I).group(1)):
            pending = b""
            s.sendall(FIRST)
            s.sendall(REST)

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
BODY = {"model": "mock", "messages": [{"role": "user", "content": "hello world " * 20}]}


def measure(port, count):
    payload = request(BODY, stream=True)
    times = []
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            s.sendall(payload)
            answer = read_answer(s, b"chat.completion.chunk")
            times.append((time.perf_counter() - began) * 1e3)
            while not answer.endswith(b"0\r\n\r\n"):
                answer += s.recv(1 << 16)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with Programs() as programs:
        backend, proxy, gateway = free_port(), free_port(), free_port()
        programs.start([sys.executable, "-c", BACKEND, str(backend)], backend)
        programs.nginx_proxy(proxy, backend, "proxy_buffering off;")
        programs.sluice(gateway, backend)
        targets = {"direct": backend, "nginx": proxy, "sluice": gateway}
        rows = {name: [] for name in targets}
        for turn in range(arguments.rounds + 1):
            for name in random.sample(list(targets), len(targets)):
                times = sorted(measure(targets[name], arguments.requests))
                if turn:
                    rows[name].append((times[len(times) // 2], times[len(times) * 99 // 100]))
        print(f"{'target':8} {'p50 ms':>8} {'p99 ms':>8} {'added p50':>10}")
        median = {name: [statistics.median(column) for column in zip(*rows[name])] for name in targets}
        for name, (p50, p99) in median.items():
            print(f"{name:8} {p50:8.3f} {p99:8.3f} {p50 - median['direct'][0]:10.3f}")
        print("wanted: sluice adds at most 0.2 ms at p50")


if __name__ == "__main__":
    main()
