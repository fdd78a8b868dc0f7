"""A host for the phone library, as small as one can be: sockets, files, clocks, and nothing else.

What an app does in Kotlin or Swift is done here with Python's standard library: it pins the
authority of the QR code, carries the bytes, and says in one word what went wrong on the way.
"""

import http.client
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
TIMEOUT_S = 20
# Codes of OpenSSL: the certificate is not yet valid, or has expired.
CLOCK_CODES = (9, 10)


def load_binding(profile="sim"):
    """Writes the binding from the built library and imports it. All of it stays below target/."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target"))
    built = Path(os.environ.get("MOBILE_FFI_DIR", target / profile))
    into = target / "python"
    suffix = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
    library = built / f"libmobile_ffi{suffix}"
    subprocess.run(
        [built / "examples" / "uniffi-bindgen", library, into, "python"],
        check=True,
        cwd=REPO,
        stdout=subprocess.DEVNULL,
    )
    # a new name each time: the old file may be mapped by a run that still goes on
    beside = into / f"new-{os.getpid()}{suffix}"
    shutil.copyfile(library, beside)
    beside.replace(into / library.name)
    sys.path.insert(0, str(into))
    import mobile_ffi

    return mobile_ffi


def trust(ca_der):
    """Trusts the authority of the QR code and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if ca_der:
        context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(ca_der))
    return context


def post(server, path, body, context=None):
    """One request; gives status and body."""
    where = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPSConnection(
        where.hostname,
        where.port or 443,
        timeout=TIMEOUT_S,
        context=context or trust(server.ca_der),
    )
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def failure_of(error, ffi):
    """In one word, what the screen needs to know. The order matters: a fault of a certificate is
    also a fault of TLS and of the operating system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in CLOCK_CODES:
            return ffi.VisitFailure.TLS_CLOCK
        return ffi.VisitFailure.TLS_OTHER
    if isinstance(error, ssl.SSLError):
        return ffi.VisitFailure.TLS_OTHER
    if isinstance(error, TimeoutError):
        return ffi.VisitFailure.TIMEOUT
    if isinstance(error, http.client.HTTPException):
        return ffi.VisitFailure.HTTP_STATUS
    return ffi.VisitFailure.NO_NETWORK


class Host:
    """One phone: its file, its key from a keystore, and the number that no backup holds."""

    def __init__(self, ffi, path):
        self.ffi = ffi
        self.path = str(path)
        self.key = secrets.token_bytes(32)
        self.high_water = 0
        # seconds that this phone's clock is ahead
        self.ahead_s = 0
        self.bytes_up = self.bytes_down = 0
        self.phone = None
        self.open()

    def open(self):
        self.phone = None  # gives the file back first
        self.phone = self.ffi.Phone.open(self.path, self.key, self.high_water, self.now())

    def now(self):
        return int(time.time()) + self.ahead_s

    def clock(self):
        return self.ffi.Clock(wall_s=self.now(), mono_s=int(time.monotonic()) & 0xFFFFFFFF)

    def enrol(self, code):
        step = self.phone.enrol_begin(code)
        status, body = post(self.phone.server(), "/v1/enrol", step.body)
        self.phone.enrol_finish(status, body)
        return step

    def save(self, member, type_id, values):
        group = self.phone.groups()[0].id
        saved = self.phone.save(group, member, None, type_id, values, self.clock())
        self.high_water = saved.high_water
        return saved.record

    def edit(self, member, record, values):
        saved = self.phone.answer(record, member, values, self.clock())
        self.high_water = saved.high_water

    def visit(self, context=None):
        """One visit; tells the phone when it failed, and gives None then."""
        visit = self.phone.request(16_000, 0)
        try:
            status, body = post(self.phone.server(), "/v1/sync", visit.body, context)
        except (OSError, http.client.HTTPException) as error:
            self.phone.visit_failed(visit.id, failure_of(error, self.ffi), self.now())
            return None
        self.bytes_up += len(visit.body)
        self.bytes_down += len(body)
        done = self.phone.response(visit.id, status, body, self.now())
        self.high_water = done.high_water
        return done

    def sync(self):
        """Visits until nothing more waits; gives how many changes were received."""
        received = 0
        for _ in range(20):
            done = self.visit()
            if done is None:
                raise AssertionError(f"the visit failed: {self.phone.last_problem()}")
            received += done.received_now
            if not done.again:
                return received
        raise AssertionError("the visits have no end")
