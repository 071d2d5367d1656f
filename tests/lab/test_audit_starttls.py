"""
The audit at real servers of every protocol in which TLS begins later. What they must be found to have is what
they were told to have; a handshake of OpenSSL's own client is the witness.
"""

import os
import re
import shutil
import signal

from hall import Hall
from lab import main, program, run
from test_audit_servers import ALL13, check, start_postfix

# Of both libraries, GnuTLS and OpenSSL, under each other's names.
TLS12 = {0xc02f, 0xc030}
OPENSSL = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
GNUTLS = "NONE:+VERS-TLS1.2:+VERS-TLS1.3:+AES-128-GCM:+AES-256-GCM:+AEAD:+ECDHE-RSA:+GROUP-SECP256R1:+GROUP-X25519" \
         ":+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256:+COMP-NULL:+CTYPE-X509"
BOTH = {"TLSv1.2": TLS12, "TLSv1.3": ALL13}
GNUTLS_BOTH = {"TLSv1.2": TLS12, "TLSv1.3": {0x1301, 0x1302}}


def installed(*programs):
    for p in programs:
        if shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin:/usr/lib/dovecot:/usr/lib/news/bin") is None:
            print(f"# {p} is not installed", flush=True)
            return False
    return True


def write(path, text, owner=None):
    with open(path, "w") as f:
        f.write(text)
    if owner is not None:
        shutil.chown(path, owner, owner)
    return path


def folder(hall, name, owner=None):
    path = hall.path(name)
    os.mkdir(path)
    if owner is not None:
        shutil.chown(path, owner, owner)
    return path


def as_user(name):
    """What runs a program as somebody else."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups"]


def witness(hall, port, starttls, option):
    """What OpenSSL's client gets: (version, fingerprint of the certificate), or None."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-starttls", starttls, option, "-cipher",
            "ALL:@SECLEVEL=0", "-name", "127.0.0.1"]
    out = hall.exec("timeout", "10", *argv, input="").stdout
    new = re.search(r"^New, (TLSv1[.0-9]*), Cipher is (\S+)", out, re.M)
    if new is None or new[2] == "(NONE)":
        return None
    pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", out, re.S)[0]
    shown = run("openssl", "x509", "-noout", "-fingerprint", "-sha256", input=pem).stdout
    version = re.search(r"^\s*Protocol\s*: (\S+)", out, re.M)
    return version[1] if version else new[1], shown.split("=")[1].strip().replace(":", "").lower()


