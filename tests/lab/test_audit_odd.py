"""Gateways that behave oddly, and what one connection of the audit says of each."""

import contextlib
import os
import shlex
import signal

from lab import BOUND, main, run
from odd_gateways import Odd

TALK = os.environ.get("POSTERN_TALK", "")
SCALE = 0.1  # of the pauses: five seconds are half of one

# name, options, what must be among the answer's words, shortest and longest greeting in ms
CASES = [
    ("sound", "", 'end=flight flight=hello certificates=1 keywords="SIZE 10240000 STARTTLS 8BITMIME"', 0, 5000),
    ("no-starttls", "", 'end=dialogue dialogue=no-starttls temporary=0 words="250 8BITMIME"', 0, 5000),
    ("helo-only", "", 'dialogue=no-starttls words="502 5.5.2 command not recognized"', 0, 5000),
    ("starttls-454", "", 'dialogue=refused temporary=1 words="454 4.7.0 TLS not available due to local problem"',
     0, 5000),
    ("rate-421", "", 'dialogue=rate temporary=1 '
     'words="421 RP-001 The mail server IP has exceeded the rate limit allowed."', 0, 5000),
    ("refused-554", "", 'dialogue=refused temporary=0 words="554 refused-554.test no SMTP service here go away"',
     0, 5000),
    # One step is shorter than the banner, its lines are not far apart.
    ("tarpit", "-s 1500", "end=flight flight=hello", 1950, 5000),
    ("tarpit", "-g 1200", "end=timeout stage=dialogue", 0, 0),
    ("late-banner", "-s 500", "end=flight flight=hello", 750, 5000),
    ("mute-after-banner", "-s 300", "end=timeout stage=dialogue", 0, 5000),
    ("mute-after-go", "-s 300", "end=timeout stage=hello", 0, 5000),
    ("mute", "-g 300", "end=timeout stage=dialogue", 0, 0),
    ("garbage", "", "end=flight flight=not-tls", 0, 5000),
    ("endless-banner", "", 'dialogue=refused words="it talks without an end"', 0, 5000),
    ("endless-line", "", 'dialogue=refused words="it talks without an end"', 0, 5000),
    ("one-byte", "", "end=flight flight=hello certificates=1", 0, 5000),
    ("fqdn", "", "end=flight flight=hello", 0, 5000),
    ("fqdn", "-n localhost", 'dialogue=refused temporary=0 '
     'words="504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname"', 0, 5000),
    ("tls13-only", "", "end=flight flight=alert", 0, 5000),
    ("tls13-only", "-f", "open=1 chain=1", 0, 5000),
    ("sound", "-f", "open=1 chain=1", 0, 5000),
    ("sound", "-i", "open=1 injection=no", 0, 5000),
    ("injection", "-i", "open=1 injection=yes", 0, 5000),
    ("hungry", "-i", "open=0 injection=no", 0, 5000),
    ("strict", "-i", "end=dialogue injection=no", 0, 5000),
    ("plain-answer", "-i", "leftover=14 injection=no", 0, 5000),
    ("tls13-only", "-i", "open=1 injection=no", 0, 5000),
]


@contextlib.contextmanager
def gateways(*argv):
    """A namespace with nothing but its loopback, and the gateways in it."""
    ns = f"odd{os.getpid() % 100000}"
    run("ip", "netns", "add", ns)
    odd = None
    try:
        run("ip", "-n", ns, "link", "set", "lo", "up")
        odd = Odd(ns, *argv)
        yield ns, odd
    finally:
        if odd is not None:
            odd.stop()
        for pid in run("ip", "netns", "pids", ns, check=False).stdout.split():
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "del", ns, check=False)


def talk(ns, port, options="", host="127.0.0.1"):
    out = run("ip", "netns", "exec", ns, TALK, *options.split(), host, str(port), "smtp", timeout=BOUND).stdout
    return [dict(word.split("=", 1) for word in shlex.split(line)) for line in out.splitlines()]


def test_each():
    with gateways("--scale", str(SCALE)) as (ns, odd):
        for name, options, wanted, at_least, at_most in CASES:
            [said] = talk(ns, odd.ports[name], options)
            for word in shlex.split(wanted):
                key, value = word.split("=", 1)
                assert said.get(key) == value, f"{name} {options}: {key} is not {value}: {said}"
            greeting = int(said["greeting"])
            assert at_least <= greeting <= at_most, f"{name} {options}: greeted after {greeting} ms"


def test_greylist():
    with gateways("greylist") as (ns, odd):
        [first], [second] = talk(ns, odd.ports["greylist"]), talk(ns, odd.ports["greylist"])
        assert first["dialogue"] == "rate" and first["temporary"] == "1", first
        assert second["flight"] == "hello", second


def test_limits():
    """What a limit lets through comes through whole; the rest is told apart, and is worth another try."""
    with gateways("--window", "3", "a-minute", "three-at-once", "sound") as (ns, odd):
        for name, lets in (("a-minute", 20), ("three-at-once", 3)):
            said = talk(ns, odd.ports[name], "-c 30")
            good = [s for s in said if s.get("flight") == "hello"]
            rest = [s for s in said if s.get("dialogue") == "rate" and s["temporary"] == "1"]
            assert len(good) >= lets and rest and len(good) + len(rest) == 30, f"{name}: {said}"
        said = talk(ns, odd.ports["sound"], "-c 100")
        assert all(s.get("flight") == "hello" for s in said) and len(said) == 100


def test_nobody():
    """No listener, no way, no answer."""
    with gateways("sound") as (ns, odd):
        [refused] = talk(ns, 9)
        assert refused["end"] == "connect" and refused["error"] == "ECONNREFUSED", refused
        [no_way] = talk(ns, 25, host="192.0.2.1")
        assert no_way["end"] == "connect" and no_way["error"] == "ENETUNREACH", no_way
        # A wire on whose other end nobody listens.
        run("ip", "-n", ns, "link", "add", "wire", "type", "veth", "peer", "name", "end")
        run("ip", "-n", ns, "addr", "add", "192.0.2.1/24", "dev", "wire")
        for device in ("wire", "end"):
            run("ip", "-n", ns, "link", "set", device, "up")
        run("ip", "-n", ns, "neigh", "add", "192.0.2.9", "lladdr", "02:00:00:00:00:09", "dev", "wire")
        [silent] = talk(ns, 25, host="192.0.2.9")
        assert silent["stage"] == "connect" and silent["end"] == "timeout", silent


if not TALK:
    print("1..0 # SKIP set POSTERN_TALK to the built tests/lab/talk")
elif __name__ == "__main__":
    main(test_each, test_greylist, test_limits, test_nobody)
