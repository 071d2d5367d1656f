"""
A laboratory: server, client and stranger in network namespaces of their own on one bridge, the built
programs between them, and nothing left behind. Needs root. Events are waited for (sockets, exits, the
daemon's READY); time-outs only bound what must not happen for ever.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

BIN = os.environ.get("POSTERN_BIN", "")
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
BOUND = 20.0   # seconds within which anything awaited must have happened
SILENCE = 0.4  # seconds without an answer that count as silence

V4 = {"server": "10.77.0.1", "client": "10.77.0.2", "stranger": "10.77.0.3"}
V6 = {"server": "fd77::1", "client": "fd77::2", "stranger": "fd77::3"}


def run(*argv, check=True, **kw):
    r = subprocess.run(argv, capture_output=True, text=True, **kw)
    if check and r.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {r.returncode}\n{r.stdout}{r.stderr}")
    return r


def program(name):
    for folder in (BIN, "src/cmd"):
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise RuntimeError(f"{name} is not built; set POSTERN_BIN")


@contextlib.contextmanager
def inside(ns):
    """The calling thread is in a namespace; sockets made there stay there."""
    old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    new = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    try:
        if LIBC.setns(new, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        LIBC.setns(old, CLONE_NEWNET)
        os.close(old)
        os.close(new)


def until(what, condition, bound=BOUND):
    """Poll for a condition that has no descriptor to wait on."""
    end = time.monotonic() + bound
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"did not happen within {bound} s: {what}")


class Echo(threading.Thread):
    """A service: says hello, then echoes. Counts connections (TCP) or datagrams (UDP)."""

    def __init__(self, ns, address, port, kind=socket.SOCK_STREAM):
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(ns):
            self.sock = socket.socket(family, kind)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.sock.bind((address, port))
        self.kind = kind
        self.count = 0
        if kind == socket.SOCK_STREAM:
            self.sock.listen(64)
        self.start()

    def run(self):
        try:
            while True:
                if self.kind == socket.SOCK_STREAM:
                    peer, _ = self.sock.accept()
                    self.count += 1
                    threading.Thread(target=self.serve, args=(peer,), daemon=True).start()
                else:
                    data, addr = self.sock.recvfrom(2048)
                    self.count += 1
                    if addr is not None:
                        self.sock.sendto(data, addr)
        except OSError:
            pass

    @staticmethod
    def serve(peer):
        try:
            peer.sendall(b"hello\n")
            while data := peer.recv(4096):
                peer.sendall(data)
        except OSError:
            pass
        finally:
            peer.close()

    def stop(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Lab:
    SERVICE = """
