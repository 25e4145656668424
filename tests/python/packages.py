"""Lets package managers judge the files of a published token of AWS CodeArtifact: packages.py <folder> <scratch>

The folder holds the data of the Secret. Each program that the machine has asks a repository for a package, with the
file where the program looks for it. What the URLs in the files name is played by a proxy on loopback, which is itself
the end of every tunnel: it knows what AWS documents of credentials, and one tiny package in each format.

Prints for each what it asked and with which credentials, and whether it has the package."""

import base64
import configparser
import datetime
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import xml.etree.ElementTree
import zipfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

folder, scratch = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
TOKEN = (folder / "token").read_text()
BEARER = f"Bearer {TOKEN}"
BASIC = "Basic " + base64.b64encode(f"aws:{TOKEN}".encode()).decode()
# What AWS's guide to each format says to send. Cargo sends what it is given: the guide to Cargo gives it the token
# alone, other pages send a bearer token to the same URLs.
RIGHT = {"npm": [BEARER], "pypi": [BASIC], "maven": [BASIC], "cargo": [TOKEN, BEARER]}
FILES = [file.read_text() for file in folder.iterdir() if file.is_file()]
HOST = re.search(r"[\w-]+\.d\.codeartifact\.[\w.-]+", "\n".join(FILES))[0]
PASSWORD = "changeit"
# Longest that one program takes, on a loaded machine.
PATIENCE = 120


def certificates():
    """Writes an authority's certificate for programs and for Java, and a server's with its key."""
    names = {name: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority", "server")}
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in names}
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)

    def certificate(name, *extensions):
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[name])
            .issuer_name(names["authority"])
            .public_key(keys[name].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - hour)
            .not_valid_after(now + hour)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[name].public_key()), critical=False)
        )
        issuer = keys["authority"].public_key()
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(keys["authority"], hashes.SHA256())

    signs = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    signs |= {"digital_signature": True, "encipher_only": False, "decipher_only": False}
    authority = certificate(
        "authority",
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.KeyUsage(key_cert_sign=True, crl_sign=True, **signs), True),
    )
    server = certificate("server", (x509.SubjectAlternativeName([x509.DNSName(HOST)]), False))
    pem = serialization.Encoding.PEM
    (scratch / "ca.pem").write_bytes(authority.public_bytes(pem))
    key = keys["server"].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (scratch / "server.pem").write_bytes(server.public_bytes(pem) + key)
    store = [pkcs12.PKCS12Certificate(authority, b"authority")]
    encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
    (scratch / "ca.p12").write_bytes(pkcs12.serialize_java_truststore(store, encryption))


def tar(**files):
    """A compressed archive of these files, the same at each request."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as out:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            out.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(archive.getvalue(), mtime=0)


def zipped(**files):
    """The same, as wheels are packed."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        for name, text in files.items():
            out.writestr(zipfile.ZipInfo(name), text)
    return archive.getvalue()


def npm(root):
    package = {"name": "tiny", "version": "1.0.0"}
    archive = tar(**{"package/package.json": json.dumps(package)})
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    dist = {"tarball": f"https://{HOST}{root}/tiny/-/tiny-1.0.0.tgz", "integrity": integrity}
    versions = {"1.0.0": {**package, "dist": dist}}
    about = {"name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": versions}
    return {"/tiny": json.dumps(about).encode(), "/tiny/-/tiny-1.0.0.tgz": archive}


def pypi(root):
    info, name = "tiny-1.0.0.dist-info", "tiny-1.0.0-py3-none-any.whl"
    files = {
        "tiny.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
    }
    page = f'<!DOCTYPE html><html><body><a href="1.0.0/{name}">{name}</a></body></html>'
    return {"/simple/tiny/": page.encode(), f"/simple/tiny/1.0.0/{name}": zipped(**files)}


def maven(root):
    pom = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>com.example</groupId><artifactId>tiny</artifactId><version>1.0.0</version><packaging>pom</packaging></project>
