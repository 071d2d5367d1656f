"""The journal from outside: as it grows, filtered, checked, kept elsewhere, with and without the daemon."""

import contextlib
import json
import os
import select
import signal
import sqlite3
import subprocess

from lab import BOUND, Lab, V4, main, program, until

SERVICES = """
service ssh  { port = tcp/22    allow = {"Admin/VSD"}  open = once    wait = 60s  lease = 1h }
service wiki { port = tcp/8443  allow = {"Admin/VSD"}  open = window  wait = 60s  lease = 1h }
service shut { port = tcp/2200  allow = {"Nobody/VSD"} open = window  wait = 60s  lease = 1h }
"""


def ready(lab):
    lab.setup()
    lab.config(services=SERVICES)
    lab.start()


def ctl(lab, *argv):
    r = lab.exec("server", program("posternctl"), "-s", lab.path("control"), "--store",
                 lab.path("store", "postern.db"), *argv)
    return r.returncode, r.stdout, r.stderr


class Follower:
    """posternctl journal --follow; its lines are waited for."""

    def __init__(self, lab, *argv):
        self.p = subprocess.Popen(
            ["ip", "netns", "exec", lab.ns["server"], program("posternctl"), "--json", "--store",
             lab.path("store", "postern.db"), "journal", "--follow", *argv],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.rest = b""
        lab.things.append(self)

    def line(self):
        while b"\n" not in self.rest:
            assert select.select([self.p.stdout], [], [], BOUND)[0], "no line came"
            data = os.read(self.p.stdout.fileno(), 65536)
            assert data, self.p.stderr.read()
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def wait_for(self, event):
        while True:
            o = self.line()
            if o["event"] == event:
                return o

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            self.p.kill()
        self.p.wait()


def test_follow():
    """New lines come, over a reload and a restart; Ctrl-C ends it with 0."""
    with Lab("follow") as lab:
        ready(lab)
        every, refused = Follower(lab), Follower(lab, "--event", "refused")
        assert every.line()["event"] == "started"
        lab.must_open("wiki")
        seen = every.wait_for("granted")
        assert seen["service"] == "wiki"
        lab.ctl("reload")
        lab.settled()
        every.wait_for("reloaded")
        lab.stop()
        every.wait_for("stopped")
        lab.start()
        every.wait_for("started")
        lab.knock("shut")
        o = every.wait_for("refused")
        assert o["service"] == "shut" and refused.line() == o
        every.p.send_signal(signal.SIGINT)
        assert every.p.wait(BOUND) == 0 and every.p.stderr.read() == b""
        refused.p.stdout.close()
        lab.knock("shut")
        assert refused.p.wait(BOUND) == 0


def test_follow_of_a_store_made_anew():
    with Lab("anew") as lab:
        ready(lab)
        f = Follower(lab)
        assert f.line()["id"] == 1
        lab.must_open("wiki")
        f.wait_for("granted")
        lab.stop()
        f.wait_for("stopped")
        for name in os.listdir(lab.path("store")):
            os.rename(lab.path("store", name), lab.path(name + ".old"))
        lab.start()
        assert f.wait_for("started")["id"] == 1


def test_many():
    """Of more than the daemon keeps in memory the store is asked; where it cannot be, the newest come."""
    with Lab("many") as lab:
        ready(lab)
        lab.stop()
        db = sqlite3.connect(lab.path("store", "postern.db"))
        first = db.execute("SELECT max(id) FROM journal").fetchone()[0] + 1
        row = db.execute("SELECT * FROM journal WHERE id = 1").fetchone()
        db.executemany(f"INSERT INTO journal VALUES({','.join('?' * len(row))})",
                       [(i,) + row[1:] for i in range(first, first + 3000)])
        db.commit()
        db.close()
        lab.start()
        ids = [o["id"] for o in lab.ctl("journal", "--limit", "1000000") if "event" in o]
        assert ids[:-1] == list(range(1, first + 3000)) and ids[-1] == first + 3000, (first, len(ids))
        ids = [o["id"] for o in lab.ctl("journal", "--limit", "2500") if "event" in o]
        assert ids == list(range(first + 501, first + 3001)), (first, len(ids))
        r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "--store", "/nowhere", "--json",
                     "journal", "--limit", "2500")
        lines = [json.loads(line) for line in r.stdout.splitlines()]
        assert r.returncode == 0 and len(lines) == 1001 and lines[-2]["id"] == first + 3000, (r.stderr, len(lines))
        assert "the newest 1000 at most" in lines[-1]["text"], lines[-1]


def test_filters():
    with Lab("filters") as lab:
        ready(lab)
        lab.must_open("wiki")
        lab.must_open("ssh")
        lab.knock("shut")

        def events(*argv):
            return [o["event"] for o in lab.ctl("journal", *argv) if "event" in o]
        for name in ("asked of the daemon", "read from the store"):
            assert events("--service", "ssh") == ["granted"], name
            assert events("--event", "granted") == ["granted", "granted"], name
            assert events("--event", "granted", "--until", "1h") == [], name
            assert events("--service", "shut", "--name", "admin/vsd", "--since", "1h",
                          "--address", V4["client"]) == ["refused"], name
            assert "started" in events("--until", "2038-01-01"), name
            if lab.daemon.poll() is None:
                lab.stop()


