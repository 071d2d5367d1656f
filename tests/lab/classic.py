"""Classic knocks made without postern: what to knock at, from the words of doc/protocol.md, and ways to knock."""

import base64
import ctypes
import hashlib
import hmac
import json
import os
import random
import socket
import struct
import subprocess
import time

from lab import V4, V6, inside, program, run

HASHES = {"sha256": lambda k, d: hmac.new(k, d, "sha256").digest(),
          "md5": lambda k, d: hmac.new(k, d, "md5").digest(),
          "blake2b": lambda k, d: hashlib.blake2b(d, key=k, digest_size=32).digest()}


def address(text):
    """16 bytes, IPv4 mapped."""
    if ":" in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return bytes(10) + b"\xff\xff" + socket.inet_aton(text)


# -- what to knock at -----------------------------------------------------------------------------

def structured(port, minutes10, base=100):
    digits = [int(c) for c in "%04d" % port] + [minutes10]
    return [base + d for d in [3, 1, 7] + digits + [sum(digits) % 10] + [7, 1, 3]]


def cipher(passphrase, source, port, minutes, iv=b"01234567", first=745, wide=False):
    plain = (socket.inet_aton(source) if "." in source else address(source))
    plain += struct.pack(">H" if wide else "B", port) + bytes([minutes])
    plain += bytes([sum(plain) % 255])
    key = b""
    for _ in range(4):
        key += hashlib.md5(key or passphrase).digest()
    pad = 8 - len(plain) % 8
    out, last = b"", iv
    for i in range(0, len(plain) + pad, 8):
        block = (plain + bytes([pad]) * pad)[i:i + 8]
        last = blowfish(key[:56], bytes(a ^ b for a, b in zip(block, last)))
        out += last
    return [first + c for c in out]


def blowfish(key, block):
    """One block, by the library's old interface."""
    c = ctypes.CDLL("libcrypto.so.3")
    schedule = ctypes.create_string_buffer(4 * (18 + 4 * 256))
    c.BF_set_key(schedule, len(key), key)
    to = ctypes.create_string_buffer(8)
    c.BF_ecb_encrypt(block, to, schedule, 1)
    return to.raw


def tagged(key, sid, slot, tag, service, source=None, base=40000, how="sha256"):
    head = bytes([slot]) + struct.pack(">I", tag) + bytes([service])
    who = bytes(16) if source is None else address(source)
    mac = HASHES[how](key, b"postern tag v1" + sid + head + who)[:10]
    return [base + 256 * i + b for i, b in enumerate(head + mac)]


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    a = 0
    for i in range(0, len(data), 16):
        a = (a + int.from_bytes(data[i:i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((a + int.from_bytes(key[16:32], "little")) % 2**128).to_bytes(16, "little")


class Pad:
    """The server's copy in a file, and the client's in memory."""

    def __init__(self, path, messages):
        self.body = b"".join(bytes(random.randrange(1, 256) for _ in range(40)) for _ in range(messages))
        head = b"postern pad\n" + bytes([1, 1, 0, 0]) + struct.pack(">I", messages) + os.urandom(16)
        head += hashlib.blake2b(head, digest_size=28).digest()
        with open(path, "wb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(head + self.body)

    def knocks(self, n, source, port, minutes, first):
        m = self.body[40 * n:40 * n + 40]
        is_v6 = ":" in source
        plain = (bytes(4) if is_v6 else socket.inet_aton(source)) + struct.pack(">HB", port, minutes)
        plain += bytes([sum(plain) % 255])
        hidden = bytes(a ^ b for a, b in zip(plain, m[:8]))
        tag = poly1305(m[8:], hidden + (address(source) if is_v6 else b""))[:8]
        return [first + c for c in hidden + tag]


# -- ways to knock --------------------------------------------------------------------------------

def connects(lab, who, ports, host=None, pause=0.02):
    """Plain connects; a port as a string, "9000/udp", gets a datagram."""
    host = host or V4["server"]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for p in ports:
        is_udp = isinstance(p, str)
        with inside(lab.ns[who]):
            s = socket.socket(family, socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM)
        s.setblocking(False)
        if is_udp:
            s.sendto(b"\0", (host, int(p.split("/")[0])))
        else:
            s.connect_ex((host, p))
        s.close()
        time.sleep(pause)


def checksum(data):
    data += bytes(len(data) % 2)
    n = sum(struct.unpack(f">{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff


class Raw:
    """Segments with SYN, from whatever source, by a machine of the laboratory."""

    def __init__(self, lab, who, source, host=None):
        self.source, self.host = source, host or V4["server"]
        with inside(lab.ns[who]):
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        self.ends = socket.inet_aton(self.source) + socket.inet_aton(self.host)

    def send(self, port, source_port=None):
        sport = source_port or random.randrange(1024, 65536)
        tcp = struct.pack(">HHIIBBHHH", sport, port, random.getrandbits(32), 0, 0x50, 2, 1024, 0, 0)
        sum_ = checksum(self.ends + struct.pack(">BBH", 0, 6, len(tcp)) + tcp)
        tcp = tcp[:16] + struct.pack(">H", sum_) + tcp[18:]
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + self.ends
        self.sock.sendto(ip + tcp, (self.host, 0))

    def close(self):
        self.sock.close()


def server_id(lab):
    """The server's key id, which its tagged knocks are bound to."""
    shown = run(program("postern"), "id", "show", lab.path("etc", "server.id"), "--json").stdout
    return bytes.fromhex(json.loads(shown)["key_id"])


def secret(path, text):
    with open(path, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write(text)
    return path


def b64(data):
    return base64.b64encode(data).decode()


def run_in(lab, who, *argv, **kw):
    return subprocess.run(["ip", "netns", "exec", lab.ns[who], *argv], capture_output=True, text=True,
                          timeout=60, **kw)