""".encode()
    path = "/com/example/tiny/1.0.0/tiny-1.0.0.pom"
    return {path: pom, f"{path}.sha1": hashlib.sha1(pom).hexdigest().encode()}


def cargo(root):
    manifest = '[package]\nname = "tiny"\nversion = "1.0.0"\nedition = "2021"\n'
    archive = tar(**{"tiny-1.0.0/Cargo.toml": manifest, "tiny-1.0.0/src/lib.rs": ""})
    url = f"https://{HOST}{root}"
    line = {"name": "tiny", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False}
    line["cksum"] = hashlib.sha256(archive).hexdigest()
    return {
        "/config.json": json.dumps({"dl": f"{url}/api/v1/crates", "api": url, "auth-required": True}).encode(),
        "/ti/ny/tiny": json.dumps(line).encode() + b"\n",
        "/api/v1/crates/tiny/1.0.0/download": archive,
    }


class Repositories(http.server.BaseHTTPRequestHandler):
    """Opens a tunnel to the host of the repositories and to no other, and answers in it."""

    protocol_version = "HTTP/1.1"
    asked = []

    def do_CONNECT(self):
        if self.path != f"{HOST}:443":
            self.asked.append((f"CONNECT {self.path}", "wrong"))
            self.answer(403, b"")
            return
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(scratch / "server.pem")
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def do_GET(self):
        _, kind, repository, *_ = self.path.split("/") + ["", ""]
        given = self.headers.get("Authorization")
        credentials = "none" if given is None else "right" if given in RIGHT.get(kind, []) else "wrong"
        self.asked.append((f"{self.command} {self.path}", credentials))
        if credentials != "right":
            self.answer(401, b"", **{"WWW-Authenticate": 'Basic realm="AWS CodeArtifact"'})
            return
        root = f"/{kind}/{repository}"
        content = PACKAGES[kind](root).get(self.path.removeprefix(root).partition("?")[0])
        kinds = {"/": "text/html", ".json": "application/json"}
        kind = next((kind for end, kind in kinds.items() if self.path.endswith(end)), "application/octet-stream")
        self.answer(200 if content else 404, content or b"", **{"Content-Type": kind})

    do_HEAD = do_POST = do_PUT = do_GET

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


PACKAGES = {"npm": npm, "pypi": pypi, "maven": maven, "cargo": cargo}


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, address):
        """Clients may close at any time."""


def run(*command, cwd, **environment):
    """Runs a program: whether it succeeded, and what it said."""
    known = {name: os.environ[name] for name in ("PATH", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN") if name in os.environ}
    home = pathlib.Path(pwd.getpwuid(os.getuid()).pw_dir)
    known.setdefault("RUSTUP_HOME", str(home / ".rustup"))
    environment = known | {"HOME": str(cwd), "HTTPS_PROXY": PROXY, "https_proxy": PROXY} | environment
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env={name: str(value) for name, value in environment.items()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # What it starts is ended with it.
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        said += f"\nnot within {PATIENCE} seconds"
    return process.returncode == 0, said


def space(name):
    path = scratch / name
    path.mkdir()
    return path


def by_npm():
    cwd = space("npm")
    environment = {
        "NPM_CONFIG_USERCONFIG": folder / ".npmrc",
        "NPM_CONFIG_GLOBALCONFIG": cwd / "none",
        "NPM_CONFIG_CACHE": cwd / "cache",
        "NPM_CONFIG_CAFILE": scratch / "ca.pem",
        "NPM_CONFIG_HTTPS_PROXY": PROXY,
        "NPM_CONFIG_FETCH_RETRIES": "0",
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    }
    ok, said = run("npm", "pack", "tiny", cwd=cwd, **environment)
    # It would say so of a line that it does not know.
    return ok and (cwd / "tiny-1.0.0.tgz").exists() and "npm warn" not in said.lower(), said


def by_pip():
    cwd = space("pip")
    environment = {
        "PIP_CONFIG_FILE": folder / "pip.conf",
        "PIP_CERT": scratch / "ca.pem",
        "PIP_PROXY": PROXY,
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    ok, said = run(sys.executable, "-m", "pip", "download", "--no-deps", "tiny", cwd=cwd, **environment)
    return ok and (cwd / "tiny-1.0.0-py3-none-any.whl").exists(), said


def by_cargo():
    cwd, home = space("cargo"), space("cargo-home")
    for name in ("config.toml", "credentials.toml"):
        (home / name).symlink_to(folder / name)
    (cwd / "src").mkdir()
    (cwd / "src" / "lib.rs").write_text("")
    manifest = '[package]\nname = "user"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\ntiny = "1"\n'
    (cwd / "Cargo.toml").write_text(manifest)
    environment = {
        "CARGO_HOME": home,
        "CARGO_HTTP_PROXY": PROXY,
        "CARGO_HTTP_CAINFO": scratch / "ca.pem",
        "CARGO_NET_RETRY": "0",
    }
    ok, said = run("cargo", "fetch", cwd=cwd, **environment)
    return ok and any(home.glob("registry/src/*/tiny-1.0.0/Cargo.toml")) and "warning" not in said, said


def by_mvn():
    """It resolves the parent of a project, which needs no plugin."""
    cwd = space("mvn")
    (cwd / "pom.xml").write_text(
        """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><parent>
