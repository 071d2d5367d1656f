"""
The drills: what locks people out, done to a real server in network namespaces, one after the other. Each
ends with its owner inside (a real connection, after a knock or by the way that was kept for the day), or
the drill fails. "make drills" prints the table; names as arguments choose some.
"""

import contextlib
import glob
import os
import signal
import subprocess
import sys
import textwrap
import time
import traceback

from lab import BOUND, Lab, V4, program, run, until
from test_start import FULL_DISK, REFUSE_NFTABLES, SOCKET_NUMBERS

HOST = V4["server"]
RESCUE = 'rescue { from = {"10.77.0.2/32"}  port = tcp/22  after = 10s }\n'
RESCUE_BOUND = 30
HOUR = 3600


class Way:
    """What a drill saw, for its line in the table."""

    def __init__(self):
        self.happened, self.way = [], "nobody got in"

    def saw(self, what):
        self.happened.append(what)

    def knocks(self, lab, how="knock, then tcp/22", **kw):
        lab.must_open("ssh", **kw)
        self.enters(lab, how)

    def enters(self, lab, how):
        lab.connect("client", HOST, 22).close()
        self.way = how

    def rescued(self, lab):
        begin = time.monotonic()
        until("the rescue lets its owner in", lambda: lab.probe("client", HOST, 22) == "open", RESCUE_BOUND)
        assert lab.probe("stranger", HOST, 22) == "silent", "the rescue is for everybody"
        self.way = f"rescue: tcp/22 after {time.monotonic() - begin:.0f} s, no knock"


def make(lab, rescue=False, start=True, **kw):
    lab.setup()
    lab.config(services=Lab.SERVICE.format(wait="2s", lease="1h") + (RESCUE if rescue else ""), **kw)
    lab.echo(22)
    if start:
        lab.start()
        assert lab.probe("client", HOST, 22) == "silent", "not guarded"


def reload(lab):
    return lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "reload")


def answers(lab):
    until("the daemon answers", lambda: lab.ctl("status", check=False) is not None)


def watching(lab):
    status = lab.ctl("status", check=False)
    return bool(status and status[0]["doors"][0]["watching"])


# -- the twelve ---------------------------------------------------------------------------------


def daemon_killed(lab, w):
    make(lab, rescue=True)
    lab.kill_all()
    assert lab.probe("client", HOST, 22) == "silent", "a dead daemon opens"
    w.saw("kill -9 of all three, nobody starts them: ports stay closed")
    w.rescued(lab)
    rescue = w.way
    lab.start()
    until("the rescue is over", lambda: lab.probe("client", HOST, 22) == "silent")
    w.knocks(lab, rescue + "; started again: knock")


def gate_killed(lab, w):
    make(lab)
    old = lab.pids()["gate"]
    os.kill(old, signal.SIGKILL)
    until("a new gate process", lambda: lab.pids().get("gate", old) != old)
    w.saw("the monitor started both children anew")
    answers(lab)
    w.knocks(lab)


def config_broken(lab, w):
    make(lab)
    with open(lab.path("postern.conf"), "a") as f:
        f.write("service broken {\n")
    r = reload(lab)
    assert r.returncode == 1 and "postern.conf:" in r.stderr, r.stderr
    w.knocks(lab)
    lab.kill_all()
    lab.extra_env["STATE_DIRECTORY"] = lab.path("store")
    lab.start()
    assert lab.status().get("fallback"), "the confirmed configuration does not run"
    w.saw("reload refused; started anew: the last confirmed configuration runs")
    w.knocks(lab)


def faketime(seconds):
    libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1") + glob.glob("/usr/lib/faketime/libfaketime.so.1")
    assert libraries, "libfaketime is missing; install the package faketime"
    # A child of the daemon forgets its environment, and must not look for the time again.
    return {"LD_PRELOAD": libraries[0], "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": "100000"}


@contextlib.contextmanager
def then(seconds):
    """What is run meanwhile has another time."""
    env = faketime(seconds)
    os.environ.update(env)
    try:
        yield
    finally:
        for name in env:
            del os.environ[name]


def wrong_clock(lab, w):
    make(lab, start=False)
    for name, seconds in (("fast", HOUR), ("slow", -HOUR)):
        lab.extra_env = faketime(seconds)
        lab.start()
        lab.extra_env = {}
        shown = lab.journal("started")[-1]["time_ms"] / 1000 - time.time()
        assert abs(shown - seconds) < 60, shown
        w.knocks(lab)
        w.saw(f"server an hour {name}")
        lab.stop()
        for f in glob.glob(lab.path("store", "postern.db*")):
            os.unlink(f)
    lab.start()
    for name, seconds in (("fast", HOUR), ("slow", -HOUR)):
        until("the gate is used up", lambda: lab.probe("client", HOST, 22) == "silent")
        w.knocks(lab, env=faketime(seconds))
        w.saw(f"client an hour {name}")
    w.way += ", each time"


