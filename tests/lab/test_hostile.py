"""What strangers send, and what the processes could do if they were taken over."""

import os
import random
import socket

from lab import Lab, V4, main, program, run, until


def test_garbage_is_silence_and_a_counter():
    with Lab("garbage") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        lab.start()
        before, lines = lab.datagrams(), len(lab.log().splitlines())
        rng = random.Random(7)
        sock = lab.send_udp("stranger", b"")
        sent = 1
        for _ in range(3000):
            n = rng.choice((0, 1, 63, 64, 319, 320, 321, 1231, 1232, 1233, 1400))
            data = bytearray(rng.randbytes(n))
            if n >= 8 and rng.random() < 0.7:
                data[0] = 0x11
                data[2] = 1
                data[4:6] = n.to_bytes(2, "big")
                data[6:8] = b"\0\0"
            sock.sendto(bytes(data), (V4["server"], 62201))
            sent += 1
        until("the daemon saw them all", lambda: lab.datagrams() >= before + sent)
        ignored = lab.status()["ignored"]
        assert sum(ignored.values()) == sent, (sent, ignored)
        door, = lab.status()["doors"]
        # A new IPv6 address announces itself from ::, with an extension header that the filter lets through.
        assert set(door["rejected"]) <= {"source"} and lab.status()["gate_uses_lost"] == 0, lab.status()
        assert len(lab.log().splitlines()) <= lines + 1, "strangers fill the log"
        assert lab.journal("refused") == []
        sock.setblocking(False)
        try:
            raise AssertionError(f"an answer: {sock.recv(2048)!r}")
        except BlockingIOError:
            pass
        lab.must_open("ssh")


def test_processes_hold_what_they_should():
    with Lab("confined") as lab:
        lab.setup()
        lab.config()
        lab.start()
        pids = lab.pids()
        assert pids.keys() == {"monitor", "knock", "gate"}, pids

        def field(pid, name):
            for line in open(f"/proc/{pid}/status"):
                if line.startswith(name + ":"):
                    return line.split()[1:]
        for who, caps in (("knock", 0), ("gate", 1 << 12)):
            pid = pids[who]
            assert int(field(pid, "CapEff")[0], 16) == caps, who
            assert int(field(pid, "CapPrm")[0], 16) == caps, who
            assert int(field(pid, "CapBnd")[0], 16) == 0, who
            assert field(pid, "NoNewPrivs") == ["1"] and field(pid, "Seccomp") == ["2"], who
            assert "0" not in field(pid, "Uid") and field(pid, "Groups") == [], who
        # The gate process holds no capture and no store.
        links = [os.readlink(f"/proc/{pids['gate']}/fd/{fd}") for fd in os.listdir(f"/proc/{pids['gate']}/fd")]
        assert not any("postern.db" in link for link in links), links


def test_read_tells_what_would_have_been():
    with Lab("read") as lab:
        lab.setup()
        lab.config()
        lab.start()
        tap = lab.capture("client", "udp port 62201", lab.path("read.pcap"))
        lab.must_open("ssh")
        lab.must_open("ssh")  # to the rotated key that the first answer brought
        lab.send_udp("client", b"x" * 320)
        until("all were seen", lambda: lab.datagrams() >= 3)
        tap.stop()
        lab.stop()
        r = run(program("posternd"), "-c", lab.path("postern.conf"), "--read", lab.path("read.pcap"))
        assert r.stdout.count("granted Admin/VSD") >= 2 and r.stdout.count(": ignored, ") == 1, r.stdout
        assert "prekey" not in r.stdout and r.stderr == "", r.stdout + r.stderr
        assert "nothing was opened" in r.stdout


def test_one_daemon_only():
    with Lab("twice") as lab:
        lab.setup()
        lab.config()
        lab.start()
        r = lab.exec("server", program("posternd"), "-c", lab.path("postern.conf"))
        assert r.returncode == 4 and "another posternd" in r.stderr, r.stderr
        lab.must_open("ssh")


def test_without_root():
    with Lab("unprivileged") as lab:
        lab.setup()
        lab.config()
        r = lab.exec("server", "setpriv", "--reuid", "65534", "--clear-groups", program("posternd"), "-c",
                     lab.path("postern.conf"))
        assert r.returncode == 4 and "root" in r.stderr and r.stderr.count("\n") == 1, r.stderr


if __name__ == "__main__":
    main(test_garbage_is_silence_and_a_counter, test_processes_hold_what_they_should,
         test_read_tells_what_would_have_been, test_one_daemon_only, test_without_root)
