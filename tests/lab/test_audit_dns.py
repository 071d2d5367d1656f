"""What the audit learns of mail domains: knot serves signed and unsigned zones, unbound validates, nginx has the policy."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from lab import BOUND, inside, main, run, until

HERE = "10.77.9.1"  # of this namespace; not loopback, so a resolver there is believed only when named
NS = f"pa{os.getpid()}"
AGE = "max_age: 86400\n"
POLICY = {
    "signed": "version: STSv1\r\nmode: enforce\r\nmx: mail.signed.example\r\nmx: *.back.signed.example\r\n" + AGE,
    "plain": "version: STSv1\nmode: testing\nmx: other.example\n" + AGE,
    "broken": "version: STSv1\nmode: perhaps\nmx: mail.broken.example\n" + AGE,
    "long": "version: STSv1\nmode: enforce\nmx: mail.long.example\n" + AGE + "x: y\n" * 20000,
}
TYPE = {"html": "text/html"}
DIGEST = "ab" * 32

COMMON = """
@ 300 SOA ns.example. admin.example. 1 3600 600 86400 60
@ NS ns.example.
"""
STS = f"""
_mta-sts TXT "v=STSv1; id=20240101T000000;"
mta-sts A {HERE}
mail A 192.0.2.1
@ MX 10 mail
"""
ZONES = {
    ".": f"""
. 300 SOA ns.example. admin.example. 1 3600 600 86400 60
. NS ns.example.
ns.example. A 127.0.0.1
""",
    "signed.example": COMMON + f"""
@ MX 10 mail
@ MX 5 a.back
@ MX 20 alias
@ MX 30 mail
@ CAA 0 issue "ca.example"
sub MX 10 mail
@ CAA 128 iodef "mailto:caa@signed.example"
mail A 192.0.2.1
mail AAAA 2001:db8::1
_25._tcp.mail TYPE52 \\# 35 030101{DIGEST}
_25._tcp.mail TYPE52 \\# 35 020001{DIGEST}
_443._tcp.mail TYPE52 \\# 35 030101{"cd" * 32}
a.back A 192.0.2.2
alias CNAME target
target A 192.0.2.3
_25._tcp.target TYPE52 \\# 35 030101{"ef" * 32}
again CNAME named
named A 192.0.2.4
_443._tcp.again TYPE52 \\# 35 030101{"12" * 32}
outward CNAME www.plain.example.
_mta-sts TXT "v=STSv1; " "id=20240101T000000;"
_mta-sts TXT "something else"
_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@signed.example"
mta-sts A {HERE}
""",
    "plain.example": COMMON + STS + f"""
