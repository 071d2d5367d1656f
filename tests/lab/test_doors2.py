"""Doors that see connection attempts: an interface, log groups of the kernel, a log file with its rotations."""

import os
import socket
import time

from lab import Lab, V4, V6, inside, main, run, until

SERVICE = """
service ssh { port = tcp/22 allow = {"*/VSD"} open = once wait = 30s lease = 1h }
"""
SEQUENCE = 'sequence { ports = {%s} open = ssh as = "Admin/VSD" accept-weak = yes }'
LINE = ("Jan  5 12:34:56 server kernel: [12345.678901] KNOCK: IN=eth0 OUT= MAC=02:00:00:00:00:02:02:00:00:00:00:01:08:00 "
        "SRC=203.0.113.7 DST=198.51.100.2 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=54321 DF PROTO=TCP SPT=40001 DPT={} "
        "WINDOW=64240 RES=0x00 SYN URGP=0 \n")


def door(name, body, ports="7000, 8000, 9000"):
    return f"door {name} {{ {body}  {SEQUENCE % ports} }}\n"


def knock(lab, who, host, port):
    """One SYN, nobody answers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with inside(lab.ns[who]):
        s = socket.socket(family, socket.SOCK_STREAM)
    s.setblocking(False)
    s.connect_ex((host, port))
    s.close()


def knock_udp(lab, who, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with inside(lab.ns[who]):
        s = socket.socket(family, socket.SOCK_DGRAM)
    s.sendto(b"\0", (host, port))
    s.close()


def at(lab, name):
    return next(d for d in lab.status()["doors"] if d["name"] == name)


def sightings(lab, name, count):
    """Exactly so many, and no more a moment later."""
    until(f"{count} sightings at {name}, not {at(lab, name)}", lambda: at(lab, name)["sightings"] >= count)
    time.sleep(0.05)
    got = at(lab, name)
    assert got["sightings"] == count, (count, got)
    return got


def log_says(lab, text):
    until(text, lambda: text in lab.log())


def test_attempts_on_an_interface():
    with Lab("attempts") as lab:
        lab.setup()
        lab.config(services=SERVICE, doors="".join((
            door("syns", 'interface = "eth0" '),
            'door plain { interface = "eth0"  spa { udp = 62201 } }\n',
            door("both", 'interface = "eth0" ', "7000:udp, 8000, 9000:udp"))))
        lab.echo(80)
        lab.start()
        for i, host in enumerate((V4["server"], V6["server"])):
            assert lab.probe("client", host, 80) == "open"  # the neighbour is known from here on
            for port in (7000, 8000, 1, 65535, 22):
                knock(lab, "client", host, port)
            knock_udp(lab, "client", host, 7000)
            sightings(lab, "syns", 6 * (i + 1))
            sightings(lab, "both", 7 * (i + 1))
        # The rest of a connection is no attempt, and neither is what we send.
        c = lab.connect("client", V4["server"], 80)
        c.sendall(b"x" * 4000)
        c.close()
        knock(lab, "server", V4["client"], 7000)
        knock_udp(lab, "server", V4["client"], 7000)
        sightings(lab, "syns", 13)
        sightings(lab, "both", 15)
        assert at(lab, "plain")["sightings"] == 0 and at(lab, "plain")["port"] == 62201
        # And what was always seen still is.
        lab.must_open("ssh")
        assert at(lab, "plain")["sightings"] >= 1


def test_log_groups():
    with Lab("groups") as lab:
        lab.setup()
        rules = ("add table inet seen; add chain inet seen in { type filter hook prerouting priority -350; }; "
                 "add rule inet seen in tcp flags & (syn | ack) == syn log group 9; "
                 "add rule inet seen in tcp flags & (syn | ack) == syn log group 12; "
                 "add rule inet seen in udp dport 62201 log group 9")
        lab.exec("server", "nft", rules, check=True)
        for tool in ("iptables-nft", "ip6tables-nft"):
            lab.exec("server", tool, "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--dport", "8000", "-j", "NFLOG",
                     "--nflog-group", "10", check=True)
        lab.config(services=SERVICE, doors="".join((
            door("nft", "capture = nflog group = 9 spa { udp = 62201 source-rate = 1000 } "),
            door("iptables", "capture = nflog group = 10 "),
            door("elsewhere", 'capture = nflog group = 12 interface = "lo" '))))
        lab.echo(22)
        lab.start()
        for i, host in enumerate((V4["server"], V6["server"])):
            for port in (7000, 8000, 9000):
                knock(lab, "client", host, port)
            sightings(lab, "nft", 3 * (i + 1))
            sightings(lab, "iptables", i + 1)
        got = at(lab, "nft")
        assert got["capture"] == "nflog" and got["group"] == 9 and got["watching"] and "interface" not in got, got
        assert at(lab, "elsewhere")["packets"] == 6
        sightings(lab, "elsewhere", 0)
        # A whole knock comes through the group too, over a reload as well.
        lab.must_open("ssh")
        lab.ctl("reload")
        lab.settled()
        until("both doors hear again", lambda: at(lab, "nft")["watching"] and at(lab, "iptables")["watching"])
        knock(lab, "client", V4["server"], 8000)
        sightings(lab, "iptables", 1)


LISTEN = """
import socket, struct, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
# NFULNL_MSG_CONFIG with NFULA_CFG_CMD BIND
body = struct.pack("!BBH", 0, 0, int(sys.argv[1])) + struct.pack("=HHB3x", 5, 1, 1)
s.send(struct.pack("=IHHII", 16 + len(body), 4 << 8 | 1, 5, 1, 0) + body)
print(struct.unpack("=i", s.recv(4096)[16:20])[0], flush=True)
sys.stdin.read()
"""


def test_group_taken():
    """Who has the group first keeps it; the other doors are open, and this one opens when it is let go."""
    with Lab("taken") as lab:
        import subprocess
        lab.setup()
        lab.exec("server", "nft", "add table inet seen; add chain inet seen in { type filter hook prerouting priority -350; }; "
                 "add rule inet seen in tcp dport 7000 log group 9", check=True)
        lab.config(services=SERVICE, doors=door("nft", "capture = nflog group = 9 ") +
                   'door wan { interface = "eth0" spa { udp = 62201 source-rate = 1000 } }\n')
        lab.echo(22)
        other = subprocess.Popen(["ip", "netns", "exec", lab.ns["server"], "python3", "-c", LISTEN, "9"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline().strip() == "0"
        lab.start()
        log_says(lab, "door nft: log group 9: listening is not permitted")
        assert not at(lab, "nft")["watching"] and at(lab, "wan")["watching"]
        lab.must_open("ssh")
        other.stdin.close()
        other.wait()
        log_says(lab, "log group 9 is there; door nft opens its eyes")
        lab.settled()
        until("the group is heard", lambda: at(lab, "nft")["watching"])
        knock(lab, "client", V4["server"], 7000)
        sightings(lab, "nft", 1)


def add(path, *ports):
    with open(path, "a") as f:
        for port in ports:
            f.write(LINE.format(port))


def log_lab(lab, path, extra=""):
    lab.setup()
    lab.config(services=SERVICE, doors=door("file", f'capture = log file = "{path}" {extra}') +
               'door wan { interface = "eth0" spa { udp = 62201 source-rate = 1000 } }\n')


def test_log_file():
    with Lab("log") as lab:
        path = lab.path("kern.log")
        add(path, 7000, 8000)
        os.chmod(path, 0o640)
        log_lab(lab, path)
        lab.start()
        until("the log is followed", lambda: at(lab, "file")["watching"])
        got = at(lab, "file")
        assert got["capture"] == "log" and got["file"] == path and got["packets"] == 0, got
        add(path, 7000)
        sightings(lab, "file", 1)
        with open(path, "a") as f:
            f.write("Jan  5 12:34:56 server sshd[7]: Invalid user " + LINE.format(7000))
            f.write(LINE.format(7000).replace(" SYN", " ACK SYN"))
            f.write("x" * 100000 + "\n")
        add(path, 8000)
        got = sightings(lab, "file", 2)
        assert got["rejected"] == {"foreign": 1, "length": 1}, got
        # Renamed, with a new file in its place; the logger goes on with the old one for a while.
        old = open(path, "a")
        os.rename(path, path + ".1")
        old.write(LINE.format(9000))
        old.flush()
        sightings(lab, "file", 3)
        add(path, 7001, 7002)
        sightings(lab, "file", 5)
        old.close()
        add(path, 7003)
        sightings(lab, "file", 6)
        # Copied and cut.
        os.truncate(path, 0)
        sightings(lab, "file", 6)
        add(path, 7004)
        sightings(lab, "file", 7)
        # Gone for a while.
        os.unlink(path)
        time.sleep(1.5)
        add(path, 7005)
        os.chmod(path, 0o640)
        sightings(lab, "file", 8)
        # A reload reads nothing twice.
        lab.ctl("reload")
        lab.settled()
        until("the log is followed again", lambda: at(lab, "file")["watching"])
        sightings(lab, "file", 0)
        add(path, 7006)
        sightings(lab, "file", 1)
        # So does whoever comes after a crash.
        pid = lab.pids()["knock"]
        os.kill(pid, 9)
        until("another knock process follows", lambda: lab.pids().get("knock") not in (None, pid))
        lab.settled()
        until("the log is followed again", lambda: at(lab, "file")["watching"])
        add(path, 7007)
        sightings(lab, "file", 1)


def test_log_file_comes_later():
    with Lab("later") as lab:
        path = lab.path("kern.log")
        log_lab(lab, path, 'interface = "eth0" ')
        lab.echo(22)
        lab.start()
        log_says(lab, f"door file: {path} is not there; waiting for it")
        assert not at(lab, "file")["watching"]
        lab.must_open("ssh")
        # All of it is new.
        add(path, 7000, 8000)
        sightings(lab, "file", 2)
        log_says(lab, f"door file: {path} is there")
        with open(path, "a") as f:
            f.write(LINE.format(7000).replace("IN=eth0", "IN=eth1"))
        add(path, 9000)
        sightings(lab, "file", 3)
        # Nobody is believed who is not the logger.
        os.unlink(path)
        os.mkdir(path)
        log_says(lab, f"{path} is no regular file")
        os.rmdir(path)
        add(path + ".new", 7001)
        os.chmod(path + ".new", 0o666)
        os.rename(path + ".new", path)
        log_says(lab, f"{path} can be written by everybody")
        sightings(lab, "file", 3)
        # Nor later: what stands in it may be anybody's.
        os.chmod(path, 0o640)
        until("the log is there again", lambda: lab.log().count(f"door file: {path} is there") == 2)
        add(path, 7002)
        sightings(lab, "file", 4)


def test_long_backlog():
    """A log that grows faster than it is read does not keep a knock waiting."""
    with Lab("backlog") as lab:
        path = lab.path("kern.log")
        add(path)
        os.chmod(path, 0o640)
        log_lab(lab, path)
        lab.echo(22)
        lab.start()
        until("the log is followed", lambda: at(lab, "file")["watching"])
        with open(path, "a") as f:
            f.write((LINE.format(7000) + "Jan  5 12:34:56 server sshd[7]: no\n") * 100000)
        lab.must_open("ssh")
        sightings(lab, "file", 100000)


def test_sequences_open():
    """The same sequence, seen in three ways, opens for who knocked and for nobody else."""
    with Lab("open") as lab:
        path = lab.path("kern.log")
        add(path)
        os.chmod(path, 0o640)
        lab.setup()
        lab.exec("server", "nft", "add table inet seen; add chain inet seen in { type filter hook prerouting priority -350; }; "
                 "add rule inet seen in tcp dport { 7001, 8001, 9001 } tcp flags & (syn | ack) == syn log group 9", check=True)
        lab.config(services=SERVICE, doors="".join((
            door("wire", 'interface = "eth0" '),
            door("group", "capture = nflog group = 9 ", "7001, 8001, 9001"),
            door("file", f'capture = log file = "{path}" ', "7002, 8002, 9002"))))
        lab.echo(22)
        lab.echo(80)
        lab.start()
        until("the log is followed", lambda: at(lab, "file")["watching"])
        for there in (V4, V6):
            assert lab.probe("client", there["server"], 80) == "open"
            for name, last in (("wire", 0), ("group", 1), ("file", 2)):
                assert lab.probe("stranger", there["server"], 22) == "silent"
                for port in (7000 + last, 8000 + last, 9000 + last):
                    if name == "file":
                        source = "fd77:0000:0000:0000:0000:0000:0000:0002" if there is V6 else there["client"]
                        with open(path, "a") as f:
                            f.write(LINE.format(port).replace("203.0.113.7", source).replace(
                                "198.51.100.2", "fd77:0000:0000:0000:0000:0000:0000:0001" if there is V6 else there["server"]))
                    else:
                        knock(lab, "client", there["server"], port)
                    # Somebody who fetches a page meanwhile does not spoil it.
                    lab.connect("client", there["server"], 80).close()
                until(f"{name} opens", lambda: any(r["door"] == name and r["address"] == there["client"] for r in lab.journal("granted")))
                assert lab.probe("stranger", there["server"], 22) == "silent"
                lab.connect("client", there["server"], 22).close()
                assert lab.probe("client", there["server"], 22) == "silent"


if __name__ == "__main__":
    main(test_attempts_on_an_interface, test_log_groups, test_group_taken, test_log_file, test_log_file_comes_later,
         test_long_backlog, test_sequences_open)
