"""A network between a program and Valkey that can be made to misbehave."""

import socket
import threading


class _Route:
    """One connection and its way to the server."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.pops = False
        self.swallows_questions = self.swallows_answers = False
        # Bytes of answers that still pass; nothing does after the last.
        self.left = None
        for source, target, pump in ((client, server, self._ask), (server, client, self._answer)):
            threading.Thread(target=self._run, args=(source, target, pump), daemon=True).start()

    def _run(self, source, target, pump):
        try:
            while part := source.recv(65536):
                pump(target, part)
        except OSError:
            pass
        if not (self.swallows_questions or self.swallows_answers):
            self.cut()

    def _ask(self, target, part):
        if b"BLMOVE" in part or b"BLPOP" in part:
            self.pops = True
        held = self.proxy.holds
        while held is not None and held(part) and not self.proxy.ended.is_set():
            self.proxy.released.wait(0.05)
            held = self.proxy.holds
        if not self.swallows_questions:
            target.sendall(part)

    def _answer(self, target, part):
        if self.swallows_answers:
            return
        if self.left is None and self.proxy.cut_after is not None and self.pops and len(part) > 256:
            self.left, self.proxy.cut_after = self.proxy.cut_after, None
        if self.left is None:
            return target.sendall(part)
        target.sendall(part[:self.left])
        self.left -= len(part)
        if self.left <= 0:
            self.proxy.cuts += 1
            self.cut()

    def cut(self):
        self.proxy.routes.discard(self)
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


class Proxy:
    """Listens on a port of its own and passes everything on to another, until told otherwise."""

    def __init__(self, port):
        self.target, self.routes, self.cuts = port, set(), 0
        self.cut_after = self.holds = None
        self.ended, self.released = threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            self.routes.add(_Route(self, client, server))

    def swallow(self, questions=True):
        """Connections that exist stay open and carry nothing any more; with `questions` off, only no answers."""
        for route in list(self.routes):
            route.swallows_questions, route.swallows_answers = questions, True

    def hold(self, what):
        """Keeps back what a program sends and `what` says, until `release`."""
        self.released.clear()
        self.holds = what

    def release(self):
        self.holds = None
        self.released.set()

    def cut_pop(self, after):
        """Ends the connection of the next pop after so many bytes of its answer."""
        self.cut_after = after

    def cut(self):
        for route in list(self.routes):
            route.cut()

    def close(self):
        self.ended.set()
        self.release()
        self.listener.close()
        self.cut()
