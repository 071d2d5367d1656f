"""
Edges: a client and a neighbour behind one address (home router), an edge server outside, an inner machine and a
second edge on a network that the client cannot reach.

    client 10.81.0.2 ─┐
                      ├─ router ── 10.77.0.9 ── br0 ── 10.77.0.1 edge 10.79.0.1 ── brm ─┬─ inner 10.79.0.2
    neighbour .3 ─────┘                          │                                      └─ second 10.79.0.3
                              stranger 10.77.0.3 ┘

The edge is what Lab calls the server, so that start, ctl and journal are of it.
"""

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import threading

from lab import BOUND, V4, V6, Lab, inside, program, run, until

EDGE, SECOND, INNER = "10.79.0.1", "10.79.0.3", "10.79.0.2"
ROUTER = "10.77.0.9"
LAN = {"client": "10.81.0.2", "neighbour": "10.81.0.3"}
PASSWORD = "correct horse 7 battery\n"


class Edges(Lab):
    """extra: text into the server block."""

    def __init__(self, name):
        super().__init__(name)
        for who in ("router", "neighbour", "inner", "second"):
            self.ns[who] = f"{self.tag}-{who}"
        self.second = None

    # -- the machines ------------------------------------------------------------------------------

    def _build(self):
        for ns in self.ns.values():
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
        self._bridge("br0", {"server": (V4["server"], V6["server"]), "stranger": (V4["stranger"], V6["stranger"]),
                             "router": (ROUTER, None)}, "eth0")
        self._bridge("brl", {"router": ("10.81.0.1", None), "client": (LAN["client"], None),
                             "neighbour": (LAN["neighbour"], None)}, "lan")
        self._bridge("brm", {"server": (EDGE, None), "inner": (INNER, "fd79::2"), "second": (SECOND, None)}, "mid")
        for who in LAN:
            run("ip", "-n", self.ns[who], "route", "add", "default", "via", "10.81.0.1")
        self.exec("router", "sysctl", "-qw", "net.ipv4.ip_forward=1", check=True)
        self.exec("router", "nft", "-f", "-", check=True, input="""table ip nat { chain post {
            type nat hook postrouting priority 100; oifname "eth0" masquerade;
            }; }
            """)

    def _bridge(self, bridge, members, device):
        hub = self.ns["hub"]
        run("ip", "-n", hub, "link", "add", bridge, "type", "bridge")
        run("ip", "-n", hub, "link", "set", bridge, "up")
        for who, (v4, v6) in members.items():
            ns, port = self.ns[who], f"{bridge}-{who}"[:15]
            run("ip", "-n", hub, "link", "add", port, "type", "veth", "peer", "name", device, "netns", ns)
            run("ip", "-n", hub, "link", "set", port, "master", bridge, "up")
            run("ip", "-n", ns, "link", "set", device, "up")
            run("ip", "-n", ns, "addr", "add", v4 + "/24", "dev", device)
            if v6 is not None:
                run("ip", "-n", ns, "addr", "add", v6 + "/64", "dev", device, "nodad")

    def cut(self, who, device="eth0"):
        run("ip", "-n", self.ns[who], "link", "set", device, "down")

    def __exit__(self, *exc):
        if self.second is not None and self.second.daemon is not None and self.second.daemon.poll() is None:
            self.second.stop()
        if exc and exc[0] is not None and self.second is not None:
            print("second edge:\n" + self.second.log(), flush=True)
        super().__exit__(*exc)

    # -- who there is ------------------------------------------------------------------------------

    def setup(self, *extra):
        super().setup(*extra)
        with open(self.path("certifier-password"), "w") as f:
            f.write(PASSWORD)
        os.chmod(self.path("certifier-password"), 0o600)
        if not os.path.exists(self.path("etc", "relay.id")):
            self.server_id("Mail", self.path("etc", "relay.id"))

    def server_id(self, name, out, host=None):
        """A server's ID and its key file beside it. Returns the key file."""
        run(program("postern"), "id", "new", name, "--server", "--certifier", self.path("etc", "certifier.id"),
            "--certifier-password-file", self.path("certifier-password"), "--out", out,
            *(("--host", host) if host else ()))
        return out[:-3] + ".key"

    def relay_options(self):
        return (f'relay-id = "{self.path("etc", "relay.id")}"  '
                f'relay-key = "{self.path("etc", "relay.key")}"')

    def passthru(self, blocks, server="", **kw):
        """The configuration of the edge with these blocks."""
        kw.setdefault("doors", 'door wan {\n    interface = "eth0"\n    spa { udp = 62201  source-rate = 1000 }\n}\n')
        self.config(services=blocks, server=self.relay_options() + "\n" + server, **kw)

    def start_second(self, blocks, server=""):
        """Another edge of the same organisation, on the network behind the first."""
        s = self.second = Lab.__new__(Lab)
        s.__dict__.update(self.__dict__, second=None, daemon=None, things=[], generation=1)
        s.ns = dict(self.ns, server=self.ns["second"])
        s.dir = os.path.join(self.dir, "second")
        os.makedirs(os.path.join(s.dir, "etc", "trust"))
        self.server_id("Edge2", s.path("etc", "server.id"), host=SECOND)
        self.server_id("Edge2", s.path("etc", "relay.id"))
        shutil.copy(self.path("etc", "trust", "VSD.pem"), s.path("etc", "trust", "VSD.pem"))
        shutil.copy(self.path("etc", "directory"), s.path("etc", "directory"))
        relay = f'relay-id = "{s.path("etc", "relay.id")}"  relay-key = "{s.path("etc", "relay.key")}"'
        s.config(services=blocks, server=relay + "\n" + server,
                 doors='door mid {\n    interface = "mid"\n    spa { udp = 62201  source-rate = 1000 }\n}\n')
        s.start()
        return s

    def home(self, who="client", id=None):
        """The client folder of somebody: ID and cards, so that programs find them by themselves."""
        folder = self.path("home-" + who)
        os.makedirs(folder, exist_ok=True)
        shutil.copy(id or self.path("etc", "admin.id"), os.path.join(folder, "default.id"))
        shutil.copy(self.path("etc", "server.card"), os.path.join(folder, V4["server"] + ".card"))
        shutil.copy(self.path("etc", "server.card"), os.path.join(folder, V6["server"] + ".card"))
        second = self.path("second", "etc", "server.card")
        if os.path.exists(second):
            shutil.copy(second, os.path.join(folder, SECOND + ".card"))

    def certificate(self, id):
        """Certificates and key of an ID, as files for other programs."""
        key, chain = id + ".pkcs8", id + ".pem"
        run(program("postern"), "id", "export", id, "--pkcs8", "--password-file", self.path("admin-password"),
            "--new-password-file", self.path("admin-password"), "-o", key)
        run("openssl", "pkey", "-in", key, "-passin", "file:" + self.path("admin-password"), "-out", id + ".key")
        with open(id) as f, open(chain, "w") as to:
            text = f.read()
            begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
            to.write("".join(begin + part.split(end)[0] + end for part in text.split(begin)[1:]))
        return chain, id + ".key"

    # -- what they do ------------------------------------------------------------------------------

    def popen(self, who, *argv, **kw):
        env = dict(os.environ, POSTERN_HOME=self.path("home-" + who),
                   XDG_STATE_HOME=self.path("state-" + who), **self.extra_env, **kw.pop("env", {}))
        p = subprocess.Popen(["ip", "netns", "exec", self.ns[who], *argv], env=env, **kw)
        self.things.append(Stopper(p))
        return p

    def through(self, host, port, *argv, who="client", edges=(V4["server"],), **kw):
        """The words of a postern connect --through."""
        hops = [w for e in edges for w in ("--through", e)]
        return [program("postern"), "connect", *hops, "--password-file", self.path("admin-password"), *argv,
                host, str(port)]

    def talk(self, host, port, *argv, who="client", edges=(V4["server"],), input=b"", timeout=60, **kw):
        """One connection through with input; (exit status, standard output, standard error)."""
        p = self.popen(who, *self.through(host, port, *argv, edges=edges), stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
        out, err = p.communicate(input, timeout=timeout)
        return p.returncode, out, err.decode()

    def lines(self, **fields):
        """Lines of the journal of the edge with these values."""
        return [o for o in self.journal() if all(o.get(k) == v for k, v in fields.items())]

    def line(self, **fields):
        return until(f"the journal says {fields}", lambda: self.lines(**fields))[-1]

    def relay_pid(self, who="server"):
        for pid in run("ip", "netns", "pids", self.ns[who], check=False).stdout.split():
            with contextlib.suppress(OSError):
                if open(f"/proc/{pid}/cmdline").read().startswith("posternd: relay"):
                    return int(pid)
        return None

    # -- machines inside ---------------------------------------------------------------------------

    def listening(self, who, host, port):
        def tried():
            with inside(self.ns[who]), contextlib.suppress(OSError):
                socket.create_connection((host, port), 1).close()
                return True
        until(f"port {port} of {who} listens", tried)

    def sshd(self, who="inner", host=INNER):
        """A real sshd; root may in with the key in login_key."""
        os.makedirs("/run/sshd", exist_ok=True)
        for key in ("host_key", "login_key"):
            if not os.path.exists(self.path(key)):
                run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(key))
        shutil.copy(self.path("login_key.pub"), self.path("authorized_keys"))
        with open(self.path("sshd_config"), "w") as f:
            f.write(f"ListenAddress {host}\nHostKey {self.path('host_key')}\nStrictModes no\nUsePAM no\n"
                    f"AuthorizedKeysFile {self.path('authorized_keys')}\nPidFile none\n"
                    "PermitRootLogin prohibit-password\n")
        self.popen(who, "/usr/sbin/sshd", "-D", "-e", "-f", self.path("sshd_config"),
                   stderr=open(self.path("sshd.log"), "w"))
        self.listening(who, host, 22)

    def ssh(self, command, *argv, proxy, who="client", input=None, timeout=60):
        """A real ssh through a ProxyCommand; (exit status, output, errors)."""
        p = self.popen(who, "ssh", "-o", "ProxyCommand=" + proxy, "-i", self.path("login_key"),
                       "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                       "-o", "BatchMode=yes", *argv, "root@inner", command,
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = p.communicate(input, timeout=timeout)
        return p.returncode, out, err.decode()


class Stopper:
    def __init__(self, p):
        self.p = p

    def stop(self):
        if self.p.poll() is None:
            self.p.terminate()
            try:
                self.p.wait(BOUND)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()


class Server(threading.Thread):
    """A TCP service made of a function that gets each connection, in a thread of its own."""

    def __init__(self, ns, address, port, serve):
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(ns):
            self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((address, port))
        self.sock.listen(1024)
        self.serve, self.count, self.got = serve, 0, []
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.sock.accept()
                self.count += 1
                threading.Thread(target=self.one, args=(peer,), daemon=True).start()

    def one(self, peer):
        with contextlib.suppress(OSError):
            self.serve(self, peer)
        peer.close()

    def stop(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def echo(server, peer):
    """Says back what it hears until the other side ends, then ends itself."""
    while data := peer.recv(65536):
        server.got.append(data[:64])
        peer.sendall(data)


def digest(server, peer):
    """Swallows until the end of the other side, then answers with the SHA-256 and the length of it all."""
    h, n = hashlib.sha256(), 0
    while data := peer.recv(1 << 18):
        h.update(data)
        n += len(data)
    peer.sendall(f"{h.hexdigest()} {n}\n".encode())
