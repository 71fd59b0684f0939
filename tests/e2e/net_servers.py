"""Real LDAP, IMAP and SMTP servers with a private CA, for test_net*.py.

Each runs in the foreground as a child of the test, with its files below one
directory that the test owns, on ports of 127.0.0.0/8 that are free.  The
address says which certificate a server shows:

    127.0.0.1  good           127.0.0.2  signed by itself
    127.0.0.3  another CA's   127.0.0.4  another host's name
    127.0.0.5  expired

What no real server does is in net_fakes.py.
"""

import base64
import itertools
import os
import shutil
import socket
import subprocess

from harness import eventually

GOOD, SELF_SIGNED, OTHER_CA, OTHER_NAME, EXPIRED = CERTIFICATES = (
    "good", "self-signed", "other-ca", "other-name", "expired")
ADDRESS = {name: "127.0.0.%d" % (i + 1) for i, name in enumerate(CERTIFICATES)}

PASSWORD = "canary-Pa55/w\u00f6rd+\"\\"
SERVICE_DN = "cn=svc,dc=example,dc=org"
SERVICE_PASSWORD = "service-canary-77"
PLAIN_USERS = ("alice", "bob", "ann+x@lab.example")

_ports = itertools.count(21000)


def free_port():
    """A port that nobody listens on, at none of the addresses, and that no
    connection gets for its own end: those are from 32768 on.  The network is
    the test's own."""
    return next(_ports)


def within(seconds, what, condition):
    eventually(condition, seconds, what, pause=0.01)


def listens(address, port):
    with socket.socket() as s:
        return s.connect_ex((address, port)) == 0


class Authority:
    """A CA and the certificates that the servers show."""

    def __init__(self, directory):
        self.dir = directory
        self._sign_itself("ca", "the tests' CA", "basicConstraints=critical,CA:TRUE")
        self._sign_itself("other-authority", "another CA", "basicConstraints=critical,CA:TRUE")
        self._sign_itself(SELF_SIGNED, "127.0.0.1", "subjectAltName=IP:127.0.0.1")
        self._sign(GOOD, "ca", "IP:127.0.0.1", 2)
        self._sign(OTHER_CA, "other-authority", "IP:127.0.0.1", 2)
        self._sign(OTHER_NAME, "ca", "DNS:other.example,IP:127.0.0.9", 2)
        self._sign(EXPIRED, "ca", "IP:127.0.0.1", -1)
        self.ca = self.path("ca.pem")

    def path(self, name):
        return os.path.join(self.dir, name)

    def _openssl(self, *args):
        subprocess.run(("openssl",) + args, check=True, cwd=self.dir,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _sign_itself(self, name, subject, extension):
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-keyout", name + ".key", "-out", name + ".pem", "-days", "2",
                      "-subj", "/CN=" + subject, "-addext", extension)
        os.chmod(self.path(name + ".key"), 0o644)

    def _sign(self, name, by, names, days):
        with open(self.path(name + ".ext"), "w") as f:
            f.write("subjectAltName=%s\n" % names)
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        self._openssl("x509", "-req", "-in", name + ".csr", "-CA", by + ".pem",
                      "-CAkey", by + ".key", "-CAcreateserial", "-extfile", name + ".ext",
                      "-days", str(days), "-out", name + ".pem")
        os.chmod(self.path(name + ".key"), 0o644)


class Daemon:
    """A server program in the foreground."""

    def __init__(self, directory, *command, **environment):
        self.log = os.path.join(directory, "output.log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ("setpriv", "--pdeathsig", "TERM") + command, cwd=directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
                         **environment))

    def ready(self, *endpoints):
        def up():
            if self.process.poll() is not None:
                with open(self.log) as log:
                    raise AssertionError("%s ended:\n%s" % (self.process.args[3], log.read()))
            return all(listens(*endpoint) for endpoint in endpoints)
        within(15, self.process.args[3], up)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


