"""Counters by posternctl and by HTTP: a form that a strict reader takes, numbers that are true, little to abuse."""

import contextlib
import select
import socket

from lab import BOUND, Lab, V4, inside, main, program, until
from openmetrics import parse

SERVICES = """
service ssh  { port = tcp/22    allow = {"Admin/VSD"}  open = once    wait = 60s  lease = 1h }
service wiki { port = tcp/8443  allow = {"Admin/VSD"}  open = window  wait = 60s  lease = 1h }
service shut { port = tcp/2200  allow = {"Nobody/VSD"} open = window  wait = 60s  lease = 1h }
"""
PORT = 9462
GET = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9462\r\n\r\n"


def ready(lab, server=""):
    lab.setup()
    lab.config(services=SERVICES, server=server)
    lab.echo(8443)
    lab.start()


def by_command(lab):
    r = lab.exec("server", program("posternctl"), "-s", lab.path("control"), "metrics", check=True)
    return parse(r.stdout)


def value(families, name, **want):
    found = [v for _, (_, samples) in families.items() for n, have, v in samples if n == name and have == want]
    assert len(found) == 1, (name, want, found)
    return found[0]


def dial(lab, host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with inside(lab.ns["server"]):
        s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(BOUND)
    s.connect((host, PORT))
    return s


def ask(lab, request=GET, host="127.0.0.1"):
    """(status, headers, body)"""
    with contextlib.closing(dial(lab, host)) as s:
        s.sendall(request)
        data = b""
        while more := s.recv(65536):
            data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert int(headers["Content-Length"]) == len(body)
    return int(lines[0].split()[1]), headers, body.decode()


def test_numbers():
    with Lab("metrics") as lab:
        ready(lab)
        lab.must_open("wiki")
        lab.must_open("ssh")
        lab.connect("client", V4["server"], 8443).close()
        until("the use was noticed", lambda: lab.journal("connected"))
        lab.knock("shut")
        lab.send_udp("stranger", b"x" * 320).close()
        until("it was ignored", lambda: sum(lab.status()["ignored"].values()) == 1)
        f = by_command(lab)
        status = lab.status()
        assert value(f, "postern_datagrams_total") == status["datagrams"]
        for reason, n in status["ignored"].items():
            assert value(f, "postern_ignored_total", reason=reason) == n
        for word, n in status["answered"].items():
            assert value(f, "postern_answers_total", status=word) == n
        assert value(f, "postern_gates", service="ssh", state="open") == 1
        assert value(f, "postern_gates", service="wiki", state="used") == 1
        assert value(f, "postern_gates", service="shut", state="open") == 0
        assert value(f, "postern_kernel_admitted_total") == 1
        assert value(f, "postern_answer_seconds_count") == sum(status["answered"].values())
        assert value(f, "postern_store_seconds_count") >= 3 and value(f, "postern_store_seconds_sum") > 0
        assert value(f, "postern_door_watching", door="wan") == 1
        assert value(f, "postern_store_writable") == 1
        assert value(f, "postern_reloads_total") == 0
        assert value(f, "postern_build_info", version=status["version"]) == 1
        lab.ctl("reload")
        lab.settled()
        f = by_command(lab)
        assert value(f, "postern_reloads_total") == 1
        assert value(f, "postern_process_starts_total") == 2


def test_http():
    for host in ("127.0.0.1", "::1"):
        with Lab("http") as lab:
            where = f"[{host}]" if ":" in host else host
            ready(lab, server=f'metrics = "{where}:{PORT}"')
            lab.must_open("ssh")
            status, headers, body = ask(lab, host=host)
            assert status == 200 and headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            assert value(parse(body), "postern_gates", service="ssh", state="open") == 1
            lab.ctl("reload")
            lab.settled()
            assert value(parse(ask(lab, host=host)[2]), "postern_reloads_total") == 1


def test_http_of_others():
    """What is no request for the page gets a status and nothing else; who says nothing is sent away."""
    with Lab("abuse") as lab:
        ready(lab, server=f'metrics = "127.0.0.1:{PORT}"')
        for request, want in ((GET.replace(b"127.0.0.1:9462", b"evil.example"), 421),
                              (GET.replace(b"/metrics", b"/"), 404), (GET.replace(b"GET", b"PUT"), 405),
                              (b"\0\r\n\r\n", 400), (b"x" * 4096, 400)):
            status, _, body = ask(lab, request)
            assert (status, body) == (want, ""), (request, status, body)
        assert lab.probe("client", V4["server"], PORT) == "refused", "heard beyond loopback"
        silent = [dial(lab) for _ in range(8)]
        # They hold all the room there is, for a while; knocks go on.
        lab.must_open("ssh")
        assert ask(lab)[0] == 200
        for s in silent[:4]:
            assert select.select([s], [], [], BOUND)[0] and s.recv(1) == b"", "it was not sent away"
        for s in silent:
            s.close()
        lab.config(services=SERVICES, server=f'metrics = "127.0.0.1:{PORT + 1}"')
        r = lab.exec("server", program("posternctl"), "-s", lab.path("control"), "reload")
        assert r.returncode == 1 and "metrics cannot change while running" in r.stderr, r.stderr


def test_port_taken():
    with Lab("taken") as lab:
        lab.setup()
        lab.config(services=SERVICES, server=f'metrics = "127.0.0.1:{PORT}"')
        with inside(lab.ns["server"]):
            s = socket.socket()
        s.bind(("127.0.0.1", PORT))
        s.listen()
        r = lab.exec("server", program("posternd"), "-c", lab.path("postern.conf"))
        assert r.returncode == 4 and "metrics: cannot listen on 127.0.0.1:9462: Address already in use" in r.stderr, r
        s.close()


main(test_numbers, test_http, test_http_of_others, test_port_taken)
