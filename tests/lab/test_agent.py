"""Keys that stay in an SSH agent: plain ones, a token, and agents that are forwarded from elsewhere."""

import contextlib
import json
import os
import signal
import subprocess

from lab import BOUND, Lab, V4, main, program, run, until

TOKEN = os.environ.get("POSTERN_TOKEN", "tests/cli/token")


class Agent:
    """A program that serves an agent's socket; gone when the laboratory ends."""

    def __init__(self, lab, name, *argv):
        self.path = lab.path(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.process = subprocess.Popen([a.replace("SOCKET", self.path) for a in argv],
                                        stdout=subprocess.DEVNULL)
        lab.things.append(self)
        until("the agent listens", lambda: os.path.exists(self.path))

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(BOUND)


def ssh_agent(lab):
    return Agent(lab, "agent", "ssh-agent", "-D", "-a", "SOCKET")


def token(lab, **words):
    return Agent(lab, "token", TOKEN, "serve", "SOCKET", *(f"{k}={v}" for k, v in words.items()))


def knock(lab, agent, *argv, command="knock", who="client"):
    """Returns (exit status, status of the answer or None, stderr)."""
    r = lab.exec(who, program("postern"), command, V4["server"], "--json", "--agent", "--card",
                 lab.path("etc", "server.card"), *argv, env={"SSH_AUTH_SOCK": agent.path})
    try:
        return r.returncode, json.loads(r.stdout)["status"], r.stderr
    except json.JSONDecodeError:
        return r.returncode, None, r.stderr


def must_open(lab, agent, *argv):
    status, answer, err = knock(lab, agent, *argv)
    assert (status, answer) == (0, "OK"), (status, answer, err)
    lab.connect("client", V4["server"], 22).close()
    assert lab.probe("client", V4["server"], 22) == "silent"


def must_refuse(lab, agent, reason):
    before = len(lab.journal("refused"))
    status, answer, err = knock(lab, agent)
    assert (status, answer) == (1, "DENIED"), (status, answer, err)
    refused = lab.journal("refused")
    assert len(refused) == before + 1 and refused[-1]["reason"] == reason, refused
    assert lab.probe("client", V4["server"], 22) == "silent"
    return refused[-1]


def make(lab, server=""):
    """A server that knows an SSH key, John, and a token, Jane."""
    lab.setup()
    lab.services = 'service ssh {\n    port = tcp/22   allow = {"John/VSD", "Jane/VSD"}\n    open = once\n}\n'
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "john", "-f", lab.path("john"))
    with open(lab.path("jane.pub"), "w") as f:
        f.write(run(TOKEN, "pub").stdout)
    for name in ("john", "jane"):
        run(program("postern"), "directory", "add", lab.path(name + ".pub"), "--name",
            name.capitalize() + "/VSD", "--certified-equivalent", "--directory", lab.path("etc", "directory"))
    lab.config(services=lab.services, server=server)
    lab.echo(22)
    lab.start()


def add_key(lab, agent):
    run("ssh-add", "-q", lab.path("john"), env=dict(os.environ, SSH_AUTH_SOCK=agent.path))


def test_ssh_key_opens():
    with Lab("agent") as lab:
        make(lab)
        agent = ssh_agent(lab)
        status, answer, err = knock(lab, agent)
        assert status == 4 and "holds no ssh-ed25519" in err, (status, err)
        add_key(lab, agent)
        must_open(lab, agent)
        must_open(lab, agent, "--agent-key", lab.path("john.pub"))
        granted = lab.journal("granted")
        assert granted[-1]["name"] == "John/VSD", granted
        # And what it opened it can close.
        assert knock(lab, agent)[:2] == (0, "OK")
        assert knock(lab, agent, command="close")[:2] == (0, "OK")
        assert lab.probe("client", V4["server"], 22) == "silent"
        # Under ssh, as ProxyCommand.
        r = lab.exec("client", program("postern"), "connect", V4["server"], "22", "--agent", "--card",
                     lab.path("etc", "server.card"), env={"SSH_AUTH_SOCK": agent.path}, input="once more\n")
        assert r.returncode == 0 and r.stdout == "hello\nonce more\n", (r.returncode, r.stdout, r.stderr)
        # A key that the directory does not list gets nothing.
        run(program("postern"), "directory", "remove", "John/VSD", "--directory", lab.path("etc", "directory"))
        lab.ctl("reload")
        until("the line is gone", lambda: knock(lab, agent)[0] == 3, 60)
        assert lab.probe("client", V4["server"], 22) == "silent"


def test_token_opens():
    with Lab("token") as lab:
        make(lab)
        agent = token(lab, counter=100)
        must_open(lab, agent)
        must_open(lab, agent)
        assert lab.journal("granted")[-1]["name"] == "Jane/VSD"


