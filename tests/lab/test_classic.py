"""Classic knocks end to end: what opens, what works once, and what sweeps and spoofers do not get."""

import json
import os
import random
import secrets
import signal
import time

from classic import (Pad, Raw, b64, cipher, connects, run_in, secret, server_id, structured, tagged)
from lab import Lab, V4, V6, main, program, until

SERVICES = """
service ssh  {{ port = tcp/22  allow = {{"Admin/VSD"}}  deny = {{{deny}}}  open = once    wait = 30s  lease = 1h }}
service wiki {{ port = tcp/80  allow = {{"Admin/VSD"}}  open = window  wait = 1h   lease = 1h }}
"""


class Classic(Lab):
    """A laboratory whose door has the given blocks and no other way in."""

    def __init__(self, blocks, services=None, server="", deny=""):
        super().__init__("classic")
        self.blocks, self.server = blocks, server
        self.services = (services or SERVICES).format(deny=deny)

    def __enter__(self):
        super().__enter__()
        try:
            self.setup()
            self.key = secrets.token_bytes(32)
            secret(self.path("cipher.key"), "knock\n")
            secret(self.path("tagged.keys"), f"7 {b64(self.key)} Admin/VSD\n")
            self.write()
            self.echo(22)
            self.echo(80)
            self.start()
            self.sid = server_id(self)
        except BaseException as e:
            self.__exit__(type(e), e, e.__traceback__)
            raise
        return self

    def write(self):
        blocks = self.blocks.replace("@", self.dir)
        self.config(doors='door wan {\n    interface = "eth0"\n%s\n}\n' % blocks, services=self.services,
                    server=self.server)

    def granted(self):
        return len(self.journal("granted"))

    def opens(self, what, knock, scheme, host=V4["server"], port=22):
        """A knock, its line of the journal, and a connection."""
        before = self.granted()
        knock()
        until(what + ": granted", lambda: self.granted() == before + 1)
        line = self.journal("granted")[-1]
        assert line["name"] == "Admin/VSD" and line["text"].endswith(", by " + scheme), line
        self.connect("client", host, port).close()
        return line

    def stays_shut(self, what, knock, counter=None):
        """Nothing comes of it but a count."""
        before, lines = self.granted(), len(self.journal())
        count = self.status()["ignored"].get(counter, 0)
        knock()
        if counter is not None:
            until(f"{what}: {counter} counts", lambda: self.status()["ignored"].get(counter, 0) > count)
        else:
            time.sleep(0.3)
        assert self.granted() == before, what + ": granted"
        assert len(self.journal()) == lines, (what, self.journal()[lines:])

    def knocks(self, *ports, who="client", host=None):
        connects(self, who, ports, host)

    def again(self):
        self.kill_all()
        self.start()

    def stock(self, *argv, who="client"):
        r = run_in(self, who, "knock", "-d", "30", *argv)
        assert r.returncode == 0, r.stderr


SEQUENCES = """
    sequence { name = ops  ports = {102, 100, 100, 103}  open = ssh  as = "Admin/VSD"  accept-weak = yes }
    sequence { ports = {7000, "9000/udp", 8000}  open = wiki  as = "Admin/VSD" }
    sequence { ports = {8000, "9000/udp", 7000}  close = wiki  as = "Admin/VSD" }
"""


def test_stock_client():
    with Classic(SEQUENCES) as lab:
        for host in (V4["server"], V6["server"]):
            lab.opens("TCP", lambda: lab.stock(host, "102", "100", "100", "103"), "sequence ops", host)
            assert lab.probe("client", host, 22) == "silent", "one connection was two"
            lab.opens("UDP", lambda: lab.stock(host, "7000", "9000:udp", "8000"), "sequence", host, 80)
            lab.stock(host, "8000", "9000:udp", "7000")
            until("closed by its owner", lambda: lab.probe("client", host, 80) == "silent")
        assert [o["text"] for o in lab.journal("closed")] == ["asked for by its owner, by sequence"] * 2
        lab.stays_shut("another order", lambda: lab.stock(V4["server"], "100", "102", "100", "103"))
        lab.stays_shut("one in between", lambda: lab.stock(V4["server"], "102", "100", "5", "100", "103"))
        lab.stays_shut("with UDP", lambda: lab.stock("-u", V4["server"], "102", "100", "100", "103"))
        assert lab.probe("stranger", V4["server"], 22) == "silent"


