"""
The audit at servers that people run. What is there is taken from their configuration by OpenSSL's own tables,
not by the audit's.
"""

import os
import re
import shutil

from hall import Hall, numbers, offered
from lab import main, run

VERSION_OPTIONS = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}


def openssl_suites(string, version, kx=None):
    """Ids of the suites that OpenSSL takes from this string in this version."""
    out = run("openssl", "ciphers", "-V", "-s", VERSION_OPTIONS[version], string).stdout
    found = set()
    for line in out.splitlines():
        m = re.match(r"\s*0x([0-9A-F]{2}),0x([0-9A-F]{2}) - (\S+)\s+(\S+)\s+Kx=(\S+)\s+Au=(\S+)", line)
        if m and (kx is None or kx(m)):
            found.add(int(m[1] + m[2], 16))
    return found


def has_no_key(m):
    """Suites that need a shared secret or a certificate which the servers here do not have."""
    return not ("PSK" in m[5] or "SRP" in m[5] or m[6] in ("ECDSA", "DSS", "PSK"))


def check(gateway, want):
    found = {v: set(s) for v, s in offered(gateway).items()}
    for v in set(found) | set(want):
        lacks, invents = want.get(v, set()) - found.get(v, set()), found.get(v, set()) - want.get(v, set())
        assert not lacks and not invents, (v, "lacks", [hex(i) for i in lacks], "invents", [hex(i) for i in invents],
                                           gateway["end"], gateway["incomplete"])
    assert gateway["end"] == "complete", (gateway["end"], gateway["incomplete"])
    print(f"# {gateway['port']}: {sum(len(s) for s in found.values())} suites, {gateway['connections']} connections, "
          f"{gateway['wall_ms']} ms", flush=True)


ALL13 = {0x1301, 0x1302, 0x1303}


def test_s_server():
    """openssl s_server in several versions and strengths."""
    with Hall("openssl") as hall:
        pem = hall.certificate("rsa.pem")
        ec = hall.certificate("ec.pem", "P-256")
        weak = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
        old = lambda m: has_no_key(m)
        cases = [
            (4401, ["-tls1_3"], pem, {"TLSv1.3": ALL13}),
            (4402, ["-no_tls1_3", "-cipher", weak, "-serverpref"], pem,
             {v: openssl_suites(weak, v, old) for v in ("TLSv1", "TLSv1.1", "TLSv1.2")}),
            (4403, ["-tls1_2", "-cipher", "ECDHE+AESGCM:AES128-SHA"], ec,
             {"TLSv1.2": openssl_suites("ECDHE+AESGCM", "TLSv1.2", lambda m: m[6] == "ECDSA")}),
            (4404, ["-cipher", "AESGCM+ECDHE", "-curves", "P-384:X25519"], pem,
             {"TLSv1.3": ALL13, "TLSv1.2": openssl_suites("AESGCM+ECDHE", "TLSv1.2", has_no_key)}),
        ]
        for port, options, cert, _ in cases:
            hall.spawn("openssl", "s_server", "-accept", str(port), "-cert", cert, "-quiet", "-naccept", "100000",
                       *options)
        for port, _, _, _ in cases:
            hall.listening(port)
        status, report, err = hall.audit(*[f"127.0.0.1:{c[0]}" for c in cases])
        found = {g["port"]: g for g in report["gateways"]}
        for port, _, _, want in cases:
            check(found[port], want)
        assert found[4402]["protocols"]["TLSv1.2"]["server_order"] == "yes", found[4402]["protocols"]["TLSv1.2"]
        assert set(numbers(found[4404]["groups"])) == {24, 29}, found[4404]["groups"]
        for g in found.values():
            assert g["chains"], g["port"]
            for name in ("heartbleed", "ccs_injection", "robot", "compression"):
                assert g["probes"][name] != "yes", (g["port"], name)


def test_gnutls():
    """gnutls-serv: another stack's way of saying no."""
    if shutil.which("gnutls-serv") is None:
        print("# gnutls-serv is not installed", flush=True)
        return
    with Hall("gnutls") as hall:
        pem = hall.certificate("rsa.pem")
        priority = "NONE:+VERS-TLS1.2:+VERS-TLS1.3:+AES-128-GCM:+AES-256-GCM:+AEAD:+ECDHE-RSA:+RSA:+GROUP-SECP256R1:" \
                   "+GROUP-X25519:+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256:+COMP-NULL:+CTYPE-X509"
        hall.spawn("gnutls-serv", "--port", "4433", "--x509certfile", pem, "--x509keyfile", pem, "--priority", priority,
                   "--echo", "--nodb")
        hall.listening(4433)
        check(hall.gateway("127.0.0.1:4433"),
              {"TLSv1.3": {0x1301, 0x1302}, "TLSv1.2": {0xc02f, 0xc030, 0x9c, 0x9d}})