def disk_full(lab, w):
    make(lab, rescue=True, start=False)
    store = lab.path("store")
    os.mkdir(store, 0o700)
    # The store's own memory is left out of the way: a file system of its own, filled to the last byte.
    fill = FULL_DISK.replace('&& head -c 1048576 /dev/zero >"$1/fill" ', "")
    with open(lab.path("posternd.log"), "a") as log:
        lab.daemon = subprocess.Popen(
            ["ip", "netns", "exec", lab.ns["server"], "unshare", "-m", "sh", "-c", fill, "sh", store,
             program("posternd"), "-c", lab.path("postern.conf")], stdout=log, stderr=log)
    answers(lab)
    w.knocks(lab)
    enter = ["nsenter", "-m", "-t", str(lab.daemon.pid)]
    run(*enter, "sh", "-c", 'head -c 1048576 /dev/zero >"$1/fill"; :', "sh", store)

    def is_busy():
        status, answer, err = lab.knock("ssh")
        return answer and answer["status"] == "BUSY"
    until("a knock is told that the store is full", is_busy)
    w.saw("store full: knocks are told BUSY, nothing opens")
    w.rescued(lab)
    rescue = w.way
    run(*enter, "rm", os.path.join(store, "fill"))
    until("a knock finds room again", lambda: lab.knock("ssh")[0] == 0)
    w.enters(lab, rescue + "; room made: knock")
    until("the rescue is over", lambda: lab.probe("client", HOST, 22) == "silent")


def nft(lab, *argv, check=True):
    return run("ip", "netns", "exec", lab.ns["server"], "nft", *argv, check=check)


def table_flushed(lab, w):
    make(lab)
    nft(lab, "flush", "ruleset", check=False)
    if lab.probe("client", HOST, 22) == "silent":
        w.saw("flush ruleset: the table belongs to the daemon and stays")
    else:
        w.saw("flush ruleset took the table (kernel before 6.9)")
        lab.stop()
        lab.start()
    w.knocks(lab)
    until("the gate is used up", lambda: lab.probe("client", HOST, 22) == "silent")
    lab.kill_all()
    nft(lab, "flush", "ruleset")
    lab.start()
    assert lab.probe("client", HOST, 22) == "silent"
    w.saw("flushed while dead: made anew at the start")
    w.knocks(lab)


def interface_down(lab, w):
    make(lab)
    run("ip", "-n", lab.ns["server"], "link", "set", "eth0", "down")
    until("the door waits", lambda: lab.ctl("status", check=False) and not watching(lab))
    run("ip", "-n", lab.ns["server"], "link", "set", "eth0", "up")
    until("the door watches", lambda: watching(lab))
    w.saw("down and up: the door waited and came back")
    w.knocks(lab)
    lab.unplug("server")
    until("the door waits", lambda: lab.ctl("status", check=False) and not watching(lab))
    lab.plug("server")
    until("the door watches", lambda: watching(lab))
    w.saw("gone and made anew: the same")
    until("the gate is used up", lambda: lab.probe("client", HOST, 22) == "silent")
    w.knocks(lab)


def store_corrupt(lab, w):
    make(lab, rescue=True)
    lab.stop()
    path = lab.path("store", "postern.db")
    for f in glob.glob(path + "-*"):
        os.unlink(f)
    with open(path, "r+b") as f:
        size = os.path.getsize(path)
        f.seek(200)
        f.write(os.urandom(size - 200))
    with open(lab.path("posternd.log"), "a") as log:
        lab.daemon = subprocess.Popen(["ip", "netns", "exec", lab.ns["server"], program("posternd"), "-c",
                                       lab.path("postern.conf")], stdout=log, stderr=log)
    until("the log says why", lambda: "postern.db" in lab.log())
    assert lab.probe("client", HOST, 22) == "silent", "a damaged store opens"
    w.saw("store damaged: ports closed, the daemon tries again and again")
    w.rescued(lab)
    rescue = w.way
    os.rename(path, path + ".damaged")
    answers(lab)
    until("the rescue is over", lambda: lab.probe("client", HOST, 22) == "silent")
    w.knocks(lab, rescue + "; file moved away: knock")


def server_expired(lab, w):
    # Everything is made two months ago, the server's certificate for one day.
    with then(-60 * 24 * HOUR):
        lab.setup()
    with open(lab.path("certifier-password"), "w") as f:
        f.write("correct horse 7 battery\n")
    os.chmod(lab.path("certifier-password"), 0o600)
    with then(-59 * 24 * HOUR):
        run(program("postern"), "id", "new", "Gone/VSD", "--server", "--for", "1d", "--certifier",
            lab.path("etc", "certifier.id"), "--certifier-password-file", lab.path("certifier-password"),
            "--out", lab.path("etc", "gone.id"), "--host", HOST, "--service", "ssh")
    for a, b in (("gone.id", "server.id"), ("gone.key", "server.key"), ("gone.card", "server.card")):
        os.replace(lab.path("etc", a), lab.path("etc", b))
    lab.config(wait="2s")
    lab.echo(22)
    lab.start()
    assert "the certificate of Gone/VSD expired on" in lab.log(), lab.log()
    w.saw("the daemon starts, warns and serves; the client warns and knocks")
    assert lab.probe("client", HOST, 22) == "silent"
    status, answer, err = lab.knock("ssh")
    assert status == 0 and "warning" in err and "ended on" in err, (answer, err)
    w.enters(lab, "knock, then tcp/22")


