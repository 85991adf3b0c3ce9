"""A fabric in which something dies every second, and a ledger that accounts for every request."""

import collections
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error

from fabric import INDEX
from fabric_checks import check_keys, queued, settled
from runtime import until

# Seconds of killing.
LENGTH = int(os.environ.get("SLUICE_SOAK_SECONDS", "60"))
SEED = int(os.environ.get("SLUICE_SOAK_SEED", "7"))
ORPHANS = os.environ.get("SLUICE_SOAK_ORPHANS", "drop")
DISPATCHER = (f"fabric.orphans={ORPHANS}", "pools.default.slots=8", "fabric.dispatcher_ttl=2s")
GATEWAY = ("fabric.producer_ttl=4s", "fabric.producer_refresh=1s")


class SoakingProducer:
    def __init__(self, valkey, seed):
        descriptor, self.path = tempfile.mkstemp(prefix="sluice-soak-", suffix=".ledger")
        os.close(descriptor)
        self.process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).with_name("soak_producer.py")), str(valkey.port), self.path,
             str(seed)])

    def kill(self):
        self.process.kill()
        self.process.wait()


class Client(threading.Thread):
    """One after the other over HTTP, with whichever gateway; writes down every end."""

    def __init__(self, gateways, number, stop):
        super().__init__(daemon=True)
        self.gateways, self.stop, self.random = gateways, stop, random.Random(number)
        self.ends = collections.Counter()
        # Requests whose time ran out.
        self.overdue = []
        self.start()

    def run(self):
        while not self.stop.is_set():
            gateway = self.random.choice(self.gateways)
            content = 'mock:{"latency":%d}' % self.random.choice([5, 50, 200])
            try:
                status, headers, answer = gateway.chat(content, {"x-sluice-timeout-ms": "15000"}, 30)
            except urllib.error.URLError as error:
                refused = isinstance(error.reason, ConnectionRefusedError)
                self.ends["never taken: refused" if refused else "failed: connection broke"] += 1
                time.sleep(0.05)
            except OSError as error:
                self.ends["failed: connection broke"] += 1
            else:
                if status == 504:
                    self.overdue.append(headers["x-sluice-request-id"])
                kind = "answered" if status == 200 else f"failed: {status} {answer['error']['code']}"
                self.ends[kind] += 1


class Soak:
    def __init__(self, fabric):
        self.fabric, self.random = fabric, random.Random(SEED)
        # By default what was said to be written may be held back for two seconds while a disk is busy.
        self.valkey, self.mock = fabric.valkey("--appendfsync", "always", append_only=True), fabric.mock()
        self.programs = []
        self.dispatchers = [self._dispatcher() for _ in range(2)]
        self.gateways = [self._gateway() for _ in range(2)]
        self.ledgers = []
        self.producers = [self._producer(n) for n in range(4)]
        self.kills = collections.Counter()

    def _dispatcher(self):
        return self._note(self.fabric.dispatcher(self.valkey, self.mock, *DISPATCHER))

    def _gateway(self):
        return self._note(self.fabric.gateway(self.valkey, *GATEWAY))

    def _note(self, program):
        self.programs.append(program)
        return program

    def _producer(self, number):
        producer = SoakingProducer(self.valkey, SEED * 1000 + len(self.ledgers) * 10 + number)
        self.ledgers.append(producer.path)
        return producer

    def kill_something(self):
        kind = self.random.choice(["dispatcher", "gateway", "producer", "valkey"])
        self.kills[kind] += 1
        if kind == "valkey":
            return self.valkey.restart()
        group, make = {
            "dispatcher": (self.dispatchers, self._dispatcher), "gateway": (self.gateways, self._gateway),
            "producer": (self.producers, lambda: self._producer(0))}[kind]
        place = self.random.randrange(len(group))
        group[place].kill()
        group[place] = make()


