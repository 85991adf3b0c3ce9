"""Runs a command of the program on a terminal of its own and sees what a person would see."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pyte

from runtime import SLUICE


class Terminal:
    def __init__(self, *arguments, columns=140, rows=40, environment=None):
        self.master, self.slave = pty.openpty()
        self.raw = b""
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self._size(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("OPENAI_", "SLUICE_", "LLM_", "LC_")) and k not in ("NO_COLOR", "LANG")}
        slave = self.slave
        # A session of its own: only the terminal that controls a process tells it of its size.
        self.process = subprocess.Popen(
            [SLUICE, *arguments], preexec_fn=lambda: os.login_tty(os.dup(slave)),
            env={**clean, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environment or {})})

    def _size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.read()
        self.screen.resize(rows, columns)
        self._size(columns, rows)

    def read(self, seconds=0.0):
        """Takes what has been written; answers how much that was."""
        count = 0
        while select.select([self.master], [], [], seconds)[0]:
            try:
                part = os.read(self.master, 65536)
            except OSError:
                break
            if not part:
                break
            self.raw += part
            self.stream.feed(part)
            count += len(part)
            seconds = 0.0
        return count

    @property
    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self):
        return "\n".join(self.lines)

    def until(self, condition, seconds=10, what="what is awaited"):
        """Reads until the screen is as it should be: a text that is on it, or a condition of the lines."""
        end = time.monotonic() + seconds
        while True:
            self.read(0.02)
            found = condition in self.text if isinstance(condition, str) else condition(self.lines)
            if found:
                return found
            assert self.process.poll() is None, f"it ended with {self.process.poll()}:\n{self.text}"
            assert time.monotonic() < end, f"{what}: {condition} is not on the screen:\n{self.text}"

    def press(self, keys):
        os.write(self.master, keys.encode())

    def signal(self, number):
        self.process.send_signal(number)

    def ended(self, seconds=10):
        """The exit code; the terminal must be as it was."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            self.read(0.02)
            assert time.monotonic() < end, f"it did not end:\n{self.text}"
        self.read(0.1)
        assert termios.tcgetattr(self.slave) == self.before, "the terminal's settings were not restored"
        for shown, hidden in ((b"\x1b[?1049l", b"\x1b[?1049h"), (b"\x1b[?25h", b"\x1b[?25l"), (b"\x1b[?7h", b"\x1b[?7l")):
            assert self.raw.rfind(shown) > self.raw.rfind(hidden), f"{shown} is missing"
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for descriptor in (self.master, self.slave):
            if descriptor is not None:
                os.close(descriptor)
        self.master = self.slave = None

    def hang_up(self):
        for descriptor in (self.slave, self.master):
            os.close(descriptor)
        self.master = self.slave = None
