"""A packet opens once: not at once again, not after a restart, a kill, or the loss of the store."""

import glob
import os

from lab import Lab, V4, main, udp_payloads, until


def recorded_knock(lab):
    """One accepted knock, its datagram as seen on the wire, the gate spent and the connection closed."""
    tap = lab.capture("client", "udp dst port 62201", lab.path("knock.pcap"))
    # The first knock may be answered RETRY by a daemon that just started: the last datagram opened.
    lab.must_open("ssh")
    tap.stop()
    lab.connect("client", V4["server"], 22).close()
    until("the gate is spent", lambda: lab.journal("connected"))
    payload = udp_payloads(lab.path("knock.pcap"), 62201)[-1]
    assert len(payload) == 320
    return payload


def replay(lab, payload, who):
    """Send the recorded datagram and wait until the daemon has looked at it; nothing may come of it."""
    before = lab.datagrams()
    granted = len(lab.journal("granted"))
    sock = lab.send_udp(who, payload)
    until("the daemon saw the datagram", lambda: lab.datagrams() > before)
    assert len(lab.journal("granted")) == granted, "a replayed packet was granted"
    assert lab.probe(who, V4["server"], 22) == "silent"
    sock.setblocking(False)
    try:
        return sock.recv(2048)
    except BlockingIOError:
        return None


def test_at_once():
    with Lab("replay") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        lab.start()
        payload = recorded_knock(lab)
        assert replay(lab, payload, "stranger") is None, "another source got an answer"
        for _ in range(5):
            replay(lab, payload, "client")
        assert lab.status()["ignored"]["replay"] >= 1


def after(restart):
    with Lab("replay") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        lab.start()
        payload = recorded_knock(lab)
        restart(lab)
        lab.start()
        for who in ("client", "stranger"):
            replay(lab, payload, who)
        # Its owner knocks again and gets in: one more round trip, for the new instance.
        assert lab.must_open("ssh")["round_trips"] >= 2
        lab.connect("client", V4["server"], 22).close()


def test_after_restart():
    after(lambda lab: lab.stop())


def test_after_kill():
    after(lambda lab: lab.kill_all())


def test_after_store_was_deleted():
    def lose(lab):
        lab.kill_all()
        for f in glob.glob(lab.path("store", "postern.db*")):
            os.unlink(f)
    after(lose)


def test_every_bit_flip_is_silent():
    """A valid knock with one bit changed, all 2560 of them, on the wire: no answer, no gate."""
    with Lab("flip") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        lab.start()
        payload = recorded_knock(lab)
        before, granted = lab.datagrams(), len(lab.journal("granted"))
        sock = lab.send_udp("stranger", b"first")
        for bit in range(8 * len(payload)):
            changed = bytearray(payload)
            changed[bit // 8] ^= 1 << bit % 8
            sock.sendto(bytes(changed), (V4["server"], 62201))
        for n in range(len(payload)):
            sock.sendto(payload[:n], (V4["server"], 62201))
        sent = 1 + 8 * len(payload) + len(payload)
        until("the daemon saw them all", lambda: lab.datagrams() >= before + sent)
        assert len(lab.journal("granted")) == granted
        sock.setblocking(False)
        try:
            raise AssertionError(f"an answer: {sock.recv(2048)!r}")
        except BlockingIOError:
            pass
        ignored = lab.status()["ignored"]
        assert sum(ignored.values()) >= sent, ignored


def test_a_network_that_doubles_packets():
    """Each knock arrives twice at once: one grant, one gate, and the daemon knows of it."""
    with Lab("double") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        lab.start()
        lab.exec("client", "nft", "add table ip double; add chain ip double out "
                 "{ type filter hook output priority 0; }; "
                 f"add rule ip double out udp dport 62201 dup to {V4['server']} device eth0", check=True)
        for n in (1, 2, 3):
            lab.must_open("ssh")
            until("both copies were seen", lambda: lab.datagrams() >= 2 * n)
            assert len(lab.journal("granted")) == n
            gate, = [g for g in lab.ctl("gates") if "grant" in g]
            lab.connect("client", V4["server"], 22).close()
            assert lab.probe("client", V4["server"], 22) == "silent"
            until("the journal says connected", lambda: len(lab.journal("connected")) == n)
        assert lab.status()["ignored"]["replay"] >= 1, lab.status()


if __name__ == "__main__":
    main(test_at_once, test_after_restart, test_after_kill, test_after_store_was_deleted,
         test_every_bit_flip_is_silent, test_a_network_that_doubles_packets)
