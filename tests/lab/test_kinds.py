"""Kinds of gates, as people meet them: several connections, ranges, UDP, source ports, networks, no end."""

import contextlib
import os
import socket
import sqlite3

from lab import Lab, SILENCE, V4, V6, inside, main, program, run, until

SERVICES = """
service ssh   { port = tcp/22         allow = {"*/VSD"} open = times   times = 3  wait = 30s lease = 1h }
service range { port = tcp/6000-6010  allow = {"*/VSD"} open = window  wait = 60s lease = none
                prefix-v4 = 24  prefix-v6 = 64 }
service dns   { port = udp/5353       allow = {"*/VSD"} open = once    wait = 30s lease = 1h }
service wg    { port = udp/51820      allow = {"*/VSD"} open = window  wait = 30s lease = 1h }
service kept  { port = tcp/2200       allow = {"*/VSD"} open = once    wait = 30s lease = none }
"""
CLIENT = {V4["server"]: V4["client"], V6["server"]: V6["client"]}
NET = {V4["server"]: "24", V6["server"]: "64"}


@contextlib.contextmanager
def kinds(name, services=SERVICES, server=""):
    with Lab(name) as lab:
        lab.setup()
        lab.config(services=services, server=server)
        for port in (22, 2200, 6000, 6005, 6010):
            lab.echo(port)
        for port in (5353, 51820):
            lab.echo(port, kind=socket.SOCK_DGRAM)
        lab.start()
        yield lab


def gates(lab):
    return [g for g in lab.ctl("gates") if "grant" in g]


def connected(lab, n):
    until("the journal says connected", lambda: len(lab.journal("connected")) >= n)
    return lab.journal("connected")


def answers(lab, who, host, port, source_port=0):
    """A datagram there and back: True, or False after silence."""
    s = lab.send_udp(who, b"x", host, port, source_port)
    s.settimeout(SILENCE)
    try:
        return s.recv(10) == b"x"
    except (socket.timeout, TimeoutError):
        return False
    finally:
        s.close()


def test_times():
    with kinds("times") as lab:
        for n, host in enumerate((V4["server"], V6["server"])):
            assert lab.probe("client", host, 22) == "silent"
            lab.must_open("ssh", host=host)
            assert gates(lab)[-1]["kind"] == "times" and gates(lab)[-1]["left"] == 3
            held = [lab.connect("client", host, 22) for _ in range(2)]
            said = connected(lab, 5 * n + 2)
            assert said[-1]["text"] == "1 more may come", said
            assert gates(lab)[-1]["left"] == 1
            # A second knock renews: three again, not four, and one gate.
            lab.must_open("ssh", host=host)
            assert len(gates(lab)) == 1, gates(lab)
            held += [lab.connect("client", host, 22) for _ in range(3)]
            assert lab.probe("client", host, 22) == "silent"
            assert lab.probe("stranger", host, 22) == "silent"
            said = connected(lab, 5 * n + 5)
            assert said[-1]["text"] == "the gate is spent", said
            until("no gate is left", lambda: not gates(lab))
            for s in held:
                s.sendall(b"y")
                assert s.recv(1) == b"y"
                s.close()
        assert lab.journal("granted")[0]["text"] == "3 connections for 30s"


def test_range():
    with kinds("range") as lab:
        for host in (V4["server"], V6["server"]):
            for service in ("range", "tcp/6005", "tcp/6000-6010", "tcp/6002-6003"):
                lab.must_open(service, host=host)
                assert len(gates(lab)) == 1, gates(lab)
                for port in (6000, 6005, 6010):
                    assert lab.probe("client", host, port) == "open", port
                lab.knock(service, host=host, command="close")
                assert lab.probe("client", host, 6005) == "silent"
            lab.must_open("range", host=host)
            for port in (6000, 6005, 6010):
                assert lab.probe("stranger", host, port) == "silent"
            lab.knock("range", host=host, command="close")
            for port in (6000, 6005, 6010):
                assert lab.probe("client", host, port) == "silent", port
        for service in ("tcp/6011", "tcp/6000-6011", "tcp/5999-6000"):
            status, answer, _ = lab.knock(service)
            assert status == 1 and answer["status"] == "UNKNOWN_SERVICE", answer


def test_udp():
    """Once is one source port; a window is any."""
    with kinds("udp") as lab:
        for host in (V4["server"], V6["server"]):
            assert not answers(lab, "client", host, 5353)
            lab.must_open("dns", host=host)
            assert not answers(lab, "stranger", host, 5353)
            assert answers(lab, "client", host, 5353, 40001)
            assert not answers(lab, "client", host, 5353, 40002)
            assert answers(lab, "client", host, 5353, 40001)
            lab.must_open("wg", host=host)
            for port in (40003, 40004, 40005):
                assert answers(lab, "client", host, 51820, port)
            assert not answers(lab, "stranger", host, 51820)
            lab.knock("wg", host=host, command="close")
            assert not answers(lab, "client", host, 51820, 40006)
            assert answers(lab, "client", host, 51820, 40003)  # its lease goes on


