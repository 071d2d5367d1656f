"""Crowds, storms of signals and deaths at bad moments: nothing leaks, nothing is answered twice, ports stay closed."""

import base64
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

from knocks import Client
from lab import Lab, V4, main, program, until

BUSY = """
service ssh  { port = tcp/22    allow = {"Admin/VSD"}  open = once    wait = 30s  lease = 1h }
service wiki { port = tcp/8443  allow = {"Admin/VSD"}  open = window  wait = 60s  lease = 1h }
"""


def ready(lab, server="identity-rate = 10000"):
    lab.setup()
    lab.config(services=BUSY)
    text = open(lab.path("postern.conf")).read().replace("identity-rate = 1000\n", server + "\n")
    open(lab.path("postern.conf"), "w").write(text.replace("source-rate = 1000", "source-rate = 10000"))
    lab.echo(22)
    lab.echo(8443)
    lab.start()


def descriptors(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd"))


def children(pid):
    return open(f"/proc/{pid}/task/{pid}/children").read().split()


def test_three_hundred_at_once():
    """All in one burst: each is answered exactly once, and the journal has each grant once."""
    with Lab("crowd") as lab:
        ready(lab)
        client = Client(lab)
        assert client.run([client.start("ssh")]) == ["OK"]
        knocks = [client.start("ssh") for _ in range(300)]
        for k in knocks:
            k.next()
        got = client.run(knocks)
        assert got == 300 * ["OK"], {s: got.count(s) for s in set(got)}
        granted = lab.journal("granted")
        assert len({g["grant"] for g in granted}) == len(granted) == 301, len(granted)
        assert {k.answer.grant_id for k in knocks} < {g["grant"] for g in granted}
        # One source, one service: one ticket, for one connection.
        assert len([g for g in lab.ctl("gates") if "grant" in g]) == 1
        lab.connect("client", V4["server"], 22).close()
        assert lab.probe("client", V4["server"], 22) == "silent"
        assert lab.status()["answers_failed"] == 0


def test_opened_and_closed_in_one_burst():
    """What the last one said holds, in the kernel as in the daemon's table."""
    with Lab("burst") as lab:
        ready(lab)
        client = Client(lab)
        assert client.run([client.start("ssh")]) == ["OK"]
        for ops in ((0, 2), (2, 0), (0, 2, 0, 2), (0, 0, 2, 2, 0), (0, 2) * 20, (2, 0) * 20):
            knocks = [client.start("wiki", op) for op in ops]
            for k in knocks:
                k.next()
            got = client.run(knocks)
            assert set(got) == {"OK"}, got
            gates = [g for g in lab.ctl("gates") if g.get("service") == "wiki"]
            assert len(gates) == (1 if ops[-1] == 0 else 0), (ops, gates)
            assert lab.probe("client", V4["server"], 8443) == ("open" if ops[-1] == 0 else "silent"), ops


def test_reload_storm():
    """A hundred reloads while people knock: each is answered, and the monitor grows by nothing."""
    with Lab("storm") as lab:
        ready(lab)
        monitor = lab.pids()["monitor"]
        until("the daemon settled", lambda: lab.status()["generation"] == 1)
        before = descriptors(monitor)
        client = Client(lab)
        assert client.run([client.start("wiki")]) == ["OK"]
        living = lab.connect("client", V4["server"], 8443)
        stop, results = threading.Event(), []

        def knock():
            while not stop.is_set():
                results.extend(client.run([client.start("ssh"), client.start("wiki")]))
        t = threading.Thread(target=knock)
        t.start()
        generation = 1
        try:
            for _ in range(100):
                os.kill(monitor, signal.SIGHUP)
                generation = until("the next generation", lambda: (lab.ctl("status", check=False) or [
                    {"generation": 0}])[0]["generation"] > generation and lab.status()["generation"])
        finally:
            stop.set()
            t.join(60)
        # A knock that meets two reloads hears RETRY twice, and its owner knocks again.
        assert results and set(results) <= {"OK", "RETRY"} and results.count("OK") > len(results) * 0.8, {
            s: results.count(s) for s in set(results)}
        assert generation >= 101, generation
        assert descriptors(monitor) == before, (before, descriptors(monitor))
        assert len(children(monitor)) == 2, children(monitor)
        living.sendall(b"ping")
        assert living.recv(4) == b"ping"
        print("#", len(results), "knocks,", results.count("OK"), "OK")
        # All at once: they are taken one after the other, or as one.
        for _ in range(200):
            os.kill(monitor, signal.SIGHUP)
        until("a knock that meets no reload is granted", lambda: lab.knock("ssh")[0] == 0)
        until("the last reload is over",
              lambda: descriptors(monitor) == before and len(children(monitor)) == 2)


def test_reload_within_the_back_off():
    """After a crash, before the next try: the reload starts the one generation that there is."""
    with Lab("backoff") as lab:
        ready(lab)
        monitor = lab.pids()["monitor"]
        for i in range(3):
            os.kill(lab.pids()["knock" if i % 2 else "gate"], signal.SIGKILL)
            until("both are gone", lambda: children(monitor) == [])
            os.kill(monitor, signal.SIGHUP)
            until("a new pair", lambda: lab.pids().keys() == {"monitor", "knock", "gate"})
            until("it answers", lambda: lab.ctl("status", check=False))
            pids = lab.pids()
            time.sleep(0.25 * 2 ** (i + 1) + 0.3)  # the time at which the next try was due
            assert lab.pids() == pids and len(children(monitor)) == 2, (pids, lab.pids(), children(monitor))
            assert "another running process" not in lab.log()
        lab.must_open("ssh")


def test_gate_process_dies_between_record_and_kernel():
    """Recorded, never ordered: nothing opens, and the client's last try goes to the next pair."""
    with Lab("between") as lab:
        ready(lab)
        client = Client(lab)
        assert client.run([client.start("ssh")]) == ["OK"]
        lab.connect("client", V4["server"], 22).close()
        until("the ticket is spent", lambda: lab.journal("connected"))
        gate = lab.pids()["gate"]
        os.kill(gate, signal.SIGSTOP)
        knock = client.start("ssh")
        knock.next()
        until("the knock is recorded", lambda: len(lab.journal("granted")) == 2)
        assert knock.status is None and lab.probe("client", V4["server"], 22) == "silent"
        os.kill(gate, signal.SIGKILL)
        until("the next pair answers", lambda: (lab.ctl("status", check=False) or [{"generation": 1}])[0]["generation"] > 1)
        assert lab.probe("client", V4["server"], 22) == "silent"
        assert client.run([knock]) == ["OK"]
        lab.connect("client", V4["server"], 22).close()
        assert lab.probe("client", V4["server"], 22) == "silent"
        # Hung, not dead: a crowd is bounded by the room there is, and each of it is told or hears nothing.
        os.kill(lab.pids()["gate"], signal.SIGSTOP)
        knocks = [client.start("wiki") for _ in range(400)]
        for k in knocks:
            k.next()
        until("the room is full", lambda: len(lab.journal("granted")) >= 250)
        os.kill(lab.pids()["gate"], signal.SIGCONT)
        got = client.run(knocks)
        assert set(got) == {"OK"}, {s: got.count(s) for s in set(got)}
        assert lab.status()["ignored"].get("busy", 0) > 0


def test_stopped_while_starting():
    with Lab("hasty") as lab:
        lab.setup()
        lab.config(services=BUSY)
        for ms in (0, 5, 20, 40, 60, 80, 100, 130, 160, 200, 250, 300):
            p = subprocess.Popen(["ip", "netns", "exec", lab.ns["server"], program("posternd"), "-c",
                                  lab.path("postern.conf")], stderr=subprocess.PIPE)
            time.sleep(ms / 1000)
            p.send_signal(signal.SIGTERM)
            assert p.wait(20) in (0, -signal.SIGTERM), (ms, p.returncode, p.stderr.read())
            p.stderr.close()
            until("nothing is left", lambda: lab.pids() == {})
        lab.echo(22)
        lab.start()
        lab.must_open("ssh")
        # And killed at once, together with whatever had been begun.
        lab.kill_all()
        lab.start()
        lab.must_open("ssh")


def memory(pid):
    """What a process can write to: its heap, stacks and data, one part after the other."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            where, mode = line.split()[:2]
            a, b = (int(x, 16) for x in where.split("-"))
            if mode.startswith("rw"):
                with contextlib.suppress(OSError, ValueError, OverflowError):
                    mem.seek(a)
                    yield mem.read(b - a)


def seeds_in(pid, public):
    """The private keys that stand between two copies of their public key."""
    found = set()
    for data in memory(pid):
        at = data.find(public)
        while at >= 0:
            if data[at + 64:at + 96] == public:
                found.add(data[at + 32:at + 64])
            at = data.find(public, at + 1)
    return found


def holds(pid, secret):
    return any(secret in data for data in memory(pid))


def test_gate_process_has_no_key():
    """Nor a descriptor that it does not need; not after a reload either."""
    with Lab("keys") as lab:
        ready(lab)
        card = open(lab.path("etc", "server.card")).read()
        body = card.split("-----BEGIN POSTERN CARD-----")[1].split("-----END")[0]
        public = base64.b64decode(body)[4:36]
        seed, = seeds_in(lab.pids()["knock"], public)
        assert holds(lab.pids()["knock"], seed)
        for _ in range(2):
            pids = lab.pids()
            assert not holds(pids["gate"], seed), "the gate process has the server's key"
            assert not holds(pids["gate"], open(lab.path("etc", "server.key"), "rb").read())
            assert not holds(pids["knock"], open(lab.path("etc", "server.key"), "rb").read())
            gate, knock = descriptors(pids["gate"]), descriptors(pids["knock"])
            # Standard ones; channels to the monitor and the knock process; netlink, and what it tells of
            # the table; the loop's.
            assert len([d for d in gate if d == "socket"]) == 4, gate
            assert not [d for d in gate if d.endswith((".db", ".db-wal", ".db-shm", ".conf", ".id"))], gate
            # Channels to monitor and gate, control, two raw, one door, netlink.
            assert len([d for d in knock if d == "socket"]) == 7, knock
            lab.ctl("reload")
            lab.settled()


def test_core_and_trace():
    with Lab("trace") as lab:
        ready(lab)
        for who, pid in lab.pids().items():
            limits = open(f"/proc/{pid}/limits").read()
            core, = [line for line in limits.splitlines() if line.startswith("Max core file size")]
            assert core.split()[4:6] == ["0", "0"], (who, core)


def test_control_visitors():
    """More visitors than there is room for wait; none keeps the others out when it leaves."""
    with Lab("visitors") as lab:
        ready(lab)
        idle = []
        for _ in range(30):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(5)
            try:
                s.connect(lab.path("control"))
            except (BlockingIOError, socket.timeout):
                s.close()
                break
            idle.append(s)
        assert len(idle) > 8
        for s in idle:
            s.close()
        until("the control socket answers", lambda: lab.ctl("status", check=False))
        lab.must_open("ssh")


def test_hostile_lines_on_the_control_socket():
    with Lab("lines") as lab:
        ready(lab)
        for line in (b"\n", b"{}\n", b"[]\n", b"\xff\n", b"x" * 5000, b'{"command": 7}\n', b'{"command": "close"}\n',
                     b'{"command": "journal", "address": "x"}\n', b'{"command": "journal", "limit": -1}\n', b"[" * 4000 + b"\n"):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(20)
            s.connect(lab.path("control"))
            s.sendall(line)
            with contextlib.suppress(ConnectionResetError):  # for what it never read
                while s.recv(65536):
                    pass
            s.close()
        lab.must_open("ssh")


if __name__ == "__main__":
    main(test_three_hundred_at_once, test_opened_and_closed_in_one_burst, test_reload_storm, test_reload_within_the_back_off, test_stopped_while_starting,
         test_gate_process_dies_between_record_and_kernel, test_gate_process_has_no_key, test_core_and_trace, test_control_visitors,
         test_hostile_lines_on_the_control_socket)
