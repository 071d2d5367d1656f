"""
A passthru from the daemon's side: certified people come through an edge server to an inner one, with a raw TLS
client; what the journal says, who is cut and when, and what outlives the death of each process.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import time

from lab import BOUND, V4, V6, Echo, Lab, inside, main, program, run, until

INNER = {"server": "10.78.0.1", "inner": "10.78.0.2"}

PASSTHRU = """
service ssh {{ port = tcp/22 allow = {{"Admin/VSD"}} open = once wait = 10s lease = 1h }}
passthru notes {{
    listen = tcp/1352   to = "{to}:1352"   allow = {{{allow}}}   deny = {{{deny}}}
    {more}
}}
{others}
"""


class Edge(Lab):
    """client and stranger outside; server is the edge; inner is reached from the edge alone."""

    def __init__(self, name):
        super().__init__(name)
        self.ns["inner"] = f"{self.tag}-inner"

    def _build(self):
        super()._build()
        run("ip", "-n", self.ns["server"], "link", "add", "eth1", "type", "veth", "peer", "name", "eth0",
            "netns", self.ns["inner"])
        for who, device in (("server", "eth1"), ("inner", "eth0")):
            run("ip", "-n", self.ns[who], "addr", "add", INNER[who] + "/24", "dev", device)
            run("ip", "-n", self.ns[who], "link", "set", device, "up")

    def setup(self, *extra):
        super().setup(*extra)
        with open(self.path("certifier-password"), "w") as f:
            f.write("correct horse 7 battery\n")
        os.chmod(self.path("certifier-password"), 0o600)
        self.person("Ann/VSD")
        self.keys = {who: self.tls_files(who) for who in ("admin", "ann")}

    def tls_files(self, who):
        """Certificate and key of an ID as other programs read them."""
        path = self.path("etc", "admin.id") if who == "admin" else self.path(f"{who}.id")
        pem = self.path(f"{who}.pem")
        with open(path) as f:
            certs = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", f.read(), re.S)
        with open(pem, "w") as f:
            f.write(certs[0])
        run(program("postern"), "id", "export", path, "--pkcs8", "-o", self.path(f"{who}.key"),
            "--password-file", self.path("admin-password"), "--new-password-file", self.path("admin-password"))
        return pem, self.path(f"{who}.key")

    def configure(self, allow='"*/VSD"', deny="", more="", others="", server="", to=INNER["inner"], grace="0s"):
        self.config(services=PASSTHRU.format(allow=allow, deny=deny, more=more, others=others, to=to),
                    server=f'relay-id = "{self.path("etc", "relay.id")}"\n'
                           f'    relay-key = "{self.path("etc", "server.key")}"\n    relay-grace = {grace}\n    {server}')

    def relay(self):
        """The relay process, or None."""
        for pid in run("ip", "netns", "pids", self.ns["server"], check=False).stdout.split():
            with contextlib.suppress(OSError):
                if open(f"/proc/{pid}/cmdline").read().startswith("posternd: relay"):
                    return int(pid)
        return None

    def through(self, who="admin", host=V4["server"], port=1352, timeout=BOUND, ns="client", version=None):
        """TLS to the passthru, which said hello; or raises."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if version:
            context.maximum_version = version
        if who:
            context.load_cert_chain(*self.keys[who], password="admin staple 42")
        with inside(self.ns[ns]):
            s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        s.settimeout(timeout)
        try:
            s.connect((host, port))
            t = context.wrap_socket(s)
            hello = t.recv(6)
            if hello != b"hello\n":
                raise ConnectionError(f"cut: {hello}")
            return t
        except BaseException:
            s.close()
            raise

    def is_let(self, **kw):
        try:
            self.through(**kw).close()
            return True
        except OSError:
            return False

    def knock_and_go(self, **kw):
        self.must_open("notes")
        return self.through(**kw)


@contextlib.contextmanager
def ready(name, **kw):
    with Edge(name) as lab:
        lab.setup()
        lab.configure(**kw)
        lab.things += [lab_echo(lab)]
        lab.start()
        yield lab


