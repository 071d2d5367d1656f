#!/usr/bin/python3
"""
Mail gateways that behave oddly, one port each: no TLS, refusals, tar pits, limits, greylists, injection. One
process, data first (GATEWAYS), then a small SMTP server that reads it. Real TLS by the ssl module over
memory, so that what came ahead of TLS can be kept, forgotten or fed to it.

    odd_gateways.py [--host ADDRESS] [--base PORT] [--scale FACTOR] [--window SECONDS] [NAME ...]

prints "NAME PORT" for each gateway, then "ready". With --scale 0.01 a pause of five seconds is one of 50 ms.
SIGTERM ends it. As a module: Odd starts it inside a namespace.
"""

import argparse
import asyncio
import collections
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

GREETING = [(0, "220 {name} ESMTP")]
EHLO = "250-{name} greets {peer}\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250 8BITMIME"
GARBAGE = b"!!! this is not TLS at all !!!\r\n" * 4

# banner: (pause before it, line); ehlo, helo, starttls: replies; tls: what comes then; ahead: what becomes of
# bytes behind STARTTLS: "forget", "keep" (they are answered within TLS), "feed" (they are taken for TLS),
# "refuse", "answer" (in plain text); at_once, a_minute: limits of connections; first: what the first
# connections hear.
GATEWAYS = {
    "sound": {},
    "no-starttls": {"ehlo": "250-{name}\r\n250-SIZE 10240000\r\n250 8BITMIME"},
    "helo-only": {"ehlo": "502 5.5.2 command not recognized"},
    "starttls-454": {"starttls": "454 4.7.0 TLS not available due to local problem"},
    "rate-421": {"banner": [(0, "421 RP-001 The mail server IP has exceeded the rate limit allowed.")],
                 "closes": True},
    "refused-554": {"banner": [(0, "554-{name} no SMTP service here"), (0, "554 go away")], "closes": True},
    "tarpit": {"banner": [(5, "220-{name} wait"), (5, "220-{name} wait"), (5, "220-{name} wait"),
                          (5, "220 {name} ESMTP")]},
    "late-banner": {"banner": [(8, "220 {name} ESMTP")], "early_talker": True},
    "mute-after-banner": {"mute_after": "banner"},
    "mute-after-go": {"mute_after": "go"},
    "mute": {"mute_after": "connect"},
    "garbage": {"tls": "garbage"},
    "closes-after-go": {"tls": "close"},
    "endless-banner": {"endless": "220-{name} and another line of welcome"},
    "endless-line": {"endless": "x" * 500, "end": ""},
    "injection": {"ahead": "keep"},
    "hungry": {"ahead": "feed"},
    "strict": {"ahead": "refuse"},
    "plain-answer": {"ahead": "answer"},
    "a-minute": {"a_minute": 20},
    "three-at-once": {"at_once": 3},
    "one-byte": {"slow": True},
    "greylist": {"first": (1, "421 4.7.1 greylisted, come back later")},
    "fqdn": {"fqdn": True},
    "tls13-only": {"version": ssl.TLSVersion.TLSv1_3},
}


