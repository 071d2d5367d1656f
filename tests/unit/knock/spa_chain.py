"""The vector of a knock with certificates, computed anew by other means: nothing here is postern's.

usage: spa_chain.py FILE   compare FILE with what is computed here; exit code 77 without the module
       spa_chain.py        print the values
"""

import datetime
import hashlib
import hmac
import struct
import sys

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    sys.exit(77)

RAW = {"encoding": Encoding.Raw, "format": PublicFormat.Raw}
EPOCH, NOW_MS = 6640625, 1700000000000
NOT_BEFORE, NOT_AFTER = 1699920000, 1763078400  # 2023-11-14, 2025-11-14
CERTIFIER, USER = 0, 1
O, OU, CN = 2, 3, 4
OIDS = {O: NameOID.ORGANIZATION_NAME, OU: NameOID.ORGANIZATIONAL_UNIT_NAME, CN: NameOID.COMMON_NAME}


def sha256(b):
    return hashlib.sha256(b).digest()


def public(key):
    return key.public_key().public_bytes(**RAW)


def key_id(pk):
    return sha256(bytes.fromhex("302a300506032b6570032100") + pk)


# Certificates, through the module's own X.509 writer.

def name_of(parts):
    return x509.Name([x509.NameAttribute(OIDS[t], v) for t, v in parts])


def usage(**on):
    every = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{k: on.get(k, False) for k in every})


def certificate(subject, issuer, serial, key, issuer_key, units):
    b = (x509.CertificateBuilder().subject_name(name_of(subject)).issuer_name(name_of(issuer))
         .serial_number(serial).public_key(key.public_key())
         .not_valid_before(datetime.datetime.fromtimestamp(NOT_BEFORE, datetime.timezone.utc))
         .not_valid_after(datetime.datetime.fromtimestamp(NOT_AFTER, datetime.timezone.utc)))
    if units is not None:
        b = b.add_extension(x509.BasicConstraints(ca=True, path_length=4 - units), critical=True)
        b = b.add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
        b = b.add_extension(x509.NameConstraints([x509.DirectoryName(name_of(subject))], None), critical=True)
        b = b.add_extension(x509.SubjectKeyIdentifier(sha256(public(key))[:20]), critical=False)
    else:
        b = b.add_extension(usage(digital_signature=True), critical=True)
        b = b.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    b = b.add_extension(x509.AuthorityKeyIdentifier(sha256(public(issuer_key))[:20], None, None), critical=False)
    return b.sign(issuer_key, None)


def record(kind, path_length, serial, part, key, cert):
    t, v = part
    value = v.encode()
    return (bytes([kind | path_length << 4]) + serial.to_bytes(8, "big") + NOT_BEFORE.to_bytes(5, "big") +
            NOT_AFTER.to_bytes(5, "big") + bytes([t, len(value)]) + value + public(key) + cert.signature)


# HPKE, RFC 9180, from its text.

def extract(salt, ikm):
    return hmac.new(salt, ikm, hashlib.sha256).digest()


def expand(prk, info, n):
    out, t, i = b"", b"", 1
    while len(out) < n:
        t = hmac.new(prk, t + info + bytes([i]), hashlib.sha256).digest()
        out, i = out + t, i + 1
    return out[:n]


def labeled_extract(suite, salt, label, ikm):
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, n):
    return expand(prk, struct.pack(">H", n) + b"HPKE-v1" + suite + label + info, n)


def seal_base(server, eph, info, aad, plain):
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
    dh, enc = eph.exchange(server.public_key()), public(eph)
    prk = labeled_extract(kem, b"", b"eae_prk", dh)
    secret = labeled_expand(kem, prk, b"shared_secret", enc + public(server), 32)
    context = (b"\x00" + labeled_extract(suite, b"", b"psk_id_hash", b"") +
               labeled_extract(suite, b"", b"info_hash", info))
    secret = labeled_extract(suite, secret, b"secret", b"")
    key = labeled_expand(suite, secret, b"key", context, 32)
    nonce = labeled_expand(suite, secret, b"base_nonce", context, 12)
    return ChaCha20Poly1305(key).encrypt(nonce, plain, aad)


def siphash24(key, data):
    mask = (1 << 64) - 1
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def rotate(x, n):
        return (x << n | x >> (64 - n)) & mask

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & mask
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
    for (m,) in struct.iter_unpack("<Q", padded):
        v[3] ^= m
        rounds(2)
        v[0] ^= m
    v[2] ^= 255
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


def compute():
    r = {"server_seed": bytes([0x11]) * 32, "client_seed": bytes([0x22]) * 32,
         "organisation_seed": bytes([0x44]) * 32, "unit_seed": bytes([0x55]) * 32,
         "server_x25519": bytes(range(1, 33)), "ephemeral": bytes(range(0x40, 0x60)),
         "nonce": bytes(range(0x70, 0x80))}
    server, client, organisation, unit = (Ed25519PrivateKey.from_private_bytes(r[k + "_seed"])
                                          for k in ("server", "client", "organisation", "unit"))
    prekey = X25519PrivateKey.from_private_bytes(r["server_x25519"])
    eph = X25519PrivateKey.from_private_bytes(r["ephemeral"])

    top, middle, leaf = [(O, "VSD")], [(O, "VSD"), (OU, "QN")], [(O, "VSD"), (OU, "QN"), (CN, "John Smith")]
    unit_cert = certificate(middle, top, 0x0102030405060708, unit, organisation, 1)
    leaf_cert = certificate(leaf, middle, 0x1112131415161718, client, unit, None)
    r["unit_der"], r["leaf_der"] = unit_cert.public_bytes(Encoding.DER), leaf_cert.public_bytes(Encoding.DER)
    r["template"] = (sha256(public(organisation))[:20] + bytes([1, O, 3]) + b"VSD" +
                     record(CERTIFIER, 3, 0x0102030405060708, middle[-1], unit, unit_cert) +
                     record(USER, 0, 0x1112131415161718, leaf[-1], client, leaf_cert))

    sid = key_id(public(server))
    head = (bytes([1, 0]) + struct.pack(">HQ", 0, NOW_MS) + r["nonce"] + struct.pack(">QIBBH", 0, 30, 0, 128, 0) +
            bytes(16) + bytes([1, 3, 3, 1]) + struct.pack(">HH", len(r["template"]), 0) + b"ssh" + r["template"])
    signed = head + bytes(1152 - 64 - len(head))
    aad = bytes([0x11, EPOCH % 255 + 1, 1, 1]) + struct.pack(">HH", 1232, 0)
    transcript = b"postern knock signature v1\0" + sid + public(prekey) + aad + public(eph) + signed
    r["inner"] = signed + client.sign(transcript)
    sealed = seal_base(prekey, eph, b"postern req v1\0" + sid, aad, r["inner"])
    cookie_key = hmac.new(sid, b"postern cookie v1" + struct.pack(">I", EPOCH), hashlib.sha256).digest()[:16]
    rest = bytes(16) + public(eph) + sealed
    r["request"] = aad + siphash24(cookie_key, aad + rest) + rest
    return r


def main():
    values = compute()
    if len(sys.argv) < 2:
        for k, v in values.items():
            print(k, v.hex())
        return 0
    with open(sys.argv[1], encoding="ascii") as f:
        have = dict(line.split() for line in f if line.strip() and line[0] != "#")
    bad = [k for k in sorted(set(have) | set(values)) if have.get(k) != values.get(k, b"").hex()]
    for k in bad:
        print(f"{sys.argv[1]}: {k} differs")
    return 1 if bad else 0


sys.exit(main())
