"""Read every byte of a folder, also what stands in base64, and say what must not be in it.

edge.py FOLDER APART WORD...: FOLDER is the edge's disk, APART holds what was taken away, WORD is any text that
the edge has no need to know.
"""

import base64
import os
import re
import sys

BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n(.*?)-----END \1-----", re.S)
KIND_CERTIFIER, KIND_USER = 3, 1


def files(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as f:
                yield os.path.join(path, name), f.read()


def blocks(data):
    for match in BLOCK.finditer(data):
        label, text = match.group(1), match.group(2)
        body = b"".join(l for l in text.split(b"\n") if b":" not in l)
        yield label, base64.b64decode(body)


def main(folder, apart, words):
    secrets = [b for _, data in files(apart) for label, b in blocks(data) if label != b"CERTIFICATE"]
    wrong = [] if secrets else ["nothing was taken away"]
    count = 0
    for path, data in files(folder):
        count += 1
        seen = list(blocks(data))
        whole = data + b"".join(b for _, b in seen)
        # SSH keys and the like stand in base64 without a frame.
        for run in re.findall(rb"[A-Za-z0-9+/]{40,}={0,2}", data):
            whole += base64.b64decode(run + b"=" * (-len(run) % 4))
        for word in words:
            if word.encode() in whole:
                wrong.append(f"{path}: has {word!r}")
        for label, b in seen:
            if label == b"POSTERN ID" and b[1] in (KIND_CERTIFIER, KIND_USER):
                wrong.append(f"{path}: an ID file of kind {b[1]}")
            if b in secrets:
                wrong.append(f"{path}: a {label.decode()} of what was taken away")
    if count == 0:
        wrong.append("no file at all")
    print("\n".join(wrong), end="")
    return 1 if wrong else 0


sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
