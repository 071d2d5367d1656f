"""The stock fwknop client against a door of postern's: what it opens, and what of it is refused."""

import http.server
import os
import shutil
import socket
import threading
import time

from classic import b64, run_in, secret
from lab import Lab, V4, inside, main, until

KEY, HMAC = bytes(range(32)), bytes(range(64, 128))
SERVICES = """
service ssh   { port = tcp/22    allow = {"Admin/VSD"}  open = window  wait = 1h  lease = 1h }
service vpn   { port = udp/1194  allow = {"Admin/VSD"}  open = window  wait = 1h  lease = 1h }
service inner { port = tcp/2222  allow = {"Admin/VSD"}  open = window  wait = 1h  lease = 1h  forward = {"10.77.0.3:22"} }
service other { port = tcp/3333  allow = {"Admin/VSD"}  open = window  wait = 1h  lease = 1h }
"""
BLOCK = """
    fwknop {
        key-file = "@/fwknop.keys"  services = {ssh, vpn, inner}  as = "Admin/VSD"
        tcp = 8080  icmp = yes %s
    }
"""


class Door(Lab):
    def __init__(self, more="", spa=""):
        super().__init__("fwknop")
        self.more, self.spa = more, spa

    def __enter__(self):
        super().__enter__()
        try:
            self.setup()
            os.mkdir(self.path("fwknop-home"))
            secret(self.path("fwknop.keys"), f"KEY_BASE64  {b64(KEY)}\nHMAC_KEY_BASE64  {b64(HMAC)}\n")
            self.config(doors='door wan {\n    interface = "eth0"\n%s\n}\n' % (self.spa + BLOCK % self.more).replace("@", self.dir),
                        services=SERVICES)
            self.echo(22)
            self.start()
        except BaseException as e:
            self.__exit__(type(e), e, e.__traceback__)
            raise
        return self

    def client(self, *argv, who="client", hmac=True, key=KEY, hmac_key=HMAC, address=None, server=V4["server"]):
        env = dict(os.environ, HOME=self.path("fwknop-home"))
        keyed = ["--key-base64-hmac", b64(hmac_key), "--use-hmac"] if hmac else []
        address = ["-a", address or V4[who]] if address != "" else []
        r = run_in(self, who, "fwknop", "--no-rc-file", "--no-save-args", "-D", server,
                   "--key-base64-rijndael", b64(key), *keyed, *address, *argv, env=env)
        assert r.returncode == 0, f"fwknop {argv}: {r.stdout}{r.stderr}"
        return r

    def close_all(self):
        for g in [o for o in self.ctl("list") if "grant" in o]:
            self.ctl("close", str(g["grant"]))
        until("all is closed", lambda: self.status()["gates"] == 0)

    def opens(self, what, send, *services):
        """Exactly these services, each with its line of the journal. Returns the lines."""
        before = len(self.journal("granted"))
        send()
        until(what + ": granted", lambda: len(self.journal("granted")) == before + len(services))
        lines = self.journal("granted")[before:]
        assert [o["service"] for o in lines] == list(services), lines
        assert all(o["text"].endswith(", by fwknop") and o["name"] == "Admin/VSD" for o in lines), lines
        return lines

    def stays_shut(self, what, send, counter):
        lines, count = len(self.journal()), self.status()["ignored"].get(counter, 0)
        send()
        until(f"{what}: {counter}", lambda: self.status()["ignored"].get(counter, 0) > count)
        assert len(self.journal()) == lines, (what, self.journal()[lines:])

    def refused(self, what, send, reason):
        before = len(self.journal("refused"))
        granted = len(self.journal("granted"))
        send()
        until(what, lambda: len(self.journal("refused")) == before + 1)
        line = self.journal("refused")[-1]
        assert line["reason"] == reason and line["text"].endswith(", by fwknop"), line
        assert len(self.journal("granted")) == granted


