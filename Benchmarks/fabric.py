#!/usr/bin/env python3
"""The fabric beside what its Valkey can do at all: producer -> Valkey -> dispatcher -> backend -> reply.

usage: fabric.py [--seconds 4] [--only path,http,large,latency,view,producers,peers]

The ceiling is what valkey-benchmark reaches with the four hops of a request (RPUSH, pop, RPUSH, pop) with as many
connections, payloads of the same size and no pipelining. The backend is nginx with a fixed answer. CPU is of all
processes but the load's own. `peers` needs arq, rq and celery beside redis (pip).
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request

from programs import PATH, ROOT, SLUICE, Programs, clean_environment, cpu_seconds, free_port

LOAD = str(ROOT / ".build" / "release" / "fabric-benchmark")
REPLY = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "mock",
         "choices": [{"index": 0, "message": {"role": "assistant", "content": "lorem ipsum " * 20},
                      "finish_reason": "stop", "logprobs": None}],
         "usage": {"prompt_tokens": 50, "completion_tokens": 40, "total_tokens": 90}}


class Bench(Programs):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds
        self.valkey_port, self.mock, self.dispatcher_port, self.gateway_port = (free_port() for _ in range(4))

    def __enter__(self):
        self.valkey = self.start(
            [shutil.which("valkey-server") or "redis-server", "--port", str(self.valkey_port), "--save", "",
             "--appendonly", "no"], self.valkey_port)
        self.url = f"redis://127.0.0.1:{self.valkey_port}/0"
        body = json.dumps(REPLY).replace("'", "")
        self.backend = self.nginx(
            self.mock, f"server {{ listen 127.0.0.1:{self.mock} backlog=4096; "
            f"location / {{ return 200 '{body}'; }} }}")
        environment = clean_environment(
            LLM_QUEUE_VALKEY_URL=self.url, OPENAI_API_BASE=f"http://127.0.0.1:{self.mock}/v1", OPENAI_API_KEY="EMPTY")
        self.dispatcher = self.start(
            [SLUICE, "dispatcher", "--listen", f"127.0.0.1:{self.dispatcher_port}", "--threads", "1", "--slots", "256"],
            self.dispatcher_port, environment)
        self.gateway = self.start(
            [SLUICE, "gateway", "--listen", f"127.0.0.1:{self.gateway_port}", "--threads", "1"],
            self.gateway_port, environment)
        return self

    @property
    def serving(self):
        return [self.valkey, self.backend, self.dispatcher]

    def cli(self, *words):
        return subprocess.run(
            [shutil.which("valkey-cli") or "redis-cli", "-p", str(self.valkey_port), *words],
            capture_output=True, text=True, check=True).stdout

    def commands(self):
        """What clients sent. The totals also count what scripts call, so only what no script calls is added up."""
        sent = ("eval", "evalsha", "blmove", "blmpop", "blpop", "set", "ping", "hkeys")
        calls = dict(re.findall(r"cmdstat_([a-z|]+):calls=(\d+)", self.cli("info", "commandstats")))
        return sum(int(calls.get(name, 0)) for name in sent)

    # The ceiling

    def hops(self, size, reply=1024):
        """Requests a second if nothing but the four hops were done, in turn, on this machine."""
        return 1 / (self.hop(size) + self.hop(reply))

    def hop(self, size, connections=64):
        """Seconds that a push and a pop of this size take of everybody's time."""
        count = max(2000, min(100_000, 400_000_000 // max(size, 1) // 2))
        out = subprocess.run(
            [shutil.which("valkey-benchmark") or "redis-benchmark", "-p", str(self.valkey_port), "-c",
             str(connections), "-n", str(count), "-d", str(size), "-t", "rpush,lpop", "-q"],
            capture_output=True, text=True, check=True).stdout
        rates = [float(rate) for rate in re.findall(r"([\d.]+) requests per second", out)]
        assert len(rates) >= 2, out
        rates = rates[-2:]
        self.cli("del", "mylist")
        return sum(1 / rate for rate in rates)

    # Load

    def load(self, **options):
        arguments = [w for name, value in options.items() for w in (f"--{name}", str(value))]
        before, commands = [cpu_seconds(pid) for pid in self.serving], self.commands()
        out = subprocess.run([LOAD, self.url, *arguments], capture_output=True, text=True, check=True).stdout
        result = json.loads(out)
        done = max(1, result["good"] + result["failures"])
        result["cpu_us"] = [1e6 * (cpu_seconds(pid) - b) / done for pid, b in zip(self.serving, before)]
        result["commands"] = (self.commands() - commands) / done
        return result

    def best(self, **options):
        return max((self.load(concurrency=c, seconds=self.seconds, **options) for c in (64, 256)),
                   key=lambda r: r["requests_per_second"])

    # Parts

    def path(self):
        print("\nfull path, 1 KB")
        ceiling = self.hops(1024)
        self.full = self.best(bytes=1024)
        self.say(ceiling, self.full, 0.5)

    def say(self, ceiling, result, wanted):
        rate = result["requests_per_second"]
        cpu = "  ".join(f"{name} {value:.0f}" for name, value in zip(("valkey", "backend", "dispatcher"), result["cpu_us"]))
        print(f"  ceiling of the hops {ceiling:,.0f}/s; reached {rate:,.0f}/s = {rate / ceiling:.2f} x (wanted {wanted})")
        print(f"  p50 {result['p50_us'] / 1000:.2f} ms, p99 {result['p99_us'] / 1000:.2f} ms, failures {result['failures']}")
        print(f"  CPU us/request: {cpu}; commands/request {result['commands']:.2f} (wanted at most 6)")

    def large(self):
        print("\nfull path, 300 KB")
        self.say(self.hops(300_000), self.best(bytes=300_000), 0.5)

    def http(self):
        print("\nHTTP gateway -> Valkey -> dispatcher -> client, 1 KB")
        script = self.folder / "post.lua"
        body = json.dumps({"model": "mock", "messages": [{"role": "user", "content": "x" * 1024}], "max_tokens": 100})
        script.write_text(f"wrk.method='POST'; wrk.body=[[{body}]]; wrk.headers['Content-Type']='application/json'")
        rates = []
        for connections in (64, 256):
            out = subprocess.run(
                ["wrk", "-t1", f"-c{connections}", f"-d{self.seconds}s", "--latency", "-s", str(script),
                 f"http://127.0.0.1:{self.gateway_port}{PATH}"], capture_output=True, text=True).stdout
            errors = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
            rates.append((float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), connections,
                          re.search(r"\n\s+50%\s+(\S+)", out).group(1), re.search(r"\n\s+99%\s+(\S+)", out).group(1),
                          errors.group(1) if errors else "0"))
        rate, connections, p50, p99, errors = max(rates)
        if not hasattr(self, "full"):
            self.full = self.best(bytes=1024)
        share = rate / self.full["requests_per_second"]
        print(f"  {rate:,.0f}/s with {connections} connections, p50 {p50}, p99 {p99}, errors {errors}; "
              f"{share:.2f} x the full path (wanted 0.6)")

    def latency(self):
        print("\nat 500 requests/s")
        import socket
        from programs import read_answer, request
        raw = request({"model": "mock", "messages": [{"role": "user", "content": "x" * 1024}]})
        connection = socket.create_connection(("127.0.0.1", self.mock))
        direct = []
        for _ in range(1000):
            begin = time.perf_counter()
            connection.sendall(raw)
            read_answer(connection)
            direct.append(1e6 * (time.perf_counter() - begin))
            time.sleep(0.001)
        hop = []
        import redis
        client = redis.Redis(port=self.valkey_port)
        for _ in range(500):
            begin = time.perf_counter()
            client.rpush("bench:a", "x" * 1024)
            client.lpop("bench:a")
            client.rpush("bench:b", "x" * 1024)
            client.lpop("bench:b")
            hop.append(1e6 * (time.perf_counter() - begin))
            time.sleep(0.001)
        result = self.load(concurrency=64, seconds=self.seconds, bytes=1024, rate=500)
        def quantiles(values):
            values = sorted(values)
            return values[len(values) // 2], values[int(len(values) * 0.99)]
        (d50, d99), (h50, h99) = quantiles(direct), quantiles(hop)
        a50, a99 = result["p50_us"] - d50, result["p99_us"] - d50
        print(f"  direct p50 {d50:.0f} us; hops p50 {h50:.0f}, p99 {h99:.0f} us; path p50 {result['p50_us']:.0f}, "
              f"p99 {result['p99_us']:.0f} us, commands/request {result['commands']:.2f}")
        print(f"  added p50 {a50 / h50:.2f} x the hops (wanted 2), p99 {a99 / h99:.2f} x (wanted 4)")

    def view(self):
        import redis
        client = redis.Redis(port=self.valkey_port)
        urllib.request.urlopen(urllib.request.Request(
            f"http://127.0.0.1:{self.dispatcher_port}/api/pools/default/pause", method="POST")).read()
        for count, size in ((20_000, 100_000), (200_000, 1_000)):
            envelope = json.dumps({
                "request_id": "r", "producer_id": "p", "pool_id": "default", "contract_version": "v2",
                "submitted_at": time.time(), "timeout_seconds": 600, "dispatch_profile_key": "mock",
                "call": {"model": "mock", "messages": [{"role": "user", "content": "x" * size}]}})
            pipe = client.pipeline(transaction=False)
            for index in range(count):
                pipe.rpush("list:llm:requests:default", envelope)
                if index % (16 if size > 10_000 else 1000) == 0:
                    pipe.execute()
            pipe.execute()
            times, moved = [], []
            for _ in range(20):
                time.sleep(0.3)
                before = client.info("stats")["total_net_output_bytes"]
                begin = time.perf_counter()
                with urllib.request.urlopen(
                        f"http://127.0.0.1:{self.gateway_port}/api/llm-dispatch/runtime?limit=50") as answer:
                    result = json.load(answer)["result"]
                times.append(1e3 * (time.perf_counter() - begin))
                moved.append(client.info("stats")["total_net_output_bytes"] - before)
            assert result["runtime_summary"]["pending_request_count"] == count, result["runtime_summary"]
            times.sort()
            print(f"\nlive view with {count:,} pending of {size:,} bytes: p50 {times[10]:.1f} ms, worst {times[-1]:.1f} ms "
                  f"(wanted 50), {max(moved) / 1024:.0f} KB moved (wanted 256), "
                  f"{result['runtime_summary']['pending_request_sample_count']} rows")
            client.delete("list:llm:requests:default")
        urllib.request.urlopen(urllib.request.Request(
            f"http://127.0.0.1:{self.dispatcher_port}/api/pools/default/resume", method="POST")).read()

    def producers(self):
        """The upkeep of 10,000 producers: their refreshes, and looking each up when its request comes."""
        import redis
        client = redis.Redis(port=self.valkey_port)
        count, interval = 10_000, 10
        begin, before = time.monotonic(), cpu_seconds(self.valkey)
        rounds = 0
        while time.monotonic() - begin < self.seconds:
            pipe = client.pipeline(transaction=False)
            for index in range(count):
                pipe.set(f"key:llm:producer:bench-{index}:alive", "x", ex=30)
            pipe.execute()
            rounds += 1
        refresh = (cpu_seconds(self.valkey) - before) / rounds
        pipe = client.pipeline(transaction=False)
        for index in range(count):
            pipe.delete(f"key:llm:producer:bench-{index}:alive")
        pipe.execute()
        print(f"\n10,000 producers: {1e6 * refresh / count:.1f} us of Valkey for each refresh, "
              f"{100 * refresh / interval:.1f} % of a core at one each {interval} s (wanted 5)")

    def peers(self):
        script = pathlib.Path(__file__).with_name("fabric_peers.py")
        subprocess.run([os.environ.get("PEERS_PYTHON", sys.executable), str(script), self.url, f"http://127.0.0.1:{self.mock}{PATH}",
                        str(self.seconds)], check=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", default="path,http,large,latency,view,producers,peers")
    arguments = parser.parse_args()
    if not os.path.exists(LOAD):
        raise SystemExit("bench: build fabric-benchmark first: make bench does")
    with Bench(arguments.seconds) as bench:
        for part in arguments.only.split(","):
            getattr(bench, part)()
