"""Decisions to journald and syslog: a socket of the test's own where the daemon looks for theirs."""

import os
import re
import socket

from lab import BOUND, Lab, V4, main, until

SERVICES = """
service ssh  { port = tcp/22    allow = {"Admin/VSD"}  open = once    wait = 60s  lease = 1h }
service shut { port = tcp/2200  allow = {"Nobody/VSD"} open = window  wait = 60s  lease = 1h }
"""

# In a mount namespace of the daemon's own.
JOURNALD = """
mount -t tmpfs none /run && mkdir -p /run/systemd/journal && ln -s "$1" /run/systemd/journal/socket &&
shift && exec "$@"
"""
SYSLOG = """
at=$1 && shift && mkdir "$at.dev" && mount --bind /dev "$at.dev" && mount -t tmpfs none /dev && ln -s "$at" /dev/log &&
for f in null zero random urandom; do touch /dev/$f && mount --bind "$at.dev/$f" /dev/$f || exit; done && exec "$@"
"""


def fake(lab):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(lab.path("log"))
    os.chmod(lab.path("log"), 0o666)
    s.settimeout(BOUND)
    return s


def start(lab, where, script):
    lab.setup()
    lab.config(services=SERVICES, server=f"journal-log = {where}")
    lab.start(wrap=("unshare", "-m", "sh", "-c", script, "sh", lab.path("log")))


def fields(datagram):
    """journald's native protocol."""
    found = {}
    while datagram:
        line, rest = datagram.split(b"\n", 1)
        if b"=" in line:
            name, value = line.split(b"=", 1)
        else:
            n = int.from_bytes(rest[:8], "little")
            name, value, rest = line, rest[8:8 + n], rest[8 + n + 1:]
        assert name not in found
        found[name.decode()] = value.decode()
        datagram = rest
    return found


def test_journald():
    with Lab("journald") as lab:
        log = fake(lab)
        start(lab, "journald", JOURNALD)
        assert fields(log.recv(8192))["POSTERN_EVENT"] == "started"
        lab.must_open("ssh")
        f = fields(log.recv(8192))
        assert f["POSTERN_EVENT"] == "granted" and f["POSTERN_NAME"] == "Admin/VSD", f
        assert f["POSTERN_ADDRESS"] == V4["client"] and f["POSTERN_SERVICE"] == "ssh", f
        assert f["MESSAGE"] == f"granted Admin/VSD ssh from {V4['client']}: one connection for 1m", f
        # Strangers are counters.
        for _ in range(20):
            lab.send_udp("stranger", b"x" * 320).close()
        until("they were ignored", lambda: sum(lab.status()["ignored"].values()) >= 20)
        lab.knock("shut")
        f = fields(log.recv(8192))
        assert f["POSTERN_EVENT"] == "refused" and f["POSTERN_REASON"] == "not-allowed-service", f
        lab.ctl("revoke", "Somebody/VSD")
        assert fields(log.recv(8192))["POSTERN_EVENT"] == "revoked"
        lab.ctl("reload")
        assert fields(log.recv(8192))["POSTERN_EVENT"] == "reloaded"
        lab.settled()
        # Nobody reads any more: it is counted, and nothing waits.
        for _ in range(600):
            if lab.status()["records_untold"] > 0:
                break
            lab.knock("shut")
        else:
            raise AssertionError("the socket took everything")
        log.close()
        lab.must_open("ssh")
        assert lab.status()["store_ok"]


def test_syslog():
    with Lab("syslog") as lab:
        log = fake(lab)
        start(lab, "syslog", SYSLOG)
        log.recv(8192)
        lab.must_open("ssh")
        line = log.recv(8192).decode()
        assert re.fullmatch(r'<86>[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d posternd\[\d+\]: event="granted" reason="grant" '
                            r'name="Admin/VSD" address="10\.77\.0\.2" port="\d+" service="ssh" door="wan" grant="\d+" '
                            r'list="service ssh allow" entry="Admin/VSD" text="one connection for 1m"', line), line


def test_nobody_there():
    """It starts all the same, and says so once."""
    with Lab("nolog") as lab:
        start(lab, "journald", JOURNALD)
        assert lab.log().count("/run/systemd/journal/socket: cannot be reached") == 1, lab.log()
        lab.must_open("ssh")


main(test_journald, test_syslog, test_nobody_there)
