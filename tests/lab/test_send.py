"""Named actions: who may have them run, what they get, how they end, and that nothing runs twice."""

import json
import os
import re
import stat
import time

from knocks import Client
from lab import Lab, V4, V6, main, program, run, until

SHOW = """#!/bin/sh
out="$1"; shift
{ id -u; id -G; pwd; echo "args:$*"; env | sort; echo "input:"; cat; echo; } >"$out.new"
grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/$$/status >>"$out.new"
ls /proc/$$/fd | tr '\\n' ' ' >>"$out.new"
echo run >>"$out.count"
mv "$out.new" "$out"
echo "done \\033[31m"
"""
SCRIPTS = {
    "show": SHOW,
    "fail": "#!/bin/sh\nexit 7\n",
    "hang": "#!/bin/sh\ntrap '' TERM INT HUP\necho $$ >\"$1\"\nsleep 1000 &\nsleep 1000\n",
    "slow": "#!/bin/sh\necho run >>\"$1\"\nsleep 3\nexit 3\n",
    "flood": "#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' 'x'\n",
    "suicide": "#!/bin/sh\nkill -KILL $$\n",
}


class Actions:
    def __init__(self, lab, more="", allow='{"Admin/VSD"}'):
        self.lab = lab
        lab.setup()
        os.mkdir(lab.path("bin"))
        for name, text in SCRIPTS.items():
            with open(lab.path("bin", name), "w") as f:
                f.write(text)
            os.chmod(lab.path("bin", name), 0o755)
        os.mkdir(lab.path("out"))
        os.chmod(lab.path("out"), 0o777)
        self.allow = allow
        self.write(more)
        lab.start()

    def action(self, name, script, user="nobody", rest=""):
        out = self.lab.path("out", name)
        return (f'action {name} {{ run = {{"{self.lab.path("bin", script)}", "{out}", "fixed", "$(id) `id`; x"}}\n'
                f'    user = "{user}"  allow = {self.allow}  {rest} }}\n')

    def write(self, more):
        self.lab.config(services=Lab.SERVICE.format(wait="30s", lease="1h") +
            self.action("show", "show", rest="message = optional") +
            self.action("must", "show", rest="message = required") +
            self.action("bare", "show") +
            self.action("rooted", "show", user="root") +
            self.action("fail", "fail") +
            self.action("hang", "hang", rest="timeout = 2s") +
            self.action("stay", "hang", rest="timeout = 60s") +
            self.action("slow", "slow") +
            self.action("flood", "flood") +
            self.action("suicide", "suicide") +
            'action note { journal-only = yes  message = required  allow = {"*/VSD"}  deny = {"Carl/VSD"} }\n' + more)

    def send(self, *argv, **kw):
        return self.lab.knock(*argv, command="send", **kw)

    def out(self, name):
        with open(self.lab.path("out", name)) as f:
            return f.read()

    def count(self, name):
        try:
            return self.out(name).count("run")
        except FileNotFoundError:
            return 0


def test_what_it_gets():
    with Lab("send") as lab:
        a = Actions(lab)
        status, answer, err = a.send("show", "--message", "läuft \"gut\"\n; rm -rf / \\ $(id)")
        assert status == 0 and answer["status"] == "OK", (status, answer, err)
        assert answer["result"] == "exit" and answer["exit_status"] == 0, answer
        lines = a.out("show").splitlines()
        assert lines[:3] == ["65534", "65534", "/"], lines
        assert lines[3] == "args:fixed $(id) `id`; x", lines
        env = lines[4:lines.index("input:")]
        # The shell that shows them adds its own PWD and the like; nothing else of the daemon's gets through.
        assert {"POSTERN_NAME=Admin/VSD", f"POSTERN_ADDRESS={V4['client']}", "POSTERN_ACTION=show"} <= set(env), env
        assert all(re.match(r"POSTERN_(NAME|ADDRESS|ACTION)=|PWD=|OLDPWD=|SHLVL=|_=", e) for e in env), env
        text = "\n".join(lines[lines.index("input:") + 1:])
        assert text.startswith('läuft "gut"\n; rm -rf / \\ $(id)\n'), text
        assert "CapEff:\t0000000000000000" in text and "CapBnd:\t0000000000000000" in text, text
        assert "NoNewPrivs:\t1" in text and "Seccomp:\t2" in text, text
        assert lines[-1].split() in (["0", "1", "10", "2"], ["0", "1", "2"], ["0", "1", "2", "255"], ["0", "1", "2", "3"]), lines[-1]
        record = lab.journal("action")[-1]
        assert record["service"] == "show" and record["name"] == "Admin/VSD", record
        assert record["text"] == '"läuft \\"gut\\"\\n; rm -rf / \\\\ $(id)"', record
        assert record["list"] == "action show allow" and record["entry"] == "Admin/VSD", record
        ran = lab.journal("ran")[-1]
        assert re.fullmatch(r"ended by exit status 0 after \d+\.\d s", ran["text"]), ran
        assert "action show says: done" in lab.log() and "\033" not in lab.log()

        # Root only where it is written.
        assert a.send("rooted")[0] == 0
        assert a.out("rooted").splitlines()[0] == "0"
        # Over IPv6 as well.
        assert a.send("show", host=V6["server"])[0] == 0
        assert f"POSTERN_ADDRESS={V6['client']}" in a.out("show")
        # Nothing was opened by any of it.
        assert lab.status()["gates"] == 0
        assert lab.probe("client", V4["server"], 22) == "silent"