def lab_echo(lab):
    return Echo(lab.ns["inner"], INNER["inner"], 1352)


def talk(sock, n=1):
    for _ in range(n):
        sock.sendall(b"ping")
        assert sock.recv(4) == b"ping"


def is_cut(sock):
    sock.settimeout(BOUND)
    try:
        return sock.recv(1) == b""
    except OSError:
        return True


def wait_for(lab, event, count=1):
    return until(f"{count} {event} in the journal",
                 lambda: len(lab.journal(event)) >= count and lab.journal(event))


def last_refusal(lab, reason):
    return until(f"a refusal for {reason}",
                 lambda: [r for r in lab.journal("refused") if r.get("reason") == reason])[-1]


def test_knock_through_and_journal():
    with ready("relay-through") as lab:
        assert lab.probe("client", V4["server"], 1352) == "silent"
        for i, host in enumerate((V4["server"], V6["server"])):
            lab.must_open("notes", host=host)
            s = lab.through(host=host)
            talk(s, 3)
            line = wait_for(lab, "relayed", i + 1)[-1]
            assert line["name"] == "Admin/VSD" and line["service"] == "notes", line
            assert line["grant"] > 0 and line["door"] == "wan" and line["port"] > 0, line
            gates = lab.ctl("gates")
            mine = [g for g in gates if "connection" in g]
            assert len(mine) == 1 and mine[0]["grant"] == line["grant"], gates
            assert mine[0]["to_inner"] == 12 and mine[0]["to_client"] == 18, mine
            assert mine[0]["inner"] == INNER["inner"] and mine[0]["through"], mine
            s.close()
            ended = wait_for(lab, "ended", i + 1)[-1]
            assert ended["name"] == "Admin/VSD" and "12 B in, 18 B out" in ended["text"], ended
        assert lab.probe("stranger", V4["server"], 1352) == "silent"
        page = lab.ctl("metrics")[0]["metrics"]
        assert 'postern_relayed_total{passthru="notes"} 2\n' in page, page
        assert 'postern_relay_bytes_total{to="inner"} 24\n' in page, page
        lab.stop()


def test_refused():
    with ready("relay-refused", allow='"Admin/VSD"', server='deny = {"Eve/VSD"}') as lab:
        lab.must_open("notes")
        assert not lab.is_let(who="ann"), "not in the list"
        line = last_refusal(lab, "not-allowed-service")
        assert line["name"] == "Ann/VSD" and line["list"] == "service notes allow", line
        assert not lab.is_let(who=None), "without a certificate"
        assert "name" not in lab.journal("refused")[-1]
        assert not lab.is_let(version=ssl.TLSVersion.TLSv1_2), "TLS 1.2"
        last_refusal(lab, "relay-handshake")
        assert lab.is_let()
        lab.configure(deny='"Admin/VSD"', allow='"*/VSD"')
        lab.ctl("reload")
        lab.settled()
        assert not lab.is_let(timeout=1), "denied: the gate is closed as well"
        lab.stop()


def test_revoke_and_close_cut():
    with ready("relay-revoke") as lab:
        s = lab.knock_and_go()
        # From an address of her own: what came through one window is cut as a whole.
        lab.must_open("notes", who="stranger", id=lab.path("ann.id"))
        other = lab.through(who="ann", ns="stranger")
        talk(s)
        lab.ctl("revoke", "Admin/VSD")
        assert is_cut(s)
        talk(other, 2)
        line = wait_for(lab, "ended")[-1]
        assert line["name"] == "Admin/VSD" and line["reason"] == "revoked", line
        lab.ctl("restore", "Admin/VSD")
        s = lab.knock_and_go()
        talk(s)
        answer = lab.ctl("close", "Ann/VSD", "--cut")
        assert "1 cut" in answer[-1]["text"], answer
        assert is_cut(other)
        talk(s)
        lab.ctl("close", "--all", "--cut")
        assert is_cut(s)
        lab.stop()


