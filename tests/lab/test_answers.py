"""Every answer a client can get, and that it is corrected or explained."""

import os
import subprocess

from lab import Lab, V4, V6, main, program, run, until

MANY = """
service ssh   { port = tcp/22    allow = {"Admin/VSD"}  open = once    wait = 30s  lease = 1h }
service bound { port = tcp/2200  allow = {"Admin/VSD"}  open = once    wait = 30s  lease = 1h  bind = required }
service tight { port = tcp/2300  allow = {"*/VSD"}      open = window  wait = 30s  lease = 1h  gates-max = 1 }
"""


def test_clock_is_corrected():
    """A client an hour fast, and one an hour slow, gets in: STALE, one more round trip, and never again."""
    with Lab("clock") as lab:
        lab.setup()
        jane = lab.person("Jane/VSD")
        lab.config(services=Lab.SERVICE.format(wait="30s", lease="1h").replace('"Admin/VSD"', '"*/VSD"'))
        lab.echo(22)
        lab.start()
        lab.must_open("ssh")
        lab.connect("client", V4["server"], 22).close()
        for who, shift, id in (("client", "+1h", None), ("stranger", "-1h", jane)):
            wrap = ["faketime", "-f", shift]
            # An hour off, no epoch fits: the last try without epoch is what reaches the server.
            answer = lab.must_open("ssh", who=who, wrap=wrap, id=id, timeout=60)
            assert answer["round_trips"] == 2, answer
            lab.connect(who, V4["server"], 22).close()
            again = lab.must_open("ssh", who=who, id=id, wrap=wrap)
            assert again["round_trips"] == 1, again
            lab.connect(who, V4["server"], 22).close()


def test_small_skew_is_stale():
    """A minute off: the epoch still fits, STALE comes in the first answer."""
    with Lab("skew") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        lab.start()
        lab.must_open("ssh", who="stranger")
        answer = lab.must_open("ssh", wrap=["faketime", "-f", "+65s"])
        assert answer["round_trips"] == 2, answer


def test_bind():
    """A service that wants the address signed: BIND, then the observed address, signed."""
    with Lab("bind") as lab:
        lab.setup()
        lab.config(services=MANY)
        lab.echo(2200)
        lab.start()
        lab.must_open("ssh")
        for at in (V4, V6):
            answer = lab.must_open("bound", host=at["server"])
            assert answer["round_trips"] == 2 and answer["observed"] == at["client"], answer
            lab.connect("client", at["server"], 2200).close()
        assert len(lab.journal("granted")) == 3
        # Somebody else's address is not opened, whoever signs it.
        status, answer, _ = lab.knock("ssh", "--address", V4["stranger"])
        assert status == 1 and answer["status"] == "BIND", answer
        assert lab.probe("stranger", V4["server"], 22) == "silent"


def test_refusals():
    with Lab("refusals") as lab:
        lab.setup()
        jane = lab.person("Jane/VSD")
        old = lab.person("Old/VSD", "--expires", "2020-01-01")
        unknown = lab.person("Gone/VSD")
        run(program("postern"), "directory", "remove", "--directory", lab.path("etc", "directory"), "Gone/VSD")
        lab.config(services=MANY)
        lab.start()
        for argv, kw, want in (
                (("ssh",), {"id": jane}, "DENIED"),
                (("nothing",), {}, "UNKNOWN_SERVICE"),
                (("ssh",), {"id": old}, "EXPIRED")):
            status, answer, err = lab.knock(*argv, **kw)
            assert status == 1 and answer["status"] == want, (want, status, answer, err)
        assert lab.must_open("tight")["granted_port"] == 2300
        status, answer, err = lab.knock("tight", who="stranger", id=jane)
        assert status == 1 and answer["status"] == "LIMIT" and answer["retry_after_seconds"] > 0, answer
        reasons = {r["reason"] for r in lab.journal("refused")}
        assert reasons == {"not-allowed-service", "unknown-service", "expired", "limit-service"}, reasons
        # Somebody whom the directory no longer knows: by key id silence, by certificate the reason, as
        # this server reveals it.
        status, answer, err = lab.knock("ssh", "--identity", "key", id=unknown)
        assert status == 3, (status, answer, err)
        assert lab.status()["ignored"]["identity-unknown"] >= 1
        status, answer, err = lab.knock("ssh", "--identity", "chain", id=unknown)
        assert status == 1 and answer["status"] == "DENIED", (status, answer, err)
        assert lab.journal("refused")[-1]["reason"] == "key-check"
        # One that does not reveal it says nothing to whom it does not list, and writes it down.
        with open(lab.path("postern.conf")) as f:
            text = f.read()
        with open(lab.path("postern.conf"), "w") as f:
            f.write(text.replace("reveal    = yes", "reveal    = no"))
        lab.ctl("reload")
        lab.settled()
        count = len(lab.journal("refused"))
        status, answer, err = lab.knock("ssh", "--identity", "chain", id=unknown)
        assert status == 3, (status, answer, err)
        refused = lab.journal("refused")
        assert len(refused) > count and refused[-1]["reason"] == "key-check", refused
        status, answer, err = lab.knock("ssh", id=jane)
        assert status == 1 and answer["status"] == "DENIED", (status, answer, err)


