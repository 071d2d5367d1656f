"""Kills, restarts, reloads and interfaces: ports stay closed, gates and connections stay what they were."""

import os
import signal
import time

from lab import Lab, V4, V6, main, run, until

LONG = """
service ssh  { port = tcp/22    allow = {"Admin/VSD"}  open = once    wait = 60s  lease = 1h }
service wiki { port = tcp/8443  allow = {"Admin/VSD"}  open = window  wait = 60s  lease = 1h }
service fast { port = tcp/2200  allow = {"Admin/VSD"}  open = window  wait = 3s   lease = 1h }
"""


def ready(lab, services=LONG):
    lab.setup()
    lab.config(services=services)
    for port in (22, 8443, 2200):
        lab.echo(port)
    lab.start()


def talk(sock):
    sock.sendall(b"ping")
    assert sock.recv(4) == b"ping"


def test_everything_killed():
    """kill -9 of every process: guarded ports closed, admitted connections live, the gate ends by itself."""
    with Lab("killed") as lab:
        ready(lab)
        lab.must_open("wiki")
        living = lab.connect("client", V4["server"], 8443)
        lab.must_open("fast")
        lab.connect("client", V4["server"], 2200).close()
        lab.kill_all()
        assert lab.probe("client", V4["server"], 22) == "silent"
        assert lab.probe("stranger", V4["server"], 8443) == "silent"
        talk(living)
        until("the short gate closed itself", lambda: lab.probe("client", V4["server"], 2200) == "silent")
        talk(living)
        # The next daemon adopts what stands.
        lab.start()
        assert lab.probe("client", V4["server"], 22) == "silent"
        talk(living)
        lab.connect("client", V4["server"], 8443).close()
        lab.must_open("ssh")
        lab.connect("client", V4["server"], 22).close()


def test_flush_ruleset_changes_nothing():
    """While the daemon lives it owns its table: flushing everybody's rules passes it by."""
    with Lab("flush") as lab:
        ready(lab)
        lab.must_open("wiki")
        lab.exec("server", "nft", "add table inet other", check=True)
        lab.exec("server", "nft", "flush", "ruleset")
        text = lab.exec("server", "nft", "list", "tables").stdout
        assert "postern" in text and "other" not in text, text
        assert lab.probe("client", V4["server"], 22) == "silent"
        lab.connect("client", V4["server"], 8443).close()


def born_anew(lab, old):
    def both():
        now = lab.pids()
        return now.keys() == old.keys() and all(now[who] != old[who] for who in ("knock", "gate"))
    until("both processes are born anew", both)
    until("the new one answers", lambda: lab.ctl("status", check=False) is not None)


def survives(change):
    with Lab("change") as lab:
        ready(lab)
        lab.must_open("wiki")
        living = lab.connect("client", V4["server"], 8443)
        lab.must_open("ssh")
        before = {g["grant"] for g in lab.ctl("gates") if "grant" in g}
        change(lab)
        after = {g["grant"] for g in lab.ctl("gates") if "grant" in g}
        assert before == after and len(after) == 2, (before, after)
        talk(living)
        lab.connect("client", V4["server"], 22).close()
        assert lab.probe("client", V4["server"], 22) == "silent"
        lab.connect("client", V4["server"], 8443).close()
        assert lab.probe("stranger", V4["server"], 8443) == "silent"
        lab.must_open("ssh")


def test_reload_keeps_gates():
    def reload(lab):
        old = lab.pids()
        lab.ctl("reload")
        born_anew(lab, old)
    survives(reload)


def test_restart_keeps_gates():
    def restart(lab):
        assert lab.stop() == 0
        assert lab.probe("stranger", V4["server"], 22) == "silent"
        lab.start()
    survives(restart)


def killed(which):
    def kill(lab):
        old = lab.pids()
        os.kill(old[which], signal.SIGKILL)
        born_anew(lab, old)
    survives(kill)


def test_knock_process_killed():
    killed("knock")


def test_gate_process_killed():
    killed("gate")


