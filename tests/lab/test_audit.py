"""What the audit finds at servers that answer by a profile: everything that is there, and nothing else."""

import json
import os
import random
import signal
import subprocess
import time

from hall import PRIME_1024, VERSIONS, Hall, numbers, offered
from lab import main, program

# Suites by the IANA registry, with the way their keys are agreed; versions in which they may be chosen.
OLD = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2")
OLDEST = ("SSLv3", "TLSv1")
NEW = ("TLSv1.2",)
SUITES = {
    "rsa:0001": OLD, "rsa:0002": OLD, "rsa:0004": OLD, "rsa:0005": OLD, "rsa:0007": OLD, "rsa:0009": OLD,
    "rsa:000a": OLD, "rsa:002f": OLD, "rsa:0035": OLD, "rsa:0041": OLD, "rsa:0084": OLD, "rsa:0096": OLD,
    "export:0003": OLDEST, "export:0006": OLDEST, "export:0008": OLDEST,
    "dhe:0015": OLD, "dhe:0016": OLD, "dhe:0033": OLD, "dhe:0039": OLD, "dhe:0045": OLD, "dhe:0088": OLD,
    "adh:0018": OLD, "adh:001b": OLD, "adh:0034": OLD, "adh:003a": OLD,
    "ecdhe:c011": OLD, "ecdhe:c012": OLD, "ecdhe:c013": OLD, "ecdhe:c014": OLD,
    "ecdsa:c007": OLD, "ecdsa:c008": OLD, "ecdsa:c009": OLD, "ecdsa:c00a": OLD,
    "aecdh:c016": OLD, "aecdh:c017": OLD, "aecdh:c018": OLD, "aecdh:c019": OLD,
    "rsa:003c": NEW, "rsa:003d": NEW, "rsa:009c": NEW, "rsa:009d": NEW, "rsa:c09c": NEW, "rsa:c09d": NEW,
    "dhe:0067": NEW, "dhe:006b": NEW, "dhe:009e": NEW, "dhe:009f": NEW, "dhe:ccaa": NEW, "dhe:c09e": NEW,
    "ecdhe:c027": NEW, "ecdhe:c028": NEW, "ecdhe:c02f": NEW, "ecdhe:c030": NEW, "ecdhe:cca8": NEW,
    "ecdsa:c023": NEW, "ecdsa:c024": NEW, "ecdsa:c02b": NEW, "ecdsa:c02c": NEW, "ecdsa:cca9": NEW,
    "ecdhe:c076": NEW, "ecdhe:c060": NEW, "ecdhe:c061": NEW, "dhe:c052": NEW,
    "any:1301": ("TLSv1.3",), "any:1302": ("TLSv1.3",), "any:1303": ("TLSv1.3",), "any:1304": ("TLSv1.3",),
    "any:1305": ("TLSv1.3",),
}
# More that there once was: SEED, Camellia, export, NULL, Kerberos, keys in the certificate.
ANCIENT = {
    "dhe:009a": OLD, "adh:009b": OLD, "adh:0046": OLD, "adh:0089": OLD, "ecdhe:c010": OLD, "aecdh:c015": OLD,
    "krb5:001f": OLD, "ecdh:c004": OLD,
    "dhe:0014": OLDEST, "adh:0017": OLDEST, "export:0062": OLDEST,
    "rsa:003b": NEW, "adh:006c": NEW, "adh:006d": NEW, "adh:00a6": NEW, "adh:00a7": NEW,
}
SSL2 = ["010080", "020080", "030080", "040080", "050080", "060040", "0700c0"]
GROUPS = ["001d", "0017", "0018", "0019", "001e", "0100", "0101", "11ec"]
SIGNATURES = ["0403", "0503", "0603", "0401", "0501", "0601", "0804", "0805", "0806", "0203", "0201"]


def suites_of(version):
    return [s for s, versions in SUITES.items() if version in versions]


def ids(words):
    return [int(w.split(":")[-1], 16) for w in words]