<groupId>com.example</groupId><artifactId>tiny</artifactId><version>1.0.0</version><relativePath/></parent>
<artifactId>user</artifactId><packaging>pom</packaging></project>
"""
    )
    host, port = PROXY.removeprefix("http://").split(":")
    java = {
        "https.proxyHost": host,
        "https.proxyPort": port,
        "javax.net.ssl.trustStore": scratch / "ca.p12",
        "javax.net.ssl.trustStorePassword": PASSWORD,
        "user.home": cwd,
    }
    environment = {"MAVEN_OPTS": " ".join(f"-D{name}={value}" for name, value in java.items()), "MAVEN_SKIP_RC": "1"}
    options = ["--batch-mode", "--settings", folder / "settings.xml", f"-Dmaven.repo.local={cwd / 'repository'}"]
    ok, said = run("mvn", *options, "validate", cwd=cwd, **environment)
    found = (cwd / "repository/com/example/tiny/1.0.0/tiny-1.0.0.pom").exists()
    return ok and found and "[WARNING]" not in said, said


def by_twine():
    """As twine reads it."""
    parser = configparser.RawConfigParser()
    parser.read_string((folder / ".pypirc").read_text())
    servers = parser.get("distutils", "index-servers").split()
    found = [dict(parser.items(server)) for server in servers]
    repository = f"https://{HOST}/pypi/"
    ok = len(found) == 1 and found[0].pop("repository").startswith(repository)
    return ok and found == [{"username": "aws", "password": TOKEN}], str(found)


def by_java():
    """Gradle's properties, as Java reads them."""
    cwd = space("java")
    (cwd / "Show.java").write_text(
        """class Show {
    public static void main(String[] files) throws Exception {
        var properties = new java.util.Properties();
        try (var file = java.nio.file.Files.newInputStream(java.nio.file.Path.of(files[0]))) { properties.load(file); }
        for (var name : properties.stringPropertyNames()) System.out.println(name + " " + properties.get(name));
    }
}
"""
    )
    ok, said = run("java", "Show.java", folder / "gradle.properties", cwd=cwd)
    found = dict(line.split(" ", 1) for line in said.splitlines()) if ok else {}
    ok = found.pop("codeArtifactUrl", "").startswith(f"https://{HOST}/maven/")
    return ok and found == {"codeArtifactUsername": "aws", "codeArtifactPassword": TOKEN}, said


def by_xml():
    """NuGet's file: a source, and the credentials of what has its name."""
    root = xml.etree.ElementTree.fromstring((folder / "NuGet.Config").read_bytes())
    (source,) = root.findall("packageSources/add")
    entries = root.findall(f"packageSourceCredentials/{source.get('key')}/add")
    found = {entry.get("key"): entry.get("value") for entry in entries}
    ok = re.fullmatch(rf"https://{re.escape(HOST)}/nuget/[^/]+/v3/index\.json", source.get("value"))
    return bool(ok) and found == {"Username": "aws", "ClearTextPassword": TOKEN}, str(found)


# The file by which each is configured, what has to be on the machine for it, and whether it asks for a package.
JUDGES = {
    "npm": (".npmrc", ["npm"], by_npm, True),
    "pip": ("pip.conf", [], by_pip, True),
    "cargo": ("config.toml", ["cargo", "rustc"], by_cargo, True),
    "mvn": ("settings.xml", ["mvn", "java"], by_mvn, True),
    "twine": (".pypirc", [], by_twine, False),
    "gradle": ("gradle.properties", ["java", "javac"], by_java, False),
    "nuget": ("NuGet.Config", [], by_xml, False),
}


def shown(said):
    """The end of what was said, without the token in any of its forms."""
    quoted = TOKEN.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    for secret in (TOKEN, quoted, BASIC.removeprefix("Basic ")):
        said = said.replace(secret, "<token>")
    return said[-2000:]


def judged(file, programs, judge, asks):
    if not (folder / file).exists():
        return {"ran": False, "why": f"{file} is not published"}
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        return {"ran": False, "why": f"not on this machine: {', '.join(missing)}"}
    Repositories.asked.clear()
    try:
        ok, said = judge()
    except Exception as error:
        ok, said = False, repr(error)
    asked, given = list(Repositories.asked), {credentials for _, credentials in Repositories.asked}
    right = "wrong" not in given and "right" in given
    verdict = {"ran": True, "ok": ok and (right or not asks)}
    if asks:
        verdict |= {"asked": [f"{what} ({credentials})" for what, credentials in asked], "credentials": right}
    return verdict | ({} if verdict["ok"] else {"said": shown(said)})


scratch.mkdir(exist_ok=True)
certificates()
server = Server(("127.0.0.1", 0), Repositories)
PROXY = "http://127.0.0.1:%d" % server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({name: judged(*judge) for name, judge in JUDGES.items()}))
server.shutdown()