def test_stealth():
    """The secret is in the card and in a file of the server: a card without it meets silence and a counter."""
    with Lab("stealth") as lab:
        lab.setup("--stealth")
        for name in ("server.card", "server.stealth"):
            assert os.stat(lab.path("etc", name)).st_mode & 0o777 == 0o600, name
        secret = lab.path("etc", "server.stealth")
        lab.config(server=f'stealth = "{secret}"')
        lab.echo(22)
        lab.start()
        lab.must_open("ssh")
        lab.connect("client", V4["server"], 22).close()
        # The same server as seen by somebody whose card has another secret, then with none of its own.
        lab.stop()
        with open(secret, "r+b") as f:
            f.write(bytes(32))
        lab.start()
        status, answer, err = lab.knock("ssh")
        assert status == 3, (status, answer, err)
        ignored = lab.status()["ignored"]
        assert ignored["cookie"] >= 2 and set(ignored) == {"cookie"}, ignored
        assert lab.probe("client", V4["server"], 22) == "silent"
        lab.config()
        lab.ctl("reload")
        lab.settled()
        status, answer, err = lab.knock("ssh")
        assert status == 3, (status, answer, err)
        # A file that others may read, or of another length, is refused, and the running server stays.
        lab.config(server=f'stealth = "{secret}"')
        for change in (lambda: os.chmod(secret, 0o644), lambda: (os.chmod(secret, 0o600), os.truncate(secret, 31))):
            change()
            r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "reload")
            assert r.returncode == 1 and "server.stealth" in r.stderr, (r.returncode, r.stderr)


def test_full_disk():
    """No room for the record: nothing opens, the client hears BUSY; with room again it works."""
    with Lab("disk") as lab:
        lab.setup()
        lab.config(services=MANY)
        os.mkdir(lab.path("store"))
        run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "none", lab.path("store"))
        try:
            lab.echo(22)
            lab.echo(2300)
            lab.start()
            lab.must_open("ssh")
            lab.connect("client", V4["server"], 22).close()
            until("the ticket is spent", lambda: lab.journal("connected"))
            lab.must_open("tight")
            fd = os.open(lab.path("store", "ballast"), os.O_WRONLY | os.O_CREAT)
            try:
                while True:
                    os.write(fd, b"x" * 4096)
            except OSError:
                os.close(fd)
            # What the store had reserved for itself may still take a few records.
            for _ in range(400):
                status, answer, err = lab.knock("ssh")
                if status != 0:
                    break
            assert status == 1 and answer["status"] == "BUSY", (status, answer, err)
            assert "disk is full" in lab.log()
            # A gate that could not be renewed is still the one it was, and the administrator can close it.
            assert lab.knock("tight")[1]["status"] == "BUSY"
            gate, = [g for g in lab.ctl("gates") if g.get("service") == "tight"]
            assert gate["kind"] == "window", gate
            lab.connect("client", V4["server"], 2300).close()
            assert lab.ctl("close", str(gate["grant"]))[-1]["text"] == "1 closed"
            assert lab.probe("client", V4["server"], 2300) == "silent"
            os.unlink(lab.path("store", "ballast"))
            lab.must_open("ssh")
            until("what was kept is written", lambda: [r for r in lab.journal("closed")
                                                       if r["grant"] == gate["grant"]])
        finally:
            lab.stop()
            subprocess.run(["umount", lab.path("store")], check=True)


if __name__ == "__main__":
    main(test_clock_is_corrected, test_small_skew_is_stale, test_bind, test_refusals, test_stealth, test_full_disk)