def test_how_it_ends():
    with Lab("ends") as lab:
        a = Actions(lab)
        status, answer, err = a.send("fail")
        assert status == 1 and answer["status"] == "OK" and answer["exit_status"] == 7, answer
        assert "exit status 7" in err, err
        status, answer, err = a.send("suicide")
        assert status == 1 and answer["result"] == "signal" and answer["signal"] == 9, answer

        # It ignores every polite signal, and its child does not outlive it either.
        begin = time.monotonic()
        status, answer, err = a.send("hang")
        assert status == 1 and answer["result"] == "timeout", answer
        assert 1.5 < time.monotonic() - begin < 6
        pid = int(a.out("hang"))
        until("the group is gone", lambda: not run("ps", "-o", "pid=", "-s", str(pid), check=False).stdout.strip())

        status, answer, err = a.send("flood")
        assert status == 0, (answer, err)
        said = [l for l in lab.log().splitlines() if "action flood says" in l]
        assert len(said) == 2 and len("".join(said)) < 8192 and "not kept" in said[-1], said

        # What is there, but cannot be run when it is asked for.
        os.chmod(lab.path("bin", "fail"), 0o777)
        status, answer, err = a.send("fail")
        assert status == 1 and answer["result"] == "trouble", answer
        os.chmod(lab.path("bin", "fail"), 0o644)
        assert a.send("fail")[1]["result"] == "trouble"
        os.unlink(lab.path("bin", "fail"))
        assert a.send("fail")[1]["result"] == "trouble"
        log = lab.log()
        for why in ("others than root may change it", "is not executable", "No such file"):
            assert why in log, (why, log)
        # And the daemon's processes are what they were.
        assert lab.status()["generation"] == 1 and a.send("show")[0] == 0


def test_once():
    """An action that takes longer than the client's patience with silence runs once, and is waited for."""
    with Lab("once") as lab:
        a = Actions(lab)
        begin = time.monotonic()
        status, answer, err = a.send("slow")
        assert status == 1 and answer["exit_status"] == 3, answer
        assert 2.9 < time.monotonic() - begin < 8
        assert a.count("slow") == 1
        assert len(lab.journal("action")) == 1 and len(lab.journal("ran")) == 1

        # The identical packet later, and from elsewhere: nothing runs, and a stranger hears nothing.
        c = Client(lab)
        c.run([c.start("ssh", op=3)])  # learns the server's instance
        k = c.start("show", op=4)
        packet = k.datagram()
        s = lab.send_udp("client", packet)
        until("it ran", lambda: a.count("show.count") == 1)
        other = lab.send_udp("stranger", packet)
        for _ in range(5):
            s.sendto(packet, (V4["server"], 62201))
        other.settimeout(1)
        try:
            heard = other.recv(2000)
        except TimeoutError:
            heard = None
        assert heard is None
        assert a.count("show.count") == 1 and len(lab.journal("action")) == 2


def test_who():
    with Lab("who") as lab:
        a = Actions(lab)
        bob, carl = lab.person("Bob/VSD"), lab.person("Carl/VSD")
        lab.ctl("reload")
        lab.settled()
        for who, action, reason in ((bob, "show", "not-allowed-service"), (carl, "note", "deny-service"), (bob, "no-such", "unknown-service")):
            status, answer, err = a.send(action, *(["--message", "x"] if action == "note" else []), id=who)
            assert status == 1, (answer, err)
            assert answer["status"] == ("UNKNOWN_SERVICE" if action == "no-such" else "DENIED"), answer
            assert lab.journal("refused")[-1]["reason"] == reason
            assert "action" in lab.journal("refused")[-1]["text"], lab.journal("refused")[-1]
        # Neither is a service an action, nor an action a service.
        assert a.send("ssh")[0] == 1
        assert lab.knock("show")[0] == 1
        status, answer, err = a.send("note", "--message", "Der Rechner\nbrummt \"laut\"", id=bob)
        assert status == 0 and answer["result"] == "noted", answer
        note = lab.journal("note")[-1]
        assert note["name"] == "Bob/VSD" and note["text"] == '"Der Rechner\\nbrummt \\"laut\\""', note
        shown = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "journal").stdout
        assert '"Der Rechner\\nbrummt \\"laut\\""' in shown, shown
        why = lab.ctl("why", "Bob/VSD", "note")[0]
        assert why["verdict"] == "grant" and why["list"] == "action note allow" and "granted_s" not in why, why
        why = lab.ctl("why", "Bob/VSD", "show")[0]
        assert why["verdict"] == "not-allowed-service" and why["text"] == "the action does not allow it", why
        # Wanted and not wanted.
        for argv, reason in ((("bare", "--message", "x"), "message-unwanted"), (("must",), "message-missing")):
            assert a.send(*argv)[0] == 1
            assert lab.journal("refused")[-1]["reason"] == reason
        # All of the 900 bytes.
        text = "ä" * 450
        assert a.send("must", "--message", text)[0] == 0
        assert text in a.out("must")
        assert a.count("show.count") == 0