service ssh {{
    port = tcp/22   allow = {{"Admin/VSD"}}
    open = once   wait = {wait}   lease = {lease}
}}
"""

    def __init__(self, name):
        self.tag = f"pt{os.getpid() % 100000}"
        self.ns = {who: f"{self.tag}-{who}" for who in ("hub", "server", "client", "stranger")}
        self.dir = tempfile.mkdtemp(prefix=f"postern-{name}-")
        os.chmod(self.dir, 0o755)
        self.daemon = None
        self.things = []
        self.extra_env = {}
        self.generation = 1

    # -- the machines -------------------------------------------------------------------------

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _build(self):
        for ns in self.ns.values():
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
        hub = self.ns["hub"]
        run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "br0", "up")
        for who in ("server", "client", "stranger"):
            self.plug(who)

    def plug(self, who):
        ns, hub = self.ns[who], self.ns["hub"]
        run("ip", "-n", hub, "link", "add", who, "type", "veth", "peer", "name", "eth0", "netns", ns)
        run("ip", "-n", hub, "link", "set", who, "master", "br0", "up")
        run("ip", "-n", ns, "link", "set", "eth0", "up")
        run("ip", "-n", ns, "addr", "add", V4[who] + "/24", "dev", "eth0")
        run("ip", "-n", ns, "addr", "add", V6[who] + "/64", "dev", "eth0", "nodad")

    def unplug(self, who):
        run("ip", "-n", self.ns["hub"], "link", "del", who)

    def __exit__(self, *exc):
        for t in reversed(self.things):
            with contextlib.suppress(Exception):
                t.stop()
        if self.daemon is not None and self.daemon.poll() is None:
            self.stop()
        for ns in self.ns.values():
            pids = run("ip", "netns", "pids", ns, check=False).stdout.split()
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "del", ns, check=False)
        if exc and exc[0] is not None:
            print(self.log(), file=sys.stderr)
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- the programs -------------------------------------------------------------------------

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def exec(self, who, *argv, check=False, **kw):
        env = dict(os.environ, POSTERN_HOME=self.path("home-" + who),
                   XDG_STATE_HOME=self.path("state-" + who), **self.extra_env, **kw.pop("env", {}))
        return run("ip", "netns", "exec", self.ns[who], *argv, check=check, env=env,
                   timeout=kw.pop("timeout", 60), **kw)

    def setup(self, *extra):
        """Certifier, server and admin IDs, once a lab, with a cheap password hash."""
        with open(self.path("password"), "w") as f:
            f.write("correct horse 7 battery\nadmin staple 42\n")
        os.chmod(self.path("password"), 0o600)
        with open(self.path("admin-password"), "w") as f:
            f.write("admin staple 42\n")
        os.chmod(self.path("admin-password"), 0o600)
        run(program("postern"), "setup", "--org", "VSD", "--server", "Mail", "--admin", "Admin",
            "--guard", "tcp/22=ssh", "--interface", "eth0", "--kdf-mem", "8",
            "--password-file", self.path("password"), "--dir", self.path("etc"), *extra)

    def person(self, name, *directory_options):
        """One more person: an ID file, listed in the directory. Returns the ID's path."""
        out = self.path(name.split("/")[0].replace(" ", "-").lower() + ".id")
        with open(self.path("certifier-password"), "w") as f:
            f.write("correct horse 7 battery\n")
        os.chmod(self.path("certifier-password"), 0o600)
        run(program("postern"), "id", "new", name, "--certifier", self.path("etc", "certifier.id"),
            "--certifier-password-file", self.path("certifier-password"), "--out", out,
            "--password-file", self.path("admin-password"), "--kdf-mem", "8")
        run(program("postern"), "directory", "add", "--directory", self.path("etc", "directory"), out,
            *directory_options)
        return out

    def config(self, services=None, server="", spa="", doors=None, wait="30s", lease="1h"):
        services = services if services is not None else self.SERVICE.format(wait=wait, lease=lease)
        doors = doors if doors is not None else (
            'door wan {\n    interface = "eth0"\n    spa { udp = 62201  source-rate = 1000 %s }\n}\n' % spa)
        text = f"""
server {{
    id        = "{self.path('etc', 'server.id')}"
    id-key    = "{self.path('etc', 'server.key')}"
    trust     = {{"{self.path('etc', 'trust', 'VSD.pem')}"}}
    directory = "{self.path('etc', 'directory')}"
    store     = "{self.path('store', 'postern.db')}"
    control   = "{self.path('control')}"
    user      = "nobody"
    allow     = {{"*/VSD"}}
    identity-rate = 1000
    reveal    = yes
    {server}
}}
{doors}
{services}
"""
        with open(self.path("postern.conf"), "w") as f:
            f.write(text)
        os.chmod(self.path("postern.conf"), 0o644)

    def start(self, check=True, wrap=()):
        """Start posternd and wait for its READY. wrap: what to run it under."""
        notify = self.path("notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(notify)
        s.settimeout(0.2)
        log = open(self.path("posternd.log"), "a")
        self.daemon = subprocess.Popen(
            ["ip", "netns", "exec", self.ns["server"], *wrap, program("posternd"), "-c",
             self.path("postern.conf")], stdout=log, stderr=log,
            env=dict(os.environ, NOTIFY_SOCKET=notify, **self.extra_env))
        log.close()
        end = time.monotonic() + BOUND
        try:
            while self.daemon.poll() is None:
                with contextlib.suppress(socket.timeout):
                    if b"READY=1" in s.recv(100):
                        break
                assert time.monotonic() < end, "posternd is not ready"
        finally:
            s.close()
        if check and self.daemon.poll() is not None:
            raise AssertionError(f"posternd ended with {self.daemon.returncode}:\n{self.log()}")
        if self.daemon.poll() is None:
            # READY is said when the knock process may begin; it answers status when it has.
            until("posternctl status answers", lambda: self.ctl("status", check=False) is not None)
        return self.daemon

    def settled(self):
        """After a reload: the next generation answers."""
        def answers():
            status = self.ctl("status", check=False)
            return status and status[0]["generation"]
        old, self.generation = self.generation, until("posternctl status answers", answers)
        if self.generation == old:
            self.generation = until("a new generation answers", lambda: (answers() or 0) > old and answers())

    def stop(self, sig=signal.SIGTERM):
        self.daemon.send_signal(sig)
        return self.daemon.wait(BOUND)

    def pids(self):
        """Process ids of the running daemon: monitor, knock, gate."""
        found = {}
        for pid in run("ip", "netns", "pids", self.ns["server"], check=False).stdout.split():
            with contextlib.suppress(OSError):
                title = open(f"/proc/{pid}/cmdline").read().replace("\0", " ").strip()
                if title.startswith("posternd: knock"):
                    found["knock"] = int(pid)
                elif title.startswith("posternd: gate"):
                    found["gate"] = int(pid)
                elif "posternd" in title and "-c" in title:
                    found["monitor"] = int(pid)
        return found

    def kill_all(self):
        """kill -9 of every process of the daemon."""
        handles = [os.pidfd_open(pid) for pid in self.pids().values()]
        assert len(handles) == 3, self.pids()
        for h in handles:
            signal.pidfd_send_signal(h, signal.SIGKILL)
        self.daemon.wait(BOUND)
        for h in handles:
            assert select.select([h], [], [], BOUND)[0], "a killed process does not end"
            os.close(h)

    def log(self):
        try:
            with open(self.path("posternd.log")) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def ctl(self, *argv, check=True):
        """posternctl --json; a list of objects, the last one with the result."""
        r = self.exec("server", program("posternctl"), "--socket", self.path("control"), "--store",
                      self.path("store", "postern.db"), "--json", *argv)
        if r.returncode != 0:
            if check:
                raise AssertionError(f"posternctl {argv}: {r.returncode} {r.stdout}{r.stderr}")
            return None
        return [json.loads(line) for line in r.stdout.splitlines()]

    def journal(self, event=None):
        lines = [o for o in self.ctl("journal", "--limit", "1000") if "event" in o]
        return [o for o in lines if event is None or o["event"] == event]

    def status(self):
        return self.ctl("status")[0]

    def knock(self, *argv, who="client", host=None, id=None, command="knock", **kw):
        """Returns (exit status, the JSON object or None, stderr)."""
        wrap = kw.pop("wrap", [])
        r = self.exec(who, *wrap, program("postern"), command, host or V4["server"], *argv, "--json",
                      "--id", id or self.path("etc", "admin.id"),
                      "--card", self.path("etc", "server.card"),
                      "--password-file", self.path("admin-password"), **kw)
        try:
            return r.returncode, json.loads(r.stdout), r.stderr
        except json.JSONDecodeError:
            return r.returncode, None, r.stdout + r.stderr

    def must_open(self, *argv, **kw):
        status, answer, err = self.knock(*argv, **kw)
        assert status == 0 and answer and answer["status"] == "OK", f"knock: {status} {answer} {err}"
        return answer

    # -- what a port does ----------------------------------------------------------------------

    def echo(self, port, who="server", kind=socket.SOCK_STREAM):
        services = [Echo(self.ns[who], a, port, kind) for a in (V4[who], V6[who])]
        self.things += services
        return services

    def connect(self, who, host, port, source_port=0, timeout=BOUND):
        """A connected socket that said hello, or raises."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with inside(self.ns[who]):
            s = socket.socket(family, socket.SOCK_STREAM)
            at = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]  # eth0 is a number there
        s.settimeout(timeout)
        try:
            if source_port:
                s.bind(("", source_port))
            s.connect(at)
            assert s.recv(6) == b"hello\n"
        except BaseException:
            s.close()
            raise
        return s

    def probe(self, who, host, port):
        """'open', 'refused' or 'silent'."""
        try:
            self.connect(who, host, port, timeout=SILENCE).close()
            return "open"
        except (socket.timeout, TimeoutError):
            return "silent"
        except ConnectionRefusedError:
            return "refused"

    def capture(self, who, expression, path):
        """tcpdump into path; ready when it returns."""
        p = subprocess.Popen(["ip", "netns", "exec", self.ns[who], "tcpdump", "-i", "eth0", "-U", "-w",
                              path, "--immediate-mode", expression], stderr=subprocess.PIPE, text=True)
        for line in p.stderr:
            if "listening on" in line:
                break

        class Stop:
            @staticmethod
            def stop():
                p.send_signal(signal.SIGINT)
                p.wait(BOUND)
        self.things.append(Stop)
        return Stop

    def send_udp(self, who, payload, host=None, port=62201, source_port=0):
        host = host or V4["server"]
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with inside(self.ns[who]):
            s = socket.socket(family, socket.SOCK_DGRAM)
        s.bind(("", source_port))
        s.sendto(payload, (host, port))
        return s

    def datagrams(self):
        return self.status()["datagrams"]


def udp_payloads(path, port):
    """Payloads of UDP datagrams to a port in a pcap file of Ethernet frames."""
    with open(path, "rb") as f:
        data = f.read()
    at, found = 24, []
    while at + 16 <= len(data):
        n = int.from_bytes(data[at + 8:at + 12], "little")
        frame = data[at + 16:at + 16 + n]
        at += 16 + n
        kind = frame[12:14]
        ip = frame[14:]
        if kind == b"\x08\x00" and ip[9] == 17:
            udp = ip[(ip[0] & 15) * 4:]
        elif kind == b"\x86\xdd" and ip[6] == 17:
            udp = ip[40:]
        else:
            continue
        if int.from_bytes(udp[2:4], "big") == port:
            found.append(udp[8:int.from_bytes(udp[4:6], "big")])
    return found


def main(*tests):
    """Run the named tests (arguments choose some); TAP on standard output."""
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return
    chosen = [t for t in tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    print(f"1..{len(chosen)}", flush=True)
    bad = 0
    for i, t in enumerate(chosen, 1):
        begin = time.monotonic()
        try:
            t()
            print(f"ok {i} - {t.__name__} # {time.monotonic() - begin:.1f} s", flush=True)
        except Exception:
            bad += 1
            traceback.print_exc()
            print(f"not ok {i} - {t.__name__}", flush=True)
    sys.exit(1 if bad else 0)