SPELLED = """
    structured { base = 100  services = {ssh}  as = "Admin/VSD" }
    cipher { ports = "745-1000"  key-file = "@/cipher.key"  iv = "01234567"  services = {ssh, wiki}  as = "Admin/VSD" }
    tagged { keys = "@/tagged.keys"  services = {ssh, wiki} }
"""


def test_spelled():
    """Formats that say what they want."""
    with Classic(SPELLED) as lab:
        me = V4["client"]
        for host in (V4["server"], V6["server"]):
            lab.opens("structured", lambda: lab.knocks(*structured(22, 0), host=host), "structured", host)
        wrong = structured(22, 0)
        wrong[8] += 1 if wrong[8] < 109 else -1
        lab.stays_shut("checksum", lambda: lab.knocks(*wrong), "structured-checksum")
        lab.stays_shut("no such service", lambda: lab.knocks(*structured(23, 0)), "knock-service")
        line = lab.opens("ten minutes", lambda: lab.knocks(*structured(22, 1)), "structured")
        assert "for 30s" in line["text"], "the service's own time is the longest"

        good = cipher(b"knock", me, 80, 2)
        line = lab.opens("cipher", lambda: connects(lab, "client", good, pause=0.2), "cipher", port=80)
        assert "for 2m" in line["text"], line
        lab.opens("its repetition", lambda: lab.knocks(*good), "cipher", port=80)
        lab.knocks(*cipher(b"knock", me, 80, 255))
        until("closed by its owner", lambda: lab.probe("client", V4["server"], 80) == "silent")
        lab.stays_shut("another key", lambda: lab.knocks(*cipher(b"knack", me, 22, 2)), "cipher-padding")
        lab.stays_shut("for another", lambda: lab.knocks(*cipher(b"knock", V4["stranger"], 22, 2)),
                       "cipher-address")
        lab.stays_shut("from another", lambda: connects(lab, "stranger", good), "cipher-address")
        refused = len(lab.journal("refused"))
        lab.knocks(*cipher(b"knock", me, 23, 2))
        until("a line of who asked for what is not there", lambda: len(lab.journal("refused")) == refused + 1)
        assert lab.journal("refused")[-1]["reason"] == "unknown-service"


def test_tagged_once():
    with Classic(SPELLED) as lab:
        def make(service, tag=None, source=None, key=None):
            tag = int(time.time()) if tag is None else tag
            return tagged(key or lab.key, lab.sid, 7, tag, service, source)

        now = int(time.time())
        first = make(0, now)
        shuffled = random.sample(first, 16)
        lab.opens("in any order", lambda: connects(lab, "client", shuffled, pause=0), "tagged slot 7")
        lab.stays_shut("again", lambda: lab.knocks(*first), "tagged-replay")
        lab.stays_shut("from another", lambda: connects(lab, "stranger", first), "tagged-replay")
        lab.again()
        lab.stays_shut("again after kill -9", lambda: lab.knocks(*first), "tagged-replay")
        lab.stays_shut("an older one", lambda: lab.knocks(*make(0, now - 1)), "tagged-replay")
        lab.stays_shut("too old", lambda: lab.knocks(*make(0, now - 60)), "tagged-time")
        lab.stays_shut("another key", lambda: lab.knocks(*make(0, key=bytes(32))), "tagged-mac")
        lab.stays_shut("another's address", lambda: lab.knocks(*make(0, source=V4["stranger"])), "tagged-mac")
        lab.opens("by IPv6", lambda: connects(lab, "client", make(1), V6["server"]), "tagged slot 7",
                  V6["server"], 80)
        time.sleep(1.1)
        lab.knocks(*make(255))
        until("all closed", lambda: lab.probe("client", V6["server"], 80) == "silent")
        assert lab.status()["gates"] == 0
        assert lab.journal("closed")[-1]["text"] == "asked for by its owner, by tagged slot 7"


