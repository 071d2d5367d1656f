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


def two_organisations(lab):
    """O=VSD with OU=QN and OU=UB below it, and O=COM with OU=NN. Paths of the certifiers' ID files."""
    vsd = lab.path("etc", "certifier.id")
    qn = certifier(lab, "QN/VSD", "qn.id", vsd)
    ub = certifier(lab, "UB/QN/VSD", "ub.id", qn)
    com = certifier(lab, "COM", "com.id")
    nn = certifier(lab, "NN/COM", "nn.id", com)
    return {"vsd": vsd, "qn": qn, "ub": ub, "com": com, "nn": nn}


def cross(lab, what, by, out, *argv):
    postern(lab, "certifier", "cross", what, "--certifier", by, "--yes", "-o", lab.path(out), "--password-file",
            lab.path("certifier-password"), *argv)
    return lab.path(out)


def trust(lab, *files, crl=(), server=""):
    """The server trusts these files as well, from now on."""
    lab.config(services=SERVICES, server=server)
    text = open(lab.path("postern.conf")).read().replace('{"*/VSD"}\n    identity', '{"*/VSD", "*/COM"}\n    identity')
    own = f'"{lab.path("etc", "trust", "VSD.pem")}"'
    text = text.replace("{" + own + "}", "{" + ", ".join([own, *(f'"{f}"' for f in files)]) + "}")
    if crl:
        text = text.replace("key-check", "crl-files = {" + ", ".join(f'"{f}"' for f in crl) + "}\n    key-check", 1)
    with open(lab.path("postern.conf"), "w") as f:
        f.write(text)
    lab.ctl("reload")
    lab.settled()


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


def test_cross_certificate():
    """Both sides must trust the other's organisation, each by a certificate of its own."""
    with Lab("cross") as lab:
        make(lab, server="key-check = off")
        c = two_organisations(lab)
        admin = person(lab, "Admin/NN/COM", c["nn"], out="foreign.id")
        # The client does not trust a card of VSD: nothing is sent.
        status, answer, err = lab.knock("--identity", "chain", id=admin)
        assert status == 1 and answer is None and "id cross" in err, (status, answer, err)
        lab.exec("client", program("postern"), "id", "cross", lab.path("etc", "server.card"), "--id", admin, "--for",
                 "organisation", "--yes", "--password-file", lab.path("admin-password"), check=True)
        # The server does not know COM: silence.
        status, answer, err = lab.knock("--identity", "chain", id=admin)
        assert status == 3 and answer["status"] == "SILENT", (status, answer, err)
        trust(lab, cross(lab, lab.path("com.pem"), c["vsd"], "com-cross.pem"), server="key-check = off")
        opens(lab, admin)
        assert lab.journal("granted")[-1]["entry"] == "*/NN/COM"
        # One more of COM, but not of NN: trusted, and not allowed.
        other = person(lab, "Eve/COM", c["com"])
        lab.exec("client", program("postern"), "id", "cross", lab.path("etc", "server.card"), "--id", other, "--yes",
                 "--for", "organisation", "--password-file", lab.path("admin-password"), "-o", lab.path("eve.pem"))
        refused_or_silent(lab, other)
        # It was believed only as long as the file said so.
        trust(lab, server="key-check = off")
        assert lab.knock("--identity", "chain", id=admin)[0] == 3


def refused_or_silent(lab, id):
    status, answer, err = lab.knock("--identity", "chain", id=id)
    assert status in (1, 3, 4), (status, answer, err)
    assert lab.probe("client", V4["server"], 22) == "silent"


def test_deny_wins():
    """A group allows Uwe, the deny of his unit shuts him out, whatever the order."""
    with Lab("deny") as lab:
        make(lab, server="key-check = off")
        c = two_organisations(lab)
        uwe = person(lab, "Uwe/UB/QN/VSD", c["ub"])
        quinn = person(lab, "Quinn/QN/VSD", c["qn"])
        opens(lab, quinn)
        last = refused(lab, uwe, "deny-service")
        assert last["list"] == "service ssh deny" and last["entry"] == "*/UB/QN/VSD", last


def test_revoked():
    with Lab("revoked") as lab:
        make(lab, server="key-check = off")
        c = two_organisations(lab)
        quinn = person(lab, "Quinn/QN/VSD", c["qn"])
        opens(lab, quinn)
        postern(lab, "certifier", "revoke", "--certifier", c["qn"], "--certificate", quinn, "--crl", lab.path("qn.crl"),
                "--password-file", lab.path("certifier-password"))
        # A window stays open and its connection lives until the list is loaded; not longer.
        trust(lab, lab.path("qn.pem"), crl=[lab.path("qn.crl")], server="key-check = off")
        refused(lab, quinn, "revoked")
        # Others of that unit come in, and a list that is required has to be there.
        other = person(lab, "Olga/QN/VSD", c["qn"])
        opens(lab, other)
        trust(lab, lab.path("qn.pem"), crl=[lab.path("qn.crl")], server="crl = require\n    key-check = off")
        refused(lab, other, "no-crl")


