"""Network namespaces and processes of a measurement: set up by name, torn down by name and by process id."""

import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class SetupError(Exception):
    """Something that the measurement needs could not be set up."""


def _child_setup():
    os.setpgrp()  # the terminal's SIGINT is for the runner, which then stops everything in order
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(*words, check=True, text_input=None):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, input=text_input)
    if check and done.returncode != 0:
        raise SetupError(f"{' '.join(str(w) for w in words)}: {done.stderr.strip()}")
    return done.stdout


class Process:
    """A program under measurement or one that measures; `finish` returns the JSON object it printed last."""

    def __init__(self, words, namespace=None, env=None, log=None):
        self.words = [str(w) for w in words]
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self._log = open(log, "ab") if log else subprocess.DEVNULL
        self._process = subprocess.Popen(
            prefix + self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self._log, text=True, preexec_fn=_child_setup,
            env={**os.environ, **env} if env else None)

    @property
    def pid(self):
        return self._process.pid

    def alive(self):
        return self._process.poll() is None

    def stop(self):
        if self.alive():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        if self._log is not subprocess.DEVNULL:
            self._log.close()
            self._log = subprocess.DEVNULL

    def output(self, timeout=60):
        """All it prints until it ends."""
        try:
            out, _ = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise SetupError(f"{self.words[0]}: no end within {timeout} s") from None
        if self._log is not subprocess.DEVNULL:
            self._log.close()
            self._log = subprocess.DEVNULL
        return out

    def finish(self, timeout=60):
        out = self.output(timeout)
        lines = [line for line in out.splitlines() if line.startswith("{")]
        if self._process.returncode != 0 or not lines:
            raise SetupError(f"{' '.join(self.words)}: exit {self._process.returncode}")
        return json.loads(lines[-1])

    def peak_memory(self):
        """Bytes, the high-water mark of the resident set."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        raise SetupError(f"{self.words[0]} has ended")


class Testbed:
    """Namespaces `bench-PREFIX-MACHINE`, joined by veth pairs; a context manager that leaves nothing behind."""

    def __init__(self, prefix, machines):
        self.prefix = prefix
        self.machines = machines
        self._processes = []
        self._folder = None

    def namespace(self, machine):
        return f"bench-{self.prefix}-{machine}"

    def __enter__(self):
        try:
            self._remove_namespaces()
            for machine in self.machines:
                run("ip", "netns", "add", self.namespace(machine))
                self.ip(machine, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()
        self._remove_namespaces()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def folder(self):
        """For keys, configuration files and sockets; goes with the namespaces."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix=f"bench-{self.prefix}-")
        return self._folder.name

    def _remove_namespaces(self):
        existing = {line.split()[0] for line in run("ip", "netns", "list").splitlines() if line}
        for machine in self.machines:
            name = self.namespace(machine)
            if name not in existing:
                continue
            for pid in run("ip", "netns", "pids", name, check=False).split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            run("ip", "netns", "del", name, check=False)

    def ip(self, machine, *words):
        return run("ip", "-n", self.namespace(machine), *words)

    def inside(self, machine, *words, text_input=None):
        return run("ip", "netns", "exec", self.namespace(machine), *words, text_input=text_input)

    def link(self, left, right, subnet, mtu=1500):
        """A veth pair: subnet.1 is left's end, subnet.2 right's; each is named after the other machine."""
        run("ip", "link", "add", f"to-{right}", "netns", self.namespace(left), "mtu", mtu, "type", "veth",
            "peer", "name", f"to-{left}", "mtu", mtu, "netns", self.namespace(right))
        for number, (machine, other) in enumerate(((left, right), (right, left)), start=1):
            self.ip(machine, "addr", "add", f"{subnet}.{number}/24", "dev", f"to-{other}")
            self.ip(machine, "link", "set", f"to-{other}", "up")

    def start(self, machine, *words, env=None, log=None):
        process = Process(words, namespace=self.namespace(machine), env=env, log=log)
        self._processes.append(process)
        return process

    def stop(self, process):
        process.stop()
        if process in self._processes:
            self._processes.remove(process)


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SetupError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
