#!/usr/bin/env python3
"""Vectors of enciphered, padded and tagged sequences, computed anew by means that share nothing with the program:
Blowfish from the digits of pi, Poly1305 from its formula, MACs from the standard library.

classic.py FOLDER      compare cipher.txt, pad.txt and tagged.txt in FOLDER; ends with 1 when one differs
classic.py --write F   write them
"""
import hashlib
import hmac
import ipaddress
import pathlib
import sys


def pi_words(count):
    """The fraction of pi in 32-bit words, by Machin's formula."""
    bits = 32 * count + 64
    one = 1 << bits

    def arctan(n):
        term, total, k, sign = one // n, 0, 1, 1
        while term:
            total += sign * (term // k)
            term //= n * n
            k, sign = k + 2, -sign
        return total

    pi = 4 * (4 * arctan(5) - arctan(239)) - 3 * one
    return [(pi >> (bits - 32 * (i + 1))) & 0xffffffff for i in range(count)]


class Blowfish:
    words = pi_words(18 + 1024)

    def __init__(self, key):
        self.p, self.s = list(self.words[:18]), list(self.words[18:])
        for i in range(18):
            part = [key[(4 * i + j) % len(key)] for j in range(4)]
            self.p[i] ^= int.from_bytes(bytes(part), "big")
        left = right = 0
        for table in (self.p, self.s):
            for i in range(0, len(table), 2):
                left, right = self.rounds(left, right)
                table[i], table[i + 1] = left, right

    def rounds(self, left, right):
        s = self.s
        for i in range(16):
            left ^= self.p[i]
            f = (s[left >> 24] + s[256 + (left >> 16 & 255)]) & 0xffffffff
            f = ((f ^ s[512 + (left >> 8 & 255)]) + s[768 + (left & 255)]) & 0xffffffff
            left, right = right ^ f, left
        return right ^ self.p[17], left ^ self.p[16]

    def cbc(self, iv, plain):
        out = b""
        for at in range(0, len(plain), 8):
            mixed = bytes(a ^ b for a, b in zip(plain[at:at + 8], iv))
            half = self.rounds(int.from_bytes(mixed[:4], "big"), int.from_bytes(mixed[4:], "big"))
            iv = b"".join(h.to_bytes(4, "big") for h in half)
            out += iv
        return out


def addr16(text):
    a = ipaddress.ip_address(text)
    return a.packed if a.version == 6 else b"\0" * 10 + b"\xff\xff" + a.packed


def short(address):
    return address[12:] if address[:12] == addr16("0.0.0.0")[:12] else address


def ports(first, data):
    return b"".join((first + b).to_bytes(2, "big") for b in data)


def cipher(name, phrase, iv, address, port, minutes, first=745, wide=False, random_iv=False):
    chain = hashlib.md5(phrase).digest()
    while len(chain) < 56:
        chain += hashlib.md5(chain).digest()
    plain = short(addr16(address)) + port.to_bytes(2 if wide else 1, "big") + bytes([minutes])
    plain += bytes([sum(plain) % 255])
    pad = 8 - len(plain) % 8
    text = Blowfish(chain[:56]).cbc(iv, plain + bytes([pad]) * pad)
    yield name + "_passphrase", phrase
    yield name + "_iv", iv
    yield name + "_address", addr16(address)
    yield name + "_port", port.to_bytes(2, "big")
    yield name + "_time", bytes([minutes])
    yield name + "_first", first.to_bytes(2, "big")
    yield name + "_form", bytes([wide, random_iv])
    yield name + "_plain", plain
    yield name + "_cipher", text
    yield name + "_ports", ports(first, (iv if random_iv else b"") + text)


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at:at + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    return ((total + int.from_bytes(key[16:], "little")) & ((1 << 128) - 1)).to_bytes(16, "little")


def pad(name, message, address, port, minutes, first=745):
    address = addr16(address)
    is_v4 = len(short(address)) == 4
    plain = (short(address) if is_v4 else b"\0" * 4) + port.to_bytes(2, "big") + bytes([minutes])
    plain += bytes([sum(plain) % 255])
    hidden = bytes(a ^ b for a, b in zip(plain, message))
    tag = poly1305(message[8:], hidden + (b"" if is_v4 else address))[:8]
    yield name + "_message", message
    yield name + "_address", address
    yield name + "_port", port.to_bytes(2, "big")
    yield name + "_time", bytes([minutes])
    yield name + "_first", first.to_bytes(2, "big")
    yield name + "_plain", plain
    yield name + "_ports", ports(first, hidden + tag)


def tagged(name, how, key, sid, slot, tag, service, address, base=40000):
    address = addr16(address) if address else bytes(16)
    head = bytes([slot]) + tag.to_bytes(4, "big") + bytes([service])
    text = b"postern tag v1" + sid + head + address
    if how == 1:
        mac = hashlib.blake2b(text, key=key, digest_size=32).digest()
    else:
        mac = hmac.new(key, text, "md5" if how == 2 else "sha256").digest()
    frame = head + mac[:10]
    yield name + "_hash", bytes([how])
    yield name + "_key", key
    yield name + "_sid", sid
    yield name + "_address", address
    yield name + "_base", base.to_bytes(2, "big")
    yield name + "_frame", frame
    yield name + "_ports", b"".join((base + 256 * i + b).to_bytes(2, "big") for i, b in enumerate(frame))


def vectors():
    iv, other = b"01234567", bytes(range(0xa0, 0xa8))
    yield "cipher.txt", "Enciphered sequences. 'published' is the example that came with the format.", [
        *cipher("published", b"knock", iv, "142.103.205.1", 22, 15),
        *cipher("until_closed", b"knock", iv, "192.0.2.10", 80, 0),
        *cipher("close", b"a longer passphrase, with blanks", iv, "192.0.2.10", 22, 255, 1000),
        *cipher("random_iv", b"knock", other, "192.0.2.10", 22, 254, random_iv=True),
        *cipher("wide_v4", b"knock", iv, "142.103.205.1", 8443, 15, wide=True),
        *cipher("wide_v6", b"knock", iv, "2001:db8::17", 8443, 15, 65280, wide=True),
        *cipher("wide_v4_iv", b"knock", other, "142.103.205.1", 8443, 15, wide=True, random_iv=True),
        *cipher("wide_v6_iv", b"knock", other, "2001:db8::17", 22, 255, wide=True, random_iv=True),
    ]
    message = [hashlib.sha512(b"pad %d" % i).digest()[:40] for i in range(3)]
    yield "pad.txt", "Sequences under a one-time pad.", [
        *pad("v4", message[0], "142.103.205.1", 22, 15),
        *pad("v6", message[1], "2001:db8::17", 8443, 0),
        *pad("close", message[2], "192.0.2.10", 22, 255, 65280),
    ]
    key, sid = bytes(range(32)), bytes(range(0x60, 0x80))
    yield "tagged.txt", "Tagged sequences. hash: 0 SHA-256, 1 BLAKE2b, 2 MD5.", [
        *tagged("sha256", 0, key, sid, 7, 1795316502, 0, "192.0.2.10"),
        *tagged("blake2b", 1, key, sid, 7, 1795316502, 0, "192.0.2.10"),
        *tagged("md5", 2, key, sid, 7, 1795316502, 0, "192.0.2.10"),
        *tagged("v6", 0, key, sid, 255, 4294967295, 255, "2001:db8::17", 61440),
        *tagged("observed", 0, key, sid, 0, 0, 3, None),
    ]


def main():
    write = sys.argv[1] == "--write"
    folder, bad = pathlib.Path(sys.argv[-1]), 0
    for name, what, values in vectors():
        text = f"# {what}\n# One value a line: name, blank, hexadecimal bytes; numbers and ports are u16.\n"
        text += "".join(f"{n} {v.hex()}\n" for n, v in values)
        if write:
            (folder / name).write_text(text)
        elif (folder / name).read_text() != text:
            print(f"{folder / name}: is not what is computed here")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
