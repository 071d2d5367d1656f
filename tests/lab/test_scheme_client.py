"""
Classic knocks as they leave the client: each attempt once, in order, IPv4 and IPv6, without privilege, and
nothing behind them, whether the server is silent, refuses or listens.
"""

import os
import struct
import time

from lab import Lab, V4, V6, main, program, run

SECOND = 1.2  # until the kernel would have sent a SYN again
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
SYN, RST = 2, 4
SID = "05" * 32
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def packets(path, source):
    """(protocol, destination port, TCP flags, payload) of each packet from source in a file of frames."""
    with open(path, "rb") as f:
        data = f.read()
    at, found = 24, []
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + 16:at + 16 + size]
        at += 16 + size
        kind, ip = struct.unpack_from("!H", frame, 12)[0], frame[14:]
        if kind == 0x0800:
            head, proto, src = (ip[0] & 15) * 4, ip[9], ".".join(map(str, ip[12:16]))
            ip = ip[:struct.unpack_from("!H", ip, 2)[0]]
        elif kind == 0x86dd:
            head, proto, src = 40, ip[6], "%x::%x" % (struct.unpack_from("!H", ip, 8)[0], ip[23])
        else:
            continue
        if src != source:
            continue
        body = ip[head:]
        if proto == TCP:
            found.append((TCP, struct.unpack_from("!H", body, 2)[0], body[13], body[(body[12] >> 4) * 4:]))
        elif proto == UDP:
            found.append((UDP, struct.unpack_from("!H", body, 2)[0], 0, body[8:]))
        elif proto == ICMP or (proto == ICMP6 and body[0] in (128, 129)):
            found.append((proto, body[0], 0, body[8:]))
    return found


class Client:
    """A client without privilege, and what its machine sends to the server."""

    def __init__(self, lab):
        self.lab = lab
        self.n = 0
        os.chmod(lab.path("home-client"), 0o700)
        os.chown(lab.path("home-client"), 65534, 65534)

    def file(self, name, text):
        path = self.lab.path("home-client", name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o600)
        os.chown(path, 65534, 65534)
        return path

    def run(self, *argv, check=True, wrap=NOBODY):
        r = self.lab.exec("client", *wrap, program("postern"), *argv)
        assert not check or r.returncode == 0, (argv, r)
        return r

    def sent(self, *argv, wait=0.0, wrap=NOBODY):
        """What a knock sends, and how it was told."""
        self.n += 1
        path = self.lab.path(f"{self.n}.pcap")
        # The neighbour is not known: the first knocks wait for its address, and must keep their order.
        self.lab.exec("client", "ip", "neigh", "flush", "all")
        stop = self.lab.capture("server", "tcp or udp or icmp or icmp6", path)
        r = self.run(*argv, check=False, wrap=wrap)
        time.sleep(wait or 0.1)
        stop.stop()
        host = next(a for a in argv if a in (V4["server"], V6["server"]))
        return packets(path, V6["client"] if ":" in host else V4["client"]), r


def knocks(lines):
    """Ports of a dry run, as they must be seen."""
    return [(UDP if p.endswith(":udp") else TCP, int(p.split(":")[0])) for p in lines.split()]


def lab_with_client(name):
    lab = Lab(name)
    os.mkdir(lab.path("home-client"))
    return lab


def schemes(client, host):
    key = client.file("key", "knock\n")
    tag = client.file("tag", "7 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= Ops/VSD\n")
    seq = ["--scheme", "sequence", "--sequence", "102,100,100:udp,100,103"]
    yield seq, knocks("102 100 100:udp 100 103")
    yield ["--scheme", "structured", "--base", "7000", "--port", "22"], \
        knocks("7003 7001 7007 7000 7000 7002 7002 7001 7005 7007 7001 7003")
    cipher = ["--scheme", "cipher", "--key-file", key, "--iv", "01234567", "--port", "22", "--wide"]
    yield cipher, knocks(client.run("knock", *cipher, "--dry-run", host).stdout)
    yield ["--scheme", "tagged", "--key-file", tag, "--service-slot", "0", "--server", SID], None