class Ledger:
    """What every party wrote down about the requests of producers."""

    def __init__(self, soak):
        self.pushed, self.ends, self.unsure, self.finished, self.owner = set(), {}, set(), set(), {}
        for path in soak.ledgers:
            self._read(path)
        log = "\n".join(program.log for program in soak.programs)
        self.lost = set(re.findall(r"request lost request=(\S+)", log))
        self.dropped = set(re.findall(r"request dropped request=(\S+)", log))
        self.undelivered = set(re.findall(r"reply dropped request=(\S+)", log))
        self.executions = soak.mock.executions()["executions"]

    def _read(self, path):
        producer = None
        for line in pathlib.Path(path).read_text().splitlines():
            kind, _, rest = line.partition(" ")
            id, _, detail = rest.partition(" ")
            if kind == "begin":
                producer = id
            elif kind == "end":
                self.finished.add(producer)
            elif kind == "push":
                self.pushed.add(id)
                self.owner[id] = producer
            elif kind == "unsure":
                self.unsure.add(id)
            else:
                assert id not in self.ends, f"{id} ended twice"
                self.ends[id] = (kind, detail.strip())

    def account(self, id):
        """How it ended, in words; `None` when nobody knows."""
        kind, detail = self.ends.get(id, (None, ""))
        runs = self.executions.get(id, {}).get("count", 0)
        if kind == "ok":
            return "answered"
        if kind == "error":
            return f"failed: {detail}"
        if id in self.lost:
            return f"lost: its dispatcher died, {'after' if runs else 'before'} it was sent"
        if id in self.dropped:
            return "dropped: its producer was gone before dispatch"
        if id in self.undelivered:
            return "dropped: its producer was gone before the reply"
        if id in self.unsure and runs == 0:
            return "never taken: Valkey died while it was pushed"
        if kind is None and id in self.owner and self.owner[id] not in self.finished:
            return f"producer killed, {'reply never fetched' if runs else 'nobody saw it taken'}"
        return None


def test_everything_is_accounted_for(fabric):
    soak = Soak(fabric)
    stop = threading.Event()
    clients = [Client(soak.gateways, number, stop) for number in range(6)]
    began = time.monotonic()
    try:
        while time.monotonic() - began < LENGTH:
            next = time.monotonic() + 1
            soak.kill_something()
            time.sleep(max(0, next - time.monotonic()))
        stop.set()
        for client in clients:
            client.join(40)
            assert not client.is_alive(), "a client without an answer"
        for producer in soak.producers:
            producer.process.terminate()
        for producer in soak.producers:
            assert producer.process.wait(40) == 0
    finally:
        stop.set()
        for producer in soak.producers:
            producer.kill()
    until(lambda: queued(soak.valkey) == 0 and not soak.valkey.client.exists(INDEX.format("default")), 20,
          "an empty fabric")
    settled(*soak.dispatchers, *soak.gateways)
    for program in (*soak.dispatchers, *soak.gateways):
        assert program.call("GET", "/readyz")[0] == 200, program.log
    check_keys(soak.valkey)

    ledger = Ledger(soak)
    table = collections.Counter(ledger.account(id) for id in ledger.pushed)
    over_http = sum((client.ends for client in clients), collections.Counter())
    print(f"\nkilled in {LENGTH} s, seed {SEED}: {dict(soak.kills)}")
    for title, rows in (("producers' requests", table), ("requests over HTTP", over_http)):
        print(f"{title}: {sum(rows.values())}")
        for name, count in rows.most_common():
            print(f"  {count:6} {name}")
    for client in clients:
        for id in client.overdue:
            print(f"overdue over HTTP: {ledger.account(id)}, {ledger.executions.get(id)}")
    unknown = [id for id in ledger.pushed if ledger.account(id) is None]
    assert not unknown, [(id, ledger.ends.get(id), ledger.executions.get(id)) for id in unknown]
    repeated = {id: e["count"] for id, e in ledger.executions.items() if e["count"] > 1}
    print(f"run more than once: {len(repeated)}")
    assert not repeated or ORPHANS == "requeue", f"run twice: {repeated}"
    answered = [id for id in ledger.pushed if ledger.account(id) == "answered"]
    assert all(ledger.executions[id]["completed"] >= 1 for id in answered)
    assert table["answered"] > LENGTH * 20 and over_http["answered"] > LENGTH * 10
