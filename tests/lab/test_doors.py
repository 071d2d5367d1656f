"""Several doors, several addresses: each list holds at its own door, and the answer comes from where the knock went."""

import socket
import struct

from knocks import Client
from lab import Echo, Lab, V4, V6, inside, main, run, until

SERVICE = """
service ssh { port = tcp/22 allow = {"*/VSD"} open = once wait = 30s lease = 1h }
"""


def door(name, interface, port, lists):
    return f"""door {name} {{
    interface = "{interface}"   {lists}
    spa {{ udp = {port}  source-rate = 1000 }}
}}
"""


def link_local(lab, who, interface="eth0"):
    def find():
        out = run("ip", "-n", lab.ns[who], "-6", "-o", "addr", "show", "dev", interface, "scope", "link").stdout
        return out.split()[3].split("/")[0] if out and "tentative" not in out else None
    return until(f"{who} has a link-local address", find)


def test_two_ports_on_one_interface():
    with Lab("ports") as lab:
        lab.setup()
        jane = lab.person("Jane/VSD")
        lab.config(services=SERVICE, doors=door("front", "eth0", 62201, 'allow = {"Admin/VSD"}') +
                   door("back", "eth0", 62300, 'allow = {"*/VSD"} deny = {"Admin/VSD"}'))
        lab.echo(22)
        lab.start()
        for port, id, want in (("62201", None, "OK"), ("62300", None, "DENIED"), ("62201", jane, "DENIED"),
                               ("62300", jane, "OK")):
            for at in (V4, V6):
                status, answer, err = lab.knock("ssh", "--port", port, host=at["server"], id=id)
                assert answer and answer["status"] == want, (port, id, status, answer, err)
                assert lab.probe("stranger", at["server"], 22) == "silent"
                if want == "OK":
                    lab.connect("client", at["server"], 22).close()
                assert lab.probe("client", at["server"], 22) == "silent"
        refused = [(r["door"], r["reason"], r["name"]) for r in lab.journal("refused")]
        assert refused == 2 * [("back", "deny-door", "Admin/VSD")] + 2 * [("front", "not-allowed-door", "Jane/VSD")], refused
        # Neither port tells a stranger anything.
        udp = lab.exec("stranger", "nmap", "-n", "-Pn", "-sU", "-p", "62201,62300", "--max-retries", "1",
                       "-oG", "-", V4["server"]).stdout
        assert "/open/" not in udp and "closed/" not in udp, udp


def test_second_address():
    """The client takes answers from the address it knocked at and from no other."""
    with Lab("second") as lab:
        lab.setup()
        lab.config()
        lab.echo(22)
        second = {"v4": "10.77.0.9", "v6": "fd77::9"}
        run("ip", "-n", lab.ns["server"], "addr", "add", second["v4"] + "/24", "dev", "eth0")
        run("ip", "-n", lab.ns["server"], "addr", "add", second["v6"] + "/64", "dev", "eth0", "nodad")
        lab.start()
        tap = lab.capture("client", "udp src port 62201", lab.path("answers.pcap"))
        for at in second.values():
            lab.must_open("ssh", host=at)
        tap.stop()
        frames = open(lab.path("answers.pcap"), "rb").read()
        for packed in (bytes([10, 77, 0, 9]), bytes.fromhex("fd77" + 27 * "0" + "9")):
            assert packed in frames
        assert bytes([10, 77, 0, 1]) not in frames


def test_link_local():
    """To a link-local address from a link-local address: the answer, the gate and the connection."""
    with Lab("link") as lab:
        lab.setup()
        lab.config()
        server, client = link_local(lab, "server"), link_local(lab, "client")
        link_local(lab, "stranger")
        lab.things.append(Echo(lab.ns["server"], "::", 22))
        lab.start()
        at = server + "%eth0"
        answer = lab.must_open("ssh", host=at)
        assert answer["observed"] == client, answer
        assert lab.probe("stranger", at, 22) == "silent"
        lab.connect("client", at, 22).close()
        assert lab.probe("client", at, 22) == "silent"
        # The knock port is as silent there as elsewhere.
        udp = lab.exec("stranger", "nmap", "-6", "-n", "-Pn", "-sU", "-e", "eth0", "-p", "62201,62202", "--max-retries", "1",
                       "-oG", "-", at).stdout
        assert "62201/open|filtered" in udp, udp


def tagged(lab, who, payload, number):
    """One datagram to the server's knock port in an Ethernet frame of a VLAN."""
    def hardware(of):
        return bytes.fromhex(run("ip", "netns", "exec", lab.ns[of], "cat", "/sys/class/net/eth0/address").stdout.strip()
                             .replace(":", ""))
    udp = struct.pack("!HHHH", 40000, 62201, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    head += socket.inet_aton(V4[who]) + socket.inet_aton(V4["server"])
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xffff) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + head[12:]
    frame = hardware("server") + hardware(who) + struct.pack("!HHH", 0x8100, number, 0x0800) + head + udp
    with inside(lab.ns[who]):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("eth0", 0))
    s.send(frame)
    s.close()


def test_vlan_is_another_interface():
    """A knock that comes tagged is for the door of its VLAN, if there is one: here nobody looks at it."""
    with Lab("vlan") as lab:
        lab.setup()
        lab.config()
        lab.start()
        client = Client(lab)
        assert client.run([client.start("ssh")]) == ["OK"]
        for number, is_ours in ((20, False), (0, True)):
            knock = client.start("ssh")
            before = lab.journal("granted")
            tagged(lab, "client", knock.datagram(), number)
            # What comes behind it is answered.
            assert client.run([client.start("ssh")]) == ["OK"]
            assert len(lab.journal("granted")) == len(before) + (2 if is_ours else 1), number


if __name__ == "__main__":
    main(test_two_ports_on_one_interface, test_second_address, test_link_local,
         test_vlan_is_another_interface)