ONCE = """
    sequence { one-time = "@/lines"  open = ssh  as = "Admin/VSD" }
    cipher { ports = "745-1000"  key-file = "@/cipher.key"  iv = "01234567"  one-time = yes  services = {ssh}  as = "Admin/VSD" }
    cipher { ports = "2000-2255"  pad = "@/pad"  services = {ssh}  as = "Admin/VSD" }
"""


def test_once():
    """Lines, pads and remembered knocks: none of them twice, with kill -9 in between."""
    lab = Classic(ONCE)
    secret(lab.path("lines"), "7000,8000,7500\n# a comment\n9000:udp 4000 9500\n5000,3000,4000\n")
    pad = Pad(lab.path("pad"), 70)
    with lab:
        me = V4["client"]
        one, two, three = (7000, 8000, 7500), ("9000/udp", 4000, 9500), (5000, 3000, 4000)
        lab.stays_shut("not its turn", lambda: lab.knocks(*two))
        lab.opens("a line", lambda: lab.knocks(*one), "sequence")
        assert open(lab.path("lines")).read().startswith("#000,8000,7500\n#")
        lab.stays_shut("the same line", lambda: lab.knocks(*one))
        lab.again()
        lab.stays_shut("the same line after kill -9", lambda: lab.knocks(*one))
        lab.opens("the next line", lambda: lab.knocks(*two), "sequence")
        # A copy from before, put back: it is remembered all the same, and the one after it works.
        lab.again()
        lab.opens("the last line", lambda: lab.knocks(*three), "sequence")
        lab.stays_shut("none is left", lambda: lab.knocks(*three))
        assert "the last sequence is used" in lab.log()
        secret(lab.path("lines"), "7000,8000,7500\n6000,8000,7500\n")
        lab.again()
        lab.stays_shut("a used line put back", lambda: lab.knocks(*one), "sequence-replay")
        lab.opens("what follows it", lambda: lab.knocks(6000, 8000, 7500), "sequence")

        lab.opens("pad", lambda: lab.knocks(*pad.knocks(0, me, 22, 0, 2000)), "pad")
        lab.stays_shut("pad again", lambda: lab.knocks(*pad.knocks(0, me, 22, 0, 2000)), "pad-tag")
        lab.opens("one left out", lambda: lab.knocks(*pad.knocks(2, me, 22, 0, 2000)), "pad")
        lab.again()
        for n in (0, 1, 2):
            lab.stays_shut("pad after kill -9", lambda: lab.knocks(*pad.knocks(n, me, 22, 0, 2000)), "pad-tag")
        lab.opens("by IPv6", lambda: connects(lab, "client", pad.knocks(3, V6["client"], 22, 0, 2000), V6["server"]),
                  "pad", V6["server"])
        body = open(lab.path("pad"), "rb").read()[64:]
        assert body[:160] == bytes(160) and body[160:] == pad.body[160:], "used bytes are still there"

        good = cipher(b"knock", me, 22, 0)
        lab.opens("cipher", lambda: lab.knocks(*good), "cipher")
        lab.stays_shut("cipher again", lambda: lab.knocks(*good), "cipher-replay")
        lab.again()
        lab.stays_shut("cipher after kill -9", lambda: lab.knocks(*good), "cipher-replay")
        lab.opens("another", lambda: lab.knocks(*cipher(b"knock", me, 22, 3)), "cipher")


SWEPT = """
    sequence { ports = {7000, 9000, 8000}  open = ssh  as = "Admin/VSD" }
    sequence { ports = {102, 100, 100, 103}  open = ssh  as = "Admin/VSD"  accept-weak = yes }
    structured { base = 300  services = {ssh}  as = "Admin/VSD" }
    cipher { ports = "745-1000"  key-file = "@/cipher.key"  iv = "01234567"  services = {ssh}  as = "Admin/VSD" }
    tagged { keys = "@/tagged.keys"  services = {ssh} }
"""


