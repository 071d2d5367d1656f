"""
kill -9 of one process of the daemon at a random moment, under a load of knocks from several identities,
many times over. After each: every gate in the kernel is one that the store records, and every grant that a
client heard of is in the journal. At the end: no datagram was ever accepted twice, though each was sent
again and again. POSTERN_ROUNDS says how many rounds, POSTERN_SEED which moments.
"""

import collections
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from lab import BOUND, Lab, V4, inside, main, program, until

ROUNDS = int(os.environ.get("POSTERN_ROUNDS", "40"))
SEED = int(os.environ.get("POSTERN_SEED", str(random.randrange(1 << 32))))
TIME_MAX = 100.0  # seconds after which no further round begins
MOMENT_MAX = 0.25  # of a kill after the daemon answers
PATIENCE = 2.0  # a client that waits longer for a daemon that is dead is ended
WHO = ("knock", "gate", "monitor")
SERVICES = "".join(
    f'service s{i} {{ port = tcp/{2200 + i} allow = {{"*/VSD"}} open = {kind} wait = {wait} lease = 1h }}\n'
    for i, (kind, wait) in enumerate((("once", "60s"), ("window", "60s"), ("window", "2s"), ("once", "2s"))))


class Load(threading.Thread):
    """One identity that knocks without end; remembers the grants it heard of."""

    def __init__(self, lab, identity, service):
        super().__init__(daemon=True)
        self.lab, self.identity, self.service = lab, identity, service
        self.heard, self.is_over = [], False
        self.start()

    def run(self):
        lab = self.lab
        while not self.is_over:
            p = subprocess.Popen(
                ["ip", "netns", "exec", lab.ns["client"], program("postern"), "knock", V4["server"], self.service,
                 "--json", "--id", self.identity, "--card", lab.path("etc", "server.card"), "--password-file",
                 lab.path("admin-password")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=dict(os.environ, POSTERN_HOME=lab.path("home-" + self.service),
                         XDG_STATE_HOME=lab.path("state-" + self.service)))
            try:
                out = p.communicate(timeout=PATIENCE)[0]
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
                continue
            answer = json.loads(out) if out.strip() else {}
            if answer.get("status") == "OK":
                self.heard.append(answer["grant"])


class Tap:
    """Every knock that left the client, with the source port it left from."""

    def __init__(self, lab):
        self.path, self.at, self.seen = lab.path("knocks.pcap"), 24, []
        self.stopper = lab.capture("client", "udp dst port 62201", self.path)

    def more(self):
        with open(self.path, "rb") as f:
            f.seek(self.at)
            data = f.read()
        at, new = 0, []
        while at + 16 <= len(data):
            n = int.from_bytes(data[at + 8:at + 12], "little")
            if at + 16 + n > len(data):
                break
            udp = data[at + 16 + 14 + 20:at + 16 + n]
            new.append((int.from_bytes(udp[:2], "big"), udp[8:]))
            at += 16 + n
        self.at += at
        self.seen += new
        return new


class Thief:
    """Sends again, from another address, what it saw."""

    def __init__(self, lab):
        with inside(lab.ns["stranger"]):
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, datagrams):
        for _, payload in datagrams:
            self.sock.sendto(payload, (V4["server"], 62201))


def gates_in_kernel(lab):
    text = lab.exec("server", "nft", "-j", "list", "table", "inet", "postern", check=True).stdout
    marks = set()
    for o in json.loads(text)["nftables"]:
        if o.get("map", {}).get("name") in ("mark4", "mark6"):
            marks |= {value for _, value in o["map"].get("elem", [])}
    return marks


def rows(lab, sql):
    db = sqlite3.connect(f"file:{lab.path('store', 'postern.db')}?mode=ro", uri=True, timeout=5)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def check(lab, load):
    heard = {g for one in load for g in list(one.heard)}
    marks = gates_in_kernel(lab)  # before the store is read: what opens meanwhile is in it already
    stored = {mark for (mark,) in rows(lab, "SELECT mark FROM gate")}
    assert marks <= stored, f"the kernel has gates that the store does not know: {marks - stored}"
    granted = {g for (g,) in rows(lab, "SELECT grant_id FROM journal WHERE event = 4")}
    assert heard <= granted, f"answered, but not in the journal: {heard - granted}"
    return len(heard)


