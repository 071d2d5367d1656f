"""
Services on another machine: client, gateway (the server) and a machine behind it that knows no postern.
Over IPv4 and IPv6, TCP and UDP: closed before, one connection in, the second out, the end of the lease cuts;
from the inner network by the outer address as well, where the service masquerades.
"""

import contextlib
import socket
import time

from lab import SILENCE, V4, V6, Echo, Lab, inside, main, program, run, until

GATE = {4: "10.88.0.1", 6: "fd88::1"}
INNER = {4: "10.88.0.8", 6: "fd88::8"}
OUTER = {4: V4["server"], 6: V6["server"]}
CLIENT = {4: V4["client"], 6: V6["client"]}
SERVICES = """
service wiki {{ port = tcp/8443  allow = {{"*/VSD"}}  forward = {{"10.88.0.8:443", "[fd88::8]:443"}}
    open = {open}  wait = 20s  lease = {lease}  masquerade = {masquerade} }}
service dns {{ port = udp/5353  allow = {{"*/VSD"}}  forward = {{"10.88.0.8:53", "[fd88::8]:53"}}
    open = {open}  wait = 20s  lease = {lease} }}
service here {{ port = tcp/22  allow = {{"*/VSD"}} }}
service old {{ port = tcp/8080  allow = {{"*/VSD"}}  forward = "10.88.0.8:443" }}
"""
DOORS = """
door wan { interface = any  spa { udp = 62201  source-rate = 1000 } }
"""


def forwarding(lab, on):
    for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        lab.exec("server", "sysctl", "-qw", f"{name}={on}", check=True)


@contextlib.contextmanager
def gateway(name, open="once", lease="1h", masquerade="no"):
    with Lab(name) as lab:
        lab.ns["inner"] = f"{lab.tag}-inner"
        inner = lab.ns["inner"]
        run("ip", "netns", "add", inner)
        run("ip", "-n", inner, "link", "set", "lo", "up")
        run("ip", "-n", lab.ns["server"], "link", "add", "eth1", "type", "veth", "peer", "name", "eth0",
            "netns", inner)
        for ns, device, hosts in ((lab.ns["server"], "eth1", GATE), (inner, "eth0", INNER)):
            run("ip", "-n", ns, "link", "set", device, "up")
            run("ip", "-n", ns, "addr", "add", hosts[4] + "/24", "dev", device)
            run("ip", "-n", ns, "addr", "add", hosts[6] + "/64", "dev", device, "nodad")
        run("ip", "-n", inner, "route", "add", "default", "via", GATE[4])
        run("ip", "-n", inner, "-6", "route", "add", "default", "via", GATE[6])
        forwarding(lab, 1)
        lab.setup()
        lab.config(services=SERVICES.format(open=open, lease=lease, masquerade=masquerade), doors=DOORS)
        for address in INNER.values():
            lab.things += [Echo(inner, address, 443), Echo(inner, address, 53, socket.SOCK_DGRAM)]
        # What must never be reached: the outer ports on the gateway itself.
        lab.things += [Echo(lab.ns["server"], a, p) for a in OUTER.values() for p in (8443, 8080)]
        lab.start()
        yield lab