def test_reload_keeps_and_judges():
    with ready("relay-reload", allow='"Admin/VSD", "Ann/VSD"') as lab:
        s = lab.knock_and_go()
        other = lab.through(who="ann")
        pid = lab.relay()
        lab.ctl("reload")
        lab.settled()
        talk(s)
        talk(other)
        assert lab.relay() == pid
        assert len(until("both are listed", lambda: [g for g in lab.ctl("gates") if "connection" in g])) == 2
        lab.configure(allow='"Ann/VSD", "Admin/VSD"', deny='"Ann/VSD"')
        lab.ctl("reload")
        lab.settled()
        assert is_cut(other)
        talk(s)
        line = wait_for(lab, "ended")[-1]
        assert line["name"] == "Ann/VSD" and line["reason"] == "deny-service", line
        assert line["list"] == "service notes deny", line
        # Its port goes, and comes back.
        lab.config(server=f'relay-id = "{lab.path("etc", "relay.id")}" relay-key = "{lab.path("etc", "server.key")}"')
        lab.ctl("reload")
        lab.settled()
        assert is_cut(s)
        until("the relay process ends", lambda: lab.relay() is None)
        lab.configure()
        lab.ctl("reload")
        lab.settled()
        talk(lab.knock_and_go())
        lab.stop()


def test_taken_port_is_refused():
    with ready("relay-port") as lab:
        s = lab.knock_and_go()
        with inside(lab.ns["server"]):
            taken = socket.create_server(("", 1353))
        lab.configure(others='passthru more { listen = tcp/1353 to = "10.78.0.2:1" allow = {"*"} }')
        assert lab.ctl("reload", check=False) is None
        assert "passthru more: cannot listen on tcp port 1353: Address already in use" in lab.log(), lab.log()
        talk(s)
        taken.close()
        lab.ctl("reload")
        lab.settled()
        talk(s)
        lab.stop()


def test_deaths():
    with ready("relay-deaths") as lab:
        s = lab.knock_and_go()
        os.kill(lab.pids()["knock"], signal.SIGKILL)
        talk(s, 2)
        until("a new knock process knows of it",
              lambda: [g for g in (lab.ctl("gates", check=False) or []) if "connection" in g])
        talk(s)
        lab.ctl("revoke", "Ann/VSD")
        talk(s)
        old = lab.relay()
        os.kill(old, signal.SIGKILL)
        assert is_cut(s)
        line = wait_for(lab, "ended")[-1]
        assert line["reason"] == "relay-lost" and line["name"] == "Admin/VSD", line
        until("it is back", lambda: lab.relay() not in (None, old))
        until("it lets people through", lambda: lab.is_let(timeout=2))
        lab.knock("ssh")
        os.kill(lab.pids()["gate"], signal.SIGKILL)
        until("all is back", lambda: lab.ctl("status", check=False) and lab.is_let(timeout=2))
        lab.stop()


def test_stop_with_grace():
    with ready("relay-stop", grace="20s") as lab:
        s = lab.knock_and_go()
        began = time.monotonic()
        lab.daemon.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        talk(s, 2)
        assert lab.daemon.poll() is None
        s.close()
        assert lab.daemon.wait(BOUND) == 0
        assert time.monotonic() - began < 10
        assert [r for r in lab.journal("ended") if r["name"] == "Admin/VSD"], lab.journal()
        lab.start()
        s = lab.knock_and_go()
        lab.daemon.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        talk(s)
        lab.daemon.send_signal(signal.SIGTERM)
        assert lab.daemon.wait(5) == 0, "a second signal cuts it short"
        assert is_cut(s)


def test_in_the_clear():
    with ready("relay-clear", more="encrypt = no") as lab:
        assert lab.probe("client", V4["server"], 1352) == "silent"
        lab.must_open("notes")
        s = lab.connect("client", V4["server"], 1352)
        talk(s, 2)
        line = wait_for(lab, "relayed")[-1]
        assert line["name"] == "Admin/VSD" and "without encryption" in line["text"], line
        lab.ctl("revoke", "Admin/VSD")
        assert is_cut(s)
        lab.stop()


