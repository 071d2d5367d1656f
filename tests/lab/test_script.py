"""Other firewalls: gates by a program, and what happens when the program does not do what it should."""

import os
import re
import shutil
import subprocess
import time

from lab import Lab, V4, V6, main, program, run, until

SERVICES = """
service ssh  { port = tcp/22    allow = {"Admin/VSD"}  open = window  wait = 300s  lease = 1h }
service wiki { port = tcp/8443  allow = {"Admin/VSD"}  open = window  wait = 2s    lease = 1h }
"""
SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "packaging", "scripts")

# Keeps what is open in a file; a file called after a verb says how that verb is to misbehave.
FAKE = """#!/bin/sh
d=$POSTERN_TEST_DIR
echo "$(id -u) $POSTERN_SERVICE: $*" >>"$d/calls"
case $1 in reset | list) key=$1 ;; *) key=$1-$POSTERN_SERVICE ;; esac
if [ -e "$d/$key" ]; then
	how=$(cat "$d/$key")
	case $how in
	fail) echo "no such luck" >&2; exit 3 ;;
	flood) head -c 3000000 /dev/zero | tr '\\0' x ;;
	hang) trap '' TERM INT HUP; echo $$ >"$d/hanging"; sleep 1000 & sleep 1000 ;;
	esac
fi
mkdir -p "$d/open"
case $1 in
reset) rm -f "$d"/open/* ;;
list) ls "$d/open" ;;
open | renew) echo "$*" >"$d/open/$2" ;;
close) rm -f "$d/open/$2" ;;
esac
"""


class Fake:
    def __init__(self, lab, timeout="1s", start=True, user="root"):
        self.lab = lab
        lab.setup()
        self.dir = lab.path("fake")
        os.mkdir(self.dir)
        if user != "root":
            os.chmod(self.dir, 0o777)
        os.mkdir(lab.path("bin"))
        self.script = lab.path("bin", "fake")
        with open(self.script, "w") as f:
            f.write(FAKE)
        os.chmod(self.script, 0o755)
        lab.extra_env = {"POSTERN_TEST_DIR": self.dir, "SECRET": "of the daemon"}
        self.config(f"script-timeout = {timeout}  script-user = \"{user}\"")
        if start:
            lab.start()

    def config(self, more="", services=SERVICES):
        self.lab.config(services=services, server=f'backend = script  script = "{self.script}"  {more}')

    def calls(self, what=""):
        with open(os.path.join(self.dir, "calls")) as f:
            return [l.strip() for l in f if what in l]

    def open(self):
        return sorted(open(os.path.join(self.dir, "open", n)).read().split() for n in os.listdir(os.path.join(self.dir, "open")))

    def do(self, verb, how):
        path = os.path.join(self.dir, verb)
        if how is None:
            os.unlink(path)
        else:
            with open(path, "w") as f:
                f.write(how)


def test_open_renew_close():
    with Lab("script") as lab:
        f = Fake(lab)
        assert [c.split(": ")[1] for c in f.calls()] == ["reset", "list"], f.calls()
        lab.must_open("ssh")
        first = f.open()
        assert len(first) == 1 and first[0][0] == "open" and first[0][2:] == ["4", V4["client"], "6", "22", "300"], first
        assert first[0][1].isdigit() and f.calls("open")[0].startswith("0 ssh: open")
        lab.must_open("ssh", "--for", "100s")
        again = f.open()
        assert len(again) == 1 and again[0][0] == "renew" and again[0][1] == first[0][1] and again[0][6] == "100", again
        lab.must_open("ssh", host=V6["server"])
        assert any(o[2:6] == ["6", V6["client"], "6", "22"] for o in f.open()), f.open()
        status, answer, err = lab.knock("ssh", command="close")
        assert status == 0, (answer, err)
        assert f.open() == []
        # Its time is over: we close it, nobody else would.
        lab.must_open("wiki")
        assert len(f.open()) == 1
        until("it is closed", lambda: f.open() == [])
        until("the journal says so", lambda: lab.journal("expired"))
        status = lab.status()
        assert status["script"] == f.script and status["not_closed"] == 0, status
        # The kernel's rules were not touched.
        assert "postern" not in run("ip", "netns", "exec", lab.ns["server"], "nft", "list", "tables").stdout
        # A stop closes what is open.
        lab.must_open("ssh")
        assert lab.stop() == 0
        assert f.open() == []