def test_nginx():
    """nginx with a list of suites and the server's order."""
    if shutil.which("nginx") is None:
        print("# nginx is not installed", flush=True)
        return
    with Hall("nginx") as hall:
        pem = hall.certificate("rsa.pem")
        ciphers = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA256"
        with open(hall.path("nginx.conf"), "w") as f:
            f.write(f"""
daemon off; pid {hall.path('nginx.pid')}; error_log {hall.path('error.log')};
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {hall.path('t1')}; proxy_temp_path {hall.path('t2')}; fastcgi_temp_path {hall.path('t3')};
    uwsgi_temp_path {hall.path('t4')}; scgi_temp_path {hall.path('t5')};
    server {{
        listen 4433 ssl; ssl_certificate {pem}; ssl_certificate_key {pem};
        ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {ciphers}; ssl_prefer_server_ciphers on;
    }}
}}
""")
        hall.spawn("nginx", "-p", hall.dir, "-c", hall.path("nginx.conf"))
        hall.listening(4433)
        g = hall.gateway("127.0.0.1:4433")
        check(g, {"TLSv1.3": ALL13, "TLSv1.2": {0xc030, 0xcca8, 0xc02f, 0x3d}})
        assert g["protocols"]["TLSv1.2"]["server_order"] == "yes", g["protocols"]["TLSv1.2"]
        assert offered(g)["TLSv1.2"] == [0xc030, 0xcca8, 0xc02f, 0x3d], offered(g)["TLSv1.2"]


def start_postfix(hall, settings):
    """Postfix with a configuration and a queue of its own. Returns how to stop it."""
    etc, queue, data = hall.path("postfix"), hall.path("queue"), hall.path("data")
    for folder in (etc, queue, data):
        os.mkdir(folder)
    shutil.chown(data, "postfix", "postfix")
    with open(hall.path("postfix", "main.cf"), "w") as f:
        f.write(f"""compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example.org
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {hall.path('mail.log')}
maillog_file_prefixes = {hall.dir}
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtputf8_enable = no
notify_classes =
{settings}
""")
    with open(hall.path("postfix", "master.cf"), "w") as f:
        f.write("""25 inet n - n - 60 smtpd
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
postlog unix-dgram n - n - 1 postlogd
""")
    open(hall.path("postfix", "dynamicmaps.cf"), "w").close()
    hall.exec("postfix", "-c", etc, "start", check=True)
    hall.listening(25)
    return lambda: hall.exec("postfix", "-c", etc, "stop")


def test_postfix():
    """Postfix with STARTTLS and everything that its library has."""
    if shutil.which("postfix") is None:
        print("# postfix is not installed", flush=True)
        return
    with Hall("postfix") as hall:
        pem = hall.certificate("rsa.pem")
        stop = start_postfix(hall, f"""smtpd_tls_chain_files = {pem}
smtpd_tls_protocols = >=TLSv1
smtpd_tls_ciphers = low
tls_low_cipherlist = ALL:@SECLEVEL=0
smtpd_tls_mandatory_ciphers = low
""")
        try:
            g = hall.gateway("smtp://127.0.0.1:25")
            low = "ALL:@SECLEVEL=0"
            check(g, {"TLSv1.3": ALL13, **{v: openssl_suites(low, v, has_no_key)
                                           for v in ("TLSv1", "TLSv1.1", "TLSv1.2")}})
            assert g["probes"]["starttls_injection"] == "no", g["probes"]
            assert "STARTTLS" in g["words"]["keywords"] and g["words"]["greeting"].startswith("220 mail.example.org")
            assert any(f["id"] == "cert-self-signed" for f in g["findings"]) and g["profile"] == "mail", g["profile"]
        finally:
            stop()


def test_dovecot():
    """Dovecot: IMAP and POP3, with STARTTLS and direct."""
    if shutil.which("dovecot") is None:
        print("# dovecot is not installed", flush=True)
        return
    with Hall("dovecot") as hall:
        pem = hall.certificate("rsa.pem")
        with open(hall.path("dovecot.conf"), "w") as f:
            f.write(f"""
protocols = imap pop3
base_dir = {hall.path('run')}
log_path = {hall.path('dovecot.log')}
ssl = yes
ssl_cert = <{pem}
ssl_key = <{pem}
ssl_min_protocol = TLSv1.2
ssl_cipher_list = ECDHE+AESGCM
mail_location = maildir:{hall.path('mail')}
passdb {{
    driver = static
    args = nopassword=y
}}
userdb {{
    driver = static
    args = uid=nobody gid=nogroup home=/nonexistent
}}
service imap-login {{
    process_limit = 100
}}
service pop3-login {{
    process_limit = 100
}}
""")
        hall.spawn("dovecot", "-F", "-c", hall.path("dovecot.conf"))
        for port in (143, 110, 993, 995):
            hall.listening(port)
        want = {"TLSv1.3": ALL13, "TLSv1.2": openssl_suites("ECDHE+AESGCM", "TLSv1.2", has_no_key)}
        status, report, err = hall.audit("127.0.0.1:143", "127.0.0.1:110", "127.0.0.1:993", "127.0.0.1:995",
                                         "--concurrency", "4")
        assert report is not None and len(report["gateways"]) == 4, (status, err)
        for g in report["gateways"]:
            check(g, want)
            assert g["starttls"] == {143: "imap", 110: "pop3"}.get(g["port"], "direct"), g["starttls"]


if __name__ == "__main__":
    main(test_s_server, test_gnutls, test_nginx, test_postfix, test_dovecot)
