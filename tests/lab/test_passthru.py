"""
Through an edge to machines behind it, with real programs: ssh, a mail dialogue, psql. Who may not gets nothing
through, and the journal of the edge has a line for it. A neighbour behind the same address has the address but not
the key. Data arrive whole, in both directions, and the end of one direction leaves the other alone.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import smtplib
import socket
import ssl
import struct
import subprocess
import threading
import time

from edges import EDGE, INNER, LAN, ROUTER, SECOND, Edges, Server, digest, echo
from lab import BOUND, SILENCE, V4, V6, inside, main, program, run, until

ALL = """
passthru {name} {{ listen = tcp/{port}  to = "10.79.0.2:{port}"  allow = {{"*/VSD"}}  deny = {{"Mallory/VSD"}}
    {more} }}
"""


def block(name, port, more=""):
    return ALL.format(name=name, port=port, more=more)


@contextlib.contextmanager
def edge(name, blocks, server="", **kw):
    with Edges(name) as lab:
        lab.setup("--host", V4["server"])
        lab.passthru(blocks, server, **kw)
        lab.start()
        lab.home()
        yield lab


def test_ssh():
    """A real ssh session: a command, and a file that comes back as it went."""
    with edge("ssh", block("shell", 22, "speaks = ssh")) as lab:
        lab.sshd()
        proxy = " ".join(lab.through("%h", "%p")).replace("%h %p", f"{INNER} 22")
        data = os.urandom(3 << 20)
        assert lab.ssh("cat", proxy=proxy, input=data) == (0, data, "")
        line = lab.line(event="relayed")
        assert (line["name"], line["service"]) == ("Admin/VSD", "shell"), line
        ended = lab.line(event="ended")
        assert ended["name"] == "Admin/VSD" and "kB in" in ended["text"], ended
        assert lab.lines(event="granted") and not lab.lines(event="refused")


def postfix(lab):
    etc, queue, data = lab.path("postfix"), lab.path("queue"), lab.path("data")
    for folder in (etc, queue, data):
        os.mkdir(folder)
    shutil.chown(data, "postfix", "postfix")
    with open(os.path.join(etc, "main.cf"), "w") as f:
        f.write(f"""compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.inner
mydestination = mail.inner
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = {INNER}
inet_protocols = ipv4
maillog_file = {lab.path('mail.log')}
maillog_file_prefixes = {lab.dir}
smtpd_peername_lookup = no
smtpd_tls_security_level = none
notify_classes =
""")
    with open(os.path.join(etc, "master.cf"), "w") as f:
        f.write("""25 inet n - n - 60 smtpd
