#!/usr/bin/env python3
"""Python's queues doing the same: a job for each request, the same HTTP call, the answer back to whoever asked.

usage: fabric_peers.py VALKEY_URL BACKEND_URL SECONDS   (needs arq, rq, celery, redis; what is missing is left out)
"""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

WORKERS = {
    "arq": r'''
import asyncio, os, urllib.parse
from arq.connections import RedisSettings
target = urllib.parse.urlparse(os.environ["BACKEND"])
async def call(context, body):
    pool = context["pool"]
    reader, writer = pool.pop() if pool else await asyncio.open_connection(target.hostname, target.port)
    writer.write((f"POST {target.path} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
                  f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    answer = await reader.readexactly(length)
    pool.append((reader, writer))
    return answer.decode()
async def begin(context): context["pool"] = []
class WorkerSettings:
    functions = [call]
    on_startup = begin
    max_jobs = 64
    poll_delay = 0.01
    redis_settings = RedisSettings.from_dsn(os.environ["VALKEY"])
''',
    "plain": '''
import http.client, os, threading, urllib.parse
target = urllib.parse.urlparse(os.environ["BACKEND"])
kept = threading.local()
def call(body):
    if not hasattr(kept, "connection"):
        kept.connection = http.client.HTTPConnection(target.hostname, target.port)
    kept.connection.request("POST", target.path, body, {"Content-Type": "application/json"})
    return kept.connection.getresponse().read().decode()
''',
    "celery": '''
import os
from celery import Celery
from plain import call as fetch
app = Celery("work", broker=os.environ["VALKEY"], backend=os.environ["VALKEY"])
app.conf.worker_prefetch_multiplier = 16
@app.task(name="call")
def call(body): return fetch(body)
''',
}


def environment(folder, valkey, backend):
    return {**os.environ, "VALKEY": valkey, "BACKEND": backend, "PYTHONPATH": folder}


async def arq(valkey, body, count):
    from arq import create_pool
    from arq.connections import RedisSettings
    pool = await create_pool(RedisSettings.from_dsn(valkey))

    async def one():
        job = await pool.enqueue_job("call", body)
        await job.result(timeout=120, poll_delay=0.01)

    await one()
    begin = time.monotonic()
    gate = asyncio.Semaphore(64)

    async def gated():
        async with gate:
            await one()

    await asyncio.gather(*[gated() for _ in range(count)])
    return count / (time.monotonic() - begin)


def rq(valkey, body, count):
    from redis import Redis
    from rq import Queue
    queue = Queue(connection=Redis.from_url(valkey))
    begin = time.monotonic()
    jobs = [queue.enqueue("plain.call", body) for _ in range(count)]
    while jobs[-1].get_status() not in ("finished", "failed"):
        time.sleep(0.01)
    for job in jobs:
        assert job.return_value() or job.get_status() == "finished"
    return count / (time.monotonic() - begin)


def celery(valkey, body, count):
    import celery as package
    app = package.Celery("work", broker=valkey, backend=valkey)
    app.send_task("call", [body]).get(timeout=60)
    begin = time.monotonic()
    results = [app.send_task("call", [body]) for _ in range(count)]
    for result in results:
        result.get(timeout=120)
    return count / (time.monotonic() - begin)


def main():
    valkey, backend, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    body = json.dumps({"model": "mock", "messages": [{"role": "user", "content": "x" * 1024}], "max_tokens": 100})
    urllib.request.urlopen(urllib.request.Request(backend, body.encode())).read()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in WORKERS.items():
            with open(f"{folder}/{'work' if name == 'celery' else name + ('_worker' if name == 'arq' else '')}.py", "w") as f:
                f.write(text)
        programs = {
            "arq": [sys.executable, "-m", "arq", "arq_worker.WorkerSettings"],
            "rq": [sys.executable, "-m", "rq.cli", "worker", "--worker-class", "rq.SimpleWorker", "--url", valkey],
            "celery": [sys.executable, "-m", "celery", "-A", "work", "worker", "-P", "threads", "-c", "64",
                       "--without-gossip", "--without-mingle", "--without-heartbeat"],
        }
        print("\nthe same HTTP call on the same Valkey")
        for name, command in programs.items():
            if importlib.util.find_spec(name) is None:
                print(f"  {name}: not installed")
                continue
            worker = subprocess.Popen(command, cwd=folder, env=environment(folder, valkey, backend),
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                measure = {"arq": lambda n: asyncio.run(arq(valkey, body, n)), "rq": lambda n: rq(valkey, body, n),
                           "celery": lambda n: celery(valkey, body, n)}[name]
                time.sleep(2)
                rate = measure(50)
                rate = measure(max(100, int(rate * seconds)))
                print(f"  {name}: {rate:,.0f}/s")
            finally:
                worker.terminate()
                worker.wait(10)


if __name__ == "__main__":
    main()