def test_forms():
    with Door(spa="    spa { udp = 62201 }") as lab:
        lab.opens("-A", lambda: lab.client("-A", "tcp/22"), "ssh")
        assert lab.probe("client", V4["server"], 22) == "open"
        assert lab.probe("stranger", V4["server"], 22) == "silent"
        line = lab.opens("a timeout", lambda: lab.client("-A", "tcp/22", "-f", "60"), "ssh")[0]
        assert "for 1m" in line["text"], line
        line = lab.opens("too long", lambda: lab.client("-A", "tcp/22", "-f", "65000"), "ssh")[0]
        assert "for 1h" in line["text"], line
        lab.opens("two ports", lambda: lab.client("-A", "tcp/22,udp/1194"), "ssh", "vpn")
        lab.opens("the source", lambda: lab.client("-A", "tcp/22", "-s", address=""), "ssh")
        before = len(lab.journal("refused"))
        lab.opens("one of two", lambda: lab.client("-A", "tcp/22,tcp/3333"), "ssh")
        until("the other", lambda: len(lab.journal("refused")) == before + 1)
        assert lab.journal("refused")[-1]["reason"] == "unknown-service"
        assert lab.journal("refused")[-1]["service"] == "tcp-3333"
        for digest in ("MD5", "SHA1", "SHA384", "SHA512", "SHA3_256", "SHA3_512"):
            lab.opens(digest, lambda: lab.client("-A", "tcp/22", "-m", digest), "ssh")
        # And our own datagrams come in by the same port.
        lab.must_open("ssh")


