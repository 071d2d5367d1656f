"""Trials: what is not confirmed is rolled back, whoever is dead by then; and the way back to open ports."""

import os
import pty
import select
import signal
import subprocess

from lab import BOUND, Lab, V4, main, program, run, until

LOCKED_OUT = """
service ssh {
    port = tcp/22   allow = {"Nobody/VSD"}   deny = {"Admin/VSD"}
}
"""


def prepared(name):
    lab = Lab(name)
    lab.setup()
    lab.config(wait="2s")
    return lab


def trial(lab, *argv):
    return lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "trial", *argv,
                    "--live", lab.path("postern.conf"))


def must(r, code=0, *says):
    assert r.returncode == code and all(s in r.stdout + r.stderr for s in says), (r.returncode, r.stdout, r.stderr)


def get_in(lab):
    lab.must_open("ssh")
    lab.connect("client", V4["server"], 22).close()


def is_out(lab):
    return lab.knock("ssh")[0] == 1


def status(lab):
    """Of the generation that answers; nothing while one takes the place of another."""
    return (lab.ctl("status", check=False) or [{}])[0]


def tables(lab):
    return run("ip", "netns", "exec", lab.ns["server"], "nft", "list", "tables").stdout


def test_time_is_up():
    """The live file was edited; the session that began the trial is killed; nobody confirms."""
    with prepared("up") as lab:
        lab.echo(22)
        lab.start()
        get_in(lab)
        lab.config(LOCKED_OUT)
        pid, fd = pty.fork()
        if pid == 0:
            os.execvp("ip", ["ip", "netns", "exec", lab.ns["server"], program("posternctl"), "--socket",
                             lab.path("control"), "trial", "10s", "--live", lab.path("postern.conf")])
        assert select.select([fd], [], [], BOUND)[0]
        until("the trial runs", lambda: status(lab).get("trial_left_s"))
        text = os.read(fd, 4096)
        until("the time left is shown", lambda: b" left; " in text or b" left; " in os.read(fd, 4096))
        assert is_out(lab)
        must(lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "reload"), 1, "a trial runs")
        must(trial(lab, "20s"), 1, "a trial runs already")
        os.kill(pid, signal.SIGKILL)
        os.close(fd)
        os.waitpid(pid, 0)
        until("it is rolled back", lambda: status(lab).get("fallback"), 15)
        get_in(lab)
        must(trial(lab, "--confirm"), 1, "too late", "nobody confirmed it in time")
        # A start anew does not take what was not confirmed either; a reload is somebody's will.
        lab.kill_all()
        lab.start()
        assert lab.status().get("fallback")
        get_in(lab)
        lab.config(wait="2s")
        lab.ctl("reload")
        until("the file runs again", lambda: status(lab) and not status(lab).get("fallback"))
        assert not os.path.exists(lab.path("store", "trial"))
        get_in(lab)


def test_confirmed():
    """A file beside the live one takes its place, and only as it was tried."""
    with prepared("confirm") as lab:
        lab.echo(22)
        lab.start()
        new = lab.path("new.conf")
        text = open(lab.path("postern.conf")).read().replace("wait = 2s", "wait = 3s")
        with open(new, "w") as f:
            f.write(text)
        must(trial(lab, "1h", "-c", new), 0, "trial of", "rolled back unless")
        with open(new, "a") as f:
            f.write("# more\n")
        must(trial(lab, "--confirm"), 1, "was changed since")
        with open(new, "w") as f:
            f.write(text)
        must(trial(lab, "--confirm"), 0, "the trial is confirmed", "has taken the place of")
        assert open(lab.path("postern.conf")).read() == text
        until("no trial", lambda: "trial_left_s" not in (status(lab) or ["trial_left_s"]))
        must(trial(lab, "--confirm"), 1, "no trial runs")
        lab.config(LOCKED_OUT)
        must(trial(lab, "1h"))
        assert is_out(lab)
        must(trial(lab, "--abort"), 0, "rolled back")
        until("it is rolled back", lambda: status(lab).get("fallback"))
        get_in(lab)
        must(trial(lab, "10s", "-c", lab.path("etc", "directory")), 4, "another folder")
        with open(lab.path("broken.conf"), "w") as f:
            f.write("service {\n")
        must(trial(lab, "10s", "-c", lab.path("broken.conf")), 1, "broken.conf")