def test_bad_ids():
    with Edge("relay-ids") as lab:
        lab.setup()
        for relay, want in (("server", "has the key of the server's own ID"),
                            ("other", "is not of a server called Mail/VSD")):
            if relay == "server":
                for end in ("id", "key"):
                    shutil.copy(lab.path("etc", f"server.{end}"), lab.path("etc", f"copy.{end}"))
                    os.chmod(lab.path("etc", f"copy.{end}"), 0o600)
                relay = "copy"
            else:
                run(program("postern"), "id", "new", "Other/VSD", "--server", "--certifier",
                    lab.path("etc", "certifier.id"), "--certifier-password-file",
                    lab.path("certifier-password"), "--out", lab.path("etc", "other.id"))
            lab.config(services=PASSTHRU.format(allow="", deny="", more="", others="", to="mail.inner"),
                       server=f'relay-id = "{lab.path("etc", relay + ".id")}"\n'
                              f'relay-key = "{lab.path("etc", relay + ".key")}"')
            r = run(program("posternd"), "--check", "-c", lab.path("postern.conf"), check=False)
            assert r.returncode == 4 and want in r.stderr, r.stderr


def test_names_are_resolved():
    hosts = "/etc/netns"
    with Edge("relay-names") as lab:
        lab.setup()
        folder = f"{hosts}/{lab.ns['server']}"
        os.makedirs(folder, exist_ok=True)
        try:
            open(f"{folder}/hosts", "w").close()
            lab.things += [lab_echo(lab)]
            lab.configure(to="mail.inner")
            lab.start()
            lab.must_open("notes")
            assert not lab.is_let(timeout=5), "nobody knows the name"
            assert last_refusal(lab, "relay-inner")["name"] == "Admin/VSD"
            assert "no address of mail.inner can be found" in lab.log()
            with open(f"{folder}/hosts", "w") as f:
                f.write(f"{INNER['inner']} mail.inner\n")
            until("the name has an address", lambda: "mail.inner has an address again" in lab.log())
            s = lab.knock_and_go()
            talk(s)
            assert wait_for(lab, "relayed")[-1]["text"] == "to mail.inner port 1352"
            lab.stop()
        finally:
            os.unlink(f"{folder}/hosts")
            os.rmdir(folder)
            with contextlib.suppress(OSError):
                os.rmdir(hosts)


def trial(lab, word):
    r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "trial", word, "--live",
                 lab.path("postern.conf"))
    assert r.returncode == 0, r


def test_trial():
    """A trial that brings a passthru, is rolled back, and is confirmed at the second try."""
    with Edge("relay-trial") as lab:
        lab.setup()
        lab.config()
        lab.things += [lab_echo(lab)]
        lab.start()
        assert lab.relay() is None
        for word in ("--abort", "--confirm"):
            lab.configure()
            trial(lab, "60s")
            lab.settled()
            s = lab.knock_and_go()
            talk(s)
            trial(lab, word)
            lab.settled()
            if word == "--confirm":
                talk(s)
                continue
            assert is_cut(s)
            until("the relay process ends", lambda: lab.relay() is None)
        lab.stop()


def test_spent_gate_in_the_clear():
    """The gate for one connection is gone when the relay asks who came by it."""
    with ready("relay-once", more="encrypt = no open = once wait = 10s") as lab:
        for n in range(3):
            lab.must_open("notes")
            s = lab.connect("client", V4["server"], 1352)
            talk(s)
            assert wait_for(lab, "relayed", n + 1)[-1]["name"] == "Admin/VSD"
            s.close()
        assert lab.probe("client", V4["server"], 1352) == "silent"
        lab.stop()


if __name__ == "__main__":
    main(test_knock_through_and_journal, test_refused, test_revoke_and_close_cut, test_reload_keeps_and_judges,
         test_taken_port_is_refused, test_deaths, test_stop_with_grace, test_in_the_clear, test_bad_ids,
         test_names_are_resolved, test_trial, test_spent_gate_in_the_clear)
