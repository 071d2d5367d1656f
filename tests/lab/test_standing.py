"""What happens to people's standing while gates are open: who may no more is out at once, everybody else stays."""

import json
import re
import time

from lab import Lab, V4, main, program

SERVICES = """
service ssh  { port = tcp/22    allow = {"*/VSD"}  open = once    wait = 300s  lease = 1h }
service wiki { port = tcp/8443  allow = {"*/VSD"}  open = window  wait = 300s  lease = 1h }
"""
ADMIN, BOB = "Admin/VSD", "Bob/VSD"


class People:
    """Admin knocks from the client's machine and stays in over everything; Bob comes from the stranger's."""

    def __init__(self, lab):
        self.lab = lab
        lab.setup()
        self.bob_id = lab.person(BOB)
        with open(lab.path("etc", "directory")) as f:
            self.directory = f.read()
        lab.config(services=SERVICES)
        for port in (22, 8443):
            lab.echo(port)
        lab.start()
        lab.must_open("wiki")
        self.admin = lab.connect("client", V4["server"], 8443)

    def bob(self, *services):
        """Bob's gates, and a connection through the wiki's."""
        for s in services or ("wiki",):
            self.lab.must_open(s, who="stranger", id=self.bob_id)
        return self.lab.connect("stranger", V4["server"], 8443)

    def knock(self, service="wiki"):
        return self.lab.knock(service, who="stranger", id=self.bob_id)

    def edit(self, change):
        """Rewrite the directory's line of Bob and reload."""
        lines = [change(l) if BOB in l else l for l in self.directory.splitlines(True)]
        with open(self.lab.path("etc", "directory"), "w") as f:
            f.write("".join(lines))
        self.reload()

    def reload(self):
        self.lab.ctl("reload")
        self.lab.settled()

    def stays(self):
        """Admin's gate and connection are what they were."""
        talk(self.admin)
        self.lab.connect("client", V4["server"], 8443).close()
        assert [g["grant"] for g in gates(self.lab, ADMIN)] == [1], self.lab.ctl("gates")


def talk(sock):
    sock.sendall(b"ping")
    assert sock.recv(4) == b"ping"


def is_cut(sock):
    try:
        sock.sendall(b"x")
        return sock.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


def gates(lab, name):
    return [g for g in lab.ctl("gates") if g.get("name") == name]


def closed(lab, name=BOB):
    return [r for r in lab.journal("closed") if r["name"] == name]


def is_out(lab, *socks):
    assert not gates(lab, BOB)
    assert lab.probe("stranger", V4["server"], 8443) == "silent"
    for s in socks:
        assert is_cut(s), "the connection was not cut"


def test_revoke_and_restore():
    with Lab("revoke") as lab:
        p = People(lab)
        first = p.bob("ssh", "wiki")
        assert lab.ctl("close", BOB)[-1]["text"] == "2 closed"  # a connection whose gate is gone
        second = p.bob("wiki")
        said = lab.ctl("revoke", "bob/vsd", "--reason", "left us")[-1]["text"]
        assert re.fullmatch("locked out; 1 closed, [12] cut", said), said
        is_out(lab, first, second)
        status, answer, _ = p.knock()
        assert status == 1 and answer["status"] == "DENIED", answer
        refused = lab.journal("refused")[-1]
        assert refused["reason"] == "locked" and "administrator" in refused["text"], refused
        done = lab.journal("revoked")
        assert len(done) == 1 and done[0]["name"] == "bob/vsd" and "left us" in done[0]["text"], done
        assert {r["reason"] for r in closed(lab)} == {"administrator", "revoked"}
        p.stays()

        # Again is no mistake; a reload and a restart change nothing.
        assert lab.ctl("revoke", BOB)[-1]["text"] == "was locked out already; 0 closed"
        p.reload()
        assert p.knock()[1]["status"] == "DENIED"
        assert lab.stop() == 0
        lab.start()
        assert p.knock()[1]["status"] == "DENIED"
        listed = [o for o in lab.ctl("revoke", "--list") if "name" in o]
        assert len(listed) == 1 and listed[0]["name"] == "bob/vsd", listed
        why = lab.ctl("why", BOB, "wiki")[0]
        assert why["verdict"] == "locked" and why["locked_out"]["name"] == "bob/vsd", why
        assert lab.status()["locked_out"] == 1
        p.stays()

        # Restored, Bob comes in again; once is enough.
        lab.ctl("restore", "CN=BOB/O=VSD")
        assert lab.ctl("restore", BOB, check=False) is None
        talk(p.bob("wiki"))
        assert lab.ctl("why", BOB, "wiki")[0]["verdict"] == "grant"
        assert len(lab.journal("restored")) == 1
        assert lab.ctl("revoke", "--list") == [{"result": 0, "text": "nobody is locked out"}]
        p.stays()


def test_revoke_of_the_unknown():
    """Any well-formed name may be locked out, listed or not; what is no name is refused."""
    with Lab("unknown") as lab:
        p = People(lab)
        assert lab.ctl("revoke", "Nobody/NN/VSD")[-1]["text"] == "locked out; 0 closed"
        for bad in ("VSD", "*/VSD", "", "a//VSD"):
            assert lab.ctl("revoke", bad, check=False) is None, bad
        assert lab.ctl("revoke", "x/VSD", "--reason", "two\nlines", check=False) is None
        assert lab.ctl("revoke", "x/VSD", "--reason", "x" * 256, check=False) is None
        assert len([o for o in lab.ctl("revoke", "--list") if "name" in o]) == 1
        p.stays()