def test_it_fails():
    with Lab("fails") as lab:
        f = Fake(lab)
        # Opening fails: the client is told, the journal has it, and it is closed to be sure.
        f.do("open-ssh", "fail")
        status, answer, err = lab.knock("ssh")
        assert status == 1 and answer["status"] == "BUSY", (status, answer, err)
        failed = lab.journal("failed")[-1]
        assert failed["reason"] == "gate" and "the script failed" in failed["text"], failed
        until("closed to be sure", lambda: f.calls("close"))
        assert "script open says: no such luck" in lab.log() and "script open ended by exit status 3" in lab.log()
        f.do("open-ssh", "hang")
        begin = time.monotonic()
        status, answer, err = lab.knock("ssh")
        assert status == 1 and answer["status"] == "BUSY" and 0.8 < time.monotonic() - begin < 5, (answer, err)
        pid = int(open(os.path.join(f.dir, "hanging")).read())
        until("the group is gone", lambda: not run("ps", "-o", "pid=", "-s", str(pid), check=False).stdout.strip())
        f.do("open-ssh", "flood")
        lab.must_open("ssh")
        assert "script open says more, which is not kept" in lab.log() and len(lab.log()) < 20000
        lab.knock("ssh", command="close")
        # Closing fails: tried again, less and less often, until it succeeds; the status says so.
        f.do("close-wiki", "fail")
        lab.must_open("wiki")
        until("it is said", lambda: lab.status()["not_closed"] == 1)
        text = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "status").stdout
        assert "did not close: 1" in text, text
        until("again and again", lambda: len(f.calls("wiki: close")) >= 3)
        f.do("close-wiki", None)
        until("closed at last", lambda: f.open() == [] and lab.status()["not_closed"] == 0)
        # A hanging one does not keep the others waiting.
        f.do("open-wiki", "hang")
        slow = subprocess.Popen(["ip", "netns", "exec", lab.ns["client"], program("postern"), "knock", V4["server"], "wiki",
                                 "--id", lab.path("etc", "admin.id"), "--card", lab.path("etc", "server.card"),
                                 "--password-file", lab.path("admin-password")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.must_open("ssh")
        assert slow.wait(20) == 1


def test_crash_and_reload():
    with Lab("crash") as lab:
        f = Fake(lab)
        lab.must_open("ssh")
        lab.must_open("wiki")
        lab.ctl("reload")
        lab.settled()
        until("what was open is open again", lambda: any(o[5] == "22" for o in f.open()))
        left = [int(o[6]) for o in f.open() if o[5] == "22"][0]
        assert 280 < left <= 300, f.open()
        # All die: at the next start, what is over is closed, and what is not is open for the rest.
        for pid in run("ip", "netns", "pids", lab.ns["server"]).stdout.split():
            os.kill(int(pid), 9)
        lab.daemon.wait(20)
        assert f.open() != []
        time.sleep(2)
        lab.start()
        until("the rest of its time", lambda: [o[5] for o in f.open()] == ["22"])
        # The process alone: the same.
        title = lambda p: open(f"/proc/{p}/cmdline").read()
        pid = [p for p in run("ip", "netns", "pids", lab.ns["server"]).stdout.split() if title(p).startswith("posternd: script")]
        os.kill(int(pid[0]), 9)
        until("another one", lambda: len(f.calls("reset")) >= 4, 30)
        until("open again", lambda: [o[5] for o in f.open()] == ["22"])


def test_refused():
    with Lab("no") as lab:
        f = Fake(lab, start=False)

        def start(why):
            lab.start(check=False)
            assert lab.daemon.wait(20) == 4
            assert why in lab.log(), lab.log()
            os.unlink(lab.path("posternd.log"))

        os.chmod(f.script, 0o757)
        start("others than root may change it")
        os.chmod(f.script, 0o644)
        start("is not executable")
        os.chmod(f.script, 0o755)
        os.chown(f.script, 65534, 65534)
        start("does not belong to root")
        os.chown(f.script, 0, 0)
        os.rename(f.script, f.script + "x")
        start("No such file")
        os.rename(f.script + "x", f.script)
        f.do("reset", "fail")
        start("fake reset: did not succeed")
        f.do("reset", "hang")
        start("fake reset: did not succeed")
        f.do("reset", None)
        os.mkdir(os.path.join(f.dir, "open"))
        shutil.copy(f.script, f.script + "y")
        with open(f.script, "w") as out:
            out.write("#!/bin/sh\n[ $1 != list ] || echo 7\n")
        start("names gates that are open after a reset")
        # once is a promise that it cannot keep.
        f.config(services=SERVICES.replace("service ssh  { port = tcp/22    allow = {\"Admin/VSD\"}  open = window", "service ssh { port = tcp/22 allow = {\"Admin/VSD\"}\n  open = once"))
        line = next(i for i, l in enumerate(open(lab.path("postern.conf")), 1) if "open = once" in l)
        r = lab.exec("server", program("posternd"), "--check", "-c", lab.path("postern.conf"))
        assert r.returncode == 4 and f"postern.conf:{line}: service ssh: a script cannot promise one connection" in r.stderr, r.stderr


def test_unprivileged():
    with Lab("user") as lab:
        f = Fake(lab, user="nobody", timeout="5s")
        lab.must_open("ssh")
        assert f.calls("open")[0].startswith("65534 ssh: open"), f.calls()


def rules(lab, who):
    """What postern-ipset asks the administrator to load."""
    for command, name, source in (("iptables", "postern4", "0.0.0.0/0"), ("ip6tables", "postern6", "::/0")):
        for rule in (["-i", "lo", "-j", "ACCEPT"], ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"],
                     *(["-p", "tcp", "--dport", p, "-m", "set", "!", "--match-set", name, "src,dst", "-j", "DROP"] for p in ("22", "8443"))):
            lab.exec(who, command, "-A", "INPUT", *rule, check=True)


def install(lab, name):
    path = lab.path("bin", name)
    shutil.copy(os.path.join(SHIPPED, name), path)
    os.chown(path, 0, 0)
    os.chmod(path, 0o755)
    return path


def walk(lab, at, host):
    """Closed, open for one source, closed again; a connection that is in stays."""
    for a in (V4, V6):
        assert lab.probe("client", a[host], 22) == "silent"
        lab.must_open("ssh", host=a["server"])
        s = lab.connect("client", a[host], 22)
        assert lab.probe("stranger" if host == "server" else "server", a[host], 22) == "silent"
        status, answer, err = lab.knock("ssh", command="close", host=a["server"])
        assert status == 0, (answer, err)
        assert lab.probe("client", a[host], 22) == "silent"
        s.sendall(b"ping")
        assert s.recv(4) == b"ping"
        s.close()
    lab.must_open("wiki")
    assert lab.probe("client", V4[host], 8443) == "open"
    until("its time is over", lambda: lab.probe("client", V4[host], 8443) == "silent")
    assert lab.exec(at, "ipset", "list", "-o", "save").stdout.count("add ") == 0


def test_ipset():
    """The shipped script on a real kernel."""
    with Lab("ipset") as lab:
        lab.setup()
        os.mkdir(lab.path("bin"))
        script = install(lab, "postern-ipset")
        lab.exec("server", script, "reset", check=True)
        rules(lab, "server")
        lab.config(services=SERVICES, server=f'backend = script  script = "{script}"')
        for port in (22, 8443):
            lab.echo(port)
        lab.start()
        walk(lab, "server", "server")
        lab.must_open("ssh")
        listed = lab.exec("server", script, "list", check=True).stdout.split()
        assert len(listed) == 1 and listed[0].isdigit(), listed
        # The set's own time-out is there should nobody come.
        assert re.search(r"timeout 3[01]\d ", lab.exec("server", "ipset", "list", "-o", "save").stdout)
        for argv in (["open"], ["open", "1", "4", "10.0.0.1; id", "6", "22", "5"], ["open", "x", "4", "10.0.0.1", "6", "22", "5"],
                     ["open", "1", "4", "10.0.0.1", "6", "0", "5"], ["open", "1", "4", "10.0.0.1", "1", "22", "5"], ["flush"], []):
            assert lab.exec("server", script, *argv).returncode == 2, argv
        assert lab.stop() == 0
        assert lab.exec("server", script, "list", check=True).stdout == ""


def test_ssh():
    """A router in a namespace of its own, reached by ssh with a key that can do nothing else."""
    with Lab("ssh") as lab:
        lab.setup()
        os.mkdir(lab.path("bin"))
        script, router, ipset = (install(lab, n) for n in ("postern-ssh", "postern-router", "postern-ipset"))
        for key in ("hostkey", "key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.path(key))
        with open(lab.path("key.pub")) as f:
            public = f.read()
        with open(lab.path("authorized"), "w") as f:
            f.write(f'restrict,command="{router} {ipset}" {public}')
        with open(lab.path("hostkey.pub")) as f:
            host = " ".join(f.read().split()[:2])
        with open(lab.path("known"), "w") as f:
            f.write(f"[{V4['stranger']}]:2222 {host}\n")
        os.makedirs("/run/sshd", exist_ok=True)
        sshd = subprocess.Popen(["ip", "netns", "exec", lab.ns["stranger"], "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", "2222",
                                 "-h", lab.path("hostkey"), "-o", f"AuthorizedKeysFile={lab.path('authorized')}", "-o", "StrictModes=no",
                                 "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "PermitRootLogin=forced-commands-only"],
                                stderr=open(lab.path("sshd.log"), "w"))

        class Stop:
            @staticmethod
            def stop():
                sshd.terminate()
                sshd.wait(20)
        lab.things.append(Stop)
        env = {"POSTERN_ROUTER": f"root@{V4['stranger']}", "POSTERN_ROUTER_PORT": "2222",
               "POSTERN_ROUTER_KEY": lab.path("key"), "POSTERN_ROUTER_KNOWN": lab.path("known")}
        lab.extra_env = env
        until("the router answers", lambda: lab.exec("server", script, "reset").returncode == 0)
        rules(lab, "stranger")
        lab.config(services=SERVICES, server=f'backend = script  script = "{script}"')
        for port in (22, 8443):
            lab.echo(port, who="stranger")
        lab.start()
        walk(lab, "stranger", "stranger")
        # The key is good for nothing else.
        for words in ("id", "open 1; id", "open $(id)", ""):
            r = lab.exec("server", "ssh", "-F", "none", "-i", lab.path("key"), "-p", "2222", "-o", "BatchMode=yes",
                         "-o", f"UserKnownHostsFile={lab.path('known')}", env["POSTERN_ROUTER"], words)
            assert r.returncode == 2 and "uid=" not in r.stdout, (words, r)
        # The router is gone: nothing opens, and what is open is closed when it is back.
        lab.must_open("wiki")
        lab.unplug("stranger")
        status, answer, err = lab.knock("ssh")
        assert status == 1 and answer["status"] == "BUSY", (answer, err)
        lab.plug("stranger")
        lab.exec("server", "ip", "neigh", "flush", "all")
        until("closed when it is back", lambda: lab.exec("stranger", "ipset", "list", "-o", "save").stdout.count("add ") == 0 and
              lab.status()["not_closed"] == 0, 60)


def test_trial():
    """A trial with other services and an action, and its way back: gates and actions go on."""
    with Lab("tried") as lab:
        f = Fake(lab)
        lab.must_open("ssh")
        f.config(services=SERVICES.replace("ssh  {", "shell {") +
                 'action note { journal-only = yes  message = required  allow = {"Admin/VSD"} }\n'
                 'action hello { run = {"/bin/true"}  user = "nobody"  allow = {"Admin/VSD"} }\n')
        trial = [program("posternctl"), "--socket", lab.path("control"), "trial"]
        live = ["--live", lab.path("postern.conf")]
        r = lab.exec("server", *trial, "1h", *live)
        assert r.returncode == 0, r.stderr
        until("it runs", lambda: (lab.ctl("status", check=False) or [{}])[0].get("trial_left_s"))
        assert f.open() == []
        assert lab.knock("hello", command="send")[0] == 0
        lab.must_open("shell")
        r = lab.exec("server", *trial, "--abort", *live)
        assert r.returncode == 0, r.stderr
        until("as before", lambda: (lab.ctl("status", check=False) or [{}])[0].get("fallback"))
        assert lab.knock("hello", command="send")[0] == 1
        lab.must_open("ssh")
        # The doctor looks for the process that is there, and at no rules.
        r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "doctor", "-c", lab.path("postern.conf"))
        assert "monitor, knock and script process run and answer" in r.stdout, r.stdout + r.stderr
        assert "a program opens and closes" in r.stdout, r.stdout


if __name__ == "__main__":
    main(test_open_renew_close, test_it_fails, test_crash_and_reload, test_refused, test_unprivileged, test_ipset, test_ssh, test_trial)
