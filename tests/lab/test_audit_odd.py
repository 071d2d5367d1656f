"""Gateways that behave oddly: what one connection of the audit says of each, and what the whole of it reports."""

import contextlib
import json
import os
import shlex
import signal
import subprocess

from lab import BOUND, main, program, run
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


COMPLETE = {"end": "complete", "suites": True}

# What the report says: the end, the server's own words, part of their meaning, how many connections at most,
# answers of probes, whether suites are listed, part of what makes it incomplete, the shortest greeting in ms, and
# a finding.
REPORTED = {
    "sound": {**COMPLETE, "injection": "no", "most": 40},
    "no-starttls": {"end": "no-starttls", "words": "250 8BITMIME", "most": 1, "finding": "no-starttls"},
    "helo-only": {"end": "no-starttls", "words": "502 5.5.2 command not recognized", "most": 1},
    "starttls-454": {"end": "refused", "words": "454 4.7.0 TLS not available due to local problem",
                     "meaning": "offers TLS but cannot begin it now", "least": 2, "most": 4,
                     "finding": "starttls-refused"},
    "rate-421": {"end": "rate-limited", "words": "421 RP-001 The mail server IP has exceeded the rate limit allowed.",
                 "meaning": "reputation", "least": 2, "most": 4, "finding": "rate-limited"},
    "refused-554": {"end": "refused", "words": "554 refused-554.test no SMTP service here go away", "most": 1},
    "tarpit": {**COMPLETE, "greeting": 900},
    "late-banner": {**COMPLETE, "greeting": 350},
    "mute-after-banner": {"end": "mute", "most": 1, "finding": "mute"},
    "mute-after-go": {"end": "mute", "most": 3, "incomplete": "never answers a ClientHello"},
    "mute": {"end": "mute", "most": 1, "finding": "mute"},
    "garbage": {"end": "not-tls", "words": "!!! this is not TLS at all !!!", "most": 2, "finding": "not-tls"},
    "closes-after-go": {"end": "incomplete", "incomplete": "ends the connection at each ClientHello", "most": 8},
    "endless-banner": {"end": "refused", "words": "it talks without an end", "most": 1},
    "endless-line": {"end": "refused", "words": "it talks without an end", "most": 1},
    "injection": {**COMPLETE, "injection": "yes", "finding": "starttls-injection"},
    "hungry": {**COMPLETE, "injection": "no", "most": 40},
    "strict": {**COMPLETE, "injection": "no", "most": 40},
    "plain-answer": {**COMPLETE, "injection": "no", "most": 40},
    "a-minute": {"suites": True},
    "three-at-once": {**COMPLETE, "most": 60},
    "one-byte": {**COMPLETE, "most": 40},
    "greylist": {**COMPLETE, "most": 40},
    "fqdn": {**COMPLETE, "most": 40},
    "tls13-only": {**COMPLETE, "injection": "no"},
}
SLOW = ("mute", "mute-after-banner", "mute-after-go")

# And in text.
SENTENCES = {
    "no-starttls": ["ERROR: The SMTP service on 127.0.0.1 port {port} did not appear to support STARTTLS.",
                    "It said: 250 8BITMIME"],
    "helo-only": ["did not appear to support STARTTLS.", "It said: 502 5.5.2 command not recognized"],
    "refused-554": ["refused to go on: 554 refused-554.test no SMTP service here go away"],
    "garbage": ["does not speak TLS: !!! this is not TLS at all !!!"],
    "endless-line": ["refused to go on: it talks without an end"],
}


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


def audit(ns, ports, *options):
    """A running audit of these, as text or as the options say."""
    return subprocess.Popen(["ip", "netns", "exec", ns, program("postern"), "audit", "--no-policy",
                             *[f"smtp://127.0.0.1:{p}" for p in ports], *options],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def mistakes(name, g, want):
    """What the report says otherwise."""
    suites = sum(len(p["suites"]) for p in g["protocols"].values())
    checks = {
        "end": g["end"] == want.get("end", g["end"]),
        "words": g["words"]["text"].startswith(want.get("words", "")),
        "meaning": want.get("meaning", "") in (g["words"]["meaning"] or ""),
        "connections": want.get("least", 1) <= g["connections"] <= want.get("most", 80),
        "injection": g["probes"]["starttls_injection"] == want.get("injection", g["probes"]["starttls_injection"]),
        "suites": (suites > 0) == want.get("suites", False),
        "incomplete": want.get("incomplete", "") in g["incomplete"],
        "greeting": g["words"]["greeting_ms"] >= want.get("greeting", 0),
        "finding": "finding" not in want or want["finding"] in [f["id"] for f in g["findings"]],
        # A list that may be short says so.
        "marked": g["end"] != "incomplete" or bool(g["incomplete"]),
    }
    return [f"{name}: {what}: {g['end']}, {g['connections']} connections, {g['words']}, {g['incomplete']}"
            for what, is_right in checks.items() if not is_right]


def test_reports():
    """All of them in two audits side by side; those that say nothing need their time."""
    with gateways("--scale", "0.05", "--window", "3") as (ns, odd):
        assert set(REPORTED) == set(odd.ports), set(REPORTED) ^ set(odd.ports)
        names = {port: name for name, port in odd.ports.items()}
        slow = [odd.ports[name] for name in SLOW]
        running = [audit(ns, [p for p in names if p not in slow], "--json", "--deadline", "35s"),
                   audit(ns, slow, "--json", "--deadline", "50s")]
        gateways_ = [g for p in running for g in json.loads(p.communicate(timeout=90)[0])["gateways"]]
        assert len(gateways_) == len(REPORTED)
        bad = []
        for g in gateways_:
            name = names[g["port"]]
            print(f"# {name}: {g['end']}, {g['connections']} connections, {g['wall_ms']} ms", flush=True)
            bad += mistakes(name, g, REPORTED[name])
        assert not bad, "\n".join(bad)


def test_sentences():
    """What people read."""
    with gateways(*SENTENCES, "fqdn") as (ns, odd):
        for name, sentences in SENTENCES.items():
            out, _ = audit(ns, [odd.ports[name]]).communicate(timeout=BOUND)
            for sentence in sentences:
                assert sentence.format(port=odd.ports[name]) in out, f"{name}: {sentence}: {out}"
        out, _ = audit(ns, [odd.ports["fqdn"]], "--ehlo", "localhost").communicate(timeout=BOUND)
        assert "504 5.5.2 <localhost>: Helo command rejected" in out and "give a full one with --ehlo NAME" in out, out


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
    main(test_each, test_greylist, test_limits, test_nobody, test_reports, test_sentences)
