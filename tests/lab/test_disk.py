"""
A disk that is full, and one that turns read only under the running daemon: no gate without its record, a
reason for the client and the administrator, what is open goes on, and it heals by itself.
"""

import contextlib
import glob
import os
import subprocess

from lab import Lab, V4, main, program, run, until

SERVICES = """
service ssh  { port = tcp/22    allow = {"Admin/VSD"}  open = once    wait = 60s  lease = 1h }
service wiki { port = tcp/8443  allow = {"Admin/VSD"}  open = window  wait = 60s  lease = 1h }
service fast { port = tcp/2200  allow = {"Admin/VSD"}  open = window  wait = 4s   lease = 1h }
"""


def fill(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, b"x" * 4096)
    os.close(fd)


@contextlib.contextmanager
def mounted(lab, *how):
    os.mkdir(lab.path("store"), 0o700)
    run("mount", *how, lab.path("store"))
    try:
        yield
    finally:
        if lab.daemon is not None and lab.daemon.poll() is None:
            lab.stop()
        run("umount", lab.path("store"))


def ready(lab):
    lab.setup()
    lab.config(services=SERVICES)
    for port in (22, 8443, 2200):
        lab.echo(port)


def until_busy(lab):
    """What the store had reserved for itself may still take a few records."""
    for _ in range(400):
        status, answer, err = lab.knock("ssh")
        if status != 0:
            break
    assert status == 1 and answer["status"] == "BUSY", (status, answer, err)
    return err


def goes_on(lab, living, *says):
    """Nothing new opens; what is open stays and ends in its time; the administrator is told."""
    assert lab.knock("wiki")[1]["status"] == "BUSY"
    status = lab.status()
    assert not status["store_ok"] and status["store_error"] in says, status
    out = lab.exec("server", program("posternctl"), "-s", lab.path("control"), "status").stdout
    assert f"STORE     {status['store_error']}; nothing opens until it is mended" in out, out
    living.sendall(b"ping")
    assert living.recv(4) == b"ping"
    lab.connect("client", V4["server"], 8443).close()
    until("the short gate ended by the kernel", lambda: lab.probe("client", V4["server"], 2200) == "silent")


def test_full():
    with Lab("full") as lab:
        ready(lab)
        with mounted(lab, "-t", "tmpfs", "-o", "size=2m,mode=0700", "none"):
            lab.start()
            lab.must_open("wiki")
            living = lab.connect("client", V4["server"], 8443)
            lab.must_open("fast")
            fill(lab.path("store", "ballast"))
            until_busy(lab)
            assert "the disk is full; no new gate opens" in lab.log()
            goes_on(lab, living, "the disk is full")
            os.unlink(lab.path("store", "ballast"))
            # Without any knock.
            until("it is noticed that there is room", lambda: lab.status()["store_ok"])
            until("the log says so", lambda: "can be written again" in lab.log())
            lab.must_open("ssh")
            until("what was kept is written", lambda: [r for r in lab.journal("expired") if r["service"] == "fast"])
            assert lab.ctl("journal", "--verify")[0]["chain"] == "whole"


def test_read_only():
    """The file system finds an error of its own and lets nobody write any more."""
    with Lab("readonly") as lab:
        ready(lab)
        image = lab.path("image")
        with open(image, "wb") as f:
            f.truncate(16 << 20)
        run("mkfs.ext4", "-q", "-F", image)
        mount = ("-o", "loop,errors=remount-ro", image)
        probe = subprocess.run(["mount", *mount, "/mnt"], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            print(f"# SKIP no loop file system here: {probe.stderr.strip()}")
            return
        run("umount", "/mnt")
        with mounted(lab, *mount):
            lab.start()
            lab.must_open("wiki")
            living = lab.connect("client", V4["server"], 8443)
            lab.must_open("fast")
            device = run("findmnt", "-n", "-o", "SOURCE", lab.path("store")).stdout.strip()
            triggers = glob.glob(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error")
            assert triggers, device
            with open(triggers[0], "w") as f:
                f.write("a test makes it read only")
            until_busy(lab)
            # Which of the two the kernel says depends on what it was doing.
            goes_on(lab, living, "Read-only file system", "Input/output error")
            lab.stop()
            assert lab.probe("stranger", V4["server"], 8443) == "silent"
        # Mended: the store is what it was, and the daemon goes on with it.
        r = run("fsck.ext4", "-y", image, check=False)
        assert r.returncode in (0, 1), r.stdout
        os.rmdir(lab.path("store"))
        with mounted(lab, *mount):
            lab.start()
            living.sendall(b"ping")
            assert living.recv(4) == b"ping"
            lab.must_open("ssh")
            assert lab.ctl("journal", "--verify")[0]["chain"] == "whole"


main(test_full, test_read_only)