def test_reload_changes_services():
    with Lab("services") as lab:
        ready(lab)
        lab.echo(9000)
        assert lab.probe("client", V4["server"], 9000) == "open"
        lab.config(services=LONG + 'service new { port = tcp/9000 allow = {"Admin/VSD"} open = once wait = 30s lease = 1h }\n')
        lab.ctl("reload")
        until("the new port is guarded", lambda: lab.probe("client", V4["server"], 9000) == "silent")
        until("the new one answers", lambda: lab.ctl("status", check=False) is not None)
        lab.must_open("new")
        lab.connect("client", V4["server"], 9000).close()


def test_reload_withdraws_what_was_granted_otherwise():
    """A gate whose service is another now, by name or kind, closes in the kernel as well."""
    with Lab("withdrawn") as lab:
        ready(lab)
        for old, new in (("service wiki ", "service docs "), ("open = window  wait = 60s", "open = once wait = 60s")):
            lab.config(services=LONG)
            lab.ctl("reload")
            lab.settled()
            lab.must_open("wiki")
            living = lab.connect("client", V4["server"], 8443)
            lab.config(services=LONG.replace(old, new))
            lab.ctl("reload")
            lab.settled()
            assert not [g for g in lab.ctl("gates") if "grant" in g]
            assert lab.probe("client", V4["server"], 8443) == "silent"
            talk(living)


def test_broken_config_changes_nothing():
    with Lab("broken") as lab:
        ready(lab)
        old = lab.pids()
        with open(lab.path("postern.conf"), "a") as f:
            f.write("\nservice more { port = tcp/0 wait = never }\nnonsense = 1\n")
        r = lab.exec("server", __import__("lab").program("posternctl"), "--socket", lab.path("control"), "reload")
        assert r.returncode == 1, (r.returncode, r.stdout, r.stderr)
        for words in ("postern.conf:", "nonsense", "never", "below 1"):
            assert words in r.stderr, r.stderr
        assert lab.pids() == old
        lab.must_open("ssh")
        # And at a start it is refused, with the same words.
        lab.stop()
        lab.start(check=False)
        assert lab.daemon.wait(20) == 4
        assert "nonsense" in lab.log()
        assert lab.probe("stranger", V4["server"], 22) == "silent"


def test_interface_comes_and_goes():
    with Lab("interface") as lab:
        lab.setup()
        lab.config(services=LONG)
        lab.echo(22)
        lab.unplug("server")
        lab.start()
        assert "waiting for it" in lab.log()
        lab.plug("server")
        until("the door watches", lambda: (lab.ctl("status", check=False) or [{"doors": [{}]}])[0]
              ["doors"][0].get("watching"))
        lab.must_open("ssh")
        lab.connect("client", V4["server"], 22).close()
        # Down and up: the same interface.
        run("ip", "-n", lab.ns["server"], "link", "set", "eth0", "down")
        run("ip", "-n", lab.ns["server"], "link", "set", "eth0", "up")
        run("ip", "-n", lab.ns["server"], "addr", "replace", V6["server"] + "/64", "dev", "eth0", "nodad")
        until("a knock works", lambda: lab.knock("ssh")[0] == 0)
        # Gone and made anew.
        lab.unplug("server")
        until("the daemon noticed", lambda: (lab.ctl("status", check=False) or [{"doors": [{}]}])[0]
              ["doors"][0].get("watching") is False)
        lab.plug("server")
        until("the door watches again", lambda: (lab.ctl("status", check=False) or [{"doors": [{}]}])[0]
              ["doors"][0].get("watching"))
        lab.must_open("ssh")


def rename(lab, old, new):
    """As udev or an administrator does; kernels before 6.2 want it down for that."""
    ns = lab.ns["server"]
    if run("ip", "-n", ns, "link", "set", "dev", old, "name", new, check=False).returncode != 0:
        run("ip", "-n", ns, "link", "set", "dev", old, "down")
        run("ip", "-n", ns, "link", "set", "dev", old, "name", new)
        run("ip", "-n", ns, "link", "set", "dev", new, "up")
        run("ip", "-n", ns, "addr", "replace", V6["server"] + "/64", "dev", new, "nodad")