def test_wireguard():
    """A tunnel through a once gate, where the kernel has WireGuard."""
    with kinds("wireguard", SERVICES.replace("service wg    { port = udp/51820", "service wg    { port = udp/51821")) as lab:
        pair = {}
        for who in ("server", "client"):
            if lab.exec(who, "ip", "link", "add", "wg0", "type", "wireguard").returncode != 0 or not tool("wg"):
                print("# no WireGuard here")
                return
            key = run("wg", "genkey").stdout
            pair[who] = (key, run("wg", "pubkey", input=key).stdout.strip())
        for who, other, inner in (("server", "client", "10.9.0.1"), ("client", "server", "10.9.0.2")):
            with open(lab.path("wg-" + who), "w") as f:
                f.write(pair[who][0])
            more = ["endpoint", V4["server"] + ":51821"] if who == "client" else []
            lab.exec(who, "wg", "set", "wg0", "listen-port", "51821", "private-key", lab.path("wg-" + who),
                     "peer", pair[other][1], "allowed-ips", "10.9.0.0/24", *more, check=True)
            lab.exec(who, "ip", "addr", "add", inner + "/24", "dev", "wg0", check=True)
            lab.exec(who, "ip", "link", "set", "wg0", "up", check=True)
        ping = ("ping", "-c", "1", "-W", "1", "10.9.0.1")
        assert lab.exec("client", *ping).returncode != 0
        lab.must_open("wg")
        until("the tunnel answers", lambda: lab.exec("client", *ping).returncode == 0)


def tool(name):
    return any(os.access(os.path.join(d, name), os.X_OK) for d in os.environ["PATH"].split(":"))


def test_source_port():
    with kinds("source-port") as lab:
        for at, host in ((40100, V4["server"]), (40200, V6["server"])):
            lab.must_open("kept", "--source-port", str(at), host=host)
            gate = gates(lab)[-1]
            assert gate["source_port"] == at, gate
            assert lab.probe("client", host, 2200) == "silent"
            lab.connect("client", host, 2200, source_port=at).close()
            assert lab.journal("granted")[-1]["text"] == f"one connection from port {at} for 30s"
            until("no gate is left", lambda: not gates(lab))
            # Another port is another gate, the same port the same.
            for port in (at + 1, at + 2, at + 1):
                lab.must_open("kept", "--source-port", str(port), host=host)
            assert len(gates(lab)) == 2, gates(lab)
            lab.knock("kept", host=host, command="close")
            assert not gates(lab)
            assert lab.probe("client", host, 2200) == "silent"
            r = lab.exec("client", program("postern"), "connect", host, "2200", "--source-port", str(at + 3), "--id",
                         lab.path("etc", "admin.id"), "--card", lab.path("etc", "server.card"), "--password-file",
                         lab.path("admin-password"), input="ping\n")
            assert r.returncode == 0 and r.stdout.startswith("hello\n"), r
            said = until("it came", lambda: [o for o in lab.journal("connected") if o.get("port") == at + 3])
            assert said[-1]["name"] == "Admin/VSD", said


def test_network():
    with kinds("network") as lab:
        for host in (V4["server"], V6["server"]):
            me = ("--address", CLIENT[host])
            lab.must_open("range", *me, "--prefix", NET[host], host=host)
            gate = gates(lab)[-1]
            assert gate["address"].endswith("/" + NET[host]), gate
            for who in ("client", "stranger"):
                assert lab.probe(who, host, 6005) == "open"
            came = until("both came", lambda: lab.journal("connected")[-1:])[-1]
            assert came["name"] == "Admin/VSD", came
            # Whoever it is in the network, the administrator's close finds the gate.
            lab.ctl("close", CLIENT[host])
            assert not gates(lab)
            for who in ("client", "stranger"):
                assert lab.probe(who, host, 6005) == "silent"

            # Narrower than allowed is as it was asked for.
            narrow = "31" if NET[host] == "24" else "127"
            lab.must_open("range", *me, "--prefix", narrow, host=host)
            assert lab.probe("client", host, 6005) == "open"
            lab.ctl("close", CLIENT[host])

            wider = str(int(NET[host]) - 1)
            for service, prefix in (("range", wider), ("ssh", NET[host])):
                status, answer, _ = lab.knock(service, *me, "--prefix", prefix, host=host)
                assert status == 1 and answer["status"] == "DENIED", answer
                last = lab.journal("refused")[-1]
                assert last["reason"] == "prefix" and "wider" in last["text"], last
            assert not gates(lab)