SLAPD = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {dir}/slapd.pid
argsfile {dir}/slapd.args
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}.pem
TLSCertificateKeyFile {certificate}.key
TLSProtocolMin 3.3
allow bind_anon_dn
{more}
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
directory {dir}/data
maxsize 10485760
index objectClass,uid,mail eq
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=open,dc=example,dc=org" by * read
access to * by dn.exact="cn=svc,dc=example,dc=org" read by self read by anonymous auth by * none
overlay memberof
"""

# The user's uid, the entry's DN, its mail.
PEOPLE = (
    ("alice", "uid=alice,ou=people", ("not an address", "alice@lab.example")),
    ("bob", "uid=bob,ou=people", ()),
    ("ann+x@lab.example", "uid=ann\\+x@lab.example,ou=people", ("ann+x@lab.example",)),
    ("carla", 'cn=Comma\\, \\"Carla\\" \\+ Co,ou=people', ("carla@lab.example",)),
    ("zo\u00eb", "uid=zo\u00eb,ou=people", ()),
    ("al*", "uid=al*,ou=people", ()),
    ("x)(uid=*", "uid=x)(uid\\3D*,ou=people", ()),
    ("twin", "cn=one,ou=people", ()),
    ("twin", "cn=two,ou=other", ()),
    ("open", "uid=open,ou=open", ()),
    ("locked", "uid=locked,ou=people", ()),  # it has no password
)

GROUPS = (
    ("cn=desktop,ou=groups", ("alice", "carla")),
    ("cn=admin\\, real,ou=groups", ("alice",)),
    ("cn=staff,ou=open", ("open",)),
    ("cn=admins,ou=people", ("alice",)),  # not below ou=groups
)

SUFFIX = "dc=example,dc=org"


def directory_ldif():
    """All of the directory; memberOf, too, since slapadd runs no overlay."""
    entries = [
        (SUFFIX, [("objectClass", "dcObject"), ("objectClass", "organization"),
                  ("o", "Example"), ("dc", "example")]),
        (SERVICE_DN, [("objectClass", "organizationalRole"),
                      ("objectClass", "simpleSecurityObject"), ("cn", "svc"),
                      ("userPassword", SERVICE_PASSWORD)])]
    for unit in ("people", "other", "groups", "open"):
        entries.append(("ou=%s,%s" % (unit, SUFFIX),
                        [("objectClass", "organizationalUnit"), ("ou", unit)]))
    dns = {}
    for uid, dn, mails in PEOPLE:
        dns[uid] = dn + "," + SUFFIX
        lines = [("objectClass", "inetOrgPerson"), ("sn", "x"), ("uid", uid)]
        lines += [("cn", "x")] if dn.startswith("uid=") else []
        lines += [("mail", mail) for mail in mails]
        lines += [("userPassword", PASSWORD)] if uid != "locked" else []
        lines += [("memberOf", group + "," + SUFFIX) for group, members in GROUPS
                  if uid in members]
        entries.append((dns[uid], lines))
    for dn, members in GROUPS:
        entries.append((dn + "," + SUFFIX, [("objectClass", "groupOfNames")]
                        + [("member", dns[member]) for member in members]))

    def line(name, value):
        return "%s:: %s\n" % (name, base64.b64encode(value.encode()).decode())
    return "\n".join(line("dn", dn) + "".join(line(*pair) for pair in lines)
                     for dn, lines in entries)


class Slapd(Daemon):
    """slapd with one certificate: self.port in clear or StartTLS, and
    self.tls_port."""

    def __init__(self, directory, authority, certificate, more):
        os.makedirs(os.path.join(directory, "data"))
        self.port, self.tls_port = free_port(), free_port()
        address = ADDRESS[certificate]
        conf = os.path.join(directory, "slapd.conf")
        ldif = os.path.join(directory, "all.ldif")
        with open(conf, "w") as f:
            f.write(SLAPD.format(dir=directory, ca=authority.ca, more=more,
                                 certificate=authority.path(certificate)))
        with open(ldif, "w") as f:
            f.write(directory_ldif())
        subprocess.run(("slapadd", "-q", "-f", conf, "-l", ldif), check=True)
        super().__init__(directory, "slapd", "-d", "0", "-f", conf, "-h",
                         "ldap://%s:%d/ ldaps://%s:%d/" % (address, self.port, address,
                                                           self.tls_port))
        self.endpoints = ((address, self.port), (address, self.tls_port))


DOVECOT = """
base_dir = {dir}/run
state_dir = {dir}/run
instance_name = qwd-net-test
log_path = {dir}/dovecot.log
protocols = imap
listen = {addresses}
ssl = required
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_username_chars =
auth_failure_delay = 0
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/passwd
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={dir}/mail mail=maildir:{dir}/mail
}}
first_valid_gid = 1
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
ssl_cert = <{certificates}/good.pem
ssl_key = <{certificates}/good.key
"""

DOVECOT_CERTIFICATE = """
local {address} {{
  ssl_cert = <{certificate}.pem
  ssl_key = <{certificate}.key
}}
"""


class Dovecot(Daemon):
    def __init__(self, directory, authority):
        self.port, self.tls_port = free_port(), free_port()
        conf = os.path.join(directory, "dovecot.conf")
        os.mkdir(os.path.join(directory, "mail"))
        shutil.chown(os.path.join(directory, "mail"), "nobody", "nogroup")
        with open(conf, "w") as f:
            f.write(DOVECOT.format(dir=directory, port=self.port, tls_port=self.tls_port,
                                   addresses=" ".join(ADDRESS.values()),
                                   certificates=authority.dir))
            for name in CERTIFICATES[1:]:
                f.write(DOVECOT_CERTIFICATE.format(address=ADDRESS[name],
                                                   certificate=authority.path(name)))
        with open(os.path.join(directory, "passwd"), "w") as f:
            for user in PLAIN_USERS:
                f.write("%s:{PLAIN}%s\n" % (user, PASSWORD))
        super().__init__(directory, "dovecot", "-F", "-c", conf)
        self.endpoints = [(address, port) for address in ADDRESS.values()
                          for port in (self.port, self.tls_port)]


EXIM = """
primary_hostname = localhost
spool_directory = {dir}/spool
log_file_path = {dir}/log/%slog
pid_file_path = {dir}/exim.pid
exim_user = Debian-exim
exim_group = Debian-exim
deliver_drop_privilege = true
daemon_smtp_ports = {port} : {tls_port} : {simple_port}
tls_on_connect_ports = {tls_port}
local_interfaces = {addresses}
tls_advertise_hosts = *
tls_certificate = {certificates}/${{lookup{{$received_ip_address}}lsearch{{{dir}/names}}}}.pem
tls_privatekey = {certificates}/${{lookup{{$received_ip_address}}lsearch{{{dir}/names}}}}.key
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_mail = accept
acl_smtp_rcpt = recipient
acl_smtp_data = accept
host_lookup =
rfc1413_hosts =
smtp_accept_max_per_connection = 10
begin acl
recipient:
  deny domains = never.example
       message = no such place
  defer domains = later.example
        message = try later
  accept authenticated = *
  accept condition = ${{if eq{{$received_port}}{{{simple_port}}}}}
  deny message = authentication required
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  maildir_format
  directory = {dir}/mail
  create_directory
  user = Debian-exim
  envelope_to_add
  return_path_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{!eq{{$auth3}}{{}}}}\
{{eq{{$auth3}}{{${{lookup{{$auth2}}lsearch{{{dir}/passwords}}{{$value}}{{}}}}}}}}}}}}
  server_set_id = $auth2