def certificates(hall):
    return {"rsa-cert": hall.certificate("rsa.pem"), "ecdsa-cert": hall.certificate("ec.pem", "P-256")}


def everything(hall, port, **extra):
    p = {"port": port, "SSLv2": SSL2, **{v: suites_of(v) for v in VERSIONS[1:]}, "groups": GROUPS,
         "signatures": SIGNATURES, "dh": PRIME_1024, "renegotiation": True, **certificates(hall)}
    return {**p, **extra}


def weakest(hall, port, **extra):
    """218 pairs of version and suite from SSLv2 to TLS 1.2."""
    p = everything(hall, port)
    for v in OLD:
        p[v] += [s for s, versions in ANCIENT.items() if v in versions]
    del p["TLSv1.3"]
    assert sum(len(p.get(v, [])) for v in VERSIONS) == 218
    return {**p, **extra}


def modern(hall, port, **extra):
    p = {"port": port, "TLSv1.2": ["ecdhe:c02f", "ecdhe:c030", "ecdsa:c02b", "dhe:009e"],
         "TLSv1.3": ["1302", "1303", "1301"], "groups": ["001d", "0017"],
         "signatures": ["0403", "0804", "0401"], "dh": PRIME_1024, "renegotiation": True,
         "ems": True, **certificates(hall)}
    return {**p, **extra}


def compare(profile, g):
    """What is accepted is what the profile says, in its order where the server decides."""
    found = offered(g)
    for v in VERSIONS:
        want = ids(profile.get(v, []))
        got = found.get(v, [])
        assert sorted(got) == sorted(want), (
            f"port {profile['port']} {v}: lacks {[hex(i) for i in set(want) - set(got)]}, "
            f"invents {[hex(i) for i in set(got) - set(want)]}, end {g['end']}: {g['incomplete']}, "
            f"profile {profile}")
        p = g["protocols"][v]
        if want and v != "SSLv2" and p["order_known"]:
            if p["server_order"] == "yes":
                assert got == want, f"port {profile['port']} {v}: order {got}, not {want}"
    assert g["end"] == "complete", (profile, g["end"], g["incomplete"])


def test_everything():
    """Every version and suite of an all-weak server, and what hangs on them."""
    with Hall("all") as hall:
        profile = everything(hall, 4433, compression=True, heartbeat="bleed", robot=True, staple="700",
                             **{"ccs-injection": True, "ecdh-reuse": True, "dh-reuse": True, "clock": True,
                                "session-id": True, "ticket": True, "etm": True, "ems": True, "alpn": "h2"})
        hall.start_fake(profile)
        g = hall.gateway("127.0.0.1:4433")
        compare(profile, g)
        total = sum(len(s) for s in offered(g).values())
        count = hall.counts()[4433]
        print(f"# {total} suites, {count['connections']} connections, {g['wall_ms']} ms", flush=True)
        assert sorted(numbers(g["groups"])) == sorted(int(i, 16) for i in GROUPS), g["groups"]
        assert set(numbers(g["signatures"])) <= {int(i, 16) for i in SIGNATURES}, g["signatures"]
        for name in ("compression", "heartbleed", "ccs_injection", "robot", "ecdh_reuse", "session_id",
                     "session_ticket", "encrypt_then_mac", "extended_master_secret", "heartbeat",
                     "secure_renegotiation"):
            assert g["probes"][name] == "yes", (name, g["probes"])
        assert g["dh"]["bits"] == 1024 and g["dh"]["reused"] == "yes", g["dh"]
        assert len(g["chains"]) == 2 and abs(g["probes"]["clock_skew_s"]) < 5, g["probes"]


