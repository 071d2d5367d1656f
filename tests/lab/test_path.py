"""The whole path on real packets: knock, gate, one connection, closed again. Both IP versions."""

import socket

from lab import Lab, V4, V6, main, run, until

TWO_KINDS = """
service ssh   { port = tcp/22    allow = {"Admin/VSD"}  open = once    wait = 30s  lease = 1h }
service wiki  { port = tcp/8443  allow = {"Admin/VSD"}  open = window  wait = 30s  lease = 1h }
service talk  { port = udp/5000  allow = {"Admin/VSD"}  open = once    wait = 30s  lease = 1h }
service short { port = tcp/2200  allow = {"Admin/VSD"}  open = once    wait = 1s   lease = 1h }
service brief { port = tcp/2300  allow = {"Admin/VSD"}  open = once    wait = 3s   lease = 3s }
"""


def one_table(lab):
    text = lab.exec("server", "nft", "list", "ruleset").stdout
    assert text.count("table ") == 1 and "table inet postern" in text, text


def path(host):
    with Lab("path") as lab:
        lab.setup()
        lab.config(services=TWO_KINDS)
        at = host["server"]
        for port in (22, 8443, 2200, 2300, 80):
            lab.echo(port)
        lab.echo(5000, kind=socket.SOCK_DGRAM)
        assert lab.probe("client", at, 22) == "open"
        lab.start()
        one_table(lab)

        # Closed and silent; what is not guarded is as it was.
        assert lab.probe("client", at, 22) == "silent"
        assert lab.probe("client", at, 80) == "open"
        assert lab.probe("client", at, 81) == "refused"

        # One connection for one source.
        answer = lab.must_open("ssh", host=at)
        assert answer["observed"] == host["client"] and answer["granted_port"] == 22, answer
        assert lab.probe("stranger", at, 22) == "silent"
        first = lab.connect("client", at, 22)
        assert lab.probe("client", at, 22) == "silent"
        first.sendall(b"still here")
        assert first.recv(100) == b"still here"
        until("the journal says connected", lambda: lab.journal("connected"))
        granted, = lab.journal("granted")
        assert granted["name"] == "Admin/VSD" and granted["service"] == "ssh", granted
        assert granted["address"] == host["client"] and granted["list"], granted
        assert [g for g in lab.ctl("gates") if "grant" in g] == []

        # A window admits several, one source only.
        lab.must_open("wiki", host=at)
        a, b = lab.connect("client", at, 8443), lab.connect("client", at, 8443)
        assert lab.probe("stranger", at, 8443) == "silent"
        gate, = [g for g in lab.ctl("gates") if "grant" in g]
        assert gate["kind"] == "window" and gate["address"] == host["client"], gate

        # Closed by its owner, at once; connections go on.
        status, answer, err = lab.knock("wiki", host=at, command="close")
        assert status == 0, (status, answer, err)
        assert lab.probe("client", at, 8443) == "silent"
        b.sendall(b"x")
        assert b.recv(1) == b"x"
        a.close()

        # UDP: the first datagram's flow, no other.
        lab.must_open("talk", host=at)
        s = lab.send_udp("client", b"one", host=at, port=5000)
        s.settimeout(20)
        assert s.recv(100) == b"one"
        other = lab.send_udp("client", b"two", host=at, port=5000)
        other.settimeout(0.4)
        try:
            assert not other.recv(100), "a second flow got in"
        except (socket.timeout, TimeoutError):
            pass
        s.sendto(b"three", (at, 5000))
        assert s.recv(100) == b"three"

        # By itself: a gate that nobody used, and a lease that ends.
        lab.must_open("short", host=at)
        until("the unused gate is gone", lambda: lab.journal("expired"))
        assert lab.probe("client", at, 2200) == "silent"
        lab.must_open("brief", host=at)
        leased = lab.connect("client", at, 2300)
        leased.settimeout(20)

        def cut():
            try:
                leased.sendall(b"y")
                return leased.recv(1) == b""
            except (ConnectionResetError, BrokenPipeError):
                return True
        until("the lease cuts the connection", cut)
        assert lab.stop() == 0
        assert lab.probe("client", at, 22) == "silent", "a clean stop must leave the port guarded"


def test_ipv4():
    path(V4)


def test_ipv6():
    path(V6)


def test_connect_carries_a_stream():
    with Lab("connect") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        lab.start()
        from lab import program
        r = lab.exec("client", program("postern"), "connect", V4["server"], "22", "--id",
                     lab.path("etc", "admin.id"), "--card", lab.path("etc", "server.card"),
                     "--password-file", lab.path("admin-password"), input="carried\n", timeout=30)
        assert r.stdout == "hello\ncarried\n", (r.returncode, r.stdout, r.stderr)


def test_two_people():
    """Deny beats allow; a refused claim opens nothing and is journalled; limits."""
    with Lab("people") as lab:
        lab.setup()
        jane = lab.person("Jane/VSD")
        joe = lab.person("Joe/VSD")
        lab.config(services="""
group Crew { members = {"Jane/VSD", "Joe/VSD"} }
service ssh { port = tcp/22 allow = {"Crew", "Admin/VSD"} deny = {"Joe/VSD"} open = once wait = 30s lease = 1h }
""")
        lab.echo(22)
        lab.start()
        lab.must_open("ssh", id=jane)
        lab.connect("client", V4["server"], 22).close()
        status, answer, err = lab.knock("ssh", id=joe)
        assert status == 1 and answer["status"] == "DENIED", (status, answer, err)
        assert lab.probe("client", V4["server"], 22) == "silent"
        refused, = lab.journal("refused")
        assert refused["name"] == "Joe/VSD" and refused["reason"] == "deny-service", refused
        assert "deny" in refused["list"] and refused["entry"] == "Joe/VSD", refused


def test_stranger_sees_nothing():
    """nmap's view of a guarded machine, TCP and UDP, before and while a gate is open for somebody else."""
    with Lab("stranger") as lab:
        lab.setup()
        lab.config(services=TWO_KINDS)
        lab.echo(22)
        lab.start()
        lab.must_open("ssh")
        tcp = lab.exec("stranger", "nmap", "-n", "-Pn", "-sS", "-p", "22,8443,2200", "--max-retries", "1",
                       "-oG", "-", V4["server"]).stdout
        assert "open/" not in tcp and "closed/" not in tcp, tcp
        udp = lab.exec("stranger", "nmap", "-n", "-Pn", "-sU", "-p", "5000,62201", "--max-retries", "1",
                       "-oG", "-", V4["server"]).stdout
        assert "/open/" not in udp and "closed/" not in udp, udp
        lab.connect("client", V4["server"], 22).close()


if __name__ == "__main__":
    main(test_ipv4, test_ipv6, test_connect_carries_a_stream, test_two_people, test_stranger_sees_nothing)
