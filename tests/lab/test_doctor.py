"""posternctl doctor: before the first start, with a daemon, and with what locks people out in its way."""

import json
import os

from lab import Lab, main, program, run

SESSION = {"SSH_CONNECTION": "10.77.0.2 50014 10.77.0.1 22"}


def doctor(lab, *argv, **env):
    r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "doctor", "--json",
                 "-c", lab.path("postern.conf"), *argv, env=env)
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    assert r.stderr == "" and lines[-1].keys() == {"ok", "warn", "fail"}, (r.stdout, r.stderr)
    assert r.returncode == (1 if lines[-1]["fail"] else 0), (r.returncode, lines)
    return lines[:-1]


def says(found, level, check, *words):
    texts = [o["text"] for o in found if o["level"] == level and o["check"] == check]
    assert any(all(w in t for w in words) for t in texts), (level, check, words, found)


def fails(found):
    return [o for o in found if o["level"] == "fail"]


def nft(lab, text):
    run("ip", "netns", "exec", lab.ns["server"], "nft", "-f", "-", input=text)


def test_healthy():
    with Lab("healthy") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        found = doctor(lab)
        assert not fails(found), found
        says(found, "warn", "daemon", "no daemon runs")
        says(found, "warn", "table", "nothing is guarded")
        lab.start()
        found = doctor(lab, "--as", "Admin/VSD", **SESSION)
        assert not fails(found), found
        says(found, "ok", "way", "Admin/VSD would be let in to ssh through door wan, from 10.77.0.2")
        says(found, "ok", "daemon", "monitor, knock and gate process")
        says(found, "ok", "table", "no flush by others")
        says(found, "ok", "rules", "no other rule set")
        says(found, "ok", "knock", "eth0 is up with IPv4 and IPv6")
        says(found, "ok", "ports", "tcp port 22 (ssh) is guarded and in use")
        says(found, "ok", "kernel", "limits in set elements")
        # People read the same without --json.
        r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "doctor",
                     "-c", lab.path("postern.conf"))
        assert r.returncode == 0 and "OK    table" in r.stdout and " failed\n" in r.stdout, r.stdout


def test_cannot_come_back():
    with Lab("locked") as lab:
        lab.setup()
        lab.config()
        lab.start()
        says(doctor(lab, "--as", "Bob/VSD", **SESSION), "fail", "way", "Bob/VSD would not be let in")
        says(doctor(lab, SSH_CONNECTION="10.77.0.2 50014 10.77.0.1 2222"), "ok", "way", "which is not guarded")
        lab.ctl("revoke", "Admin/VSD")
        found = doctor(lab, **SESSION)
        says(found, "fail", "way", "nobody in the directory would be let in")
        says(found, "warn", "ports", "nobody listens there")
        lab.ctl("restore", "Admin/VSD")
        lab.kill_all()
        found = doctor(lab)
        says(found, "fail", "table", "no daemon can open them")


def test_others_in_the_way():
    with Lab("others") as lab:
        lab.setup()
        lab.config()
        lab.start()
        lab.echo(22)
        lab.echo(8080)
        says(doctor(lab), "warn", "ports", "tcp/8080")
        nft(lab, "table inet filter {\n chain input {\n type filter hook input priority 0; policy drop;\n"
                 "ct state established,related accept\n}\n}\n")
        says(doctor(lab), "fail", "rules", "the policy of chain input in table inet filter drops tcp port 22")
        nft(lab, "add rule inet filter input ip saddr 10.0.0.0/8 tcp dport 22 accept\n"
                 "add rule inet filter input ct mark set 7\n")
        found = doctor(lab)
        says(found, "warn", "rules", "drops tcp port 22 (ssh) but for some")
        says(found, "warn", "rules", "sets or reads connection marks")
        nft(lab, "insert rule inet filter input tcp dport { 22, 80 } accept\n")
        says(doctor(lab), "ok", "rules", "no other rule set")


def test_range():
    """Of a range every port counts: one that is heard is in use, one that is dropped is in the way."""
    with Lab("range") as lab:
        lab.setup()
        lab.config(services='service range { port = tcp/6000-6010  allow = {"*/VSD"}  open = window }')
        lab.start()
        says(doctor(lab), "warn", "ports", "tcp port 6000-6010 (range) is guarded, but nobody listens")
        lab.echo(6005)
        found = doctor(lab)
        says(found, "ok", "ports", "tcp port 6000-6010 (range) is guarded and in use")
        says(found, "ok", "rules", "no other rule set")
        nft(lab, "table inet filter {\n chain input {\n type filter hook input priority 0;\n"
                 "tcp dport 6010 drop\n}\n}\n")
        says(doctor(lab), "fail", "rules", "drops tcp port 6010 (range)")


def test_no_way_in():
    with Lab("down") as lab:
        lab.setup()
        lab.config()
        lab.start()
        run("ip", "-n", lab.ns["server"], "link", "set", "eth0", "down")
        says(doctor(lab), "fail", "knock", "not there or down")
        os.chmod(lab.path("etc", "server.key"), 0o644)
        says(doctor(lab), "fail", "config", "server.key", "chmod go-rwx")


if __name__ == "__main__":
    main(test_healthy, test_cannot_come_back, test_others_in_the_way, test_range, test_no_way_in)
