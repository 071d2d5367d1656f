"""
The dead-man's switch: after 10 s without a sign of life of the daemon the rescue's addresses get in without
a knock, and no others. Never while it is well, however long; a reload keeps it.
"""

import contextlib
import os
import signal
import time

from lab import V4, V6, Lab, main, program, until

AFTER = 10.0
RESCUE = """
rescue { from = {"10.77.0.2/32", "fd77::2"}  port = tcp/22  after = 10s }
"""


def rescued(lab):
    lab.setup()
    lab.config(services=Lab.SERVICE.format(wait="30s", lease="1h") + RESCUE)
    lab.echo(22)
    lab.start()


def probes(lab, who, want):
    for address in (V4["server"], V6["server"]):
        assert lab.probe(who, address, 22) == want, (who, address)


def lapse(lab, since):
    """Nobody gets in before the time is over; then the rescuer does, on both families, and nobody else."""
    while time.monotonic() < since + AFTER * 2 / 3 - 1.5:
        probes(lab, "client", "silent")
    until("the rescuer gets in", lambda: lab.probe("client", V4["server"], 22) == "open")
    assert time.monotonic() < since + AFTER + 3, "late"
    probes(lab, "client", "open")
    probes(lab, "stranger", "silent")


def out_again(lab):
    until("the rescuer is out again", lambda: lab.probe("client", V4["server"], 22) == "silent")
    probes(lab, "client", "silent")


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_never_while_well():
    """Over three of its times, with knocks, reloads and the death of each process in between."""
    with Lab("well") as lab:
        rescued(lab)
        begin = time.monotonic()
        deeds = [lambda: lab.must_open("ssh", who="stranger"), lambda: lab.ctl("reload"), lab.settled,
                 lambda: os.kill(lab.pids()["gate"], signal.SIGKILL),
                 lambda: until("both are there again", lambda: len(lab.pids()) == 3),
                 lambda: os.kill(lab.pids()["knock"], signal.SIGKILL)]
        while time.monotonic() < begin + 3.2 * AFTER:
            probes(lab, "client", "silent")
            if deeds and time.monotonic() > begin + (7 - len(deeds)) * 4:
                deeds.pop(0)()
        until("posternctl status answers", lambda: lab.ctl("status", check=False) is not None)
        assert "the rescue lets" not in lab.log(), lab.log()


def test_all_dead():
    with Lab("dead") as lab:
        rescued(lab)
        time.sleep(AFTER / 3 + 1)
        lab.kill_all()
        lapse(lab, time.monotonic())
        lab.start()
        out_again(lab)
        # Whoever came in stays, and no other way in is open.
        lab.must_open("ssh")
        probes(lab, "stranger", "silent")


def test_hung_knock_process():
    with Lab("hung") as lab:
        rescued(lab)
        with stopped(lab.pids()["knock"]):
            lapse(lab, time.monotonic())
            s = lab.connect("client", V4["server"], 22)
            until("the log says so", lambda: "the rescue lets its addresses in" in lab.log())
        out_again(lab)
        assert "the rescue is over" in lab.log(), lab.log()
        s.sendall(b"still here")
        assert s.recv(100) == b"still here"
        s.close()


def test_gate_process_gone():
    """With the monitor standing still, nobody starts another; the knock process ends by itself."""
    with Lab("gate") as lab:
        rescued(lab)
        with stopped(lab.pids()["monitor"]):
            os.kill(lab.pids()["gate"], signal.SIGKILL)
            lapse(lab, time.monotonic())
        out_again(lab)


def test_check_says_so():
    with Lab("check") as lab:
        lab.setup()
        lab.config(services=Lab.SERVICE.format(wait="30s", lease="1h") + RESCUE)
        r = lab.exec("server", program("posternd"), "-c", lab.path("postern.conf"), "--check")
        assert r.returncode == 0, r.stderr
        assert "# rescue: when postern has been dead for 10s, these reach tcp/22" in r.stdout, r.stdout
        assert "#   10.77.0.2/32\n#   fd77::2/128\n" in r.stdout, r.stdout
        with open(lab.path("postern.conf")) as f:
            text = f.read()
        with open(lab.path("postern.conf"), "w") as f:
            f.write(text.replace("port = tcp/22  after", "port = tcp/23  after"))
        r = lab.exec("server", program("posternd"), "-c", lab.path("postern.conf"), "--check")
        assert r.returncode == 4 and "port: no service guards tcp/23" in r.stderr, r.stderr


if __name__ == "__main__":
    main(test_check_says_so, test_never_while_well, test_all_dead, test_hung_knock_process,
         test_gate_process_gone)
