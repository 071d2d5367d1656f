"""Drives postern on a pseudo-terminal: questions, answers, echo, signals."""

import os
import pty
import select
import signal
import sys
import termios
import time

POSTERN, FOLDER = sys.argv[1], sys.argv[2]
failed = 0


def under_shell(*args):
    """What a shell does: a process group of its own in the foreground, so that it can be stopped."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execv(POSTERN, [POSTERN, *args])
    while True:
        status = os.waitpid(pid, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status):
            os._exit(os.waitstatus_to_exitcode(status))
        os.write(1, b"<stopped %d>" % pid)


class Session:
    def __init__(self, *args, is_job=False):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            if not is_job:
                os.execv(POSTERN, [POSTERN, *args])
            under_shell(*args)

    def wait_for(self, text, seconds=30):
        end = time.monotonic() + seconds
        while text.encode() not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError(f"{text!r} is not in {self.seen!r}")
            try:
                part = os.read(self.fd, 4096)
            except OSError:
                part = b""
            if not part:
                raise EOFError(f"{text!r} is not in {self.seen!r}")
            self.seen += part
        self.before, self.seen = self.seen.split(text.encode(), 1)

    def type(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def answer(self, question, text):
        self.wait_for(question)
        self.type(text + "\n")

    def secret(self, question, text):
        self.wait_for(question)
        check(f"no echo at {question!r}", not self.echoes())
        self.type(text + "\n")

    def end(self):
        all_of_it = b""
        while True:
            try:
                part = os.read(self.fd, 4096)
            except OSError:
                part = b""
            if not part:
                break
            all_of_it += part
        self.seen += all_of_it
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return status


def check(what, is_good):
    global failed
    if not is_good:
        failed += 1
        print("FAILED:", what)


GOOD = "nine purple otters juggle"
ADMIN = "seven green lizards"

# setup asks for what is missing; weak and mistyped passwords are asked for again.
s = Session("setup", "--dir", FOLDER + "/pg", "--kdf-mem", "1")
s.answer("Name of the organisation: ", "VSD")
s.answer("Name of this server [", "gate")
s.answer("Name of the administrator [Admin]: ", "")
s.answer("Host name or address clients reach it by [", "gate.example.org")
s.answer("Interface on which knocks come in", "lo")
s.answer("Ports to guard, separated by blanks [tcp/22=ssh]: ", "tcp/22=ssh tcp/25=mail")
s.secret("New password of the certifier VSD: ", "short")
s.wait_for("too easy to guess")
s.secret("New password of the certifier VSD: ", GOOD)
s.secret("The same once more: ", GOOD + "x")
s.wait_for("the two passwords are not the same")
s.secret("New password of the certifier VSD: ", GOOD)
s.secret("The same once more: ", GOOD)
s.secret("New password of Admin/VSD: ", ADMIN)
s.secret("The same once more: ", ADMIN)
status = s.end()
check("setup on a terminal", os.waitstatus_to_exitcode(status) == 0)
check("no password was shown", b"otters" not in s.seen and b"lizards" not in s.seen)
check("what was typed got there", b"postern knock gate.example.org ssh" in s.seen)
config = open(FOLDER + "/pg/postern.conf").read()
check("both services", "service ssh" in config and "service mail" in config)

# Three weak ones are enough.
s = Session("setup", "--org", "VSD", "--server", "g", "--host", "g", "--interface", "lo",
            "--admin", "A", "--guard", "tcp/1=x", "--dir", FOLDER + "/p2")
for _ in range(3):
    s.secret("New password of the certifier VSD: ", "short")
check("three weak passwords", os.waitstatus_to_exitcode(s.end()) == 1)
check("nothing made", not os.path.exists(FOLDER + "/p2"))

knock = ("knock", "127.0.0.1", "--card", FOLDER + "/pg/server.card", "--id",
         FOLDER + "/pg/admin.id", "--dry-run")
s = Session(*knock)
s.secret("Password of Admin/VSD: ", ADMIN)
check("dry run", os.waitstatus_to_exitcode(s.end()) == 0)

# Signals: the echo is back before they take effect.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    s = Session(*knock)
    s.wait_for("Password of Admin/VSD: ")
    check("no echo", not s.echoes())
    held = os.open(os.readlink(f"/proc/{s.pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)
    os.kill(s.pid, number)
    status = os.waitpid(s.pid, 0)[1]
    check(f"{number!r} ends it", os.WIFSIGNALED(status) and os.WTERMSIG(status) == number)
    check(f"echo after {number!r}", s.echoes())
    os.close(held)
    os.close(s.fd)

# Stopped with ^Z and continued, it asks again.
s = Session(*knock, is_job=True)
s.wait_for("Password of Admin/VSD: ")
s.type("\x1a")
s.wait_for("<stopped ")
check("echo while stopped", s.echoes())
s.wait_for(">")
os.kill(int(s.before), signal.SIGCONT)
s.secret("Password of Admin/VSD: ", ADMIN)
check("after a stop", os.waitstatus_to_exitcode(s.end()) == 0)

# The end of input is no password.
s = Session(*knock)
s.wait_for("Password of Admin/VSD: ")
s.type("\x04")
check("end of input", os.waitstatus_to_exitcode(s.end()) == 4)
check("its sentence", b"no password was given: the input ended" in s.seen)

# An organisation that is new to an ID is asked about, and only "yes" is yes.
bob, request, chain = (FOLDER + name for name in ("/bob.id", "/bob.req", "/bob.pem"))
s = Session("id", "new", "Bob/VSD", "--request", request, "--out", bob, "--kdf-mem", "1")
s.secret("New password of Bob/VSD: ", ADMIN)
s.secret("The same once more: ", ADMIN)
check("a request", os.waitstatus_to_exitcode(s.end()) == 0)
s = Session("certifier", "sign", request, "--certifier", FOLDER + "/pg/certifier.id", "-o", chain)
s.secret("Password of VSD: ", GOOD)
check("signed", os.waitstatus_to_exitcode(s.end()) == 0)
old = open(bob).read()
for answer, code in (("no", 1), ("\x04", 1), ("y\nno", 1), ("yes", 0)):
    s = Session("id", "merge", bob, chain)
    s.secret("Password of Bob/VSD: ", ADMIN)
    s.wait_for("is below an organisation from now on: VSD")
    s.answer("Is that right? (yes/no) ", answer)
    check(f"merge answered {answer!r}", os.waitstatus_to_exitcode(s.end()) == code)
    check(f"what {answer!r} changes", (open(bob).read() == old) == (code == 1))

# A cross-certificate: only "yes" is one, and it comes before the password.
os.chdir(FOLDER)
s = Session("certifier", "new", "ACME", "--kdf-mem", "1")
s.secret("New password of the certifier ACME: ", GOOD)
s.secret("The same once more: ", GOOD)
check("a certifier on a terminal", os.waitstatus_to_exitcode(s.end()) == 0)
cross = ("certifier", "cross", "acme.pem", "--certifier", FOLDER + "/pg/certifier.id")
s = Session(*cross)
s.answer("Is this what they read to you? (yes/no) ", "y")
s.answer("Is this what they read to you? (yes/no) ", "no")
check("no", os.waitstatus_to_exitcode(s.end()) == 1)
check("its sentence", b"nothing was certified: nobody said that this is the owner's" in s.seen)
s = Session(*cross)
s.wait_for("Is this what they read to you? (yes/no) ")
s.type("\x04")
check("end of input", os.waitstatus_to_exitcode(s.end()) == 1)
check("nothing was certified", not os.path.exists("acme-cross.pem"))
s = Session(*cross)
s.answer("Is this what they read to you? (yes/no) ", "yes")
s.secret("Password of VSD: ", GOOD)
check("yes", os.waitstatus_to_exitcode(s.end()) == 0)
check("certified", os.path.exists("acme-cross.pem"))

sys.exit(failed != 0)
