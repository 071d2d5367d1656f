"""
The table taken away. While nobody owns it (kernels before 6.9; here they are imitated), a flush is noticed
and made good within a second: ports closed, connections and windows as they were, a line in the journal.
"""

import os
import signal
import time

from lab import V4, V6, Lab, main, run, until

SERVICES = """
service ssh { port = tcp/22  allow = {"*/VSD"}  wait = 60s  lease = 1h }
service wiki { port = tcp/8443  allow = {"*/VSD"}  open = window  wait = 60s  lease = 1h }
"""


def started(lab, old=True):
    lab.setup()
    lab.config(services=SERVICES)
    lab.echo(22)
    lab.echo(8443)
    if old:
        lab.extra_env["LD_PRELOAD"] = os.environ["POSTERN_OLD_KERNEL"]
    lab.start()
    lab.extra_env.clear()


def nft(lab, *argv, check=True):
    return run("ip", "netns", "exec", lab.ns["server"], "nft", *argv, check=check)


def is_whole(lab):
    r = nft(lab, "list", "chain", "inet", "postern", "arriving", check=False)
    swap = nft(lab, "list", "table", "inet", "postern-swap", check=False)
    return r.returncode == 0 and '"c_drop" drop' in r.stdout and swap.returncode != 0


def lost(lab, *argv):
    """Take the table away; how long until it is back."""
    generation = lab.status()["generation"]
    begin = time.monotonic()
    nft(lab, *argv)
    until("the table is back", lambda: is_whole(lab))
    took = time.monotonic() - begin
    until("a new generation answers",
          lambda: (lab.ctl("status", check=False) or [{"generation": 0}])[0]["generation"] > generation)
    return took


def test_flush():
    with Lab("flush") as lab:
        started(lab)
        assert "this kernel (before 6.9)" in lab.log(), lab.log()
        lab.must_open("ssh")
        s = lab.connect("client", V4["server"], 22)
        lab.must_open("wiki", host=V6["server"])
        lab.must_open("ssh", who="stranger")  # not used: nobody knows that, so it ends
        until("the journal knows of the connection", lambda: lab.journal("connected"))
        for argv in (("flush", "ruleset"), ("delete", "table", "inet", "postern"),
                     ("flush", "table", "inet", "postern")):
            took = lost(lab, *argv)
            assert took < 1.5, (argv, took)
            s.sendall(b"still here")
            assert s.recv(100) == b"still here"
            assert lab.probe("client", V6["server"], 8443) == "open"
            assert lab.probe("client", V4["server"], 8443) == "silent"
            for who in ("client", "stranger"):
                assert lab.probe(who, V4["server"], 22) == "silent", who
            # Not again and again without a pause.
            time.sleep(1)
        lines = [r for r in lab.journal("started") if r.get("reason") == "table-lost"]
        assert len(lines) == 3 and "somebody took the rules away" in lines[0]["text"], lines
        assert lab.log().count("somebody removed or changed table inet postern") == 3, lab.log()
        assert "ended unexpectedly" not in lab.log(), lab.log()
        lab.must_open("ssh", who="stranger")
        lab.connect("stranger", V4["server"], 22).close()
        s.close()


def test_remaining_times():
    """What is restored has the time it had left, not its time anew."""
    with Lab("times") as lab:
        started(lab)
        begin = time.monotonic()
        lab.must_open("wiki", "--for", "5s")
        lost(lab, "flush", "ruleset")
        assert lab.probe("client", V4["server"], 8443) == "open"
        until("the window ends", lambda: lab.probe("client", V4["server"], 8443) == "silent")
        assert 4 < time.monotonic() - begin < 7


def test_owned():
    """From 6.9 on a flush passes the table by, and nobody else may change it."""
    with Lab("owned") as lab:
        started(lab, old=False)
        if "before 6.9" in lab.log():
            return
        generation = lab.status()["generation"]
        nft(lab, "add", "table", "inet", "other")
        nft(lab, "flush", "ruleset")
        assert nft(lab, "delete", "table", "inet", "postern", check=False).returncode != 0
        assert is_whole(lab) and "other" not in nft(lab, "list", "tables").stdout
        assert lab.probe("client", V4["server"], 22) == "silent"
        assert lab.status()["generation"] == generation


def test_deleted_while_nobody_lives():
    """Its owner dead and nobody there to start another: made anew when they come back."""
    with Lab("dead") as lab:
        started(lab, old=False)
        lab.must_open("wiki")
        lab.must_open("ssh")
        s = lab.connect("client", V4["server"], 22)
        until("the journal knows of the connection", lambda: lab.journal("connected"))
        pids = lab.pids()
        os.kill(pids["monitor"], signal.SIGSTOP)
        os.kill(pids["gate"], signal.SIGKILL)
        until("the table has no owner",
              lambda: nft(lab, "delete", "table", "inet", "postern", check=False).returncode == 0)
        os.kill(pids["monitor"], signal.SIGCONT)
        until("the table is back", lambda: is_whole(lab), 3)
        until("posternctl status answers", lambda: lab.ctl("status", check=False) is not None)
        s.sendall(b"still here")
        assert s.recv(100) == b"still here"
        assert lab.probe("client", V4["server"], 8443) == "open"
        assert lab.probe("stranger", V4["server"], 22) == "silent"
        s.close()


if __name__ == "__main__":
    main(test_flush, test_remaining_times, test_owned, test_deleted_while_nobody_lives)
