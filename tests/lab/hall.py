"""
A hall of servers for the audit to look at: one network namespace with a loopback of its own, certificates, and
the fake server that answers as a profile says. Nothing here listens outside the namespace.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from lab import inside, program, run, until

VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

# RFC 2409 6.2 and RFC 3526 2; a safe prime of 512 bits made for these tests.
PRIME_1024 = (
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd"
    "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff")


class Hall:
    def __init__(self, name):
        self.ns = f"pa{os.getpid() % 100000}-{name}"
        self.dir = tempfile.mkdtemp(prefix=f"postern-audit-{name}-")
        os.chmod(self.dir, 0o755)
        self.processes = []
        self.fake = None

    def __enter__(self):
        run("ip", "netns", "add", self.ns)
        run("ip", "-n", self.ns, "link", "set", "lo", "up")
        return self

    def __exit__(self, *exc):
        if exc and exc[0] is not None:
            self.print_logs()
        for p in self.processes:
            if p.poll() is None:
                p.terminate()
                try:
                    p.wait(5)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        for pid in run("ip", "netns", "pids", self.ns, check=False).stdout.split():
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "del", self.ns, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def print_logs(self):
        for name in sorted(os.listdir(self.dir)):
            if name.endswith(".log"):
                print(f"{name}:\n" + "".join(open(self.path(name)).readlines()[-20:]), file=sys.stderr)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def exec(self, *argv, **kw):
        r = run("ip", "netns", "exec", self.ns, *argv, check=kw.pop("check", False), **kw)
        assert "Sanitizer" not in r.stderr, r.stderr
        return r

    def spawn(self, *argv, **kw):
        log = open(self.path("servers.log"), "a")
        p = subprocess.Popen(["ip", "netns", "exec", self.ns, *argv], stdout=kw.pop("stdout", log),
                             stderr=log, stdin=subprocess.DEVNULL, **kw)
        log.close()
        self.processes.append(p)
        return p

    def listening(self, port, host="127.0.0.1"):
        def tried():
            with inside(self.ns), contextlib.suppress(OSError):
                socket.create_connection((host, port), 1).close()
                return True
        until(f"port {port} listens", tried)

    def certificate(self, name, kind="rsa:2048", subject="/CN=mail.example.org", options=(), issuer=None):
        """A certificate and its key in one PEM file; self-signed, or signed by another of these files."""
        out, key = self.path(name), self.path(name + ".key")
        new = ["-newkey", kind] if kind.startswith("rsa") else [
            "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{kind}"]
        sign = ["-CA", issuer, "-CAkey", issuer] if issuer else []
        run("openssl", "req", "-x509", *new, "-nodes", "-keyout", key, "-out", out, "-days", "90",
            "-subj", subject, *sign, *options)
        with open(out) as f, open(key) as k:
            text = k.read() + f.read()  # some servers want the key first
        with open(out, "w") as f:
            f.write(text)
        return out

    # -- the fake server ---------------------------------------------------------------------------

    def start_fake(self, *profiles):
        """Each profile is a dict with port; lists become words, True a flag."""
        lines = []
        for p in profiles:
            lines.append(f"listen {p['port']}")
            for key, value in p.items():
                if key == "port" or value is False:
                    continue
                if value is True:
                    value = ""
                elif isinstance(value, (list, tuple)):
                    value = " ".join(value)
                lines.append(f"{key} {value}".strip())
        with open(self.path("profiles"), "w") as f:
            f.write("\n".join(lines) + "\n")
        self.fake = self.spawn(os.environ["POSTERN_FAKE_TLS"], self.path("profiles"),
                               stdout=subprocess.PIPE, text=True)
        assert self.fake.stdout.readline() == "ready\n", open(self.path("servers.log")).read()
        self.ports = len(profiles)

    def counts(self):
        """What the fake server has seen, by port."""
        self.fake.send_signal(signal.SIGUSR1)
        # The shell of ip netns exec is gone: the signal reaches the server itself.
        lines = [json.loads(self.fake.stdout.readline()) for _ in range(self.ports)]
        return {o["port"]: o for o in lines}

    # -- the audit ---------------------------------------------------------------------------------

    def audit(self, *argv, timeout=120, **kw):
        """Returns (exit status, the JSON report or None, stderr)."""
        r = self.exec(program("postern"), "audit", *argv, "--json", timeout=timeout, **kw)
        try:
            return r.returncode, json.loads(r.stdout), r.stderr
        except json.JSONDecodeError:
            return r.returncode, None, r.stdout + r.stderr

    def gateway(self, target, *argv, **kw):
        status, report, err = self.audit(target, *argv, **kw)
        assert report is not None and len(report["gateways"]) == 1, (status, report, err)
        return report["gateways"][0]


def offered(gateway):
    """{version: [suite id, ...]} of what is accepted."""
    return {v: [int(s["id"], 16) for s in p["suites"]]
            for v, p in gateway["protocols"].items() if p["offered"] == "yes"}


def numbers(items):
    return [int(i["id"], 16) for i in items]
