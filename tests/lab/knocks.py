"""Knocks by the hundred from one process, through libpostern: what the client program is too slow for."""

import ctypes
import os
import select
import socket
import time

from lab import BIN, V4, inside

SEND, WAIT, DONE, SILENT = range(4)


class Request(ctypes.Structure):
    _fields_ = [("op", ctypes.c_int), ("service", ctypes.c_char_p), ("proto", ctypes.c_uint8),
                ("port", ctypes.c_uint16), ("seconds", ctypes.c_uint32), ("address", ctypes.c_char_p),
                ("source_port", ctypes.c_uint16), ("identity", ctypes.c_int), ("port_last", ctypes.c_uint16),
                ("prefix", ctypes.c_uint8), ("message", ctypes.c_char_p), ("message_len", ctypes.c_size_t),
                ("action_id", ctypes.c_uint8 * 16)]


class Memory(ctypes.Structure):
    _fields_ = [("instance", ctypes.c_uint64), ("offset_ms", ctypes.c_int64), ("prekey_id", ctypes.c_uint8),
                ("prekey", ctypes.c_uint8 * 32), ("prekey_not_after_ms", ctypes.c_uint64),
                ("last_address", ctypes.c_uint8 * 16), ("identity", ctypes.c_uint8)]


class Answer(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("server_time_ms", ctypes.c_uint64), ("granted_s", ctypes.c_uint32),
                ("retry_after_s", ctypes.c_uint16), ("granted_port", ctypes.c_uint16),
                ("grant_id", ctypes.c_uint64), ("observed", ctypes.c_uint8 * 16),
                ("observed_port", ctypes.c_uint16), ("is_address_new", ctypes.c_bool),
                ("round_trips", ctypes.c_uint), ("result", ctypes.c_int), ("result_detail", ctypes.c_uint8)]


class Error(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char * 512)]


def library():
    for folder in (os.path.join(BIN, ".."), "src"):
        path = os.path.join(folder, "libpostern.so.0")
        if os.path.exists(path):
            lib = ctypes.CDLL(os.path.abspath(path))
            lib.postern_status_name.restype = ctypes.c_char_p
            return lib
    raise RuntimeError("libpostern is not built; set POSTERN_BIN")


class Client:
    """One person with one card in one namespace; knocks share what is remembered of the server."""

    def __init__(self, lab, who="client", host=None, port=62201):
        self.lib, self.lab, self.who = library(), lab, who
        self.to = (host or V4["server"], port)
        self.memory, err = Memory(), Error()
        self.card, self.id = ctypes.c_void_p(), ctypes.c_void_p()
        if self.lib.postern_card_load(lab.path("etc", "server.card").encode(), ctypes.byref(self.card),
                                      ctypes.byref(err)) != 0:
            raise RuntimeError(err.text.decode())
        password = b"admin staple 42"
        if self.lib.postern_id_load(lab.path("etc", "admin.id").encode(), password, ctypes.c_size_t(len(password)),
                                    ctypes.byref(self.id), ctypes.byref(err)) != 0:
            raise RuntimeError(err.text.decode())

    def start(self, service="ssh", op=0):
        return Knock(self, service, op)

    def run(self, knocks, bound=30.0):
        """Drive them all to their end. Returns the status names; None for silence."""
        end = time.monotonic() + bound
        waiting = set(knocks)
        while waiting:
            assert time.monotonic() < end, f"{len(waiting)} knocks have no end"
            wait = 1.0
            for k in list(waiting):
                left = k.next()
                if left is None:
                    waiting.discard(k)
                else:
                    wait = min(wait, left)
            if waiting:
                ready, _, _ = select.select([k.sock for k in waiting], [], [], wait)
                for k in [k for k in waiting if k.sock in ready]:
                    k.receive()
        return [k.status for k in knocks]


class Knock:
    def __init__(self, client, service, op):
        self.client, self.lib, self.status, self.answer = client, client.lib, None, Answer()
        self.session, err = ctypes.c_void_p(), Error()
        request = Request(op=op, service=service.encode())
        if self.lib.postern_session_new(client.card, client.id, ctypes.byref(request), ctypes.byref(client.memory),
                                        ctypes.byref(self.session), ctypes.byref(err)) != 0:
            raise RuntimeError(err.text.decode())
        family = socket.AF_INET6 if ":" in client.to[0] else socket.AF_INET
        with inside(client.lab.ns[client.who]):
            self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)

    def next(self):
        """Send what is due. Seconds to wait, or None at the end."""
        data, n, wait = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_uint32()
        while True:
            step = self.lib.postern_session_next(
                self.session, ctypes.c_uint64(time.time_ns() // 1000000),
                ctypes.c_uint64(time.monotonic_ns() // 1000000), ctypes.byref(data), ctypes.byref(n),
                ctypes.byref(wait))
            if step == SEND:
                self.sock.sendto(ctypes.string_at(data, n.value), self.client.to)
            elif step == WAIT:
                return wait.value / 1000
            else:
                break
        if step == DONE:
            self.lib.postern_session_answer(self.session, ctypes.byref(self.answer))
            self.status = self.lib.postern_status_name(self.answer.status).decode()
        self.lib.postern_session_free(self.session)
        self.sock.close()
        return None

    def datagram(self):
        """What would be sent first, for a test that sends it in a way of its own."""
        data, n, wait = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_uint32()
        self.lib.postern_session_next(
            self.session, ctypes.c_uint64(time.time_ns() // 1000000),
            ctypes.c_uint64(time.monotonic_ns() // 1000000), ctypes.byref(data), ctypes.byref(n), ctypes.byref(wait))
        return ctypes.string_at(data, n.value)

    def receive(self):
        data = self.sock.recv(2048)
        self.lib.postern_session_offer(self.session, data, ctypes.c_size_t(len(data)),
                                       ctypes.c_uint64(time.time_ns() // 1000000))