def look(hall, scheme, port, want, witness_port=None):
    """Audit one server, and hold it against its configuration and the witness. Returns the gateway."""
    g = hall.gateway(f"{scheme}://127.0.0.1:{port}", "--no-policy")
    check(g, want)
    assert g["starttls"] == scheme, g["starttls"]
    seen = {c["sha256"] for chain in g["chains"] for c in chain["certificates"]}
    for option, version in (("-tls1_1", "TLSv1.1"), ("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        said = witness(hall, witness_port or port, scheme, option)
        assert (said is None) == (version not in want), (scheme, version, said)
        if said is not None:
            assert said[0] == version and seen == {said[1]}, (scheme, said, seen)
    return g


def plain(hall, scheme, port, words):
    """The same server without TLS: found out by one connection, in its own words."""
    g = hall.gateway(f"{scheme}://127.0.0.1:{port}", "--no-policy")
    assert g["end"] == "no-starttls" and g["connections"] == 1, (scheme, g["end"], g["connections"], g["words"])
    assert words in g["words"]["text"], (scheme, g["words"])
    text = hall.exec(program("postern"), "audit", f"{scheme}://127.0.0.1:{port}", "--no-policy").stdout
    assert f"on 127.0.0.1 port {port} did not appear to support STARTTLS." in text, text


def start_dovecot(hall, pem, ssl, lmtp, sieve, imap, pop3):
    conf = write(hall.path(f"dovecot-{ssl}.conf"), f"""
protocols = lmtp sieve imap pop3
base_dir = {hall.path('run-' + ssl)}
log_path = {hall.path('dovecot.log')}
ssl = {ssl}
ssl_cert = <{pem}
ssl_key = <{pem}
ssl_min_protocol = TLSv1.2
ssl_cipher_list = {OPENSSL}
mail_location = maildir:{hall.path('mail')}
passdb {{
    driver = static
    args = nopassword=y
}}
userdb {{
    driver = static
    args = uid=nobody gid=nogroup home=/nonexistent
}}
service lmtp {{
    inet_listener lmtp {{
        port = {lmtp}
    }}
}}
service managesieve-login {{
    inet_listener sieve {{
        port = {sieve}
    }}
}}
service imap-login {{
    inet_listener imap {{
        port = {imap}
    }}
    inet_listener imaps {{
        port = 0
    }}
}}
service pop3-login {{
    inet_listener pop3 {{
        port = {pop3}
    }}
    inet_listener pop3s {{
        port = 0
    }}
}}
""")
    hall.spawn("dovecot", "-F", "-c", conf)
    for port in (lmtp, sieve, imap, pop3):
        hall.listening(port)


def test_dovecot():
    """LMTP, ManageSieve, IMAP and POP3 of Dovecot."""
    if not installed("dovecot", "lmtp", "managesieve"):
        return
    with Hall("lmtp") as hall:
        pem = hall.certificate("rsa.pem")
        start_dovecot(hall, pem, "yes", 24, 4190, 143, 110)
        start_dovecot(hall, pem, "no", 1024, 5190, 1143, 1110)
        g = look(hall, "lmtp", 24, BOTH)
        assert "STARTTLS" in g["words"]["keywords"], g["words"]
        g = look(hall, "sieve", 4190, BOTH)
        assert "STARTTLS" in g["words"]["keywords"], g["words"]
        plain(hall, "lmtp", 1024, "250")
        plain(hall, "sieve", 5190, "OK")
        plain(hall, "imap", 1143, "a1 OK")
        plain(hall, "pop3", 1110, "UIDL")


def test_smtp():
    """Postfix without TLS; test_audit_servers has it with."""
    if not installed("postfix"):
        return
    with Hall("smtp") as hall:
        stop = start_postfix(hall, "smtpd_tls_security_level = none")
        try:
            plain(hall, "smtp", 25, "250 CHUNKING")
        finally:
            stop()


def test_ftp():
    """vsftpd."""
    if not installed("vsftpd"):
        return
    with Hall("ftp") as hall:
        pem = hall.certificate("rsa.pem")
        common = f"""listen=YES
listen_address=127.0.0.1
background=NO
anonymous_enable=NO
local_enable=YES
secure_chroot_dir={folder(hall, 'empty')}
vsftpd_log_file={hall.path('vsftpd.log')}
"""
        conf = write(hall.path("vsftpd.conf"), f"""{common}
ssl_enable=YES
rsa_cert_file={pem}
rsa_private_key_file={pem}
ssl_sslv2=NO
ssl_sslv3=NO
ssl_tlsv1=YES
ssl_ciphers={OPENSSL}
""")
        hall.spawn("vsftpd", conf)
        hall.listening(21)
        g = look(hall, "ftp", 21, BOTH)
        assert g["words"]["greeting"].startswith("220 "), g["words"]
        hall.spawn("vsftpd", write(hall.path("plain.conf"), common + "listen_port=2121\n"))
        hall.listening(2121)
        plain(hall, "ftp", 2121, "530 Please login with USER and PASS.")


def test_ldap():
    """slapd, which has GnuTLS in it."""
    if not installed("slapd"):
        return
    with Hall("ldap") as hall:
        pem = hall.certificate("rsa.pem")
        conf = write(hall.path("slapd.conf"), f"""pidfile {hall.path('slapd.pid')}
TLSCACertificateFile {pem}
TLSCertificateFile {pem}
TLSCertificateKeyFile {pem}
TLSCipherSuite {GNUTLS}
""")
        hall.spawn("slapd", "-d", "0", "-h", "ldap://127.0.0.1:389", "-f", conf)
        hall.listening(389)
        look(hall, "ldap", 389, GNUTLS_BOTH)
        conf = write(hall.path("plain.conf"), f"pidfile {hall.path('plain.pid')}\n")
        hall.spawn("slapd", "-d", "0", "-h", "ldap://127.0.0.1:1389", "-f", conf)
        hall.listening(1389)
        plain(hall, "ldap", 1389, "unsupported extended operation")


def start_prosody(hall, name, client, server, rest):
    conf = write(hall.path(name + ".cfg.lua"), f"""
pidfile = "{hall.path(name + '.pid')}"
data_path = "{folder(hall, name, 'prosody')}"
modules_enabled = {{ "disco"; "saslauth"; "dialback"; "posix"; {rest} }}
log = {{ info = "{hall.path(name + '.log')}" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client} }}
s2s_ports = {{ {server} }}
ssl = {{ certificate = "{hall.path('rsa.pem')}"; key = "{hall.path('rsa.pem')}"; protocol = "tlsv1_2+";
    ciphers = "{OPENSSL}"; curveslist = {{ "X25519" }} }}
c2s_require_encryption = false
s2s_require_encryption = false
allow_unencrypted_plain_auth = true
VirtualHost "127.0.0.1"
""")
    hall.spawn(*as_user("prosody"), "prosody", "-F", "--config", conf)
    hall.listening(client)
    hall.listening(server)


def test_xmpp():
    """Prosody, for people and for other servers."""
    if not installed("prosody"):
        return
    with Hall("xmpp") as hall:
        shutil.chown(hall.certificate("rsa.pem"), "prosody")
        shutil.chown(hall.dir, "prosody")
        start_prosody(hall, "tls", 5222, 5269, '"tls"')
        start_prosody(hall, "plain", 6222, 6269, "")
        look(hall, "xmpp", 5222, BOTH)
        look(hall, "xmpp-server", 5269, BOTH)
        plain(hall, "xmpp", 6222, "<stream:features>")
        plain(hall, "xmpp-server", 6269, "<stream:features>")
        # A name for which it does not speak.
        g = hall.gateway("xmpp://localhost:5222", "-4", "--no-policy")
        assert g["end"] == "refused" and g["connections"] == 1, (g["end"], g["connections"])
        assert "host-unknown" in g["words"]["text"] and "other domains" in g["words"]["meaning"], g["words"]


def start_mariadb(hall, port, *options):
    data = folder(hall, f"data{port}", "mysql")
    hall.spawn("mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}", f"--socket={data}/socket",
               f"--pid-file={data}/pid", "--skip-grant-tables", "--bind-address=127.0.0.1", f"--port={port}",
               "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M",
               "--innodb-data-file-path=ibdata1:2M:autoextend", "--innodb-temp-data-file-path=ibtmp1:2M:autoextend", *options)


def test_mysql():
    """MariaDB."""
    if not installed("mariadbd"):
        return
    with Hall("mysql") as hall:
        pem = hall.certificate("rsa.pem")
        shutil.chown(pem, "mysql")
        start_mariadb(hall, 3306, "--tls-version=TLSv1.2,TLSv1.3", f"--ssl-cert={pem}", f"--ssl-key={pem}",
                      f"--ssl-cipher={OPENSSL}:TLS_AES_128_GCM_SHA256")
        start_mariadb(hall, 3307, "--skip-ssl")
        hall.listening(3306)
        hall.listening(3307)
        # Its list of suites is one for all versions.
        g = look(hall, "mysql", 3306, {"TLSv1.2": TLS12, "TLSv1.3": {0x1301}})
        assert "MariaDB" in g["words"]["greeting"], g["words"]
        plain(hall, "mysql", 3307, "no SSL capability")


def test_postgres():
    """PostgreSQL."""
    root = "/usr/lib/postgresql"
    if not os.path.isdir(root):
        print("# postgresql is not installed", flush=True)
        return
    bin_ = os.path.join(root, sorted(os.listdir(root))[-1], "bin")
    with Hall("postgres") as hall:
        pem = hall.certificate("rsa.pem")
        os.chmod(pem, 0o600)
        shutil.chown(pem, "postgres", "postgres")
        data = folder(hall, "data", "postgres")
        hall.exec(*as_user("postgres"), os.path.join(bin_, "initdb"), "-D", data, "-N", "-A", "trust", "--locale=C",
                  check=True)
        server = [*as_user("postgres"), os.path.join(bin_, "postgres"), "-D", data, "-k", data, "-h", "127.0.0.1"]
        first = hall.spawn(*server, "-c", "ssl=on", "-c", f"ssl_cert_file={pem}", "-c", f"ssl_key_file={pem}",
                           "-c", f"ssl_ciphers={OPENSSL}", "-c", "ssl_min_protocol_version=TLSv1.2")
        hall.listening(5432)
        look(hall, "postgres", 5432, BOTH)
        first.send_signal(signal.SIGINT)
        first.wait(20)
        hall.spawn(*server, "-p", "5433")
        hall.listening(5433)
        plain(hall, "postgres", 5433, "N")


def test_nntp():
    """nnrpd of INN, without the rest of it."""
    if not installed("nnrpd"):
        return
    with Hall("nntp") as hall:
        pem = hall.certificate("rsa.pem")
        os.chmod(pem, 0o600)
        shutil.chown(pem, "news", "news")
        db, spool = folder(hall, "db", "news"), folder(hall, "spool", "news")
        etc = folder(hall, "etc")
        write(os.path.join(db, "active"), "control 0000000000 0000000001 n\n", "news")
        write(os.path.join(etc, "storage.conf"), "method trash {\n newsgroups: *\n class: 0\n}\n")
        write(os.path.join(etc, "readers.conf"), 'auth "all" {\n default: "<all>"\n}\n'
              'access "all" {\n users: "<all>"\n newsgroups: "*"\n}\n')
        common = f"""mta: "/bin/true %s"
domain: example.org
pathhost: news.example.org
pathnews: /usr/lib/news
pathetc: {etc}
pathdb: {db}
pathspool: {spool}
pathoverview: {spool}
pathrun: {db}
pathlog: {db}
pathtmp: {db}
hismethod: hisv6
ovmethod: tradindexed
"""
        conf = write(os.path.join(etc, "inn.conf"), f"""{common}
tlscapath: {etc}
tlscertfile: {pem}
tlskeyfile: {pem}
tlsprotocols: [ TLSv1.2 TLSv1.3 ]
tlsciphers: "{OPENSSL}"
""")
        write(os.path.join(db, "history"), "", "news")
        env = dict(os.environ, INNCONF=conf)
        hall.exec(*as_user("news"), "/usr/lib/news/bin/makedbz", "-i", "-o", "-s", "1000", "-f",
                  os.path.join(db, "history"), env=env, check=True)
        hall.exec(*as_user("news"), "/usr/lib/news/bin/makehistory", "-O", "-x", "-F", env=env, check=True)
        hall.spawn("/usr/lib/news/bin/nnrpd", "-D", "-f", "-p", "119", env=env)
        hall.listening(119)
        g = look(hall, "nntp", 119, BOTH)
        assert "STARTTLS" in g["words"]["keywords"], g["words"]
        env["INNCONF"] = write(os.path.join(etc, "plain.conf"), common)
        hall.spawn("/usr/lib/news/bin/nnrpd", "-D", "-f", "-p", "1119", env=env)
        hall.listening(1119)
        # It offers what it cannot do without a certificate.
        g = hall.gateway("nntp://127.0.0.1:1119", "--no-policy", "--deadline", "3s")
        assert g["end"] == "refused" and g["words"]["text"] == "580 Error initializing TLS", (g["end"], g["words"])


def start_inspircd(hall, name, rest):
    conf = write(hall.path(name + ".conf"), f"""
<server name="irc.example.org" description="test" network="test">
<admin name="a" nick="a" email="a@example.org">
<connect name="quick" allow="*" port="6668" resolvehostnames="no" localmax="1000" globalmax="1000" timeout="10">
<connect name="hasty" allow="*" port="6671" timeout="1">
<connect allow="*" localmax="1000" globalmax="1000" timeout="10" maxconnwarn="no">
<files motd="{write(hall.path('motd'), 'hello')}">
<dns server="127.0.0.1" timeout="1">
<pid file="{hall.path(name + '.pid')}">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="{hall.path(name + '.log')}">
{rest}
""")
    # It crashes when it is ended.
    hall.spawn("prlimit", "--core=0", "inspircd", "--runasroot", "--nofork", "--config", conf)


def test_irc():
    """InspIRCd, with GnuTLS."""
    if not installed("inspircd"):
        return
    with Hall("irc") as hall:
        pem = hall.certificate("rsa.pem")
        start_inspircd(hall, "tls", f"""
<module name="ssl_gnutls">
<module name="starttls">
<sslprofile name="own" provider="gnutls" certfile="{pem}" keyfile="{pem}" priority="{GNUTLS}">
<starttls provider="own">
<bind address="127.0.0.1" port="6667" type="clients">
<bind address="127.0.0.1" port="6668" type="clients">
""")
        start_inspircd(hall, "plain", """
<module name="cap">
<module name="ircv3">
<bind address="127.0.0.1" port="6670" type="clients">
""")
        start_inspircd(hall, "listless", '<bind address="127.0.0.1" port="6671" type="clients">')
        for port in (6667, 6668, 6670, 6671):
            hall.listening(port)
        # The witness cannot read the notice that goes in front of the answer at the first.
        g = look(hall, "irc", 6667, GNUTLS_BOTH, witness_port=6668)
        assert "NOTICE" in g["words"]["greeting"], g["words"]
        plain(hall, "irc", 6670, "CAP ")
        plain(hall, "irc", 6671, "Registration timeout")


if __name__ == "__main__":
    main(test_dovecot, test_smtp, test_ftp, test_ldap, test_xmpp, test_mysql, test_postgres, test_nntp, test_irc)