def put_out_by_reload(change, reason, lists=None, entry=None):
    with Lab("standing") as lab:
        p = People(lab)
        sock = p.bob("ssh", "wiki")
        spent = lab.connect("stranger", V4["server"], 22)
        change(p)
        is_out(lab, sock, spent)
        assert lab.probe("stranger", V4["server"], 22) == "silent"
        lines = closed(lab)
        assert {r["reason"] for r in lines} == {reason} and len(lines) == 2, lines
        assert [r.get("list") for r in lines] == (lists or [None, None]), lines
        assert {r.get("entry") for r in lines} == {entry}, lines
        assert p.knock()[0] != 0
        p.stays()
        # Nothing is said twice.
        p.reload()
        assert len(closed(lab)) == 2
        # And back in.
        lab.config(services=SERVICES)
        p.edit(lambda line: line)
        talk(p.bob("wiki"))
        p.stays()


def option(text):
    return lambda p: p.edit(lambda line: text + "," + line)


def test_locked():
    put_out_by_reload(option("locked"), "locked")


def test_disabled():
    put_out_by_reload(option("disabled"), "disabled")


def test_expired():
    put_out_by_reload(lambda p: p.edit(lambda line: "expires=2020-01-01," + re.sub(r"expires=[0-9-]+,?", "", line)), "expired")


def test_removed():
    put_out_by_reload(lambda p: p.edit(lambda line: ""), "key-check")


def test_from():
    put_out_by_reload(option('from="192.0.2.0/24"'), "from")


def test_denied():
    def deny(p):
        p.lab.config(services=SERVICES, server='deny = {"Bob/VSD"}')
        p.reload()
    put_out_by_reload(deny, "deny-server", ["server deny"] * 2, "Bob/VSD")


def test_not_allowed():
    def allow(p):
        p.lab.config(services=SERVICES.replace('"*/VSD"', '"Admin/VSD"'))
        p.reload()
    put_out_by_reload(allow, "not-allowed-service", ["service ssh allow", "service wiki allow"])


def test_while_stopped():
    """What changed while no daemon ran counts at its start; so it does when the table is lost."""
    for is_lost in (False, True):
        with Lab("stopped") as lab:
            p = People(lab)
            sock = p.bob("wiki")
            assert lab.stop() == 0
            if is_lost:
                lab.exec("server", "nft", "delete", "table", "inet", "postern", check=True)
            with open(lab.path("etc", "directory"), "w") as f:
                f.write(p.directory.replace('name="Bob/VSD"', 'locked,name="Bob/VSD"'))
            lab.start()
            is_out(lab, sock)
            assert [r["reason"] for r in closed(lab)] == ["locked"], closed(lab)
            p.stays()


def test_service_gone():
    """A service that is guarded no more takes its gates with it, also for when it comes back."""
    with Lab("gone") as lab:
        p = People(lab)
        sock = p.bob("wiki")
        lab.config(services="\n".join(l for l in SERVICES.splitlines() if "wiki" not in l))
        p.reload()
        talk(sock)
        assert [r["reason"] for r in closed(lab)] == ["unknown-service"], closed(lab)
        lab.config(services=SERVICES)
        p.reload()
        is_out(lab, sock)


def test_lease_ends_with_the_line():
    """A window and its connections last no longer than the directory's line does."""
    with Lab("lease") as lab:
        p = People(lab)
        lab.config(services=SERVICES.replace("lease = 1h", "lease = 30d").replace("wait = 300s", "wait = 1d"))
        today = time.strftime("%Y-%m-%d", time.gmtime())
        p.edit(lambda line: f"expires={today}," + re.sub(r"expires=[0-9-]+,?", "", line))
        talk(p.bob("wiki"))
        gate = gates(lab, BOB)[0]
        end = (int(time.time()) // 86400 + 1) * 86400
        assert gate["until_ms"] <= end * 1000, gate
        table = json.loads(lab.exec("server", "nft", "-j", "list", "set", "inet", "postern", "lease", check=True).stdout)
        leases = [e["elem"] for o in table["nftables"] if "set" in o for e in o["set"]["elem"]]
        mine = [e["expires"] for e in leases if e["timeout"] < 30 * 86400 - 1 and e["timeout"] > 3600]
        assert len(mine) == 1 and time.time() + mine[0] <= end + 2, leases
        p.stays()


def test_why():
    with Lab("why") as lab:
        p = People(lab)
        cases = [
            (("Bob/VSD", "wiki"), "grant", []),
            (("Nobody/VSD", "wiki"), "key-check", ["key-check"]),
            (("Nobody/Elsewhere", "wiki"), "key-check", ["key-check", "not-allowed-service", "not-allowed-server"]),
            (("Bob/VSD", "nothing"), "unknown-service", ["unknown-service"]),
        ]
        for argv, verdict, reasons in cases:
            live = lab.ctl("why", *argv)[0]
            r = lab.exec("server", program("posternctl"), "why", "-c", lab.path("postern.conf"), "--json", *argv)
            assert r.returncode == 0, r
            assert json.loads(r.stdout) == live, (r.stdout, live)
            assert live["verdict"] == verdict, live
            assert [x["reason"] for x in live["refusals"]] == reasons, live
            assert all(x["change"] for x in live["refusals"]), live
        assert lab.ctl("why", "VSD", "wiki", check=False) is None
        assert lab.ctl("why", "Bob/VSD", "wiki", "--door", "back", check=False) is None
        text = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "why", BOB, "wiki").stdout
        assert "Bob/VSD, wiki through wan: granted for 5m" in text, text
        p.stays()


if __name__ == "__main__":
    main(test_revoke_and_restore, test_revoke_of_the_unknown, test_locked, test_disabled, test_expired, test_removed, test_from,
         test_denied, test_not_allowed, test_while_stopped, test_service_gone, test_lease_ends_with_the_line, test_why)
