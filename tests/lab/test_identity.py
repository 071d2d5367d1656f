"""Who may come in by certificate: people no directory knows, foreign organisations, revoked and deleted ones."""

import os

from lab import Lab, V4, main, program, run, until

SERVICES = """
service ssh {
    port = tcp/22   allow = {"*/VSD", "*/NN/COM", "Everybody"}   deny = {"*/UB/QN/VSD"}
    open = once   wait = 30s   lease = 1h
}
group Everybody { members = { "*", "*/QN/VSD", "Uwe/UB/QN/VSD" } }
"""


def postern(lab, *argv, **kw):
    return run(program("postern"), *argv, **kw)


def secret(lab, name, text):
    with open(lab.path(name), "w") as f:
        f.write(text + "\n")
    os.chmod(lab.path(name), 0o600)
    return lab.path(name)


def certifier(lab, name, out, by=None):
    word = lab.path("certifier-password")
    more = [] if by is None else ["--certifier", by, "--certifier-password-file", word]
    postern(lab, "certifier", "new", name, "-o", lab.path(out), "--password-file", word, "--kdf-mem", "8", *more)
    return lab.path(out)


def person(lab, name, by, out=None):
    """An ID that no directory knows."""
    out = lab.path(out or name.split("/")[0].lower() + ".id")
    postern(lab, "id", "new", name, "--certifier", by, "--certifier-password-file",
            lab.path("certifier-password"), "--out", out, "--password-file", lab.path("admin-password"),
            "--kdf-mem", "8")
    return out


def make(lab, server=""):
    lab.setup()
    secret(lab, "certifier-password", "correct horse 7 battery")
    lab.config(services=SERVICES, server=server)
    lab.echo(22)
    lab.start()


def opens(lab, id, *argv, **kw):
    status, answer, err = lab.knock("--identity", "chain", *argv, id=id, **kw)
    assert status == 0 and answer["status"] == "OK", (status, answer, err)
    lab.connect("client", V4["server"], 22).close()
    assert lab.probe("client", V4["server"], 22) == "silent"


def refused(lab, id, reason, **kw):
    status, answer, err = lab.knock("--identity", "chain", id=id, **kw)
    assert status == 1 and answer["status"] in ("DENIED", "EXPIRED"), (status, answer, err)
    last = lab.journal("refused")[-1]
    assert last["reason"] == reason, last
    assert lab.probe("client", V4["server"], 22) == "silent"
    return last


def test_certificate_alone():
    with Lab("chain") as lab:
        make(lab, server="key-check = off")
        ann = person(lab, "Ann/VSD", lab.path("etc", "certifier.id"))
        opens(lab, ann)
        opens(lab, ann)  # from the cache
        granted = lab.journal("granted")[-1]
        assert granted["name"] == "Ann/VSD" and granted["entry"] == "*/VSD", granted
        # Found without being told how: first by key id, which nobody knows, then by certificate.
        status, answer, err = lab.knock(id=ann)
        assert status == 0 and answer["status"] == "OK", (status, answer, err)


def test_deleted_person():
    with Lab("deleted") as lab:
        make(lab, server="key-check = all")
        ann = lab.person("Ann/VSD")
        refused(lab, ann, "key-check")  # listed, but the daemon does not know it yet
        lab.ctl("reload")
        lab.settled()
        opens(lab, ann)
        run(program("postern"), "directory", "remove", "Ann/VSD", "--directory", lab.path("etc", "directory"))
        lab.ctl("reload")
        lab.settled()
        refused(lab, ann, "key-check")


if __name__ == "__main__":
    main(test_certificate_alone, test_deleted_person)