"""


class Exim(Daemon):
    def __init__(self, directory, authority):
        self.dir = directory
        self.port, self.tls_port, self.simple_port = free_port(), free_port(), free_port()
        conf = os.path.join(directory, "exim.conf")
        for name in ("spool", "log", "mail"):
            os.mkdir(os.path.join(directory, name))
            shutil.chown(os.path.join(directory, name), "Debian-exim", "Debian-exim")
        with open(conf, "w") as f:
            f.write(EXIM.format(dir=directory, port=self.port, tls_port=self.tls_port,
                                simple_port=self.simple_port, certificates=authority.dir,
                                addresses=" : ".join(ADDRESS.values())))
        with open(os.path.join(directory, "names"), "w") as f:
            for name, address in ADDRESS.items():
                f.write("%s: %s\n" % (address, name))
        with open(os.path.join(directory, "passwords"), "w") as f:
            for user in PLAIN_USERS:
                f.write('"%s": %s\n' % (user, PASSWORD))
        super().__init__(directory, "exim4", "-C", conf, "-bdf")
        self.endpoints = [(address, port) for address in ADDRESS.values()
                          for port in (self.port, self.tls_port, self.simple_port)]

    def mails(self):
        """The mails that have arrived, as bytes; they are taken away."""
        new = os.path.join(self.dir, "mail", "new")
        texts = []
        for name in sorted(os.listdir(new)) if os.path.isdir(new) else ():
            path = os.path.join(new, name)
            with open(path, "rb") as f:
                texts.append(f.read())
            os.unlink(path)
        return texts