def test_resolve():
    """-R: the client asks somebody what its address is."""
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(V4["client"].encode() + b"\n")

        def log_message(self, *argv):
            pass

    with Door() as lab:
        with inside(lab.ns["stranger"]):
            server = http.server.HTTPServer((V4["stranger"], 8000), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lab.opens("-R", lambda: lab.client("-A", "tcp/22", "-R", "--resolve-http-only", "--resolve-url",
                                           f"http://{V4['stranger']}:8000/", address=""), "ssh")
        server.shutdown()
        server.server_close()


def test_address():
    with Door() as lab:
        lab.refused("another's address", lambda: lab.client("-A", "tcp/22", address=V4["stranger"]), "address")
    with Door("third-party = yes") as lab:
        lab.opens("for another", lambda: lab.client("-A", "tcp/22", address=V4["stranger"]), "ssh")
        assert lab.probe("stranger", V4["server"], 22) == "open"
        assert lab.probe("client", V4["server"], 22) == "silent"
        lab.refused("for a network", lambda: lab.client("-A", "tcp/22", address="224.0.0.1"), "address")


def test_nat():
    """Only the translation that a service has anyway."""
    with Door() as lab:
        lab.opens("type 2", lambda: lab.client("-A", "tcp/2222", "-N", "10.77.0.3:22"), "inner")
        lab.opens("type 4", lambda: lab.client("-A", "tcp/2222", "-N", "10.77.0.3:22", "-f", "30"), "inner")
        lab.refused("another host", lambda: lab.client("-A", "tcp/2222", "-N", "10.77.0.9:22"), "not-offered")
        lab.refused("another port", lambda: lab.client("-A", "tcp/22", "-N", "10.77.0.3:22"), "not-offered")
        lab.refused("type 5", lambda: lab.client("-A", "tcp/25", "--nat-local", "--nat-port", "22"), "not-offered")
        lab.refused("type 6", lambda: lab.client("-A", "tcp/25", "--nat-local", "--nat-port", "22", "-f", "9"), "not-offered")
        lab.opens("type 5, in place", lambda: lab.client("-A", "tcp/22", "--nat-local", "--nat-port", "22"), "ssh")


def test_refused():
    with Door("user = alice") as lab:
        saved = lab.path("packet")
        lab.opens("the right user", lambda: lab.client("-A", "tcp/22", "-U", "alice", "-B", saved), "ssh")
        wire = open(saved).read().strip().encode()
        lab.stays_shut("replay", lambda: lab.send_udp("client", wire), "fwknop-replay")
        lab.stays_shut("replay by another", lambda: lab.send_udp("stranger", wire), "fwknop-replay")
        lab.stays_shut("with padding", lambda: lab.send_udp("client", wire + b"="), "fwknop-alphabet")
        lab.stays_shut("with more", lambda: lab.send_udp("client", wire + b"AA"), "fwknop-mac")
        lab.kill_all()
        lab.start()
        lab.stays_shut("replay after kill -9", lambda: lab.send_udp("client", wire), "fwknop-replay")
        lab.stays_shut("another user", lambda: lab.client("-A", "tcp/22", "-U", "bob"), "fwknop-claimed-user")
        lab.stays_shut("no HMAC", lambda: lab.client("-A", "tcp/22", hmac=False), "fwknop-mac")
        lab.stays_shut("another HMAC key", lambda: lab.client("-A", "tcp/22", hmac_key=bytes(64)), "fwknop-mac")
        lab.stays_shut("another key", lambda: lab.client("-A", "tcp/22", key=bytes(32)), "fwknop-padding")
        lab.stays_shut("a command", lambda: lab.client("-C", "id", "-U", "alice"), "fwknop-command")
        lab.stays_shut("of then", lambda: lab.client("-A", "tcp/22", "-U", "alice", "--time-offset-minus", "10M"),
                       "fwknop-age")
        lab.stays_shut("of tomorrow", lambda: lab.client("-A", "tcp/22", "-U", "alice", "--time-offset-plus", "10M"),
                       "fwknop-age")


def test_too_often():
    """A packet that came too soon after another is spent: who saw it does not get the gate a moment later."""
    with Door() as lab:
        conf = open(lab.path("postern.conf")).read()
        open(lab.path("postern.conf"), "w").write(conf.replace("identity-rate = 1000\n", "identity-rate = 1\n"))
        lab.stop()
        lab.start()
        wires = []
        for i in range(3):
            saved = lab.path(f"packet{i}")
            lab.client("-T", "-A", "tcp/22", "-s", "-B", saved, address="")
            wires.append(open(saved).read().strip().encode())
        lines = len(lab.journal("granted"))
        for wire in wires:
            lab.send_udp("client", wire)
        until("one came too soon", lambda: lab.status()["ignored"].get("identity-rate", 0) > 0)
        until("a gate", lambda: len(lab.journal("granted")) > lines)
        assert not lab.journal("refused"), lab.journal("refused")
        time.sleep(1.5)
        lab.stays_shut("by another", lambda: lab.send_udp("stranger", wires[-1]), "fwknop-replay")
        assert lab.probe("stranger", V4["server"], 22) == "silent"


def test_carriers():
    with Door() as lab:
        public = lab.echo(8080)
        lab.opens("TCP", lambda: lab.client("-A", "tcp/22", "-P", "tcp", "-p", "8080"), "ssh")
        lab.opens("HTTP", lambda: lab.client("-A", "tcp/22", "-P", "http", "-p", "8080"), "ssh")
        lab.opens("ICMP", lambda: lab.client("-A", "tcp/22", "-P", "icmp", "-Q", V4["client"]), "ssh")
        assert public[0].count >= 2, "the public service was not reached"
        with inside(lab.ns["stranger"]):
            s = socket.create_connection((V4["server"], 8080))
        lab.stays_shut("a browser", lambda: s.sendall(b"GET /" + b"x" * 200 + b" HTTP/1.1\r\n\r\n"), "fwknop-mac")
        s.close()


if __name__ == "__main__":
    if shutil.which("fwknop") is None:
        print("1..0 # SKIP needs fwknop-client")
    else:
        main(test_forms, test_resolve, test_address, test_nat, test_refused, test_too_often, test_carriers)