anvil unix - - n - 1 anvil
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
postlog unix-dgram n - n - 1 postlogd
""")
    open(os.path.join(etc, "dynamicmaps.cf"), "w").close()
    lab.exec("inner", "postfix", "-c", etc, "start", check=True)

    class Stop:
        @staticmethod
        def stop():
            lab.exec("inner", "postfix", "-c", etc, "stop")
    lab.things.append(Stop)
    lab.listening("inner", INNER, 25)


def tunnel(lab, *forwards, who="client", edges=(V4["server"],), argv=()):
    """postern tunnel, ready."""
    hops = [w for e in edges for w in ("--through", e)]
    ports = [w for f in forwards for w in ("-L", f)]
    p = lab.popen(who, program("postern"), "tunnel", *hops, *ports, "--password-file",
                  lab.path("admin-password"), *argv, stdout=subprocess.PIPE,
                  stderr=open(lab.path("tunnel.log"), "a"))
    for f in forwards:
        port = int(f.split(":")[-3])
        until(f"the tunnel listens on {port}", lambda: f":{port} " in run(
            "ip", "netns", "exec", lab.ns[who], "ss", "-ltnH").stdout)
    return p


def test_smtp():
    """A mail dialogue with Postfix through a tunnel; a second one after the gate has closed."""
    if shutil.which("postfix") is None:
        print("# postfix is not installed", flush=True)
        return
    with edge("smtp", block("mail", 25, "speaks = smtp  wait = 2s")) as lab:
        postfix(lab)
        tunnel(lab, f"2525:{INNER}:25")
        for _ in range(2):
            with inside(lab.ns["client"]):
                s = smtplib.SMTP("127.0.0.1", 2525, "client.example", timeout=BOUND)
            assert s.ehlo()[0] == 250 and s.mail("a@example.org")[0] == 250
            assert s.rcpt("b@mail.inner")[0] == 250
            s.quit()
            until("the gate is closed again", lambda: lab.status()["gates"] == 0)
        assert len(lab.lines(event="relayed", service="mail")) == 2


def postgres(lab):
    """PostgreSQL with a cluster of its own. False when it is not installed."""
    versions = sorted(os.listdir("/usr/lib/postgresql")) if os.path.isdir("/usr/lib/postgresql") else []
    if not versions:
        return False
    tools = f"/usr/lib/postgresql/{versions[-1]}/bin"
    user = pwd.getpwnam("postgres")
    data = lab.path("pg")
    os.mkdir(data)
    os.chown(data, user.pw_uid, user.pw_gid)
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}
    run(f"{tools}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", **as_user)
    with open(os.path.join(data, "pg_hba.conf"), "w") as f:
        f.write("host all all 10.79.0.0/24 trust\n")
    # The network namespace is joined by root, then the user changes.
    lab.popen("inner", "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
              f"{tools}/postgres", "-D", data, "-h", INNER, "-k", "", "-F", stderr=open(lab.path("pg.log"), "w"))
    lab.listening("inner", INNER, 5432)
    return True


def test_psql():
    """A psql session through a tunnel, and several at once."""
    with edge("psql", block("base", 5432, "speaks = postgres")) as lab:
        if not postgres(lab):
            print("# postgresql is not installed", flush=True)
            return
        tunnel(lab, f"5432:{INNER}:5432")
        ask = ["psql", "-h", "127.0.0.1", "-U", "postgres", "-AtXc", "select sum(n) from generate_series(1,1000) n"]
        r = lab.exec("client", *ask)
        assert (r.returncode, r.stdout) == (0, "500500\n"), r
        many = [lab.popen("client", *ask, stdout=subprocess.PIPE) for _ in range(8)]
        assert [p.communicate(timeout=BOUND)[0] for p in many] == [b"500500\n"] * 8
        assert len(lab.lines(event="relayed", service="base")) == 9


def tls(lab, who, port, cert=None, key=None):
    """A connection to the edge, raw or by TLS, from a machine; the socket, or an exception."""
    with inside(lab.ns[who]):
        s = socket.create_connection((V4["server"], port), BOUND)
    if cert is not None:
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname = False
        c.verify_mode = ssl.CERT_NONE
        if cert:
            c.load_cert_chain(cert, key)
        s = c.wrap_socket(s)
    return s


def all_that_comes(s, say=b""):
    """What the other side says until it ends."""
    got = b""
    with contextlib.suppress(OSError, ssl.SSLError):
        if say:
            s.sendall(say)
        while data := s.recv(65536):
            got += data
    s.close()
    return got


def test_neighbour():
    """Somebody behind the same address, while the gate is open: the port answers, nothing gets through."""
    with edge("neighbour", block("echo", 7000)) as lab:
        inner = Server(lab.ns["inner"], INNER, 7000, echo)
        lab.things.append(inner)
        lab.must_open("tcp/7000")
        run("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", lab.path("self.key"), "-out",
            lab.path("self.pem"), "-days", "9", "-subj", "/O=VSD/CN=Admin")
        assert all_that_comes(tls(lab, "neighbour", 7000), b"GET / HTTP/1.0\r\n\r\n")[:1] in (b"", b"\x15")
        assert all_that_comes(tls(lab, "neighbour", 7000, cert=""), b"hello") == b""
        assert all_that_comes(tls(lab, "neighbour", 7000, lab.path("self.pem"), lab.path("self.key")), b"hello") == b""
        until("three lines", lambda: len(lab.lines(event="refused", address=ROUTER)) >= 1)
        assert inner.count == 0, "a neighbour reached the inner machine"
        assert lab.talk(INNER, 7000, input=b"mine") == (0, b"mine", "")
        assert inner.count == 1 and inner.got == [b"mine"]


def test_refusals():
    """A person in deny, one deleted from the directory, an HTTP client on an ssh port: each with its line."""
    with Edges("refusals") as lab:
        lab.setup("--host", V4["server"])
        mallory = lab.person("Mallory/VSD")
        leaver = lab.person("Leaver/VSD")
        lab.passthru(block("shell", 22, "speaks = ssh") +
                     'passthru listed { listen = tcp/7001  to = "10.79.0.2:7001"  allow = {"*"} }\n',
                     "key-check = listed")
        lab.start()
        lab.home()
        inner = [Server(lab.ns["inner"], INNER, p, echo) for p in (22, 7001)]
        lab.things += inner
        lab.sent = []

        # In deny: not even the knock opens. Behind another's gate, the certificate does not either.
        status, out, err = lab.talk(INNER, 22, "--id", mallory, input=b"SSH-2.0-x\r\n")
        assert status == 1 and out == b"", (status, out, err)
        lab.line(event="refused", name="Mallory/VSD", reason="deny-service")
        lab.must_open("tcp/22")
        assert all_that_comes(tls(lab, "client", 22, *lab.certificate(mallory)), b"SSH-2.0-x\r\n") == b""
        until("the relay's line", lambda: len(lab.lines(name="Mallory/VSD", reason="deny-service")) == 2)

        # Deleted from the directory, still certified.
        assert lab.talk(INNER, 7001, "--id", leaver, input=b"here")[:2] == (0, b"here")
        run(program("postern"), "directory", "remove", "--directory", lab.path("etc", "directory"), "Leaver/VSD")
        lab.ctl("reload")
        lab.settled()
        status, out, err = lab.talk(INNER, 7001, "--id", leaver, input=b"here")
        assert status == 1 and out == b"", (status, out, err)
        lab.line(event="refused", name="Leaver/VSD", reason="not-allowed-service")

        # A web browser on the ssh port.
        count = inner[0].count
        status, out, err = lab.talk(INNER, 22, input=b"GET / HTTP/1.1\r\nHost: inner\r\n\r\n")
        assert out == b"", (status, out, err)
        line = lab.line(reason="relay-protocol")
        assert line["name"] == "Admin/VSD" and "ssh" in line["text"], line
        assert inner[0].got == [], "bytes of a wrong protocol reached the inner machine"
        assert inner[0].count <= count + 1
        assert inner[1].got == [b"here"]


def test_half_close():
    """The end of one direction is carried, the other goes on."""
    with edge("half", block("sum", 7000) + block("first", 7002)) as lab:
        def first(server, peer):
            peer.sendall(b"bye\n")
            peer.shutdown(socket.SHUT_WR)
            while data := peer.recv(65536):
                server.got.append(data)
        lab.things += [Server(lab.ns["inner"], INNER, 7000, digest)]
        second = Server(lab.ns["inner"], INNER, 7002, first)
        lab.things.append(second)
        data = os.urandom(5 << 20)
        want = f"{hashlib.sha256(data).hexdigest()} {len(data)}\n".encode()
        assert lab.talk(INNER, 7000, input=data) == (0, want, "")

        p = lab.popen("client", *lab.through(INNER, 7002), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert p.stdout.read() == b"bye\n"  # and its end
        p.stdin.write(b"still here")
        p.stdin.close()
        assert p.wait(BOUND) == 0
        until("what came after the end", lambda: b"".join(second.got) == b"still here")


def test_gigabyte():
    """A gigabyte each way at the same time."""
    size, piece = 1 << 30, os.urandom(1 << 20)
    with edge("giga", block("echo", 7000)) as lab:
        def reflect(server, peer):
            while data := peer.recv(1 << 18):
                peer.sendall(data)
        lab.things.append(Server(lab.ns["inner"], INNER, 7000, reflect))
        p = lab.popen("client", *lab.through(INNER, 7000), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def feed():
            for _ in range(size // len(piece)):
                p.stdin.write(piece)
            p.stdin.close()
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        n = 0
        while data := p.stdout.read(len(piece)):
            assert data == piece, f"byte {n} and on differ"
            n += len(data)
        assert n == size and p.wait(BOUND) == 0
        feeder.join()
        ended = lab.line(event="ended")
        assert "1073 MB in, 1073 MB out" in ended["text"], ended


def test_without_tls():
    """encrypt = no: who opened the gate goes through, and so does a neighbour: --check says so."""
    with edge("plain", block("old", 7000, "encrypt = no  open = once")) as lab:
        inner = Server(lab.ns["inner"], INNER, 7000, echo)
        lab.things.append(inner)
        lab.must_open("tcp/7000")
        s = tls(lab, "client", 7000)
        s.sendall(b"plain")
        assert s.recv(10) == b"plain"
        s.close()
        assert lab.line(event="relayed")["name"] == "Admin/VSD"
        check = lab.exec("server", program("posternd"), "--check", "-c", lab.path("postern.conf"))
        assert check.returncode == 0 and "old" in check.stdout + check.stderr
        assert "neighbour" in check.stdout + check.stderr, check
        with inside(lab.ns["neighbour"]):
            s = socket.socket()
        s.settimeout(SILENCE)
        with contextlib.suppress(OSError):
            s.connect((V4["server"], 7000))
            raise AssertionError("a gate for one connection took another")


def test_two_edges():
    """Through two edges in a row: the second knock travels inside the first connection."""
    with Edges("two") as lab:
        lab.setup("--host", V4["server"])
        lab.passthru('passthru next { listen = tcp/2222  to = "10.79.0.3:2222"  allow = {"*/VSD"}  speaks = tls\n'
                     '    knock = udp/62201 }\n')
        lab.start()
        second = lab.start_second(block("shell", 2222, "speaks = ssh").replace("10.79.0.2:2222", "10.79.0.2:22"))
        lab.home()
        lab.sshd()
        proxy = " ".join(lab.through(INNER, 22, edges=(V4["server"] + ":2222", SECOND + ":2222")))
        data = os.urandom(1 << 20)
        assert lab.ssh("cat", proxy=proxy, input=data) == (0, data, "")
        assert lab.line(event="relayed")["service"] == "next"
        assert until("the second edge's line", lambda: second.journal("relayed"))[0]["name"] == "Admin/VSD"
        assert second.journal("granted")[0]["address"] == EDGE


def test_restarts():
    """Death of the knock and of the gate process, and a reload, leave a connection alone."""
    with edge("restarts", block("echo", 7000)) as lab:
        lab.things.append(Server(lab.ns["inner"], INNER, 7000, echo))
        p = lab.popen("client", *lab.through(INNER, 7000), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

        def alive(word):
            p.stdin.write(word)
            assert p.stdout.read(len(word)) == word
        alive(b"before")
        for victim in ("knock", "gate"):
            old = until(f"a {victim} process", lambda: lab.pids().get(victim))
            os.kill(old, 9)
            until(f"another {victim} process", lambda: lab.pids().get(victim, old) != old)
            alive(victim.encode())
        until("the daemon answers", lambda: lab.ctl("status", check=False))
        lab.ctl("reload")
        alive(b"reload")
        gates = until("the connection is listed", lambda: [
            g for g in lab.ctl("gates") if "connection" in g and g["to_client"]])
        assert gates[0]["name"] == "Admin/VSD", gates
        assert gates[0]["to_inner"] == gates[0]["to_client"] == len(b"beforeknockgatereload"), gates
        # Who is locked out is out at once, also of what runs.
        lab.ctl("revoke", "Admin/VSD")
        assert p.stdout.read() == b"" and p.wait(BOUND) != 0
        assert lab.line(event="ended")["reason"] == "revoked", lab.lines(event="ended")


def test_relay_dies():
    """The relay process is killed: its connections end, the next one works."""
    with edge("dies", block("echo", 7000)) as lab:
        lab.things.append(Server(lab.ns["inner"], INNER, 7000, echo))
        assert lab.talk(INNER, 7000, input=b"one") == (0, b"one", "")
        old = lab.relay_pid()
        os.kill(old, 9)
        until("another relay process", lambda: lab.relay_pid() not in (None, old))
        assert until("it works again", lambda: lab.talk(INNER, 7000, input=b"two")[1] == b"two")


def test_inner():
    """An inner machine that refuses, is silent, resets, speaks something else."""
    with edge("inner", block("down", 7003) + block("silent", 7004).replace("10.79.0.2", "10.79.0.99") +
              block("reset", 7005) + block("mail", 7006, "speaks = smtp")) as lab:
        def reset(server, peer):
            peer.recv(1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        def web(server, peer):
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        lab.things += [Server(lab.ns["inner"], INNER, 7005, reset), Server(lab.ns["inner"], INNER, 7006, web)]
        status, out, err = lab.talk(INNER, 7003, input=b"x")
        assert status != 0 and out == b"" and "10.79.0.2" in err or "reach" in err, (status, out, err)
        assert lab.line(reason="relay-inner", service="down")["name"] == "Admin/VSD"
        status, out, err = lab.talk("10.79.0.99", 7004, input=b"x")
        assert status != 0 and out == b"", (status, out, err)
        lab.line(reason="relay-inner", service="silent")
        lab.talk(INNER, 7005, input=b"x")
        lab.line(event="ended", service="reset")
        status, out, err = lab.talk(INNER, 7006, input=b"")
        assert out == b"", (status, out, err)
        assert "smtp" in lab.line(reason="relay-protocol", service="mail")["text"]
        # What is asked for is not where the port leads.
        status, out, err = lab.talk("10.79.0.50", 22, edges=(V4["server"] + ":7003",), input=b"x")
        assert status == 1 and out == b"", (status, out, err)
        lab.line(reason="relay-destination")


def relay_kib(lab, field="VmHWM"):
    for line in open(f"/proc/{lab.relay_pid()}/status"):
        if line.startswith(field):
            return int(line.split()[1])


def test_crowd():
    """10,000 connections at once from behind the same address: bounded, and others are not disturbed."""
    with edge("crowd", block("echo", 7000), "relay-connections-max = 200") as lab:
        lab.things.append(Server(lab.ns["inner"], INNER, 7000, echo))
        lab.must_open("tcp/7000")
        p = lab.popen("client", *lab.through(INNER, 7000), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        p.stdin.write(b"a")
        assert p.stdout.read(1) == b"a"
        crowd = []
        with inside(lab.ns["neighbour"]):
            import resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
            for _ in range(10000):
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex((V4["server"], 7000))
                crowd.append(s)
        for i in range(50):
            p.stdin.write(b"b")
            assert p.stdout.read(1) == b"b"
        until("the crowd's line", lambda: lab.lines(event="refused", address=ROUTER))
        for s in crowd:
            s.close()
        assert relay_kib(lab) < 128 * 1024, relay_kib(lab)
        assert len(lab.journal()) < 100, [(o["event"], o["text"]) for o in lab.journal()]
        assert until("others get in again", lambda: lab.talk(INNER, 7000, input=b"c")[1] == b"c")


def test_limits():
    """So many of one name, and no more."""
    with edge("limits", block("echo", 7000, "name-connections-max = 2")) as lab:
        lab.things.append(Server(lab.ns["inner"], INNER, 7000, echo))
        kept = []
        for _ in range(2):
            p = lab.popen("client", *lab.through(INNER, 7000), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          bufsize=0)
            p.stdin.write(b"k")
            assert p.stdout.read(1) == b"k"
            kept.append(p)
        status, out, err = lab.talk(INNER, 7000, input=b"x")
        assert status == 1 and out == b"" and "busy" in err or "too many" in err, (status, out, err)
        assert lab.line(reason="relay-limit")["name"] == "Admin/VSD"
        kept[0].stdin.close()
        assert kept[0].wait(BOUND) == 0
        assert until("one more may", lambda: lab.talk(INNER, 7000, input=b"x")[1] == b"x")


def test_stop():
    """A stop lets connections finish within the limit, and not beyond it."""
    with edge("stop", block("echo", 7000), "relay-grace = 3s") as lab:
        lab.things.append(Server(lab.ns["inner"], INNER, 7000, echo))
        two = []
        for _ in range(2):
            p = lab.popen("client", *lab.through(INNER, 7000), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          bufsize=0)
            p.stdin.write(b"k")
            assert p.stdout.read(1) == b"k"
            two.append(p)
        lab.daemon.terminate()
        until("it takes no more", lambda: ":7000 " not in lab.exec("server", "ss", "-ltnH").stdout)
        two[0].stdin.write(b"goes on")
        assert two[0].stdout.read(7) == b"goes on"
        two[0].stdin.close()
        assert two[0].wait(BOUND) == 0
        assert lab.daemon.wait(BOUND) == 0
        assert two[1].stdout.read() == b""


def test_network_change():
    """A tunnel outlives the client's address: what ran ends, the next connection knocks anew."""
    with edge("change", block("echo", 7000)) as lab:
        lab.things.append(Server(lab.ns["inner"], INNER, 7000, echo))
        tunnel(lab, f"7000:{INNER}:7000")

        def once():
            with inside(lab.ns["client"]), contextlib.suppress(OSError):
                s = socket.create_connection(("127.0.0.1", 7000), BOUND)
                s.settimeout(BOUND)
                s.sendall(b"ping")
                with s:
                    return s.recv(4) == b"ping"
        assert once()
        # The router gets another address outside: from now on the client is somebody else to the edge.
        run("ip", "-n", lab.ns["router"], "addr", "del", ROUTER + "/24", "dev", "eth0")
        run("ip", "-n", lab.ns["router"], "addr", "add", "10.77.0.10/24", "dev", "eth0")
        run("ip", "netns", "exec", lab.ns["router"], "sh", "-c", "conntrack -F 2>/dev/null; true")
        assert until("it goes through again", once)
        assert {g["address"] for g in lab.lines(event="granted")} == {ROUTER, "10.77.0.10"}


def test_v6():
    """Over IPv6 to the edge."""
    with edge("v6", block("echo", 7000)) as lab:
        lab.things.append(Server(lab.ns["inner"], INNER, 7000, echo))
        lab.home("stranger")
        status, out, err = lab.talk(INNER, 7000, who="stranger", edges=(V6["server"],), input=b"six")
        assert (status, out) == (0, b"six"), (status, out, err)
        assert lab.line(event="relayed")["address"] == V6["stranger"]


if __name__ == "__main__":
    main(test_ssh, test_smtp, test_psql, test_neighbour, test_refusals, test_half_close, test_gigabyte,
         test_without_tls, test_two_edges, test_restarts, test_relay_dies, test_inner, test_crowd, test_limits,
         test_stop, test_network_change, test_v6)
