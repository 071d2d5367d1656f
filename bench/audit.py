#!/usr/bin/python3
"""
postern audit beside sslscan, nmap ssl-enum-ciphers and testssl.sh, in one run, at the same servers, over a wire
of 0 and of 50 ms. Prints a table and asserts nothing. Everything is in two network namespaces that go with it.

    bench/audit.py BUILD-FOLDER [lean|weak|many|postfix ...] [--testssl]

Needs root and an optimised build; testssl.sh takes minutes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "lab"))
BUILD = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else sys.exit(__doc__)
os.environ["POSTERN_BIN"] = os.path.join(BUILD, "src", "cmd")
os.environ["POSTERN_FAKE_TLS"] = os.path.join(BUILD, "tests", "audit", "fake-tls")

from hall import PRIME_1024, Hall  # noqa: E402
from lab import run  # noqa: E402
import test_audit  # noqa: E402
import test_audit_servers  # noqa: E402

LIMIT = int(os.environ.get("BENCH_LIMIT", "300"))  # seconds for one program
SERVER = "10.79.0.1"
MANY = "10.79.1"  # and the last byte of fifty more
ALL_OF_POSTFIX = "ALL:@SECLEVEL=0"


def below(pid):
    """The process, and what it has started: ip and timeout turn into the program or start it."""
    try:
        children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    except OSError:
        return []
    return [int(c) for c in children] + [g for c in children for g in below(int(c))]


def memory_kib(pid):
    """The most that it has had resident; that of the largest of several processes counts."""
    try:
        m = re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())
    except OSError:
        m = None
    return int(m[1]) if m else 0


class Bench(Hall):
    """The hall, and a namespace for those who look at it, with a wire between."""

    def __enter__(self):
        super().__enter__()
        self.client = self.ns + "-c"
        self.wire = None
        run("ip", "netns", "add", self.client)
        run("ip", "-n", self.client, "link", "set", "lo", "up")
        self.exec("nft", "-f", "-", check=True, input="""table inet count { chain c {
            type filter hook input priority 0; policy accept;
            iifname "wire" tcp flags & (syn|ack) == syn counter
            }
        }
        """)
        return self

    def __exit__(self, *exc):
        self.cut()
        run("ip", "netns", "del", self.client, check=False)
        super().__exit__(*exc)

    def cut(self):
        if self.wire is not None:
            self.wire.kill()
            self.wire.wait()
            self.wire = None

    def connect(self, round_trip_ms):
        self.cut()
        self.wire = subprocess.Popen([os.path.join(BUILD, "bench", "bench-delay"), self.ns, self.client,
                                      str(round_trip_ms // 2)], stdout=subprocess.PIPE, text=True)
        assert self.wire.stdout.readline() == "ready\n"
        for ns, own, peer in ((self.ns, SERVER, "10.79.0.2"), (self.client, "10.79.0.2", SERVER)):
            run("ip", "-n", ns, "addr", "add", own, "peer", peer, "dev", "wire")
            run("ip", "-n", ns, "link", "set", "wire", "up")

    def connections(self):
        out = self.exec("nft", "-j", "list", "table", "inet", "count", check=True).stdout
        return sum(int(n) for n in re.findall(r'"counter": \{"packets": (\d+)', out))

    def measure(self, argv):
        """Wall, connections, CPU and memory of one program, and what it printed."""
        before, begin = self.connections(), time.monotonic()
        with tempfile.TemporaryFile("w+") as out:
            p = subprocess.Popen(["ip", "netns", "exec", self.client, "timeout", str(LIMIT), *argv], stdout=out,
                                 stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                 env=dict(os.environ, TERM="dumb"))
            peak = 0
            while (done := os.wait4(p.pid, os.WNOHANG))[0] == 0:
                peak = max([peak, *(memory_kib(pid) for pid in below(p.pid))])
                time.sleep(0.01)
            _, status, usage = done
            p.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            text = out.read()
        return {"wall": time.monotonic() - begin, "connections": self.connections() - before,
                "cpu": usage.ru_utime + usage.ru_stime, "mib": peak / 1024, "text": text,
                "late": p.returncode == 124}


def count_postern(text):
    return sum(len(p["suites"]) for g in json.loads(text)["gateways"] for p in g["protocols"].values())


def count_sslscan(text):
    return len(re.findall(r"^\s*(?:Accepted|Preferred)\s+(?:TLS|SSL)", text, re.M))


def count_nmap(text):
    return len(re.findall(r"^\|\s+(?:TLS|SSL)_\S+ .*- [A-F]$", text, re.M))


def count_testssl(text):
    return len(re.findall(r"^ x[0-9a-f]{2,6}\s+\S+", text, re.M))


def programs(port, is_smtp):
    at = f"{SERVER}:{port}"
    rows = [("postern", [os.path.join(BUILD, "src", "cmd", "postern"), "audit", ("smtp://" if is_smtp else "") + at,
                         "--json", "--no-policy", "--deadline", "0"], count_postern)]
    if shutil.which("sslscan"):
        rows.append(("sslscan", ["sslscan", "--no-colour", *(["--starttls-smtp"] if is_smtp else []), at],
                     count_sslscan))
    if shutil.which("nmap"):
        rows.append(("nmap", ["nmap", "-Pn", "-n", "--unprivileged", "-p", str(port), "--script",
                              "ssl-enum-ciphers" if is_smtp else "+ssl-enum-ciphers", SERVER], count_nmap))
    if "--testssl" in sys.argv and shutil.which("testssl"):
        rows.append(("testssl.sh", ["testssl", "-E", "--color", "0", "--warnings", "off", "--nodns", "none",
                                    *(["-t", "smtp"] if is_smtp else []), at], count_testssl))
    return rows


def row(name, m, count):
    try:
        suites = str(count(m["text"]))
    except (ValueError, KeyError):
        suites = "-"
    print(f"  {name:<26} {m['wall']:>8.2f}{'+' if m['late'] else ' '} {m['connections']:>8} {suites:>8} "
          f"{m['cpu']:>8.2f} {m['mib']:>8.1f}", flush=True)


def measure_all(hall, rows):
    """A line for each, with what it takes of what the first took."""
    first = None
    for name, argv, count in rows:
        m = hall.measure(argv)
        row(name, m, count)
        if first is None:
            first = m
        else:
            print(f"  {'  of postern':<26} {m['wall'] / first['wall']:>8.1f}x "
                  f"{m['connections'] / max(first['connections'], 1):>7.1f}x", flush=True)


def compare(hall, title, port, is_smtp, without=()):
    for delay in (0, 50):
        print(f"{title}, {delay} ms", flush=True)
        hall.connect(delay)
        measure_all(hall, [r for r in programs(port, is_smtp) if r[0] not in without])


def bench_postfix():
    with Bench("postfix") as hall:
        pem = hall.certificate("rsa.pem")
        hall.connect(0)
        stop = test_audit_servers.start_postfix(hall, f"""smtpd_tls_chain_files = {pem}