def test_no_end():
    """Past any crash and restart; not past its owner's leave."""
    with kinds("no-end") as lab:
        for host in (V4["server"], V6["server"]):
            lab.must_open("kept", host=host)
            s = lab.connect("client", host, 2200)
            connected(lab, 1)
            lab.kill_all()
            s.sendall(b"a")
            assert s.recv(1) == b"a"
            assert lab.probe("client", host, 2200) == "silent"
            lab.start()
            s.sendall(b"b")
            assert s.recv(1) == b"b"
            # Another rule set under cover: the lease comes back from the store.
            lab.config(services=SERVICES, server="log-group = 8" if host == V4["server"] else "")
            assert lab.stop() == 0
            lab.start()
            s.sendall(b"c")
            assert s.recv(1) == b"c"
            lab.ctl("close", "--cut", CLIENT[host])
            s.sendall(b"d")
            try:
                assert s.recv(1) == b"", "it is not cut"
            except ConnectionResetError:
                pass
            s.close()


def states(lab):
    with contextlib.closing(sqlite3.connect(f"file:{lab.path('store', 'postern.db')}?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("SELECT state FROM gate WHERE lease_until_ms > 9000000000000000000")]


def test_kept_is_forgotten():
    """What the kernel has given up after its time of silence, the store gives up too."""
    with kinds("forgotten") as lab:
        for host in (V4["server"], V6["server"]):
            lab.must_open("kept", host=host)
            lab.connect("client", host, 2200).close()
            until("the store knows", lambda: 2 in states(lab))
            lab.kill_all()
            lab.start()
            assert states(lab) == [2]  # still there: the kernel keeps it
            lab.kill_all()
            lab.exec("server", "nft", "flush", "set", "inet", "postern", "kept", check=True)
            lab.start()
            until("the store forgets", lambda: not states(lab))


def test_reload_between_kinds():
    """A gate is of the kind that its service was; when that changes, it closes."""
    with kinds("reload") as lab:
        once = SERVICES.replace("open = times   times = 3", "open = once")
        window = SERVICES.replace("open = times   times = 3", "open = window")
        for text in (once, SERVICES, window, SERVICES, once, window):
            lab.must_open("ssh")
            lab.config(services=text)
            lab.ctl("reload")
            lab.settled()
            assert not gates(lab), gates(lab)
            assert lab.probe("client", V4["server"], 22) == "silent"
            lab.must_open("ssh")
            many = {once: 1, SERVICES: 3, window: 5}[text]
            for _ in range(many):
                lab.connect("client", V4["server"], 22).close()
            if text != window:
                assert lab.probe("client", V4["server"], 22) == "silent"
        # A range that begins elsewhere leaves nothing of the old one.
        lab.must_open("range")
        lab.config(services=SERVICES.replace("6000-6010", "6005-6010"))
        lab.ctl("reload")
        lab.settled()
        assert lab.probe("client", V4["server"], 6005) == "silent"
        lab.config(services=SERVICES)
        lab.ctl("reload")
        lab.settled()
        assert lab.probe("client", V4["server"], 6000) == "silent"


def test_limits():
    """Every kind counts, and a renewal does not."""
    with kinds("limits", server="identity-gates-max = 3") as lab:
        lab.must_open("ssh")
        lab.must_open("range", "--address", V4["client"], "--prefix", "24")
        lab.must_open("dns", "--source-port", "40001")
        for again in (("ssh",), ("range", "--address", V4["client"], "--prefix", "24"),
                      ("dns", "--source-port", "40001")):
            lab.must_open(*again)
        for more in (("kept",), ("range",), ("dns", "--source-port", "40002"), ("wg",)):
            status, answer, _ = lab.knock(*more)
            assert status == 1 and answer["status"] == "LIMIT", (more, answer)
        assert len(gates(lab)) == 3


def test_adopted():
    """A daemon that was killed left the gates; the next one takes them over as they are."""
    with kinds("adopted") as lab:
        lab.must_open("ssh")
        lab.connect("client", V4["server"], 22).close()
        lab.must_open("range", "--address", V4["client"], "--prefix", "24")
        lab.kill_all()
        assert lab.probe("stranger", V4["server"], 6005) == "open"
        lab.start()
        assert len(gates(lab)) == 2
        assert lab.probe("stranger", V4["server"], 6005) == "open"
        for _ in range(2):
            lab.connect("client", V4["server"], 22).close()
        assert lab.probe("client", V4["server"], 22) == "silent"


if __name__ == "__main__":
    main(test_times, test_range, test_udp, test_wireguard, test_source_port, test_network, test_no_end,
         test_kept_is_forgotten, test_reload_between_kinds, test_limits, test_adopted)
