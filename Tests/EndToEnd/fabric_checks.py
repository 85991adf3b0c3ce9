"""What must hold in a fabric after a fault."""

import os
import threading
import time
import urllib.error

from fabric import ALIVE, DISPATCHER_ALIVE, REQUESTS, THREADS
from runtime import until


# As /proc/net/tcp writes it.
ESTABLISHED = "01"


def check_keys(valkey, seconds=10):
    """Every key has a time to live, or an owner that lives: nothing is left for ever."""
    until(lambda: not _orphans(valkey), seconds, f"no key without an owner: {_orphans(valkey)}")


def _orphans(valkey):
    client, orphans = valkey.client, []

    def lives(dispatcher):
        return client.exists(DISPATCHER_ALIVE.format(dispatcher))

    for key in client.scan_iter(count=1000):
        name = key.decode()
        if client.pttl(key) != -1:
            continue
        if name.startswith("hash:llm:dispatchers:"):
            orphans += [(name, d) for d in client.hkeys(key) if not lives(d.decode())]
        else:
            # Everything here has ended: nothing is queued, nothing in flight.
            orphans.append((name, client.type(key)))
    return orphans


def ended(program, pool="default"):
    return program.books(pool)["ended"]


def counter(program, name):
    """The sum over all labels of what monitoring sees."""
    lines = program.call("GET", "/metrics")[2].decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " ")))


def settled(*programs, seconds=15):
    """Nothing runs anywhere, and every program's books balance."""
    for program in programs:
        program.settle(seconds)


class Descriptors:
    """What a program has open when every connection that ordinary work opens is there, to be seen again later."""

    # Connections to backends are kept for a while, and how many there are depends on who was quicker.
    SPARE = 8
    # Each thread opens one for work and one for looking on when it first needs them; one more waits for what comes.
    CONNECTIONS = 2 * THREADS + 1

    def __init__(self, program, port, work):
        assert program.threads == THREADS, "how many connections it may have follows from its threads"
        self.program, self.port = program, port
        work()
        self.all = program.descriptors()

    def return_(self, seconds=10):
        end = time.monotonic() + seconds
        most = self.all + self.SPARE, self.CONNECTIONS, 0
        while True:
            now = self._now()
            if all(here <= allowed for here, allowed in zip(now, most)):
                return
            assert time.monotonic() < end, f"{now} descriptors, connections and dead ones instead of at most {most}"
            time.sleep(0.05)

    def _now(self):
        states = connections(self.program, self.port)
        # What the other side has given up is dead until its descriptor is closed.
        return self.program.descriptors(), len(states), sum(state != ESTABLISHED for state in states)


def warm(program, producer, port):
    def work():
        content = 'mock:{"latency":30}'
        ids = producer.push(*[producer.envelope(content) for _ in range(24)])
        assert all(reply["status"] == "ok" for reply in producer.wait(*ids))
    return Descriptors(program, port, work)


def warm_gateway(gateway, port):
    def work():
        calls = [Call(gateway, 'mock:{"latency":30}') for _ in range(8)]
        assert all(call.wait()[0] == 200 for call in calls)
    return Descriptors(gateway, port, work)


def connections(program, port):
    """The states of a program's sockets, dead ones too, that lead to a port of this machine."""
    sockets = set()
    for name in os.listdir(f"/proc/{program.process.pid}/fd"):
        try:
            sockets.add(os.readlink(f"/proc/{program.process.pid}/fd/{name}"))
        except OSError:
            pass
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in list(table)[1:]]
    return [row[3] for row in rows if int(row[2].split(":")[1], 16) == port and f"socket:[{row[9]}]" in sockets]


def resumes(producer, since, limit=2.0, slack=2.0):
    """A request is answered within `limit` of the fault's end. The slack is for a machine that is busy."""
    producer.client.set(ALIVE.format(producer.id), producer.id, ex=producer.ttl)
    reply = producer.run("still there?", seconds=20)
    took = time.monotonic() - since
    print(f"resumed after {took:.2f} s (promised: {limit} s)")
    assert reply["status"] == "ok", reply
    assert took < limit + slack, f"resumed only after {took:.2f} s"


def pause(valkey, dispatcher, pool="default"):
    """Nothing more is taken: the pop that was under way has ended, too."""
    assert dispatcher.call("POST", f"/api/pools/{pool}/pause")[0] == 200
    def pops():
        # Gateways wait for their replies with the same command.
        clients = [c for c in valkey.client.client_list() if c["name"] == "sluice-dispatcher"]
        return any("b" in c["flags"] and c["cmd"] == "blmove" for c in clients)

    until(lambda: not pops(), 10, "no pop under way")


def resume(dispatcher, pool="default"):
    assert dispatcher.call("POST", f"/api/pools/{pool}/resume")[0] == 200


def queued(valkey, pool="default"):
    return valkey.client.llen(REQUESTS.format(pool))


def runs(mock, id):
    """How often the backend has begun to execute it."""
    return mock.executions(id)["executions"].get(id, {}).get("count", 0)


def begun(mock, *ids, seconds=10):
    until(lambda: all(runs(mock, id) for id in ids), seconds, "the backend having it")


class Call(threading.Thread):
    """A client on HTTP that waits for its answer in the background."""

    def __init__(self, program, content, headers=None, timeout=60, **fields):
        super().__init__(daemon=True)
        self.program, self.content, self.headers, self.timeout, self.fields = program, content, headers, timeout, fields
        self.answer = self.error = None
        self.began = time.monotonic()
        self.start()

    def run(self):
        try:
            self.answer = self.program.chat(self.content, self.headers, self.timeout, **self.fields)
        except (urllib.error.URLError, OSError, ValueError) as error:
            self.error = error
        self.took = time.monotonic() - self.began

    def wait(self, seconds=30):
        self.join(seconds)
        assert not self.is_alive(), "no answer"
        return self.answer