def test_weakest():
    """All that was ever weak, by the server's order and by the client's: each pair is found, and no other."""
    with Hall("weakest") as hall:
        certs = certificates(hall)
        profiles = [weakest(hall, 4433, **certs), weakest(hall, 4434, **{"client-order": True, **certs})]
        hall.start_fake(*profiles)
        for profile in profiles:
            g = hall.gateway(f"127.0.0.1:{profile['port']}")
            compare(profile, g)
            n = hall.counts()[profile["port"]]["connections"]
            assert sum(len(s) for s in offered(g).values()) == 218 and n <= 265, n
            by_client = "client-order" in profile
            for v in OLD:
                assert g["protocols"][v]["server_order"] == ("no" if by_client else "yes"), (v, g["protocols"][v])
            print(f"# 218 pairs, {n} connections, {g['wall_ms']} ms", flush=True)
        n = hall.counts()[4433]["connections"]
        g = hall.gateway("127.0.0.1:4433", "--order")
        compare(profiles[0], g)
        assert all(g["protocols"][v]["order_known"] for v in OLD), g["protocols"]
        n = hall.counts()[4433]["connections"] - n
        print(f"# with --order {n} connections, {g['wall_ms']} ms", flush=True)


def test_sound():
    """The same questions at a server without the faults."""
    with Hall("sound") as hall:
        profile = modern(hall, 4433, scsv=True, heartbeat="sound",
                         **{"TLSv1.2": ["ecdhe:c02f", "rsa:009c", "ecdsa:c02b"], "TLSv1.1": ["rsa:002f"]})
        hall.start_fake(profile)
        g = hall.gateway("127.0.0.1:4433")
        compare(profile, g)
        for name, answer in (("compression", "no"), ("heartbleed", "no"), ("ccs_injection", "no"),
                             ("robot", "no"), ("ecdh_reuse", "no"), ("fallback_scsv", "yes"),
                             ("heartbeat", "yes"), ("extended_master_secret", "yes"), ("grease", "yes")):
            assert g["probes"][name] == answer, (name, g["probes"])


def random_profile(rng, hall, port, certs):
    p = {"port": port, "groups": rng.sample(GROUPS, rng.randint(1, len(GROUPS))), "dh": PRIME_1024,
         "signatures": rng.sample(SIGNATURES, len(SIGNATURES)), **certs}
    if not any(int(g, 16) < 0x100 for g in p["groups"]):
        p["groups"].append("001d")
    for v in rng.sample(VERSIONS, rng.randint(1, 6)):
        pool = SSL2 if v == "SSLv2" else suites_of(v)
        p[v] = rng.sample(pool, rng.randint(1, len(pool)))
    for flag in ("client-order", "renegotiation", "ems", "etm", "ticket", "session-id", "scsv",
                 "compression", "clock", "client-cert", "smtp", "dh-reuse", "ecdh-reuse"):
        p[flag] = rng.random() < 0.3
    if rng.random() < 0.2:
        p["segment"] = str(rng.choice([1, 7, 100]))
    p["refuse"] = rng.choice(["alert", "alert", "close"])
    if rng.random() < 0.3:
        p["staple"] = "500"
    return p


def test_random():
    """Profiles by chance: forty servers in one run, each found out whole."""
    seed = int(os.environ.get("POSTERN_SEED", "1"))
    rng = random.Random(seed)
    with Hall("random") as hall:
        certs = certificates(hall)
        profiles = [random_profile(rng, hall, 5000 + i, certs) for i in range(40)]
        hall.start_fake(*profiles)
        targets = [f"{'smtp://' if p['smtp'] else ''}127.0.0.1:{p['port']}" for p in profiles]
        status, report, err = hall.audit(*targets)
        assert report is not None, (status, err)
        found = {g["port"]: g for g in report["gateways"]}
        bad = []
        for p in profiles:
            try:
                compare(p, found[p["port"]])
                assert (found[p["port"]]["probes"]["compression"] == "yes") <= bool(p["compression"])
            except AssertionError as e:
                bad.append(str(e))
        assert not bad, f"seed {seed}: {len(bad)} of 40:\n" + "\n".join(bad)


