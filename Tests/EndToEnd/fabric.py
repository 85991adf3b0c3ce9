"""A fabric of real processes: Valkey, dispatchers, gateways, and a producer that speaks the contract with redis-py."""

import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid

import redis

from runtime import Program, free_port, until

REQUESTS, REPLIES = "list:llm:requests:{}", "list:llm:replies:{}"
ALIVE, DISPATCHER_ALIVE = "key:llm:producer:{}:alive", "key:llm:dispatcher:{}:alive"
INFLIGHT, INDEX, DISPATCHERS = "list:llm:inflight:{}:{}", "hash:llm:inflight-index:{}", "hash:llm:dispatchers:{}"

# Of programs whose connections are counted: how many they may open follows from it, not from what the machine has.
THREADS = 2


def server_program():
    return shutil.which("valkey-server") or shutil.which("redis-server")


class Valkey:
    """A server of its own on a free port; `restart` keeps its data if it has an append-only file."""

    def __init__(self, *options, append_only=False):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="sluice-valkey-")
        self.options = ["--appendonly", "yes" if append_only else "no", *options]
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        self.process = subprocess.Popen(
            [server_program(), "--port", str(self.port), "--dir", self.folder, "--save", "", *self.options],
            stdout=open(f"{self.folder}/log", "a"), stderr=subprocess.STDOUT)
        self.client = redis.Redis(port=self.port, socket_timeout=30)
        until(self._answers, 10, "Valkey answering")

    def _answers(self):
        try:
            return self.client.ping()
        except redis.exceptions.RedisError:
            return False

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def restart(self, wipe=False):
        self.kill()
        if wipe:
            shutil.rmtree(self.folder)
            pathlib.Path(self.folder).mkdir()
        self.start()

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _threads(count):
    return [] if count is None else ["--threads", str(count)]


class Dispatcher(Program):
    def __init__(self, valkey, backend, *settings, threads=None, environment=None):
        port, self.threads = free_port(), threads
        arguments = ["dispatcher", "--listen", f"127.0.0.1:{port}", *_threads(threads),
                     "--set", "pools.default.retry.base_delay=20ms"]
        for setting in settings:
            arguments += ["--set", setting]
        url = backend if isinstance(backend, str) else f"{backend.url}/v1"
        super().__init__(arguments, port, {
            "OPENAI_API_BASE": url, "OPENAI_API_KEY": "EMPTY",
            "LLM_QUEUE_VALKEY_URL": valkey if isinstance(valkey, str) else valkey.url, **(environment or {})})

    def id(self):
        return next(line.split("dispatcher ", 1)[1].strip() for line in self.log.splitlines() if "fabric" in line)

    def books(self, pool="default"):
        return next(p for p in self.call("GET", "/api/pools")[2]["pools"] if p["id"] == pool)["books"]

    def settle(self, seconds=10):
        """Nothing runs any more, and what was accepted has ended."""
        def settled():
            books = self.books()
            return books["live"] == 0 and books["accepted"] + books["redriven"] == sum(
                n for reason, n in books["ended"].items() if not reason.startswith("rejected/"))
        until(settled, seconds, f"balanced books: {self.books()}")


class Gateway(Program):
    def __init__(self, valkey, *settings, threads=None, environment=None):
        port, self.threads = free_port(), threads
        arguments = ["gateway", "--listen", f"127.0.0.1:{port}", *_threads(threads)]
        for setting in settings:
            arguments += ["--set", setting]
        super().__init__(arguments, port, {
            "LLM_QUEUE_VALKEY_URL": valkey if isinstance(valkey, str) else valkey.url, **(environment or {})})

    def chat(self, content="hello", headers=None, timeout=30, **fields):
        body = {"model": "mock", "messages": [{"role": "user", "content": content}], **fields}
        return self.call("POST", "/v1/chat/completions", body, headers, timeout)

    def runtime(self, limit=50):
        status, _, body = self.call("GET", f"/api/llm-dispatch/runtime?limit={limit}")
        assert status == 200, body
        return body["result"]

    settle, books = Dispatcher.settle, Dispatcher.books


class Producer:
    """An executor as the contract describes it, with redis-py alone."""

    def __init__(self, port, pool="default", identity=None, ttl=30):
        self.client = redis.Redis(port=port, socket_timeout=30)
        self.id = identity or f"test:{uuid.uuid4().hex}"
        self.pool, self.ttl, self.replies, self.stopping = pool, ttl, {}, threading.Event()
        self.client.set(ALIVE.format(self.id), self.id, ex=ttl)
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._refresh, self._pump)]
        for thread in self.threads:
            thread.start()

    def _refresh(self):
        while not self.stopping.wait(max(0.2, self.ttl / 3)):
            try:
                self.client.set(ALIVE.format(self.id), self.id, ex=self.ttl)
            except redis.exceptions.RedisError:
                pass

    def _pump(self):
        client = redis.Redis(port=self.client.connection_pool.connection_kwargs["port"], socket_timeout=30)
        while not self.stopping.is_set():
            try:
                popped = client.blpop(REPLIES.format(self.id), 1)
            except redis.exceptions.RedisError:
                time.sleep(0.05)
                continue
            if popped:
                reply = json.loads(popped[1])
                self.replies.setdefault(reply["request_id"], []).append(reply)

    def envelope(self, content="hello", id=None, call=None, **fields):
        """Keys sorted and text escaped, as the first producers write."""
        return {
            "request_id": id or f"{uuid.uuid4().hex}_task_0", "producer_id": self.id, "pool_id": self.pool,
            "submitted_at": time.time(), "contract_version": "v2", "timeout_seconds": 600.0, "traceparent": None,
            "tracestate": None, "metadata": None, "dispatch_profile_key": "mock", "estimated_cost_units": None,
            "call": {"model": "mock", "messages": [{"role": "user", "content": content}], "temperature": 0.0,
                     "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0, "n": 1, "stop": None,
                     "max_tokens": None, "response_format": None, "tools": None, "tool_choice": None,
                     "stream": False, "stream_options": None, "extra_body": None, "extra_create_kwargs": None,
                     **(call or {})},
            **fields}

    def push(self, *envelopes):
        elements = [e if isinstance(e, (bytes, str)) else json.dumps(e, sort_keys=True, separators=(",", ":"))
                    for e in envelopes]
        self.client.rpush(REQUESTS.format(self.pool), *elements)
        return [e["request_id"] for e in envelopes if isinstance(e, dict)]

    def wait(self, *ids, seconds=30):
        until(lambda: all(id in self.replies for id in ids), seconds, "all replies")
        return [self.replies[id][0] for id in ids]

    def run(self, content="hello", seconds=30, **fields):
        return self.wait(*self.push(self.envelope(content, **fields)), seconds=seconds)[0]

    def die(self):
        """Without a word: the alive key runs out."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(5)

    def close(self):
        self.die()
        self.client.delete(ALIVE.format(self.id))


def stopped(program):
    program.process.send_signal(signal.SIGSTOP)


def resumed(program):
    program.process.send_signal(signal.SIGCONT)
