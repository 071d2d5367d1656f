"""Types shares on a pseudo-terminal: postern ID ANN-SHARE CY-SHARE BOB-ID BOB-PASSWORD-FILE."""

import os
import pty
import select
import sys
import time

POSTERN, ID, ANN, CY, BOB, BOB_PASSWORD = sys.argv[1:7]


class Session:
    def __init__(self, *args):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(POSTERN, [POSTERN, *args])

    def answer(self, question, text):
        end = time.monotonic() + 30
        while question.encode() not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError(f"{question!r} is not in {self.seen!r}")
            self.seen += os.read(self.fd, 4096)
        self.seen = self.seen.split(question.encode(), 1)[1]
        if text is not None:
            os.write(self.fd, text.encode() + b"\n")

    def end(self):
        while True:
            try:
                part = os.read(self.fd, 4096)
            except OSError:
                break
            if not part:
                break
            self.seen += part
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


ann = open(ANN).read().strip()
cy = open(CY).read().strip()
swapped = "-".join([ann[6:11], ann[0:5], ann[12:]])

s = Session("id", "recover", ID, "--kdf-mem", "1")
s.answer("Share 1 of 2: ", ann.lower().replace("-", " "))
s.answer("Share 2 of 2: ", ann)
s.answer("this share was given already", None)
s.answer("Share 2 of 2: ", cy[:-1])
s.answer("it has 59 characters", None)
s.answer("Share 2 of 2: ", swapped)
s.answer("two groups are swapped", None)
s.answer("Share 2 of 2: ", cy)
s.answer("New password of Jane Doe/VSD: ", "nine purple otters juggle")
s.answer("The same once more: ", "nine purple otters juggle")
s.answer("has a new password; copies of the old file keep the old one", None)
assert s.end() == 0

# The end of input ends it.
s = Session("id", "recover", ID)
s.answer("Share 1 of 2: ", None)
os.write(s.fd, b"\x04")
s.answer("no answer was given: the input ended", None)
assert s.end() == 4

# An authority is asked, and may say no.
for answer, code in (("no", 1), ("yes", 0)):
    s = Session("id", "recover", ID, "--as", BOB, "--password-file", BOB_PASSWORD)
    s.answer("Do you know that it is the owner who wants your share? (yes/no) ", "what?")
    s.answer("(yes/no) ", answer)
    assert s.end() == code, s.seen