def ask(lab, who, address, sock=None):
    """One datagram: the socket, and whether there was an answer."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if sock is None:
        with inside(lab.ns[who]):
            sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.settimeout(SILENCE)
    sock.sendto(b"?", (address, 5353))
    try:
        return sock, sock.recv(10) == b"?"
    except (socket.timeout, TimeoutError):
        return sock, False


def peer_of(sock):
    sock.sendall(b"ping")
    assert sock.recv(10) == b"ping"


def test_tcp():
    with gateway("tcp") as lab:
        for v, address in OUTER.items():
            assert lab.probe("client", address, 8443) == "silent"
            lab.must_open("wiki", host=address)
            assert lab.probe("stranger", address, 8443) == "silent"
            s = lab.connect("client", address, 8443)
            peer_of(s)
            assert lab.probe("client", address, 8443) == "silent"
            peer_of(s)
            s.close()
        assert [t.count for t in lab.things if t.kind == socket.SOCK_STREAM] == [1, 1, 0, 0, 0, 0]
        assert len(until("the journal says so",
                         lambda: len(lab.journal("connected")) == 2 and lab.journal("connected"))) == 2


def test_udp():
    with gateway("udp") as lab:
        for address in OUTER.values():
            assert not ask(lab, "client", address)[1]
            lab.must_open("dns", host=address)
            assert not ask(lab, "stranger", address)[1]
            sock, is_answered = ask(lab, "client", address)
            assert is_answered and ask(lab, "client", address, sock)[1]
            assert not ask(lab, "client", address)[1]


def test_window():
    with gateway("window", open="window") as lab:
        for address in OUTER.values():
            lab.must_open("wiki", host=address)
            for _ in range(3):
                lab.connect("client", address, 8443).close()
            assert lab.probe("stranger", address, 8443) == "silent"


def test_times_without_end():
    """Two connections, which go on past death and restart, until they are cut."""
    with gateway("times", open="times  times = 2", lease="none") as lab:
        for v, address in OUTER.items():
            lab.must_open("wiki", host=address)
            assert lab.probe("stranger", address, 8443) == "silent"
            socks = [lab.connect("client", address, 8443) for _ in range(2)]
            assert lab.probe("client", address, 8443) == "silent"
            until("the journal says so", lambda: len(lab.journal("connected")) >= (2 if v == 4 else 4))
            lab.kill_all()
            for s in socks:
                peer_of(s)
            lab.start()
            for s in socks:
                peer_of(s)
            lab.ctl("close", "--cut", CLIENT[v])
            for s in socks:
                ends(s)
                s.close()


def test_masquerade_without_end():
    with gateway("masked", lease="none", masquerade="yes") as lab:
        for address in OUTER.values():
            lab.must_open("wiki", host=address)
            s = lab.connect("client", address, 8443)
            peer_of(s)
            assert lab.probe("client", address, 8443) == "silent"
            peer_of(s)
            s.close()


def test_source_port():
    with gateway("port") as lab:
        for port, address in zip((40100, 40200), OUTER.values()):
            lab.must_open("wiki", "--source-port", str(port), host=address)
            assert lab.probe("client", address, 8443) == "silent"
            s = lab.connect("client", address, 8443, source_port=port)
            peer_of(s)
            s.close()


def test_network():
    with gateway("net", open="window  prefix-v4 = 24  prefix-v6 = 64") as lab:
        for v, address in OUTER.items():
            lab.must_open("wiki", "--address", CLIENT[v], "--prefix", "24" if v == 4 else "64", host=address)
            for who in ("client", "stranger"):
                s = lab.connect(who, address, 8443)
                peer_of(s)
                s.close()
            lab.ctl("close", CLIENT[v])
            assert lab.probe("client", address, 8443) == "silent"


def ends(sock):
    """Seconds until the connection is reset."""
    begin = time.monotonic()
    while True:
        try:
            sock.sendall(b"x")
            if sock.recv(10) == b"":
                break
        except ConnectionError:
            break
        time.sleep(0.05)
    return time.monotonic() - begin


def test_lease_ends_and_cut():
    with gateway("lease", lease="20s") as lab:
        for address in OUTER.values():
            lab.must_open("wiki", "--for", "3s", host=address)
            s = lab.connect("client", address, 8443)
            lab.ctl("close", "--cut", "--all")
            assert ends(s) < 2
            assert lab.probe("client", address, 8443) == "silent"
        # Both ways: whoever speaks first, hears of it.
        begin = time.monotonic()
        lab.must_open("wiki", host=OUTER[4])
        lab.must_open("dns", host=OUTER[6])
        s = lab.connect("client", OUTER[4], 8443)
        udp, is_answered = ask(lab, "client", OUTER[6])
        assert is_answered
        peer_of(s)
        time.sleep(max(0, begin + 18 - time.monotonic()))
        peer_of(s)
        assert ends(s) < 5
        until("datagrams end as well", lambda: not ask(lab, "client", OUTER[6], udp)[1])
        lines = until("the journal says so", lambda: len(lab.journal("cut")) == 2 and lab.journal("cut"))
        assert {(o["service"], o["address"], o["port"]) for o in lines} == {
            ("wiki", CLIENT[4], s.getsockname()[1]), ("dns", CLIENT[6], udp.getsockname()[1])}, lines


def test_hairpin():
    """From the inner network by the outer address; without masquerading the answer goes astray."""
    with gateway("hairpin", masquerade="yes") as lab:
        lab.ns["neighbour"] = f"{lab.tag}-neighbour"
        run("ip", "netns", "add", lab.ns["neighbour"])
        # Both behind one bridge, so that the inner machine answers the neighbour without the gateway.
        ns, inner = lab.ns["neighbour"], lab.ns["inner"]
        run("ip", "-n", inner, "addr", "flush", "dev", "eth0")
        run("ip", "-n", inner, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", inner, "link", "set", "eth0", "master", "br0")
        run("ip", "-n", inner, "link", "set", "br0", "up")
        run("ip", "-n", inner, "addr", "add", INNER[4] + "/24", "dev", "br0")
        run("ip", "-n", inner, "addr", "add", INNER[6] + "/64", "dev", "br0", "nodad")
        run("ip", "-n", inner, "route", "replace", "default", "via", GATE[4])
        run("ip", "-n", inner, "-6", "route", "replace", "default", "via", GATE[6])
        run("ip", "-n", inner, "link", "add", "port", "type", "veth", "peer", "name", "eth0", "netns", ns)
        run("ip", "-n", inner, "link", "set", "port", "master", "br0", "up")
        run("ip", "-n", ns, "link", "set", "lo", "up")
        run("ip", "-n", ns, "link", "set", "eth0", "up")
        run("ip", "-n", ns, "addr", "add", "10.88.0.9/24", "dev", "eth0")
        run("ip", "-n", ns, "addr", "add", "fd88::9/64", "dev", "eth0", "nodad")
        run("ip", "-n", ns, "route", "add", "default", "via", GATE[4])
        run("ip", "-n", ns, "-6", "route", "add", "default", "via", GATE[6])
        for address in OUTER.values():
            assert lab.probe("neighbour", address, 8443) == "silent"
            lab.must_open("wiki", host=address, who="neighbour")
            s = lab.connect("neighbour", address, 8443)
            peer_of(s)
            assert lab.probe("neighbour", address, 8443) == "silent"
            s.close()


def test_doctor():
    """Whose service stands elsewhere, has nobody listening here."""
    with gateway("doctor") as lab:
        r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "doctor", "-c",
                     lab.path("postern.conf"))
        assert "tcp port 8443 (wiki) is guarded, and sent on to another machine" in r.stdout, r.stdout
        assert "tcp port 22 (here) is guarded, but nobody listens there" in r.stdout, r.stdout
        assert r.stdout.count("nobody listens") == 1, r.stdout


def test_one_family_only():
    with gateway("family") as lab:
        status, answer, _ = lab.knock("old", host=OUTER[6])
        assert status == 1 and answer["status"] == "DENIED", answer
        assert lab.journal("refused")[0]["reason"] == "family", lab.journal("refused")
        assert lab.probe("client", OUTER[6], 8080) == "silent"
        lab.must_open("old", host=OUTER[4])
        lab.connect("client", OUTER[4], 8080).close()


def test_restart_keeps_connections():
    """Another rule set and a death in between: made anew under cover, nobody is cut, nobody gets in."""
    with gateway("restart") as lab:
        s = {}
        for v, address in OUTER.items():
            lab.must_open("wiki", host=address)
            s[v] = lab.connect("client", address, 8443)
        lab.ctl("reload")
        lab.settled()
        lab.kill_all()
        run("ip", "netns", "exec", lab.ns["server"], "nft", "delete", "table", "inet", "postern")
        lab.start()
        for v, address in OUTER.items():
            peer_of(s[v])
            assert lab.probe("client", address, 8443) == "silent"
            s[v].close()


def test_warning():
    with gateway("warn") as lab:
        lab.stop()
        forwarding(lab, 0)
        r = lab.exec("server", program("posternd"), "-c", lab.path("postern.conf"), "--check")
        assert r.returncode == 0, r.stderr
        assert "service wiki: this kernel sends no IPv4 packets on; set net.ipv4.ip_forward = 1" in r.stderr
        assert "set net.ipv6.conf.all.forwarding = 1" in r.stderr, r.stderr
        lab.start()
        assert lab.log().count("sends no IPv4 packets on") == 1, lab.log()
        value = lab.exec("server", "sysctl", "-n", "net.ipv4.ip_forward").stdout.strip()
        assert value == "0", "postern set it itself"


if __name__ == "__main__":
    main(test_tcp, test_udp, test_window, test_times_without_end, test_masquerade_without_end,
         test_source_port, test_network, test_lease_ends_and_cut, test_hairpin, test_doctor, test_one_family_only,
         test_restart_keeps_connections, test_warning)