# As REFUSE_NFTABLES: the call that asks for Landlock answers what a kernel without it answers.
NO_LANDLOCK = REFUSE_NFTABLES.split("program = ")[0] + """
program = b"".join([one(0x20, 0, 0, 0), one(0x15, 0, 1, 444), one(6, 0, 0, 0x00050000 | 38), one(6, 0, 0, 0x7fff0000)])
""" + REFUSE_NFTABLES[REFUSE_NFTABLES.index("text = "):]


def start_under(lab, script):
    lab.daemon = subprocess.Popen(
        ["ip", "netns", "exec", lab.ns["server"], "python3", "-c", script, program("posternd"), "-c",
         lab.path("postern.conf")], stdout=subprocess.DEVNULL, stderr=open(lab.path("posternd.log"), "a"))


def feature_missing(lab, w):
    number = SOCKET_NUMBERS[os.uname().machine]
    make(lab, start=False)
    nothing = REFUSE_NFTABLES.replace("NUMBER", str(number)).replace("ERRNO", "93")
    start_under(lab, nothing)
    assert lab.daemon.wait(BOUND) == 4 and "no netfilter netlink" in lab.log(), lab.log()
    w.enters(lab, "no nftables: nothing was closed")
    w.saw("without nftables: one sentence, exit 4, nothing guarded")
    start_under(lab, NO_LANDLOCK)
    answers(lab)
    assert "has no Landlock" in lab.log(), lab.log()
    assert lab.probe("client", HOST, 22) == "silent"
    w.saw("without Landlock: a warning, serves")
    w.knocks(lab, w.way + "; no Landlock: knock")


def upgrade(lab, w):
    make(lab)
    lab.must_open("ssh")
    session = lab.connect("client", HOST, 22)
    lab.stop()
    assert lab.probe("client", HOST, 22) == "silent", "a stop opens"
    # Another log group is another rule set, as another version brings one.
    with open(lab.path("postern.conf")) as f:
        text = f.read()
    with open(lab.path("postern.conf"), "w") as f:
        f.write(text.replace("reveal    = yes", "reveal    = yes\n    log-group = 9"))
    lab.start()
    session.sendall(b"still here\n")
    assert session.recv(64) == b"still here\n"
    session.close()
    w.saw("another rule set: made anew, the session inside lived on")
    w.knocks(lab)


def reboot(lab, w):
    make(lab, start=False)
    lab.unplug("server")
    lab.start()
    assert not watching(lab)
    lab.plug("server")
    assert lab.probe("client", HOST, 22) == "silent", "open before the door"
    w.saw("started before its interface and address: guarded from the first packet")
    until("the door watches", lambda: watching(lab))
    w.knocks(lab)


DRILLS = {
    "daemon killed": daemon_killed,
    "gate process killed": gate_killed,
    "config broken": config_broken,
    "wrong clock": wrong_clock,
    "disk full": disk_full,
    "table flushed": table_flushed,
    "interface down and up": interface_down,
    "store corrupt": store_corrupt,
    "server ID expired": server_expired,
    "kernel feature missing": feature_missing,
    "upgrade": upgrade,
    "reboot order": reboot,
}


def drill(name):
    """Returns (is good, what happened, how the owner got in, seconds)."""
    w = Way()
    begin = time.monotonic()
    try:
        with Lab("drill") as lab:
            DRILLS[name](lab, w)
        return True, "; ".join(w.happened), w.way, time.monotonic() - begin
    except Exception:
        traceback.print_exc()
        return False, "; ".join(w.happened), w.way, time.monotonic() - begin


def show(rows, width=54):
    """The table; what happened and the way in may take several lines."""
    print(f"{'DRILL':22} {'':4} {'WHAT HAPPENED':{width}} {'HOW THE OWNER GOT IN':40} TIME")
    for name, (good, happened, way, seconds) in rows:
        left = textwrap.wrap(happened, width) or [""]
        right = textwrap.wrap(way, 40) or [""]
        for i in range(max(len(left), len(right))):
            first = i == 0
            print(f"{name if first else '':22} {('in' if good else 'FAIL') if first else '':4} "
                  f"{left[i] if i < len(left) else '':{width}} {right[i] if i < len(right) else '':40} "
                  f"{f'{seconds:.1f} s' if first else ''}".rstrip())


def main():
    if os.geteuid() != 0:
        print("the drills need root")
        return 77
    chosen = [n for n in DRILLS if not sys.argv[1:] or n in sys.argv[1:]]
    if not chosen:
        print("there is no such drill; there are: " + ", ".join(DRILLS))
        return 2
    rows = []
    for name in chosen:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows.append((name, drill(name)))
    show(rows)
    return 0 if all(good for _, (good, *_) in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