def test_sweeps():
    with Classic(SWEPT) as lab:
        every = list(range(1, 65536))
        mixed = random.sample(every, len(every))
        raw = Raw(lab, "stranger", V4["stranger"])
        for order in (every, every[::-1], mixed):
            seen = lab.status()["classic"]["knocks"] if "knocks" in lab.status().get("classic", {}) else 0
            for port in order:
                raw.send(port)
            until("it was seen", lambda: lab.status()["classic"]["knocks"] > seen + 1000)
            assert lab.granted() == 0 and lab.status()["gates"] == 0
        raw.close()
        r = run_in(lab, "stranger", "nmap", "-n", "-Pn", "-sS", "-T5", "--max-retries", "0", "-p", "1-10000", V4["server"])
        assert r.returncode == 0, r.stderr
        assert lab.granted() == 0
        assert not [o for o in lab.journal() if o["event"] not in ("started", "stopped")], "a stranger made a line"
        lab.opens("and the one who may", lambda: lab.knocks(7000, 9000, 8000), "sequence")


def test_spoofer():
    """Packets with the client's address, by another: they do not end an attempt that has a key."""
    with Classic(SPELLED) as lab:
        spoofer = Raw(lab, "stranger", V4["client"])
        good = cipher(b"knock", V4["client"], 80, 1)
        def disturbed(ports, at):
            for i, port in enumerate(ports):
                if i in at:
                    spoofer.send(at[i])
                    time.sleep(0.02)
                lab.knocks(port)
        lab.opens("cipher", lambda: disturbed(good, {3: 800, 6: 900}), "cipher", port=80)
        tag = tagged(lab.key, lab.sid, 7, int(time.time()), 0)
        wrong = {i: 40000 + 256 * i + (tag[i] + 77) % 256 for i in range(16)}
        lab.opens("tagged", lambda: disturbed(tag, wrong), "tagged slot 7")
        spoofer.close()


def test_busy():
    """What a tenth of a second of a flood brings while the daemon is at something else waits for it."""
    for spa in ("", "    spa { udp = 62201 }\n"):
        with Classic(SEQUENCES + spa) as lab:
            spoofer = Raw(lab, "stranger", "198.51.100.7")
            before = lab.status()["doors"][0]["packets"]
            knocker = lab.pids()["knock"]
            os.kill(knocker, signal.SIGSTOP)
            try:
                for port in (102, 100, 100, 103):
                    for _ in range(2500):
                        spoofer.send(102)
                    lab.knocks(port)
            finally:
                os.kill(knocker, signal.SIGCONT)
            until("the gate", lambda: lab.granted() == 1)
            until("all of it was seen", lambda: lab.status()["doors"][0]["packets"] >= before + 10004)
            assert lab.status()["doors"][0]["dropped"] == 0, lab.status()["doors"]
            spoofer.close()


def test_refused():
    """A right knock of somebody who may not: refused, with the list and the entry that did it."""
    with Classic(SEQUENCES + SPELLED.replace("base = 100", "base = 300"), deny='"*/VSD"') as lab:
        tries = {
            "sequence ops": lambda: lab.knocks(102, 100, 100, 103),
            "structured": lambda: lab.knocks(*structured(22, 0, 300)),
            "cipher": lambda: lab.knocks(*cipher(b"knock", V4["client"], 22, 0)),
            "tagged slot 7": lambda: lab.knocks(*tagged(lab.key, lab.sid, 7, int(time.time()), 0)),
        }
        for scheme, knock in tries.items():
            before = len(lab.journal("refused"))
            knock()
            until(scheme, lambda: len(lab.journal("refused")) == before + 1)
            line = lab.journal("refused")[-1]
            assert line["reason"] == "deny-service" and line["entry"] == "*/VSD", line
            assert line["list"] == "service ssh deny" and line["text"].endswith("by " + scheme), line
        lab.opens("another service", lambda: lab.stock(V4["server"], "7000", "9000:udp", "8000"), "sequence", port=80)
        lab.ctl("revoke", "Admin/VSD", "--yes")
        until("its gate is closed", lambda: lab.probe("client", V4["server"], 80) == "silent")
        lab.stock(V4["server"], "7000", "9000:udp", "8000")
        until("locked out", lambda: lab.journal("refused")[-1]["reason"] == "locked")


