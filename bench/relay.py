#!/usr/bin/python3
"""
A passthru beside stunnel, spiped and ssh -W, in one run, between the same machines: bytes a second through one
connection, new connections a second, and what a byte there and back costs. Prints a table and asserts nothing.
Everything is in network namespaces that go with it.

    bench/relay.py BUILD-FOLDER [--mib 512] [--rounds 3]

Needs root and an optimised build. Programs that are not installed are left out.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "lab"))
parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("build")
parser.add_argument("--mib", type=int, default=512)
parser.add_argument("--rounds", type=int, default=3)
args = parser.parse_args()
sys.argv[1:] = []
os.environ["POSTERN_BIN"] = os.path.join(os.path.abspath(args.build), "src", "cmd")

from edges import EDGE, INNER, LAN, Edges, Server  # noqa: E402
from lab import V4, inside, run, until  # noqa: E402
import test_passthru  # noqa: E402

ECHO, SINK = 7000, 7001
PINGS, CONNECTS, AT_ONCE = 2000, 200, 4


def sink(server, peer):
    """Swallows, and says one byte when the other side has ended."""
    room = bytearray(1 << 20)
    while peer.recv_into(room):
        pass
    peer.sendall(b".")


def echo(server, peer):
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := peer.recv(65536):
        peer.sendall(data)


class Port:
    """A way to the inner machine that is a TCP port."""

    def __init__(self, lab, address, base):
        self.lab, self.address, self.base = lab, address, base

    def open(self, what):
        with inside(self.lab.ns["client"]):
            s = socket.create_connection((self.address, self.base + what - ECHO), 20)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def send(self, data):
        s = self.open(SINK)
        for _ in range(args.mib):
            s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b"."

    def ping(self, n):
        s = self.open(ECHO)
        times = []
        for _ in range(n):
            t = time.perf_counter()
            s.sendall(b"x")
            assert s.recv(1) == b"x"
            times.append(time.perf_counter() - t)
        return times

    def once(self):
        s = self.open(ECHO)
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        s.close()


class Program:
    """A way that is a program with the connection at its standard input and output."""

    def __init__(self, lab, words):
        self.lab, self.words = lab, words

    def open(self, what):
        return self.lab.popen("client", *self.words(what), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def send(self, data):
        p = self.open(SINK)
        for _ in range(args.mib):
            p.stdin.write(data)
        p.stdin.close()
        assert p.stdout.read(1) == b"."
        p.wait()

    def ping(self, n):
        p = self.open(ECHO)
        times = []
        for _ in range(n):
            t = time.perf_counter()
            p.stdin.write(b"x")
            assert p.stdout.read(1) == b"x"
            times.append(time.perf_counter() - t)
        p.stdin.close()
        p.wait()
        return times

    def once(self):
        p = self.open(ECHO)
        p.stdin.write(b"x")
        assert p.stdout.read(1) == b"x"
        p.stdin.close()
        p.wait()


def direct(lab):
    """No program between: from a machine on the inner network."""
    class Inside(Port):
        def open(self, what):
            with inside(lab.ns["server"]):
                s = socket.create_connection((INNER, what), 20)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return s
    return Inside(lab, INNER, ECHO)


def postern_tunnel(lab):
    test_passthru.tunnel(lab, f"17000:{INNER}:{ECHO}", f"17001:{INNER}:{SINK}")
    return Port(lab, "127.0.0.1", 17000)


def postern_connect(lab):
    return Program(lab, lambda what: lab.through(INNER, what))


def stunnel(lab):
    """Certificates of both sides, TLS 1.3 alone, as the passthru has it."""
    if shutil.which("stunnel4") is None:
        return None
    run("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", lab.path("s.key"), "-out",
        lab.path("s.pem"), "-days", "9", "-subj", "/CN=bench")
    common = f"foreground = yes\npid =\ndebug = err\nsslVersion = TLSv1.3\ncert = {lab.path('s.pem')}\n" \
             f"key = {lab.path('s.key')}\nCAfile = {lab.path('s.pem')}\nverifyPeer = yes\n" \
             "socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
    for side, who, ports in (("server", "server", ((27000, f"{INNER}:{ECHO}"), (27001, f"{INNER}:{SINK}"))),
                             ("client", "client", ((28000, V4["server"] + ":27000"), (28001, V4["server"] + ":27001")))):
        with open(lab.path(f"stunnel-{side}"), "w") as f:
            f.write(common)
            for port, to in ports:
                client = "client = yes\n" if side == "client" else ""
                host = "127.0.0.1" if side == "client" else V4["server"]
                f.write(f"[p{port}]\n{client}accept = {host}:{port}\nconnect = {to}\n")
        lab.popen(who, "stunnel4", lab.path(f"stunnel-{side}"), stderr=subprocess.DEVNULL)
    lab.listening("server", V4["server"], 27000)
    lab.listening("client", "127.0.0.1", 28001)
    return Port(lab, "127.0.0.1", 28000)


def spiped(lab):
    if shutil.which("spiped") is None:
        return None
    with open(lab.path("spiped.key"), "wb") as f:
        f.write(os.urandom(32))
    for what, port in ((ECHO, 37000), (SINK, 37001)):
        lab.popen("server", "spiped", "-d", "-F", "-s", f"[{V4['server']}]:{port}", "-t", f"[{INNER}]:{what}", "-k",
                  lab.path("spiped.key"))
        lab.popen("client", "spiped", "-e", "-F", "-s", f"[127.0.0.1]:{port}", "-t", f"[{V4['server']}]:{port}", "-k",
                  lab.path("spiped.key"))
        lab.listening("client", "127.0.0.1", port)
    return Port(lab, "127.0.0.1", 37000)


def ssh(lab):
    lab.sshd("server", V4["server"])
    return Program(lab, lambda what: [
        "ssh", "-W", f"{INNER}:{what}", "-i", lab.path("login_key"), "-o", "StrictHostKeyChecking=no", "-o",
        "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "root@" + V4["server"]])


def connects(way, n):
    """New connections a second, some at once."""
    left, lock = [n], threading.Lock()

    def work():
        while True:
            with lock:
                if left[0] == 0:
                    return
                left[0] -= 1
            way.once()
    begin = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return n / (time.perf_counter() - begin)


def measure(way):
    piece = os.urandom(1 << 20)
    way.once()
    begin = time.perf_counter()
    way.send(piece)
    rate = args.mib / (time.perf_counter() - begin)
    times = sorted(way.ping(PINGS))
    n = CONNECTS // 5 if isinstance(way, Program) else CONNECTS
    return rate, connects(way, n), statistics.median(times) * 1e6, times[len(times) * 99 // 100] * 1e6


WAYS = [("nothing between", direct), ("postern tunnel", postern_tunnel), ("postern connect", postern_connect),
        ("stunnel", stunnel), ("spiped", spiped), ("ssh -W", ssh)]


def main():
    if os.geteuid() != 0:
        sys.exit("bench/relay.py makes network namespaces; run it as root")
    blocks = "".join(f'passthru p{p} {{ listen = tcp/{p}  to = "{INNER}:{p}"  allow = {{"*/VSD"}}  wait = 1h\n'
                     f'    name-connections-max = 1000  connections-max = 1000 }}\n' for p in (ECHO, SINK))
    blocks += 'service others { port = tcp/2 allow = {"*/VSD"} }\n'
    with Edges("bench") as lab:
        lab.setup("--host", V4["server"])
        lab.passthru(blocks)
        lab.start()
        lab.home()
        lab.things += [Server(lab.ns["inner"], INNER, ECHO, echo), Server(lab.ns["inner"], INNER, SINK, sink)]
        table = {}
        ways = [(name, make(lab)) for name, make in WAYS]
        for i in range(args.rounds):
            for name, way in ways:
                if way is not None:
                    print(f"\rround {i + 1} of {args.rounds}: {name:20}", end="", file=sys.stderr, flush=True)
                    table.setdefault(name, []).append(measure(way))
        print("\r" + " " * 50 + "\r", end="", file=sys.stderr)
    print(f"{'':18}{'MiB/s':>8}{'connections/s':>15}{'byte there and back, p50 us':>29}{'p99 us':>9}")
    for name, rows in table.items():
        m = [statistics.median(r[k] for r in rows) for k in range(4)]
        print(f"{name:18}{m[0]:8.0f}{m[1]:15.0f}{m[2]:29.0f}{m[3]:9.0f}")


if __name__ == "__main__":
    main()