def watching(lab, expected):
    until(f"the door watches: {expected}",
          lambda: (lab.ctl("status", check=False) or [{"doors": [{}]}])[0]["doors"][0].get("watching") is expected)


def test_interface_renamed():
    """A door is of the interface that has its name: another one's when another gets it, and of the old one never."""
    with Lab("renamed") as lab:
        ready(lab)
        lab.must_open("wiki")
        living = lab.connect("client", V4["server"], 8443)
        rename(lab, "eth0", "lan0")
        watching(lab, False)
        assert "interface eth0 is gone, or has another name now" in lab.log()
        assert [r["reason"] for r in lab.journal("door")] == ["interface-gone"], lab.journal("door")
        # Gates are no matter of names: who is in stays, and who knocked before comes in.
        talk(living)
        lab.connect("client", V4["server"], 8443).close()
        assert lab.knock("ssh")[0] == 3
        assert lab.probe("client", V4["server"], 22) == "silent"
        # Another one that gets the name is the door now.
        run("ip", "-n", lab.ns["server"], "link", "add", "eth0", "type", "veth", "peer", "name", "away")
        run("ip", "-n", lab.ns["server"], "link", "set", "eth0", "up")
        watching(lab, True)
        assert lab.knock("ssh")[0] == 3
        run("ip", "-n", lab.ns["server"], "link", "del", "eth0")
        watching(lab, False)
        rename(lab, "lan0", "eth0")
        watching(lab, True)
        talk(living)
        lab.must_open("ssh")
        lab.connect("client", V4["server"], 22).close()


def test_another_name_of_an_interface():
    """A door may name its interface by one of its alternative names; a door for all asks for no name."""
    with Lab("names") as lab:
        lab.setup()
        lab.echo(22)
        run("ip", "-n", lab.ns["server"], "link", "property", "add", "dev", "eth0", "altname", "wan0")
        for interface in ("wan0", "any"):
            lab.config(services=LONG, doors=f'door wan {{ interface = "{interface}"  spa {{ udp = 62201 }} }}\n')
            lab.start()
            time.sleep(2.5)
            watching(lab, True)
            lab.must_open("ssh")
            lab.connect("client", V4["server"], 22).close()
            if interface == "any":
                rename(lab, "eth0", "lan0")
                time.sleep(2.5)
                watching(lab, True)
                lab.must_open("ssh")
                lab.connect("client", V4["server"], 22).close()
            lab.stop()


def test_administrator_closes():
    with Lab("close") as lab:
        ready(lab)
        lab.must_open("wiki")
        living = lab.connect("client", V4["server"], 8443)
        r = lab.ctl("close", "Admin/VSD")
        assert r[-1]["text"] == "1 closed", r
        assert lab.probe("client", V4["server"], 8443) == "silent"
        talk(living)
        lab.must_open("wiki")
        second = lab.connect("client", V4["server"], 8443)
        lab.ctl("close", "--all", "--cut")
        second.settimeout(20)
        try:
            second.sendall(b"x")
            gone = second.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            gone = True
        assert gone, "the connection was not cut"
        try:
            talk(living)
            raise AssertionError("the first connection was not cut")
        except (ConnectionResetError, BrokenPipeError):
            pass
        closed = lab.journal("closed")
        assert [r["reason"] for r in closed] == 3 * ["administrator"], closed
        assert {r["grant"] for r in closed} == {1, 2}, closed


if __name__ == "__main__":
    main(test_everything_killed, test_flush_ruleset_changes_nothing, test_reload_keeps_gates, test_restart_keeps_gates, test_knock_process_killed,
         test_gate_process_killed, test_reload_changes_services,
         test_reload_withdraws_what_was_granted_otherwise, test_broken_config_changes_nothing,
         test_interface_comes_and_goes, test_interface_renamed, test_another_name_of_an_interface, test_administrator_closes)