def test_token_counter_grows():
    with Lab("counter") as lab:
        make(lab)
        agent = token(lab, counter=0, step=0)
        must_open(lab, agent)  # one that does not count
        must_open(lab, agent)
        agent.stop()
        agent = token(lab, counter=100)
        must_open(lab, agent)
        agent.stop()
        for counter, step in ((100, 0), (7, 1), (0, 0)):
            agent = token(lab, counter=counter, step=step)
            line = must_refuse(lab, agent, "fido-counter")
            assert "copy" in line["text"], line
            agent.stop()
        # A kill and a restart do not make it forget.
        lab.kill_all()
        lab.start()
        agent = token(lab, counter=90)
        must_refuse(lab, agent, "fido-counter")
        agent.stop()
        agent = token(lab, counter=200)
        must_open(lab, agent)


def test_token_must_be_touched():
    with Lab("touch") as lab:
        make(lab)
        for flags, counter in ((0, 10), (4, 20)):
            agent = token(lab, flags=flags, counter=counter)
            must_refuse(lab, agent, "fido-touch")
            agent.stop()
        agent = token(lab, flags=1, counter=50)
        must_open(lab, agent)
        path = lab.path("etc", "directory")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace('require="up"', 'require="up,uv"'))
        old = lab.pids()["knock"]
        lab.ctl("reload")
        until("the new line counts", lambda: lab.pids().get("knock", old) != old
              and lab.ctl("status", check=False) is not None)
        must_refuse(lab, agent, "fido-pin")
        agent.stop()
        agent = token(lab, flags=5, counter=60)
        must_open(lab, agent)


def test_other_namespace_is_not_sent():
    with Lab("namespace") as lab:
        make(lab)
        before = lab.datagrams()
        agent = token(lab, namespace="login@postern")
        status, _, err = knock(lab, agent)
        assert status == 4 and "not by this key over this knock" in err, (status, err)
        assert lab.datagrams() == before
        assert lab.probe("client", V4["server"], 22) == "silent"


SSHD = """
Port 2022
ListenAddress {address}
HostKey {host}
AuthorizedKeysFile {keys}
PidFile none
StrictModes no
UsePAM no
AllowAgentForwarding yes
PermitRootLogin yes
SetEnv POSTERN_HOME={home} XDG_STATE_HOME={home}
"""


def test_forwarded_agent_is_refused():
    """A real sshd on the stranger's machine, an agent forwarded there, and a knock from there."""
    with Lab("forwarded") as lab:
        make(lab)
        agent = ssh_agent(lab)
        add_key(lab, agent)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.path("host"))
        with open(lab.path("keys"), "w") as f:
            f.write(open(lab.path("john.pub")).read())
        with open(lab.path("sshd_config"), "w") as f:
            f.write(SSHD.format(address=V4["stranger"], host=lab.path("host"), keys=lab.path("keys"),
                                home=lab.path("far")))
        os.makedirs("/run/sshd", exist_ok=True)
        sshd = subprocess.Popen(["ip", "netns", "exec", lab.ns["stranger"], "/usr/sbin/sshd", "-D", "-e", "-f",
                                 lab.path("sshd_config")], stderr=open(lab.path("sshd.log"), "w"))

        class Stop:
            @staticmethod
            def stop():
                sshd.send_signal(signal.SIGTERM)
                sshd.wait(BOUND)
        lab.things.append(Stop)
        until("sshd listens", lambda: "listening" in open(lab.path("sshd.log")).read())

        def there(*argv):
            return lab.exec("client", "ssh", "-A", "-p", "2022", "-o", "StrictHostKeyChecking=no", "-o",
                            f"UserKnownHostsFile={lab.path('known')}", "-o", "BatchMode=yes", "-F", "none",
                            "root@" + V4["stranger"], program("postern"), "knock", V4["server"], "--agent",
                            "--card", lab.path("etc", "server.card"), *argv, env={"SSH_AUTH_SOCK": agent.path})
        r = there()
        assert r.returncode == 4 and "this agent is forwarded" in r.stderr, (r.returncode, r.stdout, r.stderr)
        assert lab.probe("stranger", V4["server"], 22) == "silent"
        r = there("--allow-forwarded")
        assert r.returncode == 0, (r.returncode, r.stdout, r.stderr)
        lab.connect("stranger", V4["server"], 22).close()


if __name__ == "__main__":
    main(test_ssh_key_opens, test_token_opens, test_token_counter_grows, test_token_must_be_touched,
         test_other_namespace_is_not_sent, test_forwarded_agent_is_refused)
