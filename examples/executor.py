#!/usr/bin/env python3
"""An executor on Sluice's fabric: pushes a batch onto Valkey, takes the answers in whatever order they come.

    python3 examples/executor.py [--url redis://127.0.0.1:6379/0] [--pool NAME] [--model NAME] [PROMPT ...]

Needs redis-py (pip install redis) and a `sluice dispatcher` on the same Valkey. The rules that it keeps are those of
docs/wire-contract.md, "What a producer does".
"""

import argparse
import json
import math
import os
import signal
import socket
import sys
import threading
import time
import uuid

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ALIVE_SECONDS = 30  # dispatchers drop the work of a producer that has been silent for so long
LARGEST = 16 * 1024 * 1024  # bytes of one request


class Executor:
    """Use it in a `with`: its end tells dispatchers that nobody waits any more."""

    def __init__(self, url, pool="default"):
        # No retries by the library: a push whose answer was lost may lie in the list, and would run twice.
        self.valkey = redis.Redis.from_url(url, socket_timeout=30, retry=Retry(NoBackoff(), 0))
        self.pool = pool
        self.id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"  # a new one after each start
        self.alive = f"key:llm:producer:{self.id}:alive"
        self.replies = f"list:llm:replies:{self.id}"
        self.stopping = threading.Event()
        self._say_alive()  # before the first push: a quick dispatcher looks for it at once
        self.refresher = threading.Thread(target=self._refresh, daemon=True)
        self.refresher.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.refresher.join()
        try:
            self.valkey.delete(self.alive, self.replies)
        except redis.RedisError:
            pass  # they run out by themselves

    def _say_alive(self):
        self.valkey.set(self.alive, self.id, ex=ALIVE_SECONDS)

    def _refresh(self):
        while not self.stopping.wait(ALIVE_SECONDS / 3):
            try:
                self._say_alive()
            except redis.RedisError:
                pass  # through errors, for as long as we wait for anything

    def run(self, calls, timeout=600.0, metadata=None):
        """Yields (index, reply) as replies come. Raises TimeoutError when `timeout` seconds have passed, ValueError when
        a call is too large; then nothing of the batch was pushed."""
        deadline = time.monotonic() + timeout
        batch = uuid.uuid4().hex
        waiting, elements = {}, []
        for index, call in enumerate(calls):
            request_id = f"{batch}_task_{index}"
            element = self._envelope(request_id, call, timeout, metadata or {})
            if len(element) > LARGEST:
                raise ValueError(f"Queued request {request_id} is {len(element)} bytes; max inline payload is {LARGEST} bytes.")
            waiting[request_id] = index
            elements.append(element)
        if elements:
            self.valkey.rpush(f"list:llm:requests:{self._pool(metadata or {})}", *elements)
        while waiting:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{len(waiting)} of {len(elements)} replies did not come within {timeout} s")
            reply = self._next_reply(min(1, math.ceil(left)))
            index = waiting.pop(reply.get("request_id"), None) if reply else None
            if index is not None:  # else late, twice, or of a batch that was given up
                yield index, reply

    def _pool(self, metadata):
        pool = metadata.get("pool_id")
        return pool if isinstance(pool, str) and pool.strip() else self.pool

    def _envelope(self, request_id, call, timeout, metadata):
        return json.dumps({
            "request_id": request_id, "producer_id": self.id, "pool_id": self._pool(metadata),
            "contract_version": "v2", "submitted_at": time.time(), "timeout_seconds": timeout,
            "traceparent": None, "tracestate": None, "metadata": metadata or None,
            "dispatch_profile_key": call["model"], "estimated_cost_units": None, "call": call,
        }, separators=(",", ":")).encode()

    def _next_reply(self, seconds):
        try:
            popped = self.valkey.blpop(self.replies, timeout=seconds)
            reply = json.loads(popped[1]) if popped else None
            return reply if isinstance(reply, dict) and reply.get("contract_version") == "v2" else None
        except redis.RedisError:
            time.sleep(0.1)  # replies wait in their list
        except ValueError:
            pass  # cannot be read: a better one may come
        return None


def main():
    arguments = argparse.ArgumentParser(description="Sends prompts through the fabric and prints what comes back.")
    arguments.add_argument("--url", default=os.environ.get("LLM_QUEUE_VALKEY_URL", "redis://127.0.0.1:6379/0"))
    arguments.add_argument("--pool", default=os.environ.get("LLM_QUEUE_POOL_ID", "default"))
    arguments.add_argument("--model", default="mock")
    arguments.add_argument("--timeout", type=float, default=600.0)
    arguments.add_argument("prompts", nargs="*", metavar="PROMPT")
    options = arguments.parse_args()
    prompts = options.prompts or ["Name a river.", "Name a mountain.", "Name a lake."]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `with` ends properly
    calls = [{"model": options.model, "messages": [{"role": "user", "content": p}], "temperature": 0.0} for p in prompts]
    failures, began = 0, time.monotonic()
    with Executor(options.url, options.pool) as executor:
        for index, reply in executor.run(calls, options.timeout):
            seconds = time.monotonic() - began
            if reply["status"] == "ok":
                choice = reply["completion"]["choices"][0]
                text = choice["message"]["content"]
                print(f"{seconds:6.3f} s  {prompts[index]!r}: {text}" + (" [cut]" if choice["finish_reason"] == "length" else ""))
            else:
                failures += 1
                print(f"{seconds:6.3f} s  {prompts[index]!r} failed: {reply['error_type']} from {reply['error_source']}"
                      f" dispatcher={reply['dispatcher_id']} backend={reply['execution_backend_address']}: {reply['error_message']}")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (redis.RedisError, TimeoutError, ValueError) as error:
        sys.exit(f"executor: {error}")