def test_reload_and_limits():
    """A gate stays as long as its name and door do; the rate is the identity's."""
    with Classic(SEQUENCES, server="identity-gates-max = 1") as lab:
        lab.opens("window", lambda: lab.stock(V4["server"], "7000", "9000:udp", "8000"), "sequence", port=80)
        lab.knocks(102, 100, 100, 103)
        until("a limit", lambda: [o for o in lab.journal("refused") if o["reason"] == "limit-identity"])
        lab.ctl("reload")
        lab.settled()
        assert lab.probe("client", V4["server"], 80) == "open", "a reload closed it"
        lab.services = lab.services.replace('service wiki {', 'service wiki { deny = {"Admin/VSD"} ')
        lab.write()
        lab.ctl("reload")
        lab.settled()
        until("a list closed it", lambda: lab.probe("client", V4["server"], 80) == "silent")
        assert lab.journal("closed")[-1]["list"] == "service wiki deny"


def test_bind():
    services = SERVICES + ('service tied {{ port = tcp/81  allow = {{"Admin/VSD"}}  bind = required  open = once'
                           '  wait = 30s  lease = 1h }}\n')
    with Classic(SPELLED.replace("{ssh, wiki}", "{ssh, wiki, tied}"), services) as lab:
        lab.echo(81)
        lab.opens("said inside", lambda: lab.knocks(*cipher(b"knock", V4["client"], 81, 0)), "cipher", port=81)
        bound = tagged(lab.key, lab.sid, 7, int(time.time()), 2, V4["client"])
        lab.opens("bound", lambda: lab.knocks(*bound), "tagged slot 7", port=81)
        time.sleep(1.1)
        lab.knocks(*tagged(lab.key, lab.sid, 7, int(time.time()), 2))
        until("refused", lambda: [o for o in lab.journal("refused") if o["reason"] == "bind"])


def test_read():
    """What a capture would have done, without the daemon."""
    with Classic(SEQUENCES + SPELLED.replace("base = 100", "base = 300")) as lab:
        tap = lab.capture("server", "", lab.path("knocks.pcap"))
        lab.opens("sequence", lambda: lab.stock(V4["server"], "102", "100", "100", "103"), "sequence ops")
        lab.knocks(*cipher(b"knock", V4["client"], 22, 1))
        lab.knocks(*cipher(b"knack", V4["client"], 22, 1))
        wrong = structured(22, 0, 300)
        wrong[8] += 1 if wrong[8] < 309 else -1
        lab.knocks(*wrong)
        until("all was seen", lambda: lab.status()["classic"]["knocks"] >= 32)
        tap.stop()
        r = run_in(lab, "server", program("posternd"), "--read", lab.path("knocks.pcap"), "-c",
                   lab.path("postern.conf"), "--json")
        assert r.returncode == 0, r.stderr
        facts = [json.loads(line) for line in r.stdout.splitlines()]
        assert [o["scheme"] for o in facts if o.get("outcome") == "granted"] == ["sequence ops", "cipher"], facts
        counts = {o["ignored"]: o["count"] for o in facts if "ignored" in o}
        assert counts["structured-checksum"] == 1 and counts["cipher-padding"] >= 1, counts


if __name__ == "__main__":
    main(test_stock_client, test_spelled, test_tagged_once, test_once, test_sweeps, test_spoofer,
         test_busy, test_refused, test_reload_and_limits, test_bind, test_read)
