"""
The end of a lease: who is there then is cut, and the journal says so within a second, once a grant; ahead of
long ones there is a word. Over IPv4 and IPv6, whoever speaks first, for datagrams too.
"""

import contextlib
import socket
import sqlite3
import time

from lab import SILENCE, V4, V6, Lab, inside, main, until

SERVICES = """
service ssh  {{ port = tcp/22    allow = {{"Admin/VSD"}}  open = once    wait = 2s  lease = {lease} }}
service wiki {{ port = tcp/8443  allow = {{"Admin/VSD"}}  open = window  wait = 2s  lease = {lease} }}
service late {{ port = tcp/2200  allow = {{"Admin/VSD"}}  open = once    wait = 2s  lease = {lease} }}
service wire {{ port = udp/5353  allow = {{"Admin/VSD"}}  open = once    wait = 2s  lease = {lease} }}
"""


@contextlib.contextmanager
def ready(name, lease="3s"):
    with Lab(name) as lab:
        lab.setup()
        lab.config(services=SERVICES.format(lease=lease))
        lab.echo(22)
        lab.echo(8443)
        lab.echo(5353, kind=socket.SOCK_DGRAM)
        lab.start()
        yield lab


def talk(sock):
    sock.sendall(b"ping")
    assert sock.recv(4) == b"ping"


def talk_until_cut(sock):
    """Talks without pause; the moment of the reset."""
    while True:
        try:
            sock.sendall(b"ping")
            if sock.recv(4) == b"":
                return time.time()
        except ConnectionError:
            return time.time()
        time.sleep(0.01)


def cuts(lab, n):
    until(f"{n} lines say cut", lambda: len(lab.journal("cut")) >= n, bound=1.5)
    lines = lab.journal("cut")
    assert len(lines) == n, lines
    return lines


def test_active():
    with ready("active") as lab:
        for i, (host, client) in enumerate(((V4["server"], V4["client"]), (V6["server"], V6["client"]))):
            grant = lab.must_open("ssh", host=host)
            opened = time.time()
            s = lab.connect("client", host, 22)
            port = s.getsockname()[1]
            moment = talk_until_cut(s)
            assert 1.5 < moment - opened < 4, moment - opened
            line = cuts(lab, i + 1)[-1]
            assert abs(line["time_ms"] / 1000 - moment) < 1, (line, moment)
            assert (line["name"], line["service"], line["reason"]) == ("Admin/VSD", "ssh", "lease"), line
            assert (line["address"], line["port"], line["grant"]) == (client, port, i + 1), (line, grant)
            assert "its connection was cut" in line["text"], line


def late(lab, host):
    """A service that speaks when the test wants it to: its listening socket."""
    with inside(lab.ns["server"]):
        return socket.create_server((host, 2200), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def reach(lab, host, port):
    with inside(lab.ns["client"]):
        return socket.create_connection((host, port), timeout=5)


def test_idle():
    """Nobody speaks at the end: the first word afterwards is cut, the client's or the server's."""
    with ready("idle") as lab:
        for n, who in enumerate(("client", "server"), 1):
            host, address = (V4["server"], V4["client"]) if n == 1 else (V6["server"], V6["client"])
            with contextlib.closing(late(lab, host)) as listener:
                lab.must_open("late", host=host)
                client = reach(lab, host, 2200)
                server = listener.accept()[0]
                time.sleep(3.6)
                assert len(lab.journal("cut")) == n - 1, "nothing was cut yet"
                port = client.getsockname()[1]
                (client if who == "client" else server).sendall(b"x")
                line = cuts(lab, n)[-1]
                assert (line["service"], line["address"], line["port"]) == ("late", address, port), line
                for s in (client, server):
                    s.close()


def test_one_line_a_grant():
    """Of a window many may be cut; who was cut by an administrator has a line already."""
    with ready("window") as lab:
        lab.must_open("wiki")
        socks = [lab.connect("client", V4["server"], 8443) for _ in range(4)]
        for s in socks:
            talk_until_cut(s)
        line = cuts(lab, 1)[0]
        assert line["service"] == "wiki" and "a connection of it was cut" in line["text"], line
        lab.must_open("ssh")
        s = lab.connect("client", V4["server"], 22)
        lab.ctl("close", "--cut", "--all")
        talk_until_cut(s)
        time.sleep(1)
        assert len(lab.journal("cut")) == 1, lab.journal("cut")
        # A connection that is gone is nobody's loss.
        lab.must_open("ssh")
        lab.connect("client", V4["server"], 22).close()
        time.sleep(4)
        assert len(lab.journal("cut")) == 1, lab.journal("cut")


def test_over_a_reload():
    """Whoever came in before a reload, or before everything was killed, is known afterwards."""
    with ready("reload", lease="6s") as lab:
        for change in (lambda: (lab.ctl("reload"), lab.settled()), lambda: (lab.kill_all(), lab.start())):
            n = len(lab.journal("cut"))
            lab.must_open("ssh")
            s = lab.connect("client", V4["server"], 22)
            change()
            talk_until_cut(s)
            assert cuts(lab, n + 1)[-1]["service"] == "ssh"


def ask(sock, data):
    sock.send(data)
    try:
        return sock.recv(10) == data
    except (socket.timeout, TimeoutError):
        return False


def test_datagrams():
    """From one port to another, without pause: cut at the end, said once, and in again after a new knock."""
    with ready("datagrams") as lab:
        for n, (host, client) in enumerate(((V4["server"], V4["client"]), (V6["server"], V6["client"])), 1):
            with inside(lab.ns["client"]):
                s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("", 5353))
            s.settimeout(SILENCE / 2)
            s.connect((host, 5353))
            assert not ask(s, b"0")
            for again in range(2):
                lab.must_open("wire", host=host)
                assert ask(s, b"1"), "the first datagram is not let in"
                until("datagrams end", lambda: not ask(s, b"2"), bound=6)
                line = cuts(lab, 2 * n - 1 + again)[-1]
                assert (line["service"], line["address"], line["port"]) == ("wire", client, 5353), line
                assert not ask(s, b"3")
            s.close()


def test_ahead():
    """A word a minute before the end of a long lease, once, also over a restart."""
    with ready("ahead", lease="1h") as lab:
        lab.must_open("ssh")
        s = lab.connect("client", V4["server"], 22)
        lab.must_open("wiki")
        until("the journal says so", lambda: lab.journal("connected"))
        lab.stop()
        # Time is not waited for: what is remembered of the lease is made to end in 63 seconds.
        end = int(time.time() * 1000) + 63000
        db = sqlite3.connect(lab.path("store", "postern.db"))
        db.execute("UPDATE gate SET opened_ms = ?1 - 3600000, lease_until_ms = ?1", (end,))
        db.commit()
        db.close()
        lab.start()
        assert not lab.journal("ending")
        line = until("a word", lambda: lab.journal("ending"), bound=6)[0]
        assert 0 <= line["time_ms"] / 1000 - (end / 1000 - 60) < 1.5, (line, end)
        assert (line["service"], line["name"], line["reason"]) == ("ssh", "Admin/VSD", "lease"), line
        lab.ctl("reload")
        lab.settled()
        time.sleep(2)
        assert len(lab.journal("ending")) == 1, lab.journal("ending")
        talk(s)


if __name__ == "__main__":
    main(test_active, test_idle, test_one_line_a_grant, test_over_a_reload, test_datagrams, test_ahead)