def test_words():
    """Where there is nothing to enumerate, the reason is given in the server's own words."""
    with Hall("words") as hall:
        cases = [
            ({"no-starttls": True}, "no-starttls", ""),
            ({"starttls-reply": "454 4.7.0 TLS not available"}, "refused", "454"),
            ({"greeting": "554 5.7.1 No SMTP service here"}, "refused", "554"),
            ({"greeting": "421 RP-001 (SNT004) Too many connections from your address"}, "rate-limited", "RP-001"),
            ({"garbage": True}, "not-tls", ""),
        ]
        profiles = [modern(hall, 2500 + i, smtp=True, **c[0]) for i, c in enumerate(cases)]
        profiles.append(modern(hall, 2600, mute=True))
        hall.start_fake(*profiles)
        status, report, err = hall.audit(*[f"smtp://127.0.0.1:{p['port']}" for p in profiles[:-1]],
                                         "127.0.0.1:2600", "--deadline", "8s")
        found = {g["port"]: g for g in report["gateways"]}
        for i, (_, end, words) in enumerate(cases):
            g = found[2500 + i]
            assert g["end"] == end and words in g["words"]["text"], (g["end"], g["words"], end, words)
        assert found[2600]["end"] in ("mute", "incomplete"), found[2600]["end"]
        counts = hall.counts()
        for i, (_, end, _) in enumerate(cases):
            if end in ("no-starttls", "not-tls"):
                assert counts[2500 + i]["connections"] <= 3, counts[2500 + i]
        text = hall.exec(program("postern"), "audit", "smtp://127.0.0.1:2500").stdout
        assert "ERROR: The SMTP service on 127.0.0.1 port 2500 did not appear to support STARTTLS." in text, text


def test_delay():
    """A greeting that takes its time is waited for and told."""
    with Hall("delay") as hall:
        hall.start_fake(modern(hall, 2525, smtp=True, **{"greeting-delay": "700", "TLSv1.2": ["rsa:002f"],
                                                          "TLSv1.3": ["1301"]}))
        g = hall.gateway("smtp://127.0.0.1:2525")
        assert offered(g) == {"TLSv1.2": [0x2f], "TLSv1.3": [0x1301]}, offered(g)
        assert 600 < g["words"]["greeting_ms"] < 5000, g["words"]


def test_long_chain():
    """A chain of a megabyte is read, once."""
    with Hall("chain") as hall:
        leaf = hall.certificate("leaf.pem")
        filler = ",".join(f"DNS:{'x' * 55}{i}.example.org" for i in range(900))
        big = hall.certificate("big.pem", options=("-addext", f"subjectAltName={filler}"))
        chain = hall.path("chain.pem")
        with open(chain, "w") as f:
            f.write(open(leaf).read())
            for _ in range(13):
                f.write(open(big).read().split("END PRIVATE KEY-----\n")[1])
        hall.start_fake({**modern(hall, 4433), "rsa-cert": chain})
        g = hall.gateway("127.0.0.1:4433")
        assert sorted(offered(g)) == ["TLSv1.2", "TLSv1.3"] and g["end"] == "complete", (g["end"], g["incomplete"])
        assert max(len(c["certificates"]) for c in g["chains"]) == 14, [len(c["certificates"]) for c in g["chains"]]
        assert not any(c["cut"] for c in g["chains"]), g["chains"]


def test_cut_chains():
    """What is beyond the bounds is left out, and said to be."""
    with Hall("cut") as hall:
        leaf = hall.certificate("leaf.pem")
        filler = ",".join(f"DNS:{'x' * 55}{i}.example.org" for i in range(900))
        big = hall.certificate("big.pem", options=("-addext", f"subjectAltName={filler}"))
        for name, other, count in (("many.pem", leaf, 20), ("large.pem", big, 19)):
            with open(hall.path(name), "w") as f:
                f.write(open(leaf).read())
                for _ in range(count):
                    f.write(open(other).read().split("END PRIVATE KEY-----\n")[1])
        hall.start_fake({**modern(hall, 4433), "rsa-cert": hall.path("many.pem")},
                        {**modern(hall, 4434), "rsa-cert": hall.path("large.pem")})
        g = hall.gateway("127.0.0.1:4433")
        assert [len(c["certificates"]) for c in g["chains"] if c["cut"]] == [16], g["chains"]
        assert "cert-chain-long" in {f["id"] for f in g["findings"]}, g["findings"]
        g = hall.gateway("127.0.0.1:4434")
        assert g["chains_incomplete"] and not any(c["cut"] for c in g["chains"]), g["chains"]
        assert "cert-chain-long" in {f["id"] for f in g["findings"]}, g["findings"]