def test_recovery():
    """Three authorities, two of them open an ID whose password is lost; it knocks again."""
    with Lab("recovery") as lab:
        make(lab, server="key-check = off")
        vsd, word = lab.path("etc", "certifier.id"), lab.path("admin-password")
        certifier_word = lab.path("certifier-password")
        records = []
        for name in ("Ra1", "Ra2", "Ra3"):
            authority = person(lab, f"{name}/VSD", vsd)
            records += ["--authority", authority + ".rec"]
            postern(lab, "id", "authority", authority, "-o", authority + ".rec", "--password-file", word)
        postern(lab, "certifier", "recovery", "--certifier", vsd, *records, "-m", "2", "-o", lab.path("list.pem"),
                "--certifier-password-file", certifier_word)
        ann = person(lab, "Ann/VSD", vsd)
        opens(lab, ann)
        postern(lab, "id", "protect", ann, "--recovery", lab.path("list.pem"), "--password-file", word)
        lost = secret(lab, "lost", "nobody remembers 99 this")
        postern(lab, "id", "passwd", ann, "--password-file", word, "--new-password-file", lost, "--kdf-mem", "8")
        assert lab.knock("--identity", "chain", id=ann)[0] == 4
        for name in ("ra1", "ra3"):
            postern(lab, "id", "recover", ann, "--as", lab.path(name + ".id"), "--password-file", word, "--yes", "-o",
                    lab.path(name + ".share"))
        one = run(program("postern"), "id", "recover", ann, "--share-file", lab.path("ra1.share"),
                  "--new-password-file", word, "--kdf-mem", "8", check=False, stdin=-3)
        assert one.returncode != 0, one
        postern(lab, "id", "recover", ann, "--share-file", lab.path("ra1.share"), "--share-file",
                lab.path("ra3.share"), "--new-password-file", word, "--kdf-mem", "8")
        opens(lab, ann)


def test_next_key():
    """A key is good until the one that follows it was used, also after a restart."""
    with Lab("next") as lab:
        make(lab)
        vsd, word = lab.path("etc", "certifier.id"), lab.path("admin-password")
        ann, directory = lab.person("Ann/VSD"), lab.path("etc", "directory")
        old = lab.path("old.id")
        with open(ann) as f, open(old, "w") as to:
            to.write(f.read())
        os.chmod(old, 0o600)
        said = postern(lab, "id", "rollover", ann, "--certifier", vsd, "--certifier-password-file",
                       lab.path("certifier-password"), "-o", lab.path("next.pem"), "--password-file", word).stdout
        option = next(line.strip() for line in said.splitlines() if "key-next=" in line)
        postern(lab, "id", "merge", ann, lab.path("next.pem"), "--yes", "--password-file", word)
        lines = open(directory).read().replace('name="Ann/VSD"', f'name="Ann/VSD",{option}')
        with open(directory, "w") as f:
            f.write(lines)
        lab.ctl("reload")
        lab.settled()
        opens(lab, old)
        opens(lab, ann)
        last = refused(lab, old, "superseded")
        assert last["name"] == "Ann/VSD", last
        opens(lab, ann)
        lab.stop()
        lab.start()
        lab.generation = 1
        refused(lab, old, "superseded")
        opens(lab, ann)
        why = lab.ctl("why", "Ann/VSD", "ssh")[0]
        assert why["verdict"] == "grant" and why["identity"]["superseded"] is True, why
        assert "superseded" in why["assumes"][0], why
        # The administrator settles it: the line is of the next key, and the old one is nobody's.
        postern(lab, "directory", "add", ann, "--replace", "--directory", directory)
        lab.ctl("reload")
        lab.settled()
        opens(lab, ann)
        refused(lab, old, "key-check")


def test_openssl_agrees():
    with Lab("openssl") as lab:
        make(lab)
        c = two_organisations(lab)
        uwe = person(lab, "Uwe/UB/QN/VSD", c["ub"])
        blocks = [b.split("-----END CERTIFICATE-----")[0] for b in
                  open(uwe).read().split("-----BEGIN CERTIFICATE-----")[1:]]
        for i, b in enumerate(blocks):
            with open(lab.path(f"c{i}.pem"), "w") as f:
                f.write("-----BEGIN CERTIFICATE-----" + b + "-----END CERTIFICATE-----\n")
        assert len(blocks) == 4, len(blocks)
        verify = ["openssl", "verify", "-x509_strict", "-CAfile", lab.path("c3.pem")]
        run(*verify, "-untrusted", lab.path("c2.pem"), "-untrusted", lab.path("c1.pem"), lab.path("c0.pem"))
        bad = run(*verify, "-untrusted", lab.path("c2.pem"), lab.path("c0.pem"), check=False)
        assert bad.returncode != 0, bad


if __name__ == "__main__":
    main(test_certificate_alone, test_deleted_person, test_cross_certificate, test_deny_wins, test_revoked,
         test_recovery, test_next_key, test_openssl_agrees)
