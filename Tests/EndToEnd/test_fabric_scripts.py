"""The fabric's Lua scripts on a real server. Tests/SluiceFabricTests asks the same of their counterparts in Swift."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SERVER = shutil.which("valkey-server") or shutil.which("redis-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="needs valkey-server or redis-server")


def scripts():
    found = {}
    for path in (ROOT / "Sources/SluiceFabric/Scripts").glob("*.swift"):
        for match in re.finditer(r'name: "(\w+)",\s*source: """\n(.*?)\n( *)"""', path.read_text(), re.S):
            name, source, indent = match.groups()
            found[name] = "\n".join(line.removeprefix(indent) for line in source.split("\n"))
    return found


class Server:
    """A server on a socket file, and as much of its protocol as is needed here."""

    def __init__(self, folder):
        path = str(folder / "s.sock")
        command = [SERVER, "--port", "0", "--unixsocket", path, "--save", "", "--dir", str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.05)
        self.file = self.socket.makefile("rb")
        self.scripts = scripts()

    def call(self, *arguments):
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in arguments]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.read()

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"$":
            return self.file.read(size + 2)[:-2]
        return [self.read() for _ in range(size)]

    def run(self, name, keys, *arguments):
        return self.call("EVAL", self.scripts[name], len(keys), *keys, *arguments)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    program = Server(tmp_path_factory.mktemp("valkey"))
    yield program
    program.process.kill()
    program.process.wait()


@pytest.fixture
def valkey(server):
    server.call("FLUSHALL")
    return server


START = '{"dispatcher":"d1",'


def element(name, size=0):
    return b'{"request_id":"%s","call":{"messages":"%s"}}' % (name.encode(), b"x" * size)


def mark(data):
    return (len(data), data, b"") if len(data) <= 1024 else (len(data), data[:512], data[-512:])


def test_a_list_takes_all_of_a_batch_or_nothing(valkey):
    assert valkey.run("enqueueBounded", ["q"], 3, 0, "a", "b") == [1, 2]
    assert valkey.run("enqueueBounded", ["q"], 3, 0, "c", "d") == [0, 2, 0]
    assert valkey.run("enqueueBounded", ["q"], 3, 1_000_000, "c") == [1, 3]
    refused = valkey.run("enqueueBounded", ["q"], 9, 500, "x" * 600)
    assert refused[:2] == [0, 3] and refused[2] > 0
    assert valkey.call("LRANGE", "q", 0, -1) == [b"a", b"b", b"c"]


def test_a_list_is_bounded_by_its_bytes(valkey):
    for _ in range(50):
        valkey.call("RPUSH", "q", b"x" * 100_000)
    assert valkey.run("enqueueBounded", ["q"], 100, 4_000_000, "a")[0] == 0
    assert valkey.run("enqueueBounded", ["q"], 100, 8_000_000, "a") == [1, 51]


def test_a_reply_is_only_published_to_a_producer_that_lives(valkey):
    assert valkey.run("publishReply", ["alive", "replies"], 300_000, "a", "b") == 0
    assert valkey.call("EXISTS", "replies") == 0
    valkey.call("SET", "alive", "p")
    assert valkey.run("publishReply", ["alive", "replies"], 300_000, "a", "b") == 1
    assert valkey.call("LRANGE", "replies", 0, -1) == [b"a", b"b"]
    assert 299_000 < valkey.call("PTTL", "replies") <= 300_000


@pytest.mark.parametrize("size", [0, 5_000, 300_000])
def test_settling_delivers_and_cleans_up(valkey, size):
    elements = [element(name, size) for name in "abc"]
    valkey.call("RPUSH", "private", *elements)
    valkey.call("HSET", "index", "b", START + '"x":1}', "c", '{"dispatcher":"d2",')
    valkey.call("SET", "alive", "p")
    keys = ["alive", "replies", "private", "index"]

    def settle(index, name, reply):
        return valkey.run("settle", keys, reply, 300_000, name, START, *mark(elements[index]))

    assert settle(1, "b", "r") == [1, 1, 1]
    assert valkey.call("LRANGE", "private", 0, -1) == [elements[0], elements[2]]
    assert settle(1, "b", "r") == [1, 0, 0]
    assert settle(2, "c", "") == [2, 1, 0]
    assert valkey.call("HKEYS", "index") == [b"c"]
    valkey.call("DEL", "alive")
    assert settle(0, "a", "r") == [0, 1, 0]
    assert valkey.call("LLEN", "replies") == 2
    assert valkey.call("EXISTS", "private") == 0


@pytest.mark.alone
def test_heads_come_within_bounds_and_in_time(valkey):
    for number in range(2_000):
        valkey.call("RPUSH", "q", element(f"r{number}", 100_000))
    rows = valkey.run("headBytes", ["q"], 250, 512, 262_144, 16 << 20)
    assert rows[0] == 2_000
    assert rows[1].startswith(b'{"request_id":"r0"') and rows[2] == b""
    assert 150 < len(rows[1::2]) <= 250
    assert sum(len(row) for row in rows[1:]) <= 262_144
    assert len(valkey.run("headBytes", ["q"], 250, 512, 2_000, 16 << 20)) == 1 + 2 * 3
    begin = time.monotonic()
    for _ in range(5):
        valkey.run("headBytes", ["q"], 250, 512, 262_144, 16 << 20)
    assert (time.monotonic() - begin) / 5 < 0.25
    assert valkey.run("headBytes", ["none"], 250, 512, 262_144, 16 << 20) == [0]


def test_the_end_is_shown_of_what_does_not_begin_with_its_ids(valkey):
    valkey.call("RPUSH", "q", b'{"call":"%s","request_id":"r"}' % (b"x" * 1_000))
    depth, head, tail = valkey.run("headBytes", ["q"], 1, 512, 262_144, 1 << 20)
    assert (depth, len(head), len(tail)) == (1, 512, 512)
    assert tail.endswith(b'"request_id":"r"}')


def sweep(valkey, policy, most, *ids, receipt=None, last=1):
    keys = ["heartbeat", "private", "q", "index", "dispatchers", "found"]
    receipt = receipt or os.urandom(8).hex()
    return valkey.run("sweepOrphans", keys, policy, most, "d1", START, receipt, last, *ids)


@pytest.fixture
def orphans(valkey):
    for name in "abc":
        valkey.call("RPUSH", "private", element(name, 50_000))
        valkey.call("HSET", "index", name, START)
    valkey.call("HSET", "index", "unlisted", START, "other", '{"dispatcher":"d2",')
    valkey.call("HSET", "dispatchers", "d1", 1)
    valkey.call("RPUSH", "q", element("later"))
    return valkey


def test_a_dispatcher_that_beats_is_not_swept(orphans):
    orphans.call("SET", "heartbeat", "x")
    assert sweep(orphans, "drop", 10) == [-1]
    assert orphans.call("LLEN", "private") == 3


def test_what_a_dead_dispatcher_held_is_dropped_and_reported(orphans):
    assert sweep(orphans, "drop", 2) == [1, 2, b"a", b"b"]
    assert sweep(orphans, "drop", 2, "unlisted", "other", "a") == [0, 1, b"c", b"unlisted"]
    assert orphans.call("HKEYS", "index") == [b"other"]
    assert orphans.call("EXISTS", "dispatchers") == 0
    assert orphans.call("LLEN", "q") == 1


def test_or_goes_back_in_its_old_order(orphans):
    assert sweep(orphans, "requeue", 10) == [0, 3, b"c", b"b", b"a"]
    expected = [element("a", 50_000), element("b", 50_000), element("c", 50_000), element("later")]
    assert orphans.call("LRANGE", "q", 0, -1) == expected


def test_an_element_that_is_no_json_does_not_stop_the_sweep(orphans):
    orphans.call("LPUSH", "private", b"\x00{", b'{"request_id":7}', b"[]")
    assert sweep(orphans, "drop", 10)[:5] == [0, 6, b"", b"", b""]


def test_a_sweep_whose_answer_was_lost_is_answered_again_and_done_once(orphans):
    first = sweep(orphans, "drop", 2, receipt="r")
    assert first == [1, 2, b"a", b"b"]
    orphans.call("SET", "heartbeat", "x")
    assert sweep(orphans, "drop", 2, receipt="r") == first
    assert orphans.call("LLEN", "private") == 1
    assert 59_000 < orphans.call("PTTL", "found") <= 60_000
    assert sweep(orphans, "drop", 2) == [-1]


def test_a_dispatcher_stays_known_while_entries_of_it_are_to_come(orphans):
    assert sweep(orphans, "drop", 9, last=0)[:2] == [0, 3]
    assert orphans.call("HKEYS", "dispatchers") == [b"d1"]
    assert sweep(orphans, "drop", 9, "unlisted") == [0, 0, b"unlisted"]
    assert orphans.call("EXISTS", "dispatchers") == 0


@pytest.mark.parametrize("ids_first", [True, False])
def test_a_large_element_is_known_by_its_ends_if_the_index_knows_it(orphans, ids_first):
    padding = b"x" * 5_000_000
    large = b'{"request_id":"big","call":"%s"}' if ids_first else b'{"call":"%s","request_id":"big"}'
    orphans.call("DEL", "private")
    orphans.call("RPUSH", "private", large % padding, large.replace(b"big", b"stranger") % padding)
    orphans.call("HSET", "index", "big", START)
    assert sweep(orphans, "requeue", 10) == [0, 2, b"", b"big"]
    assert orphans.call("HEXISTS", "index", "big") == 0
    assert orphans.call("LLEN", "q") == 3


def test_what_waits_is_taken_within_bounds(valkey):
    elements = [element(name, 1_000) for name in "abcd"]
    valkey.call("RPUSH", "q", *elements)
    assert valkey.run("take", ["q", "private"], 2, 1 << 20) == elements[:2]
    assert valkey.run("take", ["q", "private"], 9, 500) == elements[2:3]
    assert valkey.run("take", ["q", "private"], 9, 1 << 20) == elements[3:]
    assert valkey.run("take", ["q", "private"], 9, 1 << 20) == []
    assert valkey.call("LRANGE", "private", 0, -1) == elements


def test_those_whose_producer_lives_come_into_the_index(valkey):
    valkey.call("SET", "alive:p", "p")
    answer = valkey.run("admit", ["index", "alive:p", "alive:q", "alive:p"], "a", "1", "b", "2", "c", "3")
    assert answer == [1, 0, 1]
    assert valkey.call("HGETALL", "index") == [b"a", b"1", b"c", b"3"]


def test_only_entries_of_ones_own_are_brought_up_to_date(valkey):
    valkey.call("HSET", "index", "a", START, "b", '{"dispatcher":"d2",')
    assert valkey.run("restage", ["index"], START, "a", START + "1", "b", START + "2", "c", START + "3") == 1
    assert valkey.call("HGET", "index", "a").decode() == START + "1"
    assert valkey.call("HLEN", "index") == 2


@pytest.mark.parametrize("size", [0, 5_000, 300_000])
def test_an_element_is_put_back_once(valkey, size):
    elements = [element(name, size) for name in "abc"]
    valkey.call("RPUSH", "private", *elements)
    valkey.call("RPUSH", "q", "later")
    valkey.call("HSET", "index", "a", START, "b", '{"dispatcher":"d2",')
    keys = ["private", "q", "index"]
    assert valkey.run("putBack", keys, "b", START, *mark(elements[1])) == 1
    assert valkey.run("putBack", keys, "b", START, *mark(elements[1])) == 0
    assert valkey.run("putBack", keys, "a", START, *mark(elements[0])) == 1
    assert valkey.call("LRANGE", "q", 0, -1) == [elements[0], elements[1], b"later"]
    assert valkey.call("LRANGE", "private", 0, -1) == [elements[2]]
    assert valkey.call("HKEYS", "index") == [b"b"]
    assert valkey.run("putBack", keys, "z", START, *mark(element("z")), element("z")) == 1
    assert valkey.call("LINDEX", "q", 0) == element("z")


def test_a_private_list_is_seen_by_its_ends(valkey):
    valkey.call("RPUSH", "private", b"ab", b"x" * 10_000 + b"y")
    assert valkey.run("heldElements", ["private"], 9, 4) == [2, b"ab", b"ab", 10_001, b"xxxx", b"xxxy"]
    assert len(valkey.run("heldElements", ["private"], 1, 4)) == 3


def test_a_heartbeat_lives_for_its_time(valkey):
    assert valkey.run("beat", ["alive", "pool:a", "pool:b"], "text", 15_000, "d1", 7) == 1
    assert valkey.call("GET", "alive") == b"text"
    assert 14_000 < valkey.call("PTTL", "alive") <= 15_000
    assert valkey.call("HGETALL", "pool:a") == valkey.call("HGETALL", "pool:b") == [b"d1", b"7"]


@pytest.fixture
def full(valkey):
    """A server that takes nothing new any more."""
    valkey.call("SET", "alive", "p")
    valkey.call("RPUSH", "q", *[element(name, 20_000) for name in "abc"])
    valkey.call("CONFIG", "SET", "maxmemory", 1)
    yield valkey
    valkey.call("CONFIG", "SET", "maxmemory", 0)


def refuses(valkey, *command):
    with pytest.raises(RuntimeError, match="OOM"):
        valkey.call(*command)


def test_a_full_server_can_be_drained(full):
    refuses(full, "RPUSH", "q", "x")
    refuses(full, "BLMOVE", "q", "private", "LEFT", "RIGHT", 1)
    refuses(full, "SET", "heartbeat", "x")
    assert full.run("beat", ["heartbeat", "pool"], "text", 15_000, "d1", 7) == 1
    taken = full.run("take", ["q", "private"], 9, 1 << 20)
    assert len(taken) == 3
    assert full.run("admit", ["index", "alive", "alive"], "a", START, "b", START) == [1, 1]
    assert full.run("restage", ["index"], START, "a", START + "1") == 1
    frames = full.run("publishReply", ["alive", "replies"], 300_000, "frame")
    assert frames == 1
    keys = ["alive", "replies", "private", "index"]
    assert full.run("settle", keys, "r", 300_000, "a", START, *mark(taken[0])) == [1, 1, 1]
    assert full.run("settle", keys, "r", 300_000, "unindexed", START, *mark(taken[1])) == [1, 1, 0]
    assert full.run("putBack", ["private", "q", "index"], "unindexed", START, *mark(taken[2])) == 1
    assert full.run("putBack", ["private", "q", "index"], "z", START, *mark(element("z")), element("z")) == 1
    assert full.call("LLEN", "q") == 2
    assert full.call("LRANGE", "replies", 0, -1) == [b"frame", b"r", b"r"]
    assert 299_000 < full.call("PTTL", "replies") <= 300_000


@pytest.mark.parametrize("policy", ["drop", "requeue"])
def test_a_full_server_can_be_swept(full, policy):
    full.run("take", ["q", "private"], 9, 1 << 20)
    full.run("admit", ["index", "alive", "alive"], "a", START, "b", START)
    answer = sweep(full, policy, 10)
    assert answer[:2] == [0, 3] and sorted(answer[2:]) == [b"a", b"b", b"c"]
    assert full.call("LLEN", "q") == (3 if policy == "requeue" else 0)
    assert full.call("HLEN", "index") == 0


def lease(valkey, holder, number, **asked):
    """Asks for a share of a budget: by default 60,000 tokens per minute, 6,000 at once, as many requests as one likes."""
    amounts = dict(kept=0, returned=0, owed=0, target=0, least=0) | asked
    tokens = [amounts[name] for name in ("kept", "returned", "owed", "target", "least")]
    limits = [asked.get("strict", 0), 60_000, 6_000, -1, -1]
    question = [number, asked.get("epoch", 0), *limits, asked.get("span", 5_000), *tokens, 0, 0, 0, 0, 0, 0]
    answer = valkey.run("leaseBudget", ["budget"], holder, *question, *asked.get("refunds", []))
    names = "code epoch tokens requests met slot left left_requests holders".split()
    return dict(zip(names, answer))


def test_a_budget_is_leased_by_the_clock_of_the_server(valkey):
    first = lease(valkey, "a", 1, target=5_000)
    assert (first["tokens"], first["left"], first["met"], first["holders"]) == (5_000, 1_000, 1, 1)
    assert lease(valkey, "a", 1, target=5_000) == first
    assert lease(valkey, "b", 1, target=2_000, least=2_000)["met"] == 0
    assert lease(valkey, "a", 2, kept=2_000, returned=500, target=2_000)["tokens"] == 2_000
    assert lease(valkey, "a", 1) == {"code": 0}
    time.sleep(0.6)
    later = lease(valkey, "b", 2, target=2_000, least=2_000)
    assert (later["tokens"], later["met"], later["holders"]) == (2_000, 1, 2)
    assert 100 <= later["left"] < 1_000
    assert 119_000 < valkey.call("PTTL", "budget") <= 120_000


def test_a_full_server_still_leases(full):
    assert lease(full, "a", 1, target=5_000)["tokens"] == 5_000


def test_a_budget_that_was_lost_begins_empty_for_those_who_knew_it(valkey):
    known = lease(valkey, "a", 1, target=100)["epoch"]
    valkey.call("FLUSHALL")
    assert lease(valkey, "a", 2, epoch=known, target=100)["tokens"] < 100


def test_the_script_does_what_its_counterpart_in_swift_does(valkey):
    source = valkey.scripts["leaseBudget"].replace("redis.call('TIME')", "{KEYS[2], KEYS[3]}")
    sha, compared = valkey.call("SCRIPT", "LOAD", source), 0
    for line in (ROOT / "Tests/EndToEnd/budget_vectors.txt").read_text().splitlines():
        if line == "budget":
            valkey.call("FLUSHALL")
            fields = None
        elif ">" in line:
            question, _, answer = line.partition(" > ")
            clock, *question = question.split()
            keys = ["budget", clock[:-6], clock[-6:]]
            got = valkey.call("EVALSHA", sha, 3, *keys, *question)
            assert got == [int(word) for word in answer.split()], line
            compared += 1
        else:
            if fields is None:
                flat = valkey.call("HGETALL", "budget")
                fields = {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2])}
            name, _, value = line.partition("=")
            assert fields[name] == value, line
    assert compared >= 500
