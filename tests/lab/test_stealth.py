"""What a stranger sees of a guarded machine, and what it sees of others."""

import json
import socket
import subprocess

from lab import V4, V6, Lab, main, program, run, until


def look(lab, host, *argv, who="stranger"):
    r = lab.exec(who, program("postern"), "audit", "stealth", host, "--wait", "1s", *argv, "--json")
    try:
        views = json.loads(r.stdout)
    except json.JSONDecodeError:
        return r.returncode, None, r.stderr
    ports = {(p["protocol"], p["port"]): p for p in views[0]["ports"] if not p["comparison"]} if views else {}
    return r.returncode, views, ports


def rules(lab, text):
    lab.exec("server", "nft", "-f", "-", input=text, check=True)


def test_guarded():
    """A port that posternd guards is silent to a stranger, open to who has knocked, and said to stand out."""
    with Lab("stealth") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        lab.start()
        for host in (V4["server"], V6["server"]):
            status, views, ports = look(lab, host, "--ports", "22", "--udp", "62201")
            assert status == 0, (status, views, ports)
            assert ports[("tcp", 22)]["sight"] == "silent" and ports[("tcp", 22)]["tries"] >= 2, ports
            assert ports[("udp", 62201)]["sight"] == "silent", ports
            # Everything else of this machine answers with resets: the silence is seen.
            assert views[0]["silent"] and views[0]["stands_out"] == "yes", views
        lab.must_open()
        status, views, ports = look(lab, V4["server"], "--ports", "22", who="client")
        assert status == 1 and ports[("tcp", 22)]["sight"] == "open", (status, ports)
        status, views, ports = look(lab, V4["server"], "--ports", "22")
        assert status == 0 and ports[("tcp", 22)]["sight"] == "silent", (status, ports)


def test_sights():
    """Open, reset, ICMP of each kind and silence are told apart, over TCP and UDP, IPv4 and IPv6."""
    with Lab("sights") as lab:
        lab.echo(80)
        lab.echo(5353, kind=socket.SOCK_DGRAM)
        rules(lab, """
table inet t { chain c { type filter hook input priority 0; policy accept;
    tcp dport 1001 drop
    tcp dport 1002 reject with icmpx type admin-prohibited
    tcp dport 1003 reject with icmpx type port-unreachable
    tcp dport 1004 reject with tcp reset
    udp dport 2001 drop
    udp dport 2002 reject with icmpx type admin-prohibited
}
}
""")
        want = {("tcp", 80): "open", ("tcp", 81): "refuses", ("tcp", 1001): "silent", ("tcp", 1002): "unreachable",
                ("tcp", 1003): "unreachable", ("tcp", 1004): "refuses", ("udp", 5353): "open",
                ("udp", 2000): "refuses", ("udp", 2001): "silent", ("udp", 2002): "unreachable"}
        for host in (V4["server"], V6["server"]):
            # Errors of a host are rationed: a few ports at a time.
            status, views, ports = look(lab, host, "--ports", "80,81,1001-1004", "--udp", "5353,2000-2002")
            assert status == 1, (status, views)
            assert {k: p["sight"] for k, p in ports.items()} == want, (host, {k: p["sight"] for k, p in ports.items()})
            assert ports[("tcp", 1002)]["icmp"]["from"] == host, ports[("tcp", 1002)]
            assert views[0]["stands_out"] == "yes" and not views[0]["silent"], views[0]


def test_nobody():
    """Where all is dropped, nothing stands out; where nobody is, that is no silence of a machine."""
    with Lab("nobody") as lab:
        rules(lab, "table inet t { chain c { type filter hook input priority 0; policy drop; "
                   "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept;\n}\n}\n")
        status, views, ports = look(lab, V4["server"], "--ports", "22,80", "--udp", "53")
        assert status == 0 and views[0]["stands_out"] == "no", (status, views)
        text = lab.exec("stranger", program("postern"), "audit", "stealth", V4["server"], "--ports", "22",
                        "--wait", "1s").stdout
        assert "tcp/22: silent after" in text and "nothing tells these ports" in text, text
        status, views, ports = look(lab, "10.77.0.99", "--ports", "22", "--udp", "53")
        assert {p["sight"] for p in ports.values()} <= {"untried", "silent"}, ports


def test_names():
    """What the certificate of a public port names is listed."""
    with Lab("names") as lab:
        pem, key = lab.path("c.pem"), lab.path("k.pem")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "9",
            "-subj", "/CN=www.example.org", "-addext", "subjectAltName=DNS:www.example.org,DNS:vpn.example.org")
        p = subprocess.Popen(["ip", "netns", "exec", lab.ns["server"], "openssl", "s_server", "-accept", "443",
                              "-cert", pem, "-key", key, "-quiet"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            until("it listens", lambda: ":443" in lab.exec("server", "ss", "-Hltn").stdout)
            rules(lab, "table inet t { chain c { type filter hook input priority 0; policy drop; "
                       "tcp dport 443 accept; ct state established accept;\n}\n}\n")
            status, views, ports = look(lab, V4["server"], "--ports", "22", "--public", "443")
            assert status == 0, (status, views)
            assert views[0]["certificates"] == [{"port": 443, "names": ["www.example.org", "vpn.example.org"]}], views
        finally:
            p.kill()
            p.wait()


def test_usage():
    """What is wrong with the question is said before any packet."""
    with Lab("usage") as lab:
        for argv in ([], ["127.0.0.1"], ["127.0.0.1", "--ports", "0"], ["127.0.0.1", "--ports", "9-8"],
                     ["127.0.0.1", "--ports", "1,,2"], ["127.0.0.1", "--ports", "1-60000"], ["a b", "--ports", "1"],
                     ["127.0.0.1", "x", "--ports", "1"], ["127.0.0.1", "--ports", "1", "--wait", "0"]):
            r = lab.exec("client", program("postern"), "audit", "stealth", *argv)
            assert r.returncode == 2 and r.stdout == "" and r.stderr.count("\n") == 1, (argv, r)


if __name__ == "__main__":
    main(test_guarded, test_sights, test_nobody, test_names, test_usage)