class Gateway:
    """One of them, with the connections that it has and has had."""

    def __init__(self, name, how, options, context):
        self.how = {"banner": GREETING, "ehlo": EHLO, "helo": "250 {name}", "starttls": "220 2.0.0 go ahead",
                    "tls": "real", "ahead": "forget", "end": "\r\n", **how}
        self.name = f"{name}.test"
        self.options = options
        self.context = context
        self.open = 0
        self.total = 0
        self.times = collections.deque()

    def text(self, template, peer=""):
        return template.replace("{name}", self.name).replace("{peer}", peer)

    def limit(self):
        """What a connection too many hears, or None."""
        now = time.monotonic()
        while self.times and self.times[0] < now - self.options.window:
            self.times.popleft()
        if len(self.times) >= self.how.get("a_minute", 1 << 30):
            return "421 4.7.0 too many connections in this minute"
        if self.open > self.how.get("at_once", 1 << 30):
            return "421 4.7.0 too many connections at once"
        self.times.append(now)
        return None

    async def serve(self, reader, writer):
        self.open += 1
        self.total += 1
        try:
            await Session(self, reader, writer, self.total).run()
        except (OSError, EOFError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Session:
    def __init__(self, gateway, reader, writer, number):
        self.gateway, self.how, self.number = gateway, gateway.how, number
        self.reader, self.writer = reader, writer
        self.buffer = b""
        self.tls = None
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # -- bytes, plain or within TLS ------------------------------------------------------------

    async def put(self, data):
        if not self.how.get("slow"):
            self.writer.write(data)
            await self.writer.drain()
            return
        for i in range(len(data)):
            self.writer.write(data[i:i + 1])
            await self.writer.drain()
            await asyncio.sleep(0)

    async def more(self):
        data = await self.reader.read(4096)
        if not data:
            raise EOFError
        return data

    async def pump(self, step):
        """One step of the TLS library, with as many bytes in and out as it wants."""
        while True:
            try:
                value = step()
            except ssl.SSLWantReadError:
                value = None
            except ssl.SSLError:
                await self.put(self.tls_out.read())
                raise
            await self.put(self.tls_out.read())
            if value is not None:
                return value
            self.tls_in.write(await self.more())

    async def line(self):
        while b"\n" not in self.buffer:
            if self.tls is None:
                self.buffer += await self.more()
            else:
                data = await self.pump(lambda: self.tls.read(4096))
                if not data:
                    raise EOFError
                self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode("latin-1").strip()

    async def say(self, template, peer="", end="\r\n"):
        data = (self.gateway.text(template, peer) + end).encode("latin-1")
        if self.tls is None:
            await self.put(data)
        else:
            await self.pump(lambda: self.tls.write(data))

    async def pause(self, seconds):
        await asyncio.sleep(seconds * self.gateway.options.scale)

    async def stay_mute(self):
        while True:
            await self.more()

    # -- the talk ------------------------------------------------------------------------------

    async def greet(self):
        """False when that was all."""
        times, words = self.how.get("first", (0, ""))
        refusal = self.gateway.limit()
        if refusal is not None:
            await self.say(refusal)
            return False
        if self.how.get("mute_after") == "connect":
            await self.stay_mute()
        while "endless" in self.how:
            await self.say(self.how["endless"], end=self.how["end"])
        for pause, text in self.how["banner"]:
            await self.pause(pause)
            await self.say(text)
        if self.how.get("early_talker") and self.reader._buffer:  # it spoke before the banner
            await self.say("554 5.5.1 you speak out of turn")
            return False
        if self.how.get("mute_after") == "banner":
            await self.stay_mute()
        if self.number <= times:
            await self.line()
            await self.say(words)
            return False
        return not self.how.get("closes")

    async def hello(self, verb, peer):
        if self.how.get("fqdn") and ("." not in peer or peer.startswith("localhost")):
            await self.say("504 5.5.2 <{peer}>: Helo command rejected: need fully-qualified hostname", peer)
        else:
            await self.say(self.how[verb], peer)

    async def starttls(self):
        """False when the connection is over."""
        ahead = self.how["ahead"]
        if self.buffer and ahead == "refuse":
            await self.say("554 5.5.0 synchronization error: input sent without waiting for a reply")
            return False
        answers = self.buffer and ahead == "answer"
        await self.say(self.how["starttls"] + ("\r\n250 2.0.0 ok" if answers else ""))
        if not self.how["starttls"].startswith("220"):
            return True
        if self.how.get("mute_after") == "go":
            await self.stay_mute()
        if self.how["tls"] == "close":
            return False
        if self.how["tls"] == "garbage":
            await self.more()
            await self.put(GARBAGE)
            return False
        kept = self.buffer if ahead == "keep" else b""
        await self.begin_tls(self.buffer if ahead == "feed" else b"")
        self.buffer = kept
        return True

    async def begin_tls(self, fed):
        self.buffer = b""
        self.tls_in, self.tls_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.gateway.context.wrap_bio(self.tls_in, self.tls_out, server_side=True)
        self.tls_in.write(fed)
        await self.pump(lambda: tls.do_handshake() or True)
        self.tls = tls

    async def run(self):
        if not await self.greet():
            return
        while True:
            verb, _, peer = (await self.line()).partition(" ")
            verb = verb.upper()
            if verb in ("EHLO", "HELO"):
                await self.hello(verb.lower(), peer)
            elif verb == "STARTTLS" and self.tls is None:
                if not await self.starttls():
                    return
            elif verb in ("NOOP", "RSET"):
                await self.say("250 2.0.0 ok")
            elif verb == "QUIT":
                await self.say("221 2.0.0 bye")
                return
            else:
                await self.say("500 5.5.2 what is that")


def make_certificate(folder):
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=odd.test"],
                   check=True, capture_output=True)
    return cert, key


def make_context(files, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


async def serve(options, files):
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, lambda: done.done() or done.set_result(None))
    servers = []
    for i, name in enumerate(options.names or GATEWAYS):
        gateway = Gateway(name, GATEWAYS[name], options, make_context(files, GATEWAYS[name].get("version")))
        port = options.base + i if options.base else 0
        servers.append(await asyncio.start_server(gateway.serve, options.host, port, backlog=512))
        print(name, servers[-1].sockets[0].getsockname()[1])
    print("ready", flush=True)
    await done


def main():
    parser = argparse.ArgumentParser(description="mail gateways that behave oddly")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--base", type=int, default=0, help="first port; 0: any")
    parser.add_argument("--scale", type=float, default=1.0, help="of all pauses")
    parser.add_argument("--window", type=float, default=60.0, help="seconds of a minute")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of: " + " ".join(GATEWAYS))
    options = parser.parse_args()
    for name in options.names:
        if name not in GATEWAYS:
            sys.exit(f"odd_gateways.py: there is no gateway {name}")
    with tempfile.TemporaryDirectory(prefix="odd-") as folder:
        asyncio.run(serve(options, make_certificate(folder)))


class Odd:
    """The gateways inside a namespace; ports by name."""

    def __init__(self, ns, *argv):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", ns, sys.executable, os.path.abspath(__file__), *argv],
            stdout=subprocess.PIPE, text=True)
        self.ports = {}
        for line in self.process.stdout:
            if line == "ready\n":
                return
            name, port = line.split()
            self.ports[name] = int(port)
        raise RuntimeError(f"odd_gateways.py ended with {self.process.wait()}")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


if __name__ == "__main__":
    main()