def test_killed_in_the_middle():
    """Every process of the daemon is killed while a trial runs: the next start runs what was confirmed."""
    with prepared("killed") as lab:
        lab.echo(22)
        lab.start()
        lab.config(LOCKED_OUT)
        must(trial(lab, "1h"))
        assert is_out(lab)
        lab.kill_all()
        lab.start()
        assert lab.status().get("fallback"), lab.log()
        get_in(lab)


def test_directory_is_rolled_back():
    with prepared("directory") as lab:
        lab.echo(22)
        lab.start()
        directory = lab.path("etc", "directory")
        whole = open(directory).read()
        with open(directory, "w") as f:
            f.write("# nobody\n")
        lab.config(server="key-check = all", wait="2s")
        must(trial(lab, "1h"))
        assert lab.knock("ssh")[0] != 0
        lab.kill_all()
        lab.start()
        get_in(lab)
        assert open(directory).read() != whole


def test_guarding_at_all():
    """The first time: rolled back means that nothing is guarded and the daemon ends, for good."""
    with prepared("first") as lab:
        lab.echo(22)
        must(trial(lab, "10s"), 0, "no daemon runs", "the rules are removed")
        lab.start()
        assert lab.probe("client", V4["server"], 22) == "silent"
        assert lab.daemon.wait(15) == 0, lab.log()
        assert tables(lab) == "" and lab.probe("client", V4["server"], 22) == "open"
        must(lab.exec("server", program("posternd"), "-c", lab.path("postern.conf")), 0, "nothing is guarded")
        must(trial(lab, "10s"))
        lab.start()
        lab.kill_all()
        assert lab.probe("client", V4["server"], 22) == "silent"
        must(lab.exec("server", program("posternd"), "-c", lab.path("postern.conf")), 0, "nothing is guarded")
        assert tables(lab) == "" and lab.probe("client", V4["server"], 22) == "open"
        must(trial(lab, "1h"))
        lab.start()
        lab.stop()
        assert tables(lab) == "", "a stop in the middle of it leaves the ports closed"
        must(trial(lab, "1h"))
        lab.start()
        get_in(lab)
        must(trial(lab, "--confirm"), 0, "the trial is confirmed")
        until("no trial", lambda: "trial_left_s" not in (status(lab) or ["trial_left_s"]))
        lab.kill_all()
        lab.start()
        assert lab.probe("client", V4["server"], 22) == "silent"
        get_in(lab)


def test_broken_file_at_start():
    with prepared("broken") as lab:
        lab.echo(22)
        lab.start()
        lab.stop()
        with open(lab.path("postern.conf"), "a") as f:
            f.write("service {\n")
        lab.extra_env["STATE_DIRECTORY"] = lab.path("store")
        lab.start()
        assert lab.status().get("fallback") and "is broken" in lab.log()
        get_in(lab)


def test_disarm():
    with prepared("disarm") as lab:
        lab.echo(22)
        lab.start()
        disarm = lambda *a, **kw: lab.exec("server", program("posternctl"), "--socket", lab.path("control"),
                                           "disarm", *a, **kw)
        must(disarm("--yes"), 1, "posternd runs; stop it first")
        lab.stop()
        assert lab.probe("client", V4["server"], 22) == "silent", "a stop opens nothing"
        must(disarm(stdin=subprocess.DEVNULL), 2, "needs --yes")
        must(disarm("--yes"), 0, "nothing is guarded any more")
        assert tables(lab) == "" and lab.probe("client", V4["server"], 22) == "open"
        must(disarm("--yes"))


if __name__ == "__main__":
    main(test_time_is_up, test_confirmed, test_killed_in_the_middle, test_directory_is_rolled_back,
         test_guarding_at_all, test_broken_file_at_start, test_disarm)
