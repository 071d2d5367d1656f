"""A strict reader of the OpenMetrics text form, version 1.0.0: whatever the standard forbids is an error."""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SUFFIXES = {"counter": ("_total", "_created"), "gauge": ("",), "info": ("_info",),
            "histogram": ("_bucket", "_sum", "_count", "_created")}


def labels(text):
    found, at = {}, 0
    while at < len(text):
        m = LABEL.match(text, at)
        assert m, f"labels: {text}"
        assert m[1] not in found, f"label twice: {text}"
        found[m[1]] = m[2]
        at = m.end()
        assert not (m[3] == "," and at == len(text)), f"comma at the end: {text}"
    return found


def check_histogram(name, samples):
    buckets = [(float(lab["le"].replace("+Inf", "inf")), v) for n, lab, v in samples if n == name + "_bucket"]
    count = [v for n, _, v in samples if n == name + "_count"]
    total = [v for n, _, v in samples if n == name + "_sum"]
    assert len(count) == 1 and len(total) == 1 and total[0] >= 0, name
    assert buckets == sorted(buckets) and len({le for le, _ in buckets}) == len(buckets), name
    assert [v for _, v in buckets] == sorted(v for _, v in buckets), name
    assert buckets[-1] == (math.inf, count[0]), name


def parse(text):
    """{family: (type, [(sample name, labels, value)])}"""
    assert text.endswith("# EOF\n") and text.count("# EOF") == 1 and "\r" not in text
    families, family, helped = {}, None, set()
    for line in text.split("\n")[:-2]:
        assert line and line == line.strip(" "), repr(line)
        if line.startswith("#"):
            mark, word, name, rest = line.split(" ", 3)
            assert mark == "#" and word in ("TYPE", "HELP", "UNIT") and re.fullmatch(NAME, name), line
            if name != family:
                assert name not in families, f"family twice or in pieces: {name}"
                family = name
                families[name] = ["unknown", []]
            assert not families[name][1], f"after its samples: {line}"
            if word == "TYPE":
                assert rest in SUFFIXES and families[name][0] == "unknown", line
                families[name][0] = rest
            elif word == "UNIT":
                assert name.endswith("_" + rest), line
            else:
                assert name not in helped, line
                helped.add(name)
            continue
        m = SAMPLE.fullmatch(line)
        assert m, f"no sample: {line}"
        kind, samples = families[family]
        assert m[1] in {family + s for s in SUFFIXES[kind]}, f"{line} in family {family} of type {kind}"
        value = float(m[3])
        assert not math.isnan(value) and (kind == "gauge" or value >= 0), line
        sample = (m[1], labels(m[2] or ""), value)
        assert sample[:2] not in [s[:2] for s in samples], f"sample twice: {line}"
        samples.append(sample)
    for name, (kind, samples) in families.items():
        assert samples, f"empty family: {name}"
        if kind == "histogram":
            check_histogram(name, samples)
    return families
