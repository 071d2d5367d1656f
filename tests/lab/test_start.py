"""A start that cannot succeed: one sentence, exit status 4, the firewall as it was, nothing removed."""

import errno
import os
import socket
import sqlite3
import subprocess

from lab import Lab, inside, main, program, run, until


def edit(lab, old, new):
    with open(lab.path("postern.conf")) as f:
        text = f.read()
    assert text.count(old) == 1, old
    with open(lab.path("postern.conf"), "w") as f:
        f.write(text.replace(old, new))


def refuse(lab, *says, before=()):
    """Start the daemon, which must not come up. before: what to run it under."""
    r = lab.exec("server", *before, program("posternd"), "-c", lab.path("postern.conf"))
    assert r.returncode == 4, (r.returncode, r.stderr)
    assert r.stderr.count("\n") == 1 and all(s in r.stderr for s in says), r.stderr
    tables = run("ip", "netns", "exec", lab.ns["server"], "nft", "list", "tables").stdout
    assert tables == "", tables
    assert not os.path.lexists(lab.path("control")), "the control socket is left"


def prepared(name):
    lab = Lab(name)
    lab.setup()
    lab.config()
    return lab


def test_user():
    with prepared("user") as lab:
        edit(lab, '"nobody"', '"no-such-user"')
        refuse(lab, "user no-such-user: does not exist; make it")
        edit(lab, '"no-such-user"', '"root"')
        refuse(lab, "user root: is root", "name an unprivileged one")


def test_knock_port_of_another():
    with prepared("port") as lab:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "10.77.0.1"),
                                (socket.AF_INET6, "::")):
            with inside(lab.ns["server"]):
                s = socket.socket(family, socket.SOCK_DGRAM)
            s.bind((address, 62201))
            refuse(lab, "door wan: another program has udp port 62201", "choose another udp")
            s.close()
        lab.start()


def test_reload_checks_the_same():
    with prepared("reload") as lab:
        lab.start()
        edit(lab, '"nobody"', '"no-such-user"')
        r = lab.exec("server", program("posternctl"), "--socket", lab.path("control"), "reload")
        assert r.returncode == 1 and "no-such-user: does not exist" in r.stderr, r.stderr
        assert r.stderr.count("\n") == 1 and r.stdout == "", r.stdout + r.stderr
        lab.must_open("ssh")


def test_control_is_a_file():
    with prepared("control") as lab:
        key = lab.path("etc", "server.key")
        edit(lab, f'"{lab.path("control")}"', f'"{key}"')
        refuse(lab, f"{key}: is there and is not a socket", "name another path")
        assert os.path.getsize(key) == 32, "the key file is gone"


def test_store_of_another():
    with prepared("store") as lab:
        os.mkdir(lab.path("store"), 0o700)
        path = lab.path("store", "postern.db")
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE t(x)")
        db.close()
        before = open(path, "rb").read()
        refuse(lab, f"{path}: is not a store of postern; name another file or move it away")
        assert open(path, "rb").read() == before
        os.unlink(path)
        os.mkdir(path)
        refuse(lab, f"{path}: is not a regular file; name one")
        edit(lab, f'"{path}"', '"/proc/none/postern.db"')
        refuse(lab, "/proc/none: the folder cannot be made")


def test_capabilities():
    with prepared("caps") as lab:
        for cap in ("net_admin", "net_raw", "setuid", "setgid", "setpcap"):
            refuse(lab, f"CAP_{cap.upper()} missing; start it as root",
                   before=("setpriv", "--bounding-set", "-" + cap, "--inh-caps", "-" + cap))


# socket(AF_NETLINK, any, NETLINK_NETFILTER) answers what a kernel without nftables answers. The low half of
# an argument comes first on little-endian machines.
REFUSE_NFTABLES = """
import ctypes, os, struct, sys
one = lambda code, yes, no, k: struct.pack("HBBI", code, yes, no, k)
argument = lambda n: 16 + 8 * n + (4 if sys.byteorder == "big" else 0)
program = b"".join([one(0x20, 0, 0, 0), one(0x15, 0, 5, NUMBER), one(0x20, 0, 0, argument(0)),
    one(0x15, 0, 3, 16), one(0x20, 0, 0, argument(2)), one(0x15, 0, 1, 12),
    one(6, 0, 0, 0x00050000 | ERRNO), one(6, 0, 0, 0x7fff0000)])
text = ctypes.create_string_buffer(program)
class Filter(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("text", ctypes.c_void_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Filter(len(program) // 8, ctypes.addressof(text))), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
SOCKET_NUMBERS = {"x86_64": 41, "aarch64": 198, "riscv64": 198}


def test_no_nftables():
    number = SOCKET_NUMBERS.get(os.uname().machine)
    if number is None:
        return
    script = REFUSE_NFTABLES.replace("NUMBER", str(number)).replace("ERRNO", str(errno.EPROTONOSUPPORT))
    with prepared("nftables") as lab:
        refuse(lab, "this kernel has no netfilter netlink; load the module",
               before=("python3", "-c", script))


FULL_DISK = """
mount -t tmpfs -o size=1m postern-test "$1" && head -c 1048576 /dev/zero >"$1/fill" && shift && exec "$@"
"""


def test_full_disk_keeps_the_ports_closed():
    with prepared("disk") as lab:
        lab.echo(22)
        store = lab.path("store")
        os.mkdir(store, 0o700)
        with open(lab.path("posternd.log"), "a") as log:
            lab.daemon = subprocess.Popen(
                ["ip", "netns", "exec", lab.ns["server"], "unshare", "-m", "sh", "-c", FULL_DISK, "sh", store,
                 program("posternd"), "-c", lab.path("postern.conf")], stdout=log, stderr=log)
        until("the log says why", lambda: lab.log().count("No space left on device") > 1)
        assert lab.probe("client", "10.77.0.1", 22) == "silent"
        run("nsenter", "-m", "-t", str(lab.daemon.pid), "rm", os.path.join(store, "fill"))
        until("posternctl status answers", lambda: lab.ctl("status", check=False) is not None)
        lab.must_open("ssh")
        assert lab.probe("client", "10.77.0.1", 22) == "open"
        assert "cannot start" not in lab.log(), lab.log()


if __name__ == "__main__":
    main(test_user, test_knock_port_of_another, test_reload_checks_the_same, test_control_is_a_file,
         test_store_of_another, test_capabilities, test_no_nftables, test_full_disk_keeps_the_ports_closed)
