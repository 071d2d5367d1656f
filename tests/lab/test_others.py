"""
Beside other firewalls: their rules are never edited, an accept of theirs opens no guarded port, a drop of
theirs stays a drop and spends no gate, also when the daemon starts, reloads, dies and starts again.
"""

import re

from lab import V4, V6, Lab, main, run

NFT = """
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        meta l4proto ipv6-icmp accept
        ct state established,related accept
        tcp dport { 22, 8080 } accept
        ip saddr 10.77.0.2 tcp dport 2222 drop
        tcp dport 2222 accept
    }
}
"""
SERVICES = """
service ssh { port = tcp/22  allow = {"*/VSD"} }
service other { port = tcp/2222  allow = {"*/VSD"} }
"""


def inside(lab, *argv):
    return run("ip", "netns", "exec", lab.ns["server"], *argv).stdout


def of_others(lab):
    """Their rules as they stand, and the tables there are."""
    tables = [t for t in inside(lab, "nft", "list", "tables").splitlines() if "postern" not in t]
    # What their rules counted is no change of them.
    return {t: re.sub(r"packets \d+ bytes \d+", "", inside(lab, "nft", "list", *t.split())) for t in tables}


def beside(name, install):
    with Lab(name) as lab:
        lab.setup()
        lab.config(services=SERVICES)
        for port in (22, 2222, 8080, 9090):
            lab.echo(port)
        install(lab)
        before = of_others(lab)
        assert before
        lab.start()
        for host in (V4["server"], V6["server"]):
            assert lab.probe("client", host, 22) == "silent", "their accept opened it"
            assert lab.probe("client", host, 8080) == "open"
            assert lab.probe("client", host, 9090) == "silent", "their drop"
            lab.must_open("ssh", host=host)
            lab.connect("client", host, 22).close()
            assert lab.probe("client", host, 22) == "silent"
        # A gate that they drop is not spent by the try: from where they let it, it still opens.
        lab.must_open("other")
        assert lab.probe("client", V4["server"], 2222) == "silent"
        lab.must_open("other", host=V6["server"])
        lab.connect("client", V6["server"], 2222).close()
        lab.ctl("reload")
        lab.settled()
        lab.kill_all()
        assert of_others(lab) == before
        assert lab.probe("client", V4["server"], 22) == "silent"
        lab.start()
        lab.stop()
        assert of_others(lab) == before
        # Without theirs, which may be replaced at any time, ours stands.
        for table in before:
            inside(lab, "nft", "delete", *table.split())
        assert lab.probe("client", V4["server"], 22) == "silent"
        assert lab.probe("client", V4["server"], 9090) == "open"


def nftables(lab):
    path = lab.path("nftables.conf")
    with open(path, "w") as f:
        f.write(NFT)
    inside(lab, "nft", "-f", path)


def iptables(lab):
    for program in ("iptables-nft", "ip6tables-nft"):
        rules = [["-i", "lo", "-j", "ACCEPT"], ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED",
                 "-j", "ACCEPT"]]
        if program == "ip6tables-nft":
            rules.append(["-p", "ipv6-icmp", "-j", "ACCEPT"])
        else:
            rules.append(["-p", "tcp", "--dport", "2222", "-s", "10.77.0.2", "-j", "DROP"])
        rules += [["-p", "tcp", "--dport", port, "-j", "ACCEPT"] for port in ("22", "2222", "8080")]
        for rule in rules:
            inside(lab, program, "-A", "INPUT", *rule)
        inside(lab, program, "-P", "INPUT", "DROP")


def test_nftables():
    beside("nftables", nftables)


def test_iptables():
    beside("iptables", iptables)


if __name__ == "__main__":
    main(test_nftables, test_iptables)