def test_reload_and_stop():
    """A reload lets what runs come to its end; a stop does not."""
    with Lab("life") as lab:
        a = Actions(lab)
        c = Client(lab)
        c.run([c.start("ssh", op=3)])
        s = lab.send_udp("client", c.start("slow", op=4).datagram())
        until("it runs", lambda: a.count("slow") == 1)
        lab.ctl("reload")
        lab.settled()
        until("its end is in the log", lambda: "action slow ended by exit status 3" in lab.log())
        until("the process that saw to it is gone", lambda: len(action_pids(lab)) == 1)
        assert a.send("show")[0] == 0
        s.close()

        c.run([c.start("ssh", op=3)])
        s = lab.send_udp("client", c.start("stay", op=4).datagram())
        until("it runs", lambda: os.path.exists(lab.path("out", "stay")))
        pid = int(until("it says who it is", lambda: a.out("stay")))
        begin = time.monotonic()
        assert lab.stop() == 0
        assert time.monotonic() - begin < 6
        until("it is gone", lambda: not run("ps", "-o", "pid=", "-s", str(pid), check=False).stdout.strip())
        assert "actions that still ran were ended: 1" in lab.log()


def action_pids(lab):
    found = []
    for pid in run("ip", "netns", "pids", lab.ns["server"], check=False).stdout.split():
        try:
            if open(f"/proc/{pid}/cmdline").read().startswith("posternd: action"):
                found.append(int(pid))
        except OSError:
            pass
    return found


def test_many():
    """No more than eight at a time; the ninth is told so, and all end."""
    with Lab("many") as lab:
        a = Actions(lab)
        c = Client(lab)
        # A first knock teaches the client the server's instance.
        assert c.run([c.start("show", op=4)]) == ["OK"]
        said = c.run([c.start("slow", op=4) for _ in range(9)])
        assert sorted(said) == ["LIMIT"] + ["OK"] * 8, said
        assert a.count("slow") == 8
        assert lab.journal("refused")[-1]["reason"] == "limit-actions"
        # The process dies; all come back, and with them the actions.
        os.kill(action_pids(lab)[0], 9)
        until("another one is there", lambda: lab.status() and a.send("show")[0] == 0, 30)


def test_refused_at_the_start():
    """What may not be run, or by nobody, is said with file and line before anything is touched."""
    with Lab("refused") as lab:
        a = Actions(lab)
        bin = lab.path("bin", "fail")
        conf = lab.path("postern.conf")
        line = next(i for i, l in enumerate(open(conf), 1) if l.startswith("action fail"))
        for change, back, why in ((lambda: os.chmod(bin, 0o775), lambda: os.chmod(bin, 0o755), "others than root may change it"),
                                  (lambda: os.chmod(bin, 0o644), lambda: os.chmod(bin, 0o755), "is not executable"),
                                  (lambda: os.chown(bin, 65534, 0), lambda: os.chown(bin, 0, 0), "does not belong to root"),
                                  (lambda: os.chmod(lab.path("bin"), 0o777), lambda: os.chmod(lab.path("bin"), 0o755), "others than root"),
                                  (lambda: os.rename(bin, bin + "x"), lambda: os.rename(bin + "x", bin), "No such file")):
            change()
            r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "reload")
            back()
            assert r.returncode != 0 and why in r.stdout + r.stderr, (why, r)
            assert why.startswith("others than root") or f"postern.conf:{line}: action fail" in r.stdout + r.stderr, r
        a.write(a.action("ghost", "show", user="no-such-user"))
        r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "reload")
        assert r.returncode != 0 and "no-such-user" in r.stdout + r.stderr, r
        a.write("")
        assert lab.status()["generation"] == 1 and a.send("show")[0] == 0


if __name__ == "__main__":
    main(test_what_it_gets, test_how_it_ends, test_once, test_who, test_reload_and_stop, test_many, test_refused_at_the_start)