def all_is_up(lab, before):
    """Both processes of a generation that is not the one of before, and it answers."""
    def up():
        now = lab.pids()
        return (len(now) == 3 and now["knock"] != before["knock"] and now["gate"] != before["gate"] and
                lab.ctl("status", check=False) is not None and now)
    return until("the daemon is whole again", up)


def kill_one(lab, who):
    before = lab.pids()
    if len(before) < 3:
        before = until("three processes", lambda: len(lab.pids()) == 3 and lab.pids())
    os.kill(before[who], signal.SIGKILL)
    if who != "monitor":
        return all_is_up(lab, before)
    lab.daemon.wait(BOUND)
    until("its children ended as well", lambda: not lab.pids())
    lab.start()
    return lab.pids()


def accepted_twice(tap, lab):
    """Of the datagrams that left one port no more may have been granted than there were, whoever sent them."""
    sent = collections.defaultdict(set)
    for port, payload in tap.seen:
        sent[port].add(payload)
    granted = collections.Counter(
        port for (port,) in rows(lab, "SELECT source_port FROM journal WHERE event = 4 AND "
                                 "source = x'00000000000000000000ffff0a4d0002'"))
    return {port: n for port, n in granted.items() if n > len(sent[port])}


def stolen(lab):
    return rows(lab, "SELECT count(*) FROM journal WHERE event = 4 AND "
                "source = x'00000000000000000000ffff0a4d0003'")[0][0]


def replay_all(lab, tap, thief):
    """Send everything once more and wait until the daemon has looked at all of it."""
    for i in range(0, len(tap.seen), 50):
        some = tap.seen[i:i + 50]
        before = lab.datagrams()
        thief.send(some)
        until("all were looked at", lambda: lab.datagrams() >= before + len(some))


def test_killed_under_load():
    random.seed(SEED)
    with Lab("crash") as lab:
        lab.setup()
        identities = [lab.path("etc", "admin.id")] + [lab.person(f"P{i}/VSD") for i in range(3)]
        lab.config(services=SERVICES, server="identity-gates-max = 64")
        lab.start()
        tap, thief = Tap(lab), Thief(lab)
        load = [Load(lab, identity, f"s{i}") for i, identity in enumerate(identities)]
        began, done, kills = time.monotonic(), 0, collections.Counter()
        pause = threading.Event()
        for done in range(1, ROUNDS + 1):
            # The pause before a new start doubles with each death, and begins anew with the monitor.
            who = WHO[(done - 1) % 3]
            pause.wait(random.random() * MOMENT_MAX)
            kill_one(lab, who)
            kills[who] += 1
            thief.send(tap.more())
            thief.send(tap.seen[-100:])
            check(lab, load)
            if time.monotonic() - began > TIME_MAX:
                break
        for one in load:
            one.is_over = True
        for one in load:
            one.join(BOUND)
        tap.stopper.stop()
        tap.more()
        heard = check(lab, load)
        until("every identity was let in", lambda: all(one.heard for one in load))
        replay_all(lab, tap, thief)
        once = stolen(lab)
        replay_all(lab, tap, thief)
        assert stolen(lab) == once, "a datagram was accepted twice from somebody else"
        assert not accepted_twice(tap, lab), accepted_twice(tap, lab)
        granted = rows(lab, "SELECT count(*) FROM journal WHERE event = 4")[0][0]
        distinct = len({payload for _, payload in tap.seen})
        assert granted <= distinct, (granted, distinct)
        assert lab.ctl("journal", "--verify")[0]["chain"] == "whole"
        print(f"# seed {SEED}: {done} rounds {dict(kills)} in {time.monotonic() - began:.0f} s, "
              f"{distinct} datagrams, {granted} granted ({once} of them from the thief), {heard} heard of")


main(test_killed_under_load)