def test_interrupt():
    """Ctrl-C prints what is known and says that it is not all."""
    with Hall("interrupt") as hall:
        hall.start_fake(modern(hall, 2525, smtp=True, **{"greeting-delay": "4000"}),
                        modern(hall, 4433, **{"TLSv1.2": ["rsa:002f"], "TLSv1.3": ["1301"]}))
        p = subprocess.Popen(["ip", "netns", "exec", hall.ns, program("postern"), "audit", "smtp://127.0.0.1:2525",
                              "127.0.0.1:4433"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(2)
        begin = time.monotonic()
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=20)
        assert time.monotonic() - begin < 10, "it takes too long to end"
        assert "INCOMPLETE" in out and "interrupted" in err, (out, err)
        assert "AES128-SHA" in out and p.returncode in (0, 1, 3), (p.returncode, out)


def test_forms():
    """Every form of a report, an exit code for each end."""
    with Hall("forms") as hall:
        hall.start_fake(modern(hall, 4433), everything(hall, 4434))
        page, old = hall.path("page.html"), hall.path("old.json")

        def audit(*argv):
            return hall.exec(program("postern"), "audit", *argv, timeout=60)
        r = audit("127.0.0.1:4433", "127.0.0.1:4434", "--jsonl")
        lines = [json.loads(line) for line in r.stdout.splitlines()]
        assert {o["port"] for o in lines} == {4433, 4434} and r.returncode == 1, r
        r = audit("127.0.0.1:4433", "--csv", "--html", page, "--fail-on", "off")
        assert r.returncode == 0 and len(r.stdout.splitlines()) > 1, r
        assert open(page).read().startswith("<!DOCTYPE html>") or "<html" in open(page).read()
        r = audit("127.0.0.1:4433", "--json")
        with open(old, "w") as f:
            f.write(r.stdout)
        r = audit("127.0.0.1:4433", "--compare", old, "--fail-on", "off")
        assert r.returncode == 0 and "nothing has changed" in r.stdout, r.stdout
        assert audit("127.0.0.1:4433", "--fail-on", "critical").returncode == 0
        assert audit("127.0.0.1:4434", "--fail-on", "critical").returncode == 1
        assert audit("127.0.0.1:9").returncode == 3
        with open(hall.path("list"), "w") as f:
            f.write("# servers\n127.0.0.1:4433\n\n127.0.0.1:4434 # weak\n")
        r = audit("--file", hall.path("list"), "--json", "--profile", "rfc9325")
        report = json.loads(r.stdout)
        assert [g["port"] for g in report["gateways"]] == [4433, 4434] and report["profile"] == "rfc9325", report["profile"]
        assert "Prefered" in audit("127.0.0.1:4433", "--classic").stdout
        for argv in (["127.0.0.1:4433", "--fail-on", "bad"], [], ["a b"], ["--json", "--csv", "127.0.0.1"],
                     ["127.0.0.1", "-4", "-6"], ["127.0.0.1", "--deadline", "soon"]):
            assert audit(*argv).returncode == 2, argv
        assert audit("127.0.0.1:4433", "--profile", "no-such").returncode == 4
        assert audit("127.0.0.1:4433", "--ca", hall.path("nothing")).returncode == 4


def test_domain():
    """From a mail address to its gateways, each by its own name, and what the domain promises."""
    with Hall("domain") as hall:
        pem = hall.certificate("mail.pem", options=("-addext", "subjectAltName=DNS:mail.example.org"))
        hall.start_fake({**modern(hall, 25, smtp=True), "TLSv1": ["rsa:002f"], "rsa-cert": pem})
        with open(hall.path("zone"), "w") as f:
            f.write("""$ORIGIN example.org.
@ 300 SOA ns admin 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
@ MX 10 mail
@ MX 20 backup
mail A 127.0.0.2
backup A 127.0.0.3
_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@example.org"
@ CAA 0 issue "ca.example"
""")
        with open(hall.path("knot.conf"), "w") as f:
            f.write(f"""server:
    listen: 127.0.0.1@53
    rundir: {hall.dir}
    user: root
log:
  - target: {hall.path('knot.log')}
    any: warning
database:
    storage: {hall.dir}
zone:
  - domain: example.org
    file: {hall.path('zone')}
    storage: {hall.dir}
    zonefile-sync: -1
""")
        hall.spawn("knotd", "-c", hall.path("knot.conf"))
        hall.listening(53)
        status, report, err = hall.audit("postmaster@example.org", "--resolver", "127.0.0.1", "--ca", pem)
        assert report is not None, (status, err)
        names = [(g["host"], g["address"], g["preference"]) for g in report["gateways"]]
        assert names == [("mail.example.org", "127.0.0.2", 10), ("backup.example.org", "127.0.0.3", 20)], names
        first, second = report["gateways"]
        assert first["profile"] == "mail" and first["verify"]["name_matches"] == "yes", first["verify"]
        assert second["verify"]["name_matches"] == "no", second["verify"]
        assert sorted(offered(first)) == ["TLSv1", "TLSv1.2", "TLSv1.3"], offered(first)
        domain = report["domains"][0]
        assert domain["name"] == "example.org" and "tls@example.org" in json.dumps(domain), domain
        r = hall.exec(program("postern"), "audit", "nowhere@none.example.org", "--resolver", "127.0.0.1")
        assert r.returncode == 3 and "none.example.org" in r.stderr, r


def test_mute_names():
    """A name server that never answers: each name is said to be left out, and the others are looked at."""
    with Hall("mute-names") as hall:
        hall.start_fake(modern(hall, 4433))
        mute = hall.spawn("python3", "-c", "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                          "s.bind(('127.0.0.1', 53)); print('bound', flush=True); time.sleep(60)",
                          stdout=subprocess.PIPE)
        assert mute.stdout.readline() == b"bound\n"
        names = [f"a@d{i}.example" for i in range(70)]
        begin = time.monotonic()
        r = hall.exec(program("postern"), "audit", "127.0.0.1:4433", *names, "--resolver", "127.0.0.1", "--deadline",
                      "3s", "--fail-on", "off", "--csv", timeout=30)
        assert time.monotonic() - begin < 15, "the deadline is not held"
        left = [line for line in r.stderr.splitlines() if "not looked at" in line]
        assert len(left) == 70 and all(any(n in line for line in left) for n in names), r.stderr
        assert r.returncode == 0 and "127.0.0.1" in r.stdout, r


def test_gentle():
    """--concurrency and --rate are kept, as the server counts them."""
    with Hall("gentle") as hall:
        hall.start_fake(modern(hall, 4433), modern(hall, 4434))
        hall.gateway("127.0.0.1:4433", "--concurrency", "2")
        assert hall.counts()[4433]["peak"] <= 2, hall.counts()
        begin = time.monotonic()
        hall.gateway("127.0.0.1:4434", "--rate", "10")
        took = time.monotonic() - begin
        n = hall.counts()[4434]["connections"]
        assert n / took <= 13, (n, took)


if __name__ == "__main__":
    main(test_everything, test_weakest, test_sound, test_random, test_words, test_delay, test_long_chain, test_cut_chains, test_interrupt, test_forms, test_domain,
         test_mute_names, test_gentle)
