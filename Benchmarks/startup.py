#!/usr/bin/env python3
"""From starting the program to the first answered completion, and its idle memory.

usage: startup.py [--rounds 10]
"""

import argparse
import socket
import statistics
import subprocess
import time

from programs import SLUICE, Programs, clean_environment, free_port, memory_mb, read_answer, request

BODY = {"model": "mock", "messages": [{"role": "user", "content": "hello"}]}
REPLY = ('{"id":"c","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,"message":'
         '{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}')


def once(backend):
    port = free_port()
    payload = request(BODY)
    began = time.perf_counter()
    process = subprocess.Popen(
        [SLUICE, "serve", "--listen", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env=clean_environment(OPENAI_API_BASE=f"http://127.0.0.1:{backend}/v1"))
    try:
        end = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as s:
                    idle = memory_mb(process.pid)
                    s.sendall(payload)
                    read_answer(s)
                    return (time.perf_counter() - began) * 1e3, idle
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit("bench: sluice does not listen") from None
                time.sleep(0.0005)
    finally:
        process.terminate()
        process.wait(10)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    with Programs() as programs:
        backend = free_port()
        programs.nginx(backend, f"server {{ listen 127.0.0.1:{backend}; location / {{ return 200 '{REPLY}'; }} }}")
        rows = [once(backend) for _ in range(arguments.rounds)]
        times, sizes = zip(*rows)
        print(f"start to first answered completion: median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms "
              "(wanted: at most 100)")
        print(f"idle memory: {statistics.median(sizes):.1f} MB (wanted: at most 30)")


if __name__ == "__main__":
    main()