def test_silent_server():
    """Every attempt once, in order; none is sent again."""
    with lab_with_client("scheme") as lab:
        client = Client(lab)
        lab.exec("server", "nft", "add table inet t; add chain inet t i "
                 "{ type filter hook input priority 0; }; add rule inet t i meta l4proto { tcp, udp } drop",
                 check=True)
        for host in (V4["server"], V6["server"]):
            for options, wanted in schemes(client, host):
                found, r = client.sent("knock", *options, host, "--delay", "5", wait=SECOND)
                assert r.returncode == 0, r
                assert all(p[2] == SYN for p in found if p[0] == TCP), (options, found)
                assert all(p[3] == b"\0" for p in found if p[0] == UDP), found
                if wanted is not None:
                    assert [p[:2] for p in found] == wanted, (options, found, wanted)
                else:
                    places = [(p[1] - 40000) // 256 for p in found]
                    assert places == list(range(16)), found
                    assert found[0][1] == 40007


def test_refusing_server():
    """Resets and unreachables come back; nothing is sent but the knocks."""
    with lab_with_client("scheme-rst") as lab:
        client = Client(lab)
        for host in (V4["server"], V6["server"]):
            for options, wanted in schemes(client, host):
                if wanted is None:
                    continue
                found, r = client.sent("knock", *options, host, "--delay", "5")
                assert r.returncode == 0, r
                assert [p[:3] for p in found if p[0] == TCP] == \
                    [(TCP, p, SYN) for proto, p in wanted if proto == TCP], (options, found)


def test_listening_server():
    """An open port among the knocks: no connection stays, and the order holds."""
    with lab_with_client("scheme-open") as lab:
        client = Client(lab)
        lab.echo(100)
        for host in (V4["server"], V6["server"]):
            found, r = client.sent("knock", "--scheme", "sequence", "--sequence", "102,100,103", host)
            assert r.returncode == 0, r
            syns = [p[1] for p in found if p[0] == TCP and p[2] == SYN]
            assert syns == [102, 100, 103], found
            assert all(p[2] in (SYN, RST) or p[1] == 100 for p in found), found
            states = lab.exec("server", "ss", "-Htan").stdout
            assert "ESTAB" not in states and "WAIT" not in states, states


def test_carriers():
    """The packet of fwknop by UDP and ICMP; ICMP says what it needs when it has it not."""
    with lab_with_client("scheme-fwknop") as lab:
        client = Client(lab)
        client.file("fk", "KEY_BASE64 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nHMAC_KEY_BASE64 QEFC\n")
        fwknop = ["--scheme", "fwknop", "--key-file", lab.path("home-client", "fk"), "--access", "tcp/22"]
        for host, icmp in ((V4["server"], (ICMP, 0)), (V6["server"], (ICMP6, 129))):
            allow = ["--allow", "source"]
            found, r = client.sent("knock", *fwknop, *allow, host)
            assert r.returncode == 0 and [p[:2] for p in found if p[0] == UDP] == [(UDP, 62201)], (r, found)
            assert 140 <= len(found[0][3]) <= 1500, found
            found, r = client.sent("knock", *fwknop, *allow, "--carrier", "icmp", host)
            assert r.returncode == 4 and "CAP_NET_RAW" in r.stderr and not found, (r, found)
            cap_raw = [*NOBODY, "--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"]
            found, r = client.sent("knock", *fwknop, *allow, "--carrier", "icmp", host, wrap=cap_raw)
            assert r.returncode == 0 and [p[:2] for p in found] == [icmp], (r, found)
            assert 140 <= len(found[0][3]) <= 1500, found


def test_addresses():
    """The first address to which there is a way, or of the family that was asked for."""
    with lab_with_client("scheme-addr") as lab:
        client = Client(lab)
        seq = ["knock", "--scheme", "sequence", "--sequence", "5,6,7", "--delay", "0", "--json"]
        assert V4["server"] in client.run(*seq, V4["server"]).stdout
        assert client.run(*seq, "-6", V4["server"], check=False).returncode == 4
        r = client.run(*seq, "203.0.113.1", check=False)
        assert r.returncode == 4 and "there is no way to 203.0.113.1: Network is unreachable" in r.stderr, r
        # What a scheme says by itself is the address the knocks come from.
        key = client.file("key", "knock\n")
        cipher = ["knock", "--scheme", "cipher", "--key-file", key, "--iv", "01234567", "--port", "22", "--dry-run"]
        ours = client.run(*cipher, V4["server"]).stdout
        assert ours == client.run(*cipher, "--allow", V4["client"], "gw").stdout
        assert ours != client.run(*cipher, "--allow", V4["stranger"], "gw").stdout
        # In a file of profiles that its owner wrote, as anybody.
        client.file("profiles", 'profile gw { host = "%s" scheme = cipher key-file = key iv = "01234567" port = 22 }'
                    % V4["server"])
        assert client.run("knock", "gw", "--dry-run").stdout == ours


if __name__ == "__main__":
    main(test_silent_server, test_refusing_server, test_listening_server, test_carriers, test_addresses)
