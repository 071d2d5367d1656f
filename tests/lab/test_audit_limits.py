"""What the audit finds at servers that bear little, lose connections, limit them, or send a byte now and then."""

from hall import VERSIONS, Hall, offered
from lab import main
from test_audit import compare, ids, modern, suites_of


def test_odd():
    """Servers that do not bear the usual hello, and servers that count."""
    with Hall("odd") as hall:
        many = {"TLSv1.2": suites_of("TLSv1.2"), "groups": ["001d", "0017"]}
        cases = [
            ("version", modern(hall, 1, **{"version-max-borne": "0303", "TLSv1.3": []})),
            ("version10", {**modern(hall, 1, **{"version-max-borne": "0301", "TLSv1.3": [], "TLSv1.2": []}),
                           "TLSv1": ["rsa:002f", "rsa:0005"]}),
            ("length", modern(hall, 1, **{"size-from": "256", "size-to": "511", **many})),
            ("chunk", modern(hall, 1, **{"first-suites": "64", **many})),
            ("chunk128", modern(hall, 1, **{"first-suites": "128", **many})),
            ("bytes", modern(hall, 1, segment="1")),
            ("extensions", {**modern(hall, 1, **{"extensions-fatal": True, "TLSv1.3": [], "TLSv1.2": []}),
                            "TLSv1": ["rsa:002f", "rsa:000a", "rsa:0005"]}),
            ("grease", modern(hall, 1, **{"grease-fatal": True})),
            ("three", modern(hall, 1, smtp=True, **{"at-once": "3", **many})),
            ("three-direct", modern(hall, 1, **{"at-once": "3", **many})),
            ("greylist", modern(hall, 1, smtp=True, greylist="1")),
        ]
        for i, (_, p) in enumerate(cases):
            p["port"] = 6000 + i
            for v in VERSIONS:
                if p.get(v) == []:
                    del p[v]
        hall.start_fake(*[p for _, p in cases])
        targets = [f"{'smtp://' if p.get('smtp') else ''}127.0.0.1:{p['port']}" for _, p in cases]
        status, report, err = hall.audit(*targets)
        found = {g["port"]: g for g in report["gateways"]}
        counts = hall.counts()
        bad = []
        for name, p in cases:
            g = found[p["port"]]
            print(f"# {name}: {g['end']}, {g['connections']} connections, lost {g['lost']}, {g['wall_ms']} ms, "
                  f"refused {counts[p['port']]['refused']} {g['incomplete']}", flush=True)
            try:
                compare(p, g)
            except AssertionError as e:
                bad.append(f"{name}: {e}")
        assert not bad, "\n".join(bad)


def test_drops():
    """Servers that reset every few connections, and refuse by alert or by closing."""
    with Hall("drops") as hall:
        kinds = [{"drop-each": each, **smtp, **refuse} for each in ("5", "7", "13") for smtp in ({}, {"smtp": True})
                 for refuse in ({}, {"refuse": "close"})]
        one = modern(hall, 1, **{"TLSv1.2": suites_of("TLSv1.2"), "groups": ["001d"]})
        profiles = [{**one, "port": 4400 + i, **kind} for i, kind in enumerate(kinds)]
        hall.start_fake(*profiles)
        targets = [f"{'smtp://' if p.get('smtp') else ''}127.0.0.1:{p['port']}" for p in profiles]
        status, report, err = hall.audit(*targets)
        for p, g in zip(profiles, report["gateways"]):
            print(f"# every {p['drop-each']}: {g['connections']} connections, lost {g['lost']}, {g['wall_ms']} ms", flush=True)
            if p.get("refuse") == "close" and g["end"] == "incomplete":
                # What refuses as it loses may stay in doubt, which is said.
                assert g["incomplete"] and all(set(got) <= set(ids(p[v])) for v, got in offered(g).items()), g["end"]
                continue
            compare(p, g)
            assert g["wall_ms"] < 30000, g["wall_ms"]


def test_late_limits():
    """Limits that begin while it is asked, and look like the refusals of the server: all is found, or said to be short."""
    with Hall("late") as hall:
        one = modern(hall, 1, refuse="close")
        passing = [{**one, "port": 4500 + n, "limit-after": str(n), "limit-ms": "1000"} for n in range(1, 60, 5)]
        lasting = [{**one, "port": 4600 + n, "limit-after": str(n)} for n in range(1, 60, 5)]
        hall.start_fake(*passing, *lasting)
        status, report, err = hall.audit(*[f"127.0.0.1:{p['port']}" for p in passing + lasting], "--deadline", "24s")
        found = {g["port"]: g for g in report["gateways"]}
        whole = 0
        for p in passing + lasting:
            g = found[p["port"]]
            print(f"# {p['limit-after']}: {g['end']}, {g['connections']} connections, {g['wall_ms']} ms {g['incomplete']}", flush=True)
            if g["end"] == "complete":
                compare(p, g)
                whole += p in passing
            else:
                assert g["end"] in ("incomplete", "no-handshake") and g["incomplete"], (p, g["end"], g["incomplete"])
            for v, got in offered(g).items():
                assert set(got) <= set(ids(p[v])), (v, got)
            for v in VERSIONS:
                assert g["protocols"][v]["offered"] != "no" or not p.get(v), (p["limit-after"], v)
        print(f"# {whole} of {len(passing)} that pass were waited for", flush=True)
        assert whole >= len(passing) / 2, whole


def test_drips():
    """Hundreds that send a byte now and then for ever do not keep the others waiting."""
    with Hall("drips") as hall:
        one = modern(hall, 1)
        drips = [{**one, "port": 5000 + i, "smtp": i % 2 == 0, "drip": "400"} for i in range(130)]
        good = [{**one, "port": 6000 + i} for i in range(20)]
        hall.start_fake(*drips, *good)
        # Each drips at two addresses: that makes 260 places.
        targets = [f"{'smtp://' if p.get('smtp') else ''}{a}:{p['port']}" for a in ("127.0.0.1", "127.0.0.2") for p in drips]
        status, report, err = hall.audit(*targets, *[f"127.0.0.1:{p['port']}" for p in good], "--deadline", "15s")
        ends = {}
        for g in report["gateways"]:
            if g["port"] >= 6000:
                compare(next(p for p in good if p["port"] == g["port"]), g)
                assert g["wall_ms"] < 12000, g["wall_ms"]
            else:
                ends[g["end"]] = ends.get(g["end"], 0) + 1
        print(f"# the others: {ends}", flush=True)
        assert "complete" not in ends, ends


if __name__ == "__main__":
    main(test_odd, test_drops, test_late_limits, test_drips)
