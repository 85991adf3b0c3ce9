"""What the benchmarks share: programs that are started and always stopped, and what they cost."""

import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SLUICE = os.environ.get("SLUICE", str(ROOT / ".build" / "release" / "sluice"))
PATH = "/v1/chat/completions"
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid):
    """A process and its descendants; nginx does its work in a child."""
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in open(f"/proc/{pid}/task/{task}/children").read().split():
                found += tree(int(child))
    except FileNotFoundError:
        pass
    return found


def cpu_seconds(pid):
    total = 0
    for process in tree(pid):
        try:
            fields = open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except FileNotFoundError:
            pass
    return total / TICK


def memory_mb(pid):
    sizes = (re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{p}/status").read()) for p in tree(pid))
    return sum(int(size.group(1)) for size in sizes if size) / 1024


def clean_environment(**additions):
    """The caller's settings must not change what is measured."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "SLUICE_", "LLM_"))}
    return {**kept, **additions}


def request(body, stream=False):
    data = json.dumps({**body, "stream": True} if stream else body).encode() if isinstance(body, dict) else body
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def read_answer(connection, until=None):
    """Reads one answer with a content-length, or up to `until`. Fails on anything but a 200."""
    answer = b""
    while True:
        part = connection.recv(1 << 16)
        if not part:
            raise ConnectionError(f"the connection ended after {len(answer)} bytes: {answer[:200]!r}")
        answer += part
        head, separator, body = answer.partition(b"\r\n\r\n")
        if not separator:
            continue
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"not answered: {answer[:300]!r}")
        if until is not None:
            if until in body:
                return answer
            continue
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if length and len(body) >= int(length.group(1)):
            return answer


class Programs:
    """A context; on leaving it every program is stopped."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-"))
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.terminate()
        for process in self.running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()

    def start(self, command, port, environment=None):
        log = open(self.folder / "log", "a")
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment or clean_environment())
        self.running.append(process)
        end = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return process.pid
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"bench: {command[0]} does not listen:\n{(self.folder / 'log').read_text()}")
                time.sleep(0.005)

    def nginx(self, port, server):
        configuration = self.folder / f"{port}.conf"
        configuration.write_text(
            f"worker_processes 1; error_log /dev/null; pid {self.folder}/{port}.pid; daemon off;\n"
            "events { worker_connections 16384; }\nhttp { access_log off; keepalive_requests 100000000;\n"
            f"client_body_buffer_size 32m; client_max_body_size 64m; default_type application/json;\n{server}\n}}")
        return self.start(["nginx", "-c", str(configuration)], port)

    def nginx_proxy(self, port, backend, extra=""):
        return self.nginx(
            port, f"upstream b {{ server 127.0.0.1:{backend}; keepalive 512; keepalive_requests 100000000; }}\n"
            f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://b; "
            f'proxy_http_version 1.1; proxy_set_header Connection ""; {extra} }} }}')

    def sluice(self, port, backend, *arguments):
        return self.start(
            [SLUICE, "serve", "--listen", f"127.0.0.1:{port}", "--threads", "1", *arguments], port,
            clean_environment(OPENAI_API_BASE=f"http://127.0.0.1:{backend}/v1"))