smtpd_tls_protocols = >=TLSv1
smtpd_tls_ciphers = low
tls_low_cipherlist = {ALL_OF_POSTFIX}
inet_interfaces = all
""")
        try:
            compare(hall, "Postfix, STARTTLS, all suites", 25, True)
        finally:
            stop()


def start_nginx(hall, pem):
    """The same as s_server, for many at a time."""
    run("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", hall.path("dh.pem"))
    temporary = "".join(f"{kind}_temp_path {hall.path('t-' + kind)}; "
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(hall.path("nginx.conf"), "w") as f:
        f.write(f"""
daemon off; pid {hall.path('nginx.pid')}; error_log {hall.path('error.log')};
events {{ worker_connections 512; }}
http {{
    access_log off; {temporary}
    server {{
        listen 4434 ssl; ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_dhparam {hall.path('dh.pem')};
        ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM;
    }}
}}
""")
    hall.spawn("nginx", "-p", hall.dir, "-c", hall.path("nginx.conf"))
    hall.listening(4434)


def bench_lean():
    with Bench("lean") as hall:
        pem = hall.certificate("rsa.pem")
        hall.connect(0)
        hall.spawn("openssl", "s_server", "-accept", "4433", "-cert", pem, "-quiet", "-naccept", "1000000", "-cipher",
                   "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM")
        hall.listening(4433)
        compare(hall, "openssl s_server (one connection at a time), TLS 1.2 and 1.3, 8 suites", 4433, False)
        if shutil.which("nginx"):
            start_nginx(hall, pem)
            compare(hall, "nginx, the same suites", 4434, False)


def postfix_profile(port, certs):
    """What that Postfix answers, from a fake that can follow fifty times."""
    versions = {}
    for v in ("TLSv1", "TLSv1.1", "TLSv1.2"):
        versions[v] = [w for w in test_audit.suites_of(v) if not w.startswith(("ecdsa", "export"))]
    while sum(len(s) for s in versions.values()) > 88:
        for v in ("TLSv1", "TLSv1.1", "TLSv1.2"):
            if sum(len(s) for s in versions.values()) > 88:
                versions[v].pop(0)
    return {"port": port, "smtp": True, **versions, "TLSv1.3": ["1302", "1303", "1301"], "groups": ["001d", "0017"],
            "signatures": test_audit.SIGNATURES, "dh": PRIME_1024, "renegotiation": True, "client-order": True, **certs}


def many(hall):
    """The programs at fifty addresses, and how the suites of each are counted."""
    targets = [f"smtp://{MANY}.{i}:25" for i in range(1, 51)]
    with open(hall.path("targets"), "w") as f:
        f.writelines(f"-t smtp --nodns none --warnings off -E {MANY}.{i}:25\n" for i in range(1, 51))
    rows = [("postern", [os.path.join(BUILD, "src", "cmd", "postern"), "audit", "--json", "--no-policy", "--deadline",
                         "0", *targets], count_postern)]
    if shutil.which("nmap"):
        rows.append(("nmap", ["nmap", "-Pn", "-n", "--unprivileged", "-p", "25", "--script", "ssl-enum-ciphers",
                              f"{MANY}.1-50"], count_nmap))
    if "--testssl" in sys.argv and shutil.which("testssl"):
        rows.append(("testssl.sh", ["testssl", "--color", "0", "--parallel", "--file", hall.path("targets")],
                     count_testssl))
    return rows


def bench_many():
    with Bench("many") as hall:
        certs = {"rsa-cert": hall.certificate("rsa.pem"), "ecdsa-cert": hall.certificate("ec.pem", "P-256")}
        hall.start_fake(postfix_profile(25, certs))
        for i in range(1, 51):
            hall.exec("ip", "addr", "add", f"{MANY}.{i}/32", "dev", "lo", check=True)
        for delay in (0, 50):
            print(f"50 STARTTLS gateways with 91 suites each (fake), {delay} ms", flush=True)
            hall.connect(delay)
            run("ip", "-n", hall.client, "route", "add", f"{MANY}.0/24", "dev", "wire")
            measure_all(hall, many(hall))


def bench_weak():
    with Bench("weak") as hall:
        hall.start_fake(test_audit.weakest(hall, 4433))
        # sslscan wants handshakes that end well, which the fake does not give.
        compare(hall, "All-weak server, SSLv2 to TLS 1.2, 218 pairs of version and suite (fake)", 4433, False,
                without=("sslscan",))


def main():
    if os.geteuid() != 0:
        sys.exit("bench: needs root for network namespaces")
    subprocess.run(["ninja", "-C", BUILD, "bench-tools"], check=True, stdout=subprocess.DEVNULL)
    print(f"  {'':<26} {'wall, s':>9} {'connect.':>8} {'suites':>8} {'CPU, s':>8} {'MiB':>8}")
    chosen = [a for a in sys.argv[2:] if not a.startswith("-")]
    for name, bench in (("lean", bench_lean), ("weak", bench_weak), ("many", bench_many), ("postfix", bench_postfix)):
        if not chosen or name in chosen:
            bench()


if __name__ == "__main__":
    main()