def test_chain():
    """Verified beside the daemon and without it; an export shows later what was done to the store."""
    with Lab("chain") as lab:
        ready(lab)
        for _ in range(5):
            lab.must_open("wiki")
        early, late = lab.path("early.json"), lab.path("late.json")
        status, out, err = ctl(lab, "journal", "--verify")
        assert status == 0 and out.startswith("whole: 6 records, the last is 6, head "), (out, err)
        assert ctl(lab, "journal", "--export", early) == (0, "", "")
        assert os.stat(early).st_mode & 0o777 == 0o600
        lines = [json.loads(line) for line in open(early)]
        assert lines[0] == {"format": "postern journal 1", "after": {"id": 0, "hash": "0" * 64}}
        assert [o["id"] for o in lines[1:-1]] == [1, 2, 3, 4, 5, 6]
        assert lines[-1]["head"] == {"id": 6, "hash": lines[-2]["hash"]}
        lab.must_open("ssh")
        assert ctl(lab, "journal", "--verify", "--from", early)[0] == 0
        # What comes after the first export goes on from its head.
        assert ctl(lab, "journal", "--export", late, "--from", early) == (0, "", "")
        more = [json.loads(line) for line in open(late)]
        assert more[0]["after"] == lines[-1]["head"] and [o["id"] for o in more[1:-1]] == [7]
        lab.stop()
        assert ctl(lab, "journal", "--verify", "--from", late)[0] == 0

        db = sqlite3.connect(lab.path("store", "postern.db"))
        db.execute("UPDATE journal SET name = 'Somebody/VSD' WHERE id = 3")
        db.commit()
        status, out, err = ctl(lab, "journal", "--verify")
        assert status == 1 and "record 3 does not fit" in err, (out, err)
        assert json.loads(ctl(lab, "--json", "journal", "--verify")[1])["id"] == 3
        db.execute("DELETE FROM journal WHERE id > 4")
        db.execute("UPDATE sqlite_sequence SET seq = 4 WHERE name = 'journal'")
        db.execute("UPDATE journal SET name = 'Admin/VSD' WHERE id = 3")
        db.commit()
        db.close()
        assert ctl(lab, "journal", "--verify")[0] == 0, "nothing shows without a head kept elsewhere"
        status, out, err = ctl(lab, "journal", "--verify", "--from", early)
        assert status == 1 and "record 5 is missing" in err, (out, err)
        # It goes on, with other records under the same numbers.
        lab.start()
        lab.must_open("wiki")
        lab.must_open("wiki")
        status, out, err = ctl(lab, "journal", "--verify", "--from", early)
        assert status == 1 and "record 6 is another than the one" in err, (out, err)


def test_why():
    """The last decisions about a name or a source, each with what would have to change."""
    with Lab("why") as lab:
        ready(lab)
        lab.send_udp("stranger", b"x" * 320).close()
        until("it was ignored", lambda: sum(lab.status()["ignored"].values()) == 1)
        out = ctl(lab, "why", V4["stranger"])[1]
        assert out.startswith("no authenticated knock of " + V4["stranger"]) and "1\n" in out, out
        lab.knock("shut")
        lab.must_open("wiki")
        for asked in (V4["client"], "admin/vsd"):
            for name in ("the daemon", "the store"):
                status, out, err = ctl(lab, "why", asked)
                assert status == 0, err
                assert "by service shut allow: no entry fits" in out, out
                assert "to change: add the name or a group of it to allow of service shut" in out, (name, out)
                if name == "the daemon":
                    objects = lab.ctl("why", asked)
                    assert objects[0]["change"] and "change" not in objects[1], objects
                    socket = lab.path("control")
                    os.rename(socket, socket + ".away")
            os.rename(socket + ".away", socket)
        assert len([o for o in lab.ctl("why", "Admin/VSD", "--limit", "1") if "event" in o]) == 1


def test_export_goes_wrong():
    with Lab("export") as lab:
        ready(lab)
        status, _, err = ctl(lab, "journal", "--export", lab.path("none", "x"))
        assert status == 4 and "cannot be written there: No such file" in err, err
        if os.path.exists("/dev/full"):
            with open("/dev/full", "w") as full:
                r = subprocess.run([program("posternctl"), "--store", lab.path("store", "postern.db"),
                                    "journal", "--export", "-"], stdout=full, stderr=subprocess.PIPE,
                                   text=True, check=False)
            assert r.returncode == 4, r
        with open(lab.path("junk"), "w") as f:
            f.write("x" * 100000 + "\n{}\n")
        status, _, err = ctl(lab, "journal", "--verify", "--from", lab.path("junk"))
        assert status == 4 and "is no head of a journal" in err, err
        assert ctl(lab, "journal", "--export", "-")[1].count("\n") == 3


main(test_many, test_follow, test_follow_of_a_store_made_anew, test_filters, test_chain, test_why, test_export_goes_wrong)