@ A 192.0.2.20
www A 192.0.2.21
_25._tcp.mail TYPE52 \\# 35 030101{DIGEST}
_smtp._tls TXT "v=TLSRPTv1; rua=ftp://nowhere"
sub MX 10 mail
sub A 192.0.2.22
null MX 0 .
null A 192.0.2.23
implicit A 192.0.2.24
alone A 192.0.2.25
odd MX 10 192.0.2.9.
odd MX 20 mail
twice TXT "none"
_mta-sts.twice TXT "v=STSv1; id=1"
_mta-sts.twice TXT "v=STSv1; id=2"
twice MX 10 mail
_mta-sts.noid TXT "v=STSv1; id=a-b"
noid MX 10 mail
_mta-sts.nohost TXT "v=STSv1; id=1"
nohost MX 10 mail
nowhere MX 10 gone
loop1 CNAME loop2
loop2 CNAME loop1
strange A 0.0.0.0
strange A 224.0.0.1
""" + "\n".join(f"many MX {i} m{i}" for i in range(80)) + "\n"
        + "\n".join(f"m{i} A 198.51.100.{i + 1}\nm{i} A 203.0.113.{i + 1}\nm{i} AAAA 2001:db8:1::{i:x}" for i in range(80)),
    "bogus.example": COMMON + "@ MX 10 mail\nmail A 192.0.2.30\n",
    "half.example": COMMON + "@ MX 10 mail.signed.example.\n@ MX 20 mail.bogus.example.\n",
    "broken.example": COMMON + STS,
    "long.example": COMMON + STS,
    "html.example": COMMON + STS,
    "moved.example": COMMON + STS,
    "missing.example": COMMON + STS,
    "wrongname.example": COMMON + STS,
    "slow.example": COMMON + STS.replace(f"mta-sts A {HERE}", "mta-sts A 10.77.9.2"),
    "closed.example": COMMON + STS.replace(f"mta-sts A {HERE}", "mta-sts A 10.77.9.3"),
}
SIGNED = ("signed.example", "bogus.example")
POLICY["html"] = POLICY["signed"]


class Names:
    """The namespace with its servers."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="postern-dns-")
        os.chmod(self.dir, 0o755)
        self.children, self.sockets = [], []
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        run("ip", "netns", "add", NS)
        run("ip", "-n", NS, "link", "set", "lo", "up")
        for address in (HERE, "10.77.9.2", "10.77.9.3"):
            run("ip", "-n", NS, "addr", "add", address + "/32", "dev", "lo")
        os.makedirs(f"/etc/netns/{NS}")
        with open(f"/etc/netns/{NS}/resolv.conf", "w") as f:
            f.write(f"nameserver {HERE}\n")
        with open(f"/etc/netns/{NS}/hosts", "w") as f:
            f.write("127.0.0.1 localhost\n::1 localhost\n192.0.2.77 inhosts.example\n")
        self.certificates()
        self.knot()
        self.unbound()
        self.nginx()
        with inside(NS):
            mute = socket.create_server(("10.77.9.2", 443))
        self.sockets.append(mute)  # connects, and says nothing

    def __exit__(self, *exc):
        for p in self.children:
            p.send_signal(signal.SIGTERM)
        for p in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.wait(BOUND)
        for s in self.sockets:
            s.close()
        if exc and exc[0] is not None and getattr(exc[1], "code", 1):
            for name in os.listdir(self.dir):
                if name.endswith(".log"):
                    print(name, open(self.path(name)).read()[-3000:])
        run("ip", "netns", "del", NS, check=False)
        shutil.rmtree(f"/etc/netns/{NS}", ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def spawn(self, name, *argv):
        log = open(self.path(name + ".log"), "w")
        self.children.append(subprocess.Popen(["ip", "netns", "exec", NS, *argv], stdout=log, stderr=log))
        log.close()

    def dig(self, port, *question):
        return run("ip", "netns", "exec", NS, "kdig", "@127.0.0.1", "-p", str(port), "+short", *question,
                   check=False).stdout

    def certificates(self):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=test", "-days", "2", "-keyout", self.path("ca.key"), "-out", self.path("ca.pem"))
        names = [f"mta-sts.{z}" for z in ZONES if z not in (".", "wrongname.example")]
        self.write("san.cnf", "subjectAltName=" + ",".join("DNS:" + n for n in names) + "\n")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            "/CN=policy", "-keyout", self.path("web.key"), "-out", self.path("web.csr"))
        run("openssl", "x509", "-req", "-in", self.path("web.csr"), "-CA", self.path("ca.pem"), "-CAkey",
            self.path("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", self.path("san.cnf"), "-out",
            self.path("web.pem"))

    def knot(self):
        os.makedirs(self.path("knot"))
        zones = ""
        for name, text in ZONES.items():
            file = f"{name.strip('.') or 'root'}.zone"
            self.write(f"knot/{file}", text)
            zones += f"""
  - domain: {name if name == '.' else name + '.'}
    file: {file}
    zonefile-sync: -1
    journal-content: all
    dnssec-signing: {'on' if name in SIGNED else 'off'}
"""
        self.write("knot.conf", f"""
server:
    rundir: {self.path('knot')}
    user: root:root
    listen: 127.0.0.1@5301
log:
  - target: stderr
    any: info
database:
    storage: {self.path('knot')}
template:
  - id: default
    storage: {self.path('knot')}
zone:{zones}""")
        self.spawn("knot", "knotd", "-c", self.path("knot.conf"))
        for zone in ZONES:
            until(f"knot serves {zone}", lambda z=zone: self.dig(5301, z, "SOA").strip())

    def unbound(self):
        keys = {z: until(f"{z} has keys", lambda z=z: [k for k in self.dig(5301, z, "DNSKEY").splitlines()
                                                      if k.startswith("257 ")]) for z in SIGNED}
        anchors = f'    trust-anchor: "signed.example. DNSKEY {keys["signed.example"][0]}"\n'
        # The key of another zone: nothing there can be right.
        anchors += f'    trust-anchor: "bogus.example. DNSKEY {keys["signed.example"][0]}"\n'
        stubs = "".join(f'stub-zone:\n    name: "{z}"\n    stub-addr: 127.0.0.1@5301\n' for z in ZONES)
        self.write("unbound.conf", f"""
server:
    directory: "{self.dir}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    num-threads: 1
    interface: 127.0.0.1@5302
    interface: {HERE}@53
    interface: {HERE}@5302
    access-control: 0.0.0.0/0 allow
    do-not-query-localhost: no
    module-config: "validator iterator"
{anchors}
remote-control:
    control-enable: no
{stubs}""")
        self.spawn("unbound", "unbound", "-d", "-p", "-c", self.path("unbound.conf"))
        until("unbound answers", lambda: "10 mail.plain.example." in self.dig(5302, "plain.example", "MX"))

    def nginx(self):
        servers = ""
        for zone in ZONES:
            short = zone.split(".")[0]
            if short in POLICY:
                self.write(f"{short}.txt", POLICY[short])
            body = f"default_type {TYPE.get(short, 'text/plain')}; alias {self.path(short + '.txt')};"
            if short == "moved":
                body = "return 301 https://mta-sts.signed.example/.well-known/mta-sts.txt;"
            servers += f"""
    server {{
        listen {HERE}:443 ssl;
        server_name mta-sts.{zone.strip('.')};
        location = /.well-known/mta-sts.txt {{ {body} }}
    }}
"""
        self.write("nginx.conf", f"""
daemon off;
user root;
pid {self.path('nginx.pid')};
error_log {self.path('nginx-error.log')};
events {{ }}
http {{
    access_log {self.path('access.log')};
    types {{ }}
    ssl_certificate {self.path('web.pem')};
    ssl_certificate_key {self.path('web.key')};
    {servers}
}}
""")
        self.spawn("nginx", "nginx", "-c", self.path("nginx.conf"), "-e", self.path("nginx-error.log"))

        def listens():
            with inside(NS), contextlib.suppress(OSError):
                socket.create_connection((HERE, 443), 1).close()
                return True
        until("nginx listens", listens)

    def ask(self, *argv, resolver="127.0.0.1:5302"):
        """Objects by what was given."""
        named = ("-r", resolver) if resolver else ()
        r = run("ip", "netns", "exec", NS, os.environ["POSTERN_RESOLVE"], *named, "-c", self.path("ca.pem"),
                "-t", "1500", *argv, env=dict(os.environ, https_proxy="http://127.0.0.1:9"), timeout=60)
        assert r.stderr == "", r.stderr
        return {o["given"]: o for o in map(json.loads, r.stdout.splitlines())}


NAMES = None


def one(name, *argv, **kw):
    return NAMES.ask(*argv, name, **kw)[name]


def hosts(o):
    return [m["host"].split(".")[0] for m in o["domain"]["mx"]]


def test_signed():
    o = one("someone@signed.example")
    d = o["domain"]
    assert o["error"] is None and d["secure"] == "yes" and d["dnssec_text"] == "", o
    assert hosts(o) == ["a", "mail", "alias"], d["mx"]
    assert "mail.signed.example is listed twice" in d["text"], d["text"]
    assert [m["sts"] for m in d["mx"]] == ["yes", "yes", "no"], d["mx"]
    assert [m["cname"] for m in d["mx"]] == [False, False, True], d["mx"]
    assert [(m["v4"], m["v6"]) for m in d["mx"]] == [(True, False), (True, True), (True, False)], d["mx"]
    assert d["sts"] == 2 and d["sts_id"] == "20240101T000000" and d["sts_max_age"] == 86400, d
    assert d["sts_mx"] == ["mail.signed.example", "*.back.signed.example"] and d["sts_text"] == "", d
    assert d["tls_rpt"] == "mailto:tls@signed.example", d
    assert sorted(d["caa"]) == ["0 issue ca.example", "128 iodef mailto:caa@signed.example"], d
    by = {t["addr"]: t for t in o["targets"]}
    assert set(by) == {"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"}, by
    mail = by["192.0.2.1"]
    assert sorted(mail["tlsa"]) == ["2 0 1 " + DIGEST, "3 1 1 " + DIGEST], mail
    assert mail["secure"] == "yes" and mail["host_secure"] == "yes" and not mail["failed"], mail
    assert (mail["host"], mail["domain"], mail["port"], mail["starttls"], mail["preference"]) == (
        "mail.signed.example", "signed.example", 25, "smtp", 10), mail
    # No records, and that is signed too; an alias that is signed leads to the other name's records.
    assert by["192.0.2.2"]["tlsa"] == [] and by["192.0.2.2"]["secure"] == "yes", by
    assert by["192.0.2.3"]["tlsa"] == ["3 1 1 " + "ef" * 32], by


def test_aliases_of_services():
    o = NAMES.ask("again.signed.example:443", "outward.signed.example:443", "mail.signed.example:443")
    assert o["again.signed.example:443"]["targets"][0]["tlsa"] == ["3 1 1 " + "12" * 32], o
    out = o["outward.signed.example:443"]["targets"][0]
    assert out["addr"] == "192.0.2.21" and out["host_secure"] == "no" and out["tlsa"] == [], out
    assert o["mail.signed.example:443"]["targets"][0]["tlsa"] == ["3 1 1 " + "cd" * 32], o


def test_plain():
    o = one("plain.example")
    d = o["domain"]
    assert d["secure"] == "no" and d["sts"] == 1 and [m["sts"] for m in d["mx"]] == ["no"], d
    assert "_smtp._tls.plain.example has no rua" in d["text"] and d["tls_rpt"] == "", d
    t = o["targets"][0]
    assert t["secure"] == "no" and t["host_secure"] == "no" and len(t["tlsa"]) == 1, t


def test_climb():
    # Those of the nearest name above count.
    assert len(one("x@sub.signed.example")["domain"]["caa"]) == 2
    d = one("x@sub.plain.example")["domain"]
    assert d["caa"] == [] and d["sts"] == 0 and d["sts_text"] == "", d


def test_bogus():
    o = one("a@bogus.example")
    assert o["targets"] == [] and "bogus.example: its MX records: the name server failed" in o["error"], o
    o = one("a@half.example")
    assert "mail.bogus.example: its IPv4 addresses: the name server failed" in o["domain"]["text"], o
    assert {t["addr"] for t in o["targets"]} == {"192.0.2.1", "2001:db8::1"}, o


def test_odd_mx():
    o = NAMES.ask("a@null.plain.example", "null.plain.example", "a@implicit.plain.example", "alone.plain.example",
                  "a@odd.plain.example", "a@nowhere.plain.example", "a@gone.plain.example", "gone.plain.example:25",
                  "a@loop1.plain.example", "strange.plain.example:443")
    null = o["a@null.plain.example"]
    assert null["domain"]["null"] and null["targets"] == [] and null["error"] is None, null
    web = o["null.plain.example"]
    assert web["domain"] is None and web["targets"][0]["port"] == 443, web
    implicit = o["a@implicit.plain.example"]
    assert implicit["domain"]["implicit"] and implicit["targets"][0]["port"] == 25, implicit
    assert hosts(implicit) == ["implicit"], implicit
    alone = o["alone.plain.example"]
    assert alone["domain"] is None and alone["targets"][0]["starttls"] == "direct", alone
    odd = o["a@odd.plain.example"]
    assert [m["address"] for m in odd["domain"]["mx"]] == [True, False] and len(odd["targets"]) == 1, odd
    assert "none of its gateways has an address" in o["a@nowhere.plain.example"]["error"], o
    assert "there is no such name" in o["a@gone.plain.example"]["error"], o
    assert "it has no address" in o["gone.plain.example:25"]["error"], o
    assert o["a@loop1.plain.example"]["error"] is not None, o
    assert "it has no address" in o["strange.plain.example:443"]["error"], o


def test_families():
    assert {t["addr"] for t in one("mail.signed.example:25", "-4")["targets"]} == {"192.0.2.1"}
    assert {t["addr"] for t in one("mail.signed.example:25", "-6")["targets"]} == {"2001:db8::1"}
    assert "no IPv6 address" in one("alone.plain.example", "-6")["error"]


def test_many():
    o = one("a@many.plain.example")
    assert len(o["domain"]["mx"]) == 64 and len(o["targets"]) == 128, (len(o["domain"]["mx"]), len(o["targets"]))
    assert "more than 64 MX records" in o["domain"]["text"] and "more than 128 addresses" in o["domain"]["text"], o
    # Hundreds at once come out once each.
    names = [f"m{i % 80}.plain.example:{1000 + i}" for i in range(300)]
    o = NAMES.ask(*names)
    assert len(o) == 300 and all(len(v["targets"]) == 3 for v in o.values()), len(o)


def test_whom_to_believe():
    o = one("a@signed.example", resolver=None)
    assert o["domain"]["secure"] == "unknown" and HERE in o["domain"]["dnssec_text"], o["domain"]
    assert o["targets"][0]["secure"] == "unknown", o
    o = one("a@signed.example", resolver=f"{HERE}:5302")
    assert o["domain"]["secure"] == "yes" and o["domain"]["dnssec_text"] == "", o["domain"]
    # Nobody is there.
    o = one("a@signed.example", resolver="127.0.0.1:5399")
    assert "no name server can be reached" in o["error"], o


def test_hosts_file():
    o = NAMES.ask("localhost:8443", "inhosts.example", resolver=None)
    assert {t["addr"] for t in o["localhost:8443"]["targets"]} == {"127.0.0.1", "::1"}, o
    assert o["inhosts.example"]["targets"][0]["addr"] == "192.0.2.77" and o["inhosts.example"]["domain"] is None, o


def test_policies():
    says = {
        "broken": "its mode is none of",
        "long": "longer than 65536 bytes",
        "html": "not served as text/plain",
        "moved": "redirects (status 301)",
        "missing": "status 404",
        "wrongname": "mta-sts.wrongname.example",
        "slow": "time",
        "closed": "https://mta-sts.closed.example",
    }
    o = NAMES.ask(*(f"a@{z}.example" for z in says), "a@twice.plain.example", "a@noid.plain.example",
                  "a@nohost.plain.example")
    for zone, text in says.items():
        d = o[f"a@{zone}.example"]["domain"]
        assert d["sts"] == 4 and text in d["sts_text"], (zone, d)
    assert "2 TXT records" in o["a@twice.plain.example"]["domain"]["sts_text"], o
    assert "has no id" in o["a@noid.plain.example"]["domain"]["sts_text"], o
    assert "has no address" in o["a@nohost.plain.example"]["domain"]["sts_text"], o


class Liar(threading.Thread):
    """A name server with one wrong answer to everything."""

    def __init__(self, port, make):
        super().__init__(daemon=True)
        with inside(NS):
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", port))
        self.make = make
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.sock.recvfrom(4096)
                if (answer := self.make(data)) is not None:
                    self.sock.sendto(answer, peer)


def question_end(q):
    at = 12
    while q[at]:
        at += q[at] + 1
    return at + 5


def header(q, count):
    return q[:2] + b"\x84\xa0\0\1" + count.to_bytes(2, "big") + bytes(4) + q[12:question_end(q)]


def test_liars():
    head = b"\0\1\0\0\0\1"
    lies = {
        "mute": lambda q: None,
        "self": lambda q: header(q, 1) + b"\xc0\x0c\0\5" + head + b"\0\2\xc0\x0c",  # an alias of itself
        "forward": lambda q: header(q, 1) + b"\xc0\xff\0\x0f" + head + b"\0\4\0\1\xc0\xff",
        "short": lambda q: header(q, 9),
        "other": lambda q: header(q, 1) + b"\5other\0\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1",
        "bits": lambda q: header(q, 1) + b"\xc0\x0c\0\x0f" + head + b"\0\4\0\1\xc0\x40",
    }
    for i, (name, make) in enumerate(lies.items()):
        liar = Liar(5400 + i, make)
        begin = time.monotonic()
        o = one("host.example:25", resolver=f"127.0.0.1:{5400 + i}")
        assert o["targets"] == [] and o["error"], (name, o)
        assert time.monotonic() - begin < 15, name
        liar.sock.close()


def test_failures():
    """Servers that say where mail goes and fail for everything else: nothing is told to be absent."""
    head = b"\0\1\0\0\0\1"

    def only(*kinds):
        def make(q):
            kind = int.from_bytes(q[question_end(q) - 4:question_end(q) - 2], "big")
            if kind not in kinds:
                return q[:2] + b"\x84\xa2\0\1" + bytes(6) + q[12:question_end(q)]
            if kind == 15:
                return header(q, 1) + b"\xc0\x0c\0\x0f" + head + b"\0\4\0\5\xc0\x0c"
            if kind == 1:
                return header(q, 1) + b"\xc0\x0c\0\1" + head + b"\0\4\xc0\0\2\1"
            return header(q, 0)
        return make

    none, done, failed = 0, 1, 2
    for i, (kinds, looks) in enumerate([((1, 15), [done, failed, failed, failed]),
                                        ((1, 15, 16, 257), [done, done, done, done]),
                                        ((1, 15, 257), [done, failed, failed, done]),
                                        ((1,), [failed, failed, failed, failed])]):
        liar = Liar(5420 + i, only(*kinds))
        o = one("a@fails.example", resolver=f"127.0.0.1:{5420 + i}")
        assert o["domain"]["looks"] == looks, (kinds, o)
        assert o["domain"]["sts"] == 0, o
        assert ("_mta-sts.fails.example: the name server failed" in o["domain"]["text"]) == (
            looks[0] == done and looks[1] == failed), o
        assert [t["failed"] for t in o["targets"]] == [True] * (looks[0] == done), o
        liar.sock.close()
    assert one("a@signed.example")["domain"]["looks"] == [done] * 4
    assert one("a@signed.example", "-n")["domain"]["looks"] == [done, none, none, none]


def test_give_up():
    # With questions, addresses and policies in the air, at several stages: an end at once, nothing said.
    mute = Liar(5450, lambda q: None)
    begin = time.monotonic()
    assert one_or_none("-x", "100", "host.example:25", resolver="127.0.0.1:5450") is None
    for ms in ("1", "3", "10", "30", "300"):
        assert one_or_none("-x", ms, "a@slow.example") is None
    assert time.monotonic() - begin < 10
    mute.sock.close()


def one_or_none(*argv, **kw):
    return NAMES.ask(*argv, **kw).get(argv[-1])


if __name__ == "__main__":
    if os.geteuid() == 0:
        with Names() as NAMES:
            main(test_signed, test_aliases_of_services, test_plain, test_climb, test_bogus, test_odd_mx, test_families,
                 test_many, test_whom_to_believe, test_hosts_file, test_policies, test_liars, test_failures,
                 test_give_up)
    else:
        main()
