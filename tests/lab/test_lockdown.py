"""
The lockdown: what nobody guards is as silent as what is guarded; what keeps a machine on its network goes
on, and what the configuration names stays open. On and off by a reload.
"""

import itertools
import socket
import struct

from lab import SILENCE, V4, V6, Lab, inside, main, run, until

RANGE = """
service range { port = tcp/6000-6010  allow = {"*/VSD"}  open = window  wait = 30s  lease = none }
"""
WEB, OTHER, DNS = 8080, 8081, 5301
numbers = itertools.count(7)


def sockets(lab, who, kind, address, port=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(lab.ns[who]):
        s = socket.socket(family, kind)
    s.settimeout(SILENCE)
    s.bind((address, port))
    return s


def answers(lab, who, host, port, source_port=0):
    s = sockets(lab, who, socket.SOCK_DGRAM, (V6 if ":" in host else V4)[who], source_port)
    s.sendto(b"?", (host, port))
    try:
        return s.recv(10) == b"?"
    except (socket.timeout, TimeoutError):
        return False
    finally:
        s.close()


def pings(lab, who, host):
    """One echo request. The kernel fills in the checksum for IPv6 only."""
    is_v6 = ":" in host
    with inside(lab.ns[who]):
        s = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_RAW,
                          socket.IPPROTO_ICMPV6 if is_v6 else socket.IPPROTO_ICMP)
    s.settimeout(SILENCE)
    s.connect((host, 0))
    kind = 128 if is_v6 else 8
    # A number that was answered before is an established conversation.
    number = next(numbers)
    s.send(struct.pack("!BBHHH", kind, 0, 0xffff - (kind << 8) - number, number, 0))
    try:
        while True:
            data = s.recv(100)
            if data[0 if is_v6 else 20] == (129 if is_v6 else 0):
                return True
    except (socket.timeout, TimeoutError):
        return False
    finally:
        s.close()


def locked(lab, server):
    lab.config(server=server)
    if lab.daemon is None:
        lab.start()
        return
    lab.ctl("reload")
    lab.settled()


def prepared(lab):
    lab.setup()
    for port in (22, WEB, OTHER):
        lab.echo(port)
    for port in (DNS, 68, 546):
        lab.echo(port, kind=socket.SOCK_DGRAM)
    lab.echo(7000, who="client")


def test_silent():
    with Lab("silent") as lab:
        prepared(lab)
        locked(lab, "")
        for host in (V4["server"], V6["server"]):
            assert lab.probe("client", host, WEB) == "open"
            assert lab.probe("client", host, 9) == "refused"
            assert answers(lab, "client", host, DNS) and pings(lab, "client", host)
        before = lab.connect("client", V4["server"], WEB)
        table = run("ip", "netns", "exec", lab.ns["server"], "nft", "list", "tables").stdout
        locked(lab, "lockdown = yes")
        for host in (V4["server"], V6["server"]):
            for port in (22, WEB, OTHER, 9):
                assert lab.probe("client", host, port) == "silent", (host, port)
            assert not answers(lab, "client", host, DNS) and not pings(lab, "client", host)
            # The ways of a knock, of its connection and of what the machine does itself.
            lab.must_open("ssh", host=host)
            lab.connect("client", host, 22).close()
            other = V6["client"] if ":" in host else V4["client"]
            lab.connect("server", other, 7000).close()
            assert pings(lab, "server", other)
            lab.connect("server", host, WEB).close()
        before.sendall(b"still here")
        assert before.recv(100) == b"still here"
        before.close()
        assert run("ip", "netns", "exec", lab.ns["server"], "nft", "list", "tables").stdout == table
        locked(lab, "")
        assert lab.probe("client", V6["server"], WEB) == "open"


def test_allowed():
    with Lab("allowed") as lab:
        prepared(lab)
        locked(lab, f'lockdown = yes  lockdown-allow = {{tcp/{WEB}, udp/{DNS}, icmp-echo}}')
        for host in (V4["server"], V6["server"]):
            assert lab.probe("client", host, WEB) == "open"
            assert lab.probe("client", host, OTHER) == "silent"
            assert answers(lab, "client", host, DNS) and pings(lab, "client", host)
        lab.kill_all()
        assert lab.probe("client", V4["server"], OTHER) == "silent"
        assert lab.probe("client", V4["server"], WEB) == "open"


def test_kinds():
    """Beside a lockdown a gate for a range of ports opens these and no other, and no end is no end."""
    with Lab("kinds") as lab:
        lab.setup()
        for port in (6000, 6010, 6011):
            lab.echo(port)
        lab.config(services=RANGE, server="lockdown = yes")
        lab.start()
        for host in (V4["server"], V6["server"]):
            lab.must_open("range", host=host)
            s = [lab.connect("client", host, port) for port in (6000, 6010)]
            assert lab.probe("client", host, 6011) == "silent"
            lab.kill_all()
            for sock in s:
                sock.sendall(b"a")
                assert sock.recv(1) == b"a"
                sock.close()
            lab.start()


def test_stays_on_the_network():
    """Neighbours, routers, errors, DHCP."""
    with Lab("network") as lab:
        prepared(lab)
        locked(lab, "lockdown = yes")
        for who in ("server", "client"):
            run("ip", "-n", lab.ns[who], "neigh", "flush", "all")
        lab.must_open("ssh", host=V6["server"])
        lab.connect("client", V6["server"], 22).close()
        run("ip", "-n", lab.ns["server"], "neigh", "flush", "all")
        lab.connect("server", V6["client"], 7000).close()
        for host in (V4["client"], V6["client"]):
            s = sockets(lab, "server", socket.SOCK_DGRAM, "::" if ":" in host else "0.0.0.0")
            s.connect((host, 9))
            s.send(b"?")
            try:
                s.recv(10)
                raise AssertionError("no error came back")
            except ConnectionRefusedError:
                pass
        # A DHCP server's answer, from an address that was never asked.
        assert answers(lab, "client", V4["server"], 68, 67)
        assert not answers(lab, "client", V4["server"], 68, 66)
        # A router that advertises itself, with 1800 s to live.
        with inside(lab.ns["client"]):
            s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            index = socket.if_nametoindex("eth0")
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)

        def has_router():
            s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, index))
            return "proto ra" in run("ip", "-n", lab.ns["server"], "-6", "route").stdout
        until("the router is known", has_router)


if __name__ == "__main__":
    main(test_silent, test_allowed, test_kinds, test_stays_on_the_network)
