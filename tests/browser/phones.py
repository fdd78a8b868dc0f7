"""The server and the phones, led by lines of JSON: one request a line, one answer a line.

The browser's side is in another language, so it cannot call the binding itself. Everything here
is what the story of the phone library uses too.
"""

import json
import sys
import tempfile
import traceback
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "mobile-ffi" / "python"))

import host  # noqa: E402
import story  # noqa: E402

PASSWORD = story.PASSWORD
GROUP_NAME = "Tổ an ninh ấp Giữa"
AREA_GONE = "ab" * 16


class World:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.server = story.Server(self.directory / "server")
        self.phones = {}
        self.devices = {}

    def start(self):
        self.server.start()
        run = self.server.run
        self.group = run("group", "add", GROUP_NAME, "--area", story.COMMUNE)
        add = ["member", "add", "Trần Thị Mẫu", "--group", self.group]
        self.member = int(run(*add))
        add = ["member", "add", "Nguyễn Văn Mẫu", "--group", self.group, "--role", "leader"]
        self.leader = int(run(*add))
        add = ["officer", "add", "can-bo", "--role", "commune_officer", "--area", story.COMMUNE]
        run(*add, "--password-stdin", stdin=PASSWORD + "\n")
        return {
            "address": f"https://{self.server.listen}",
            "password": PASSWORD,
            "group": self.group,
            "group_name": GROUP_NAME,
        }

    def enrol(self, phone, code):
        self.phones[phone] = host.Host(story.ffi, self.directory / f"{phone}.store")
        return {"digits": self.phones[phone].enrol(code).digits}

    def enrol_unconfirmed(self, phone):
        printed = self.server.run("enrol", "--group", self.group)
        code = next(line for line in printed.splitlines() if line.startswith("BINHYEN1:"))
        return self.enrol(phone, code)

    def enrol_confirmed(self, phone):
        digits = self.enrol_unconfirmed(phone)["digits"]
        listed = self.server.run("device", "list").splitlines()
        device = next(line for line in listed if digits in line).split()[0]
        self.devices[phone] = device
        self.server.run("device", "confirm", device, digits)
        return self.sync(phone)

    def sync(self, phone):
        received = self.phones[phone].sync()
        status = self.phones[phone].phone.status()
        return {"received": received, "confirmed": status.confirmed, "records": status.records}

    def _writer(self, phone):
        return self.leader if phone == "bo" else self.member

    def patrol(self, phone, text, area=None):
        it = self.phones[phone]
        values = story.patrol(it.phone, text)
        if area:
            values[0] = story.put("area_id", story.Value.AREA(id=area))
        return it.save(self._writer(phone), "patrol", values)

    def patrol_in_an_area_that_is_gone(self, phone, text):
        return self.patrol(phone, text, AREA_GONE)

    def late_patrol(self, phone, text):
        """A patrol that comes after its phone was revoked."""
        self.enrol_confirmed(phone)
        record = self.patrol(phone, text)
        self.server.run("device", "revoke", self.devices[phone])
        self.sync(phone)
        return record

    def officer(self, name, role):
        add = ["officer", "add", name, "--role", role, "--area", story.COMMUNE]
        self.server.run(*add, "--password-stdin", stdin=PASSWORD + "\n")

    def edit(self, phone, record, field, text):
        self.phones[phone].edit(self._writer(phone), record, [story.words(field, text)])

    def remarks(self, phone, record):
        page = self.phones[phone].phone.read(record)
        keys = ("field", "field_label", "state", "reason", "words", "asks")
        said = [{key: getattr(row, key) for key in keys} for row in page.remarks]
        badge = page.badge
        return {"remarks": said, "state": badge.state, "unanswered": badge.unanswered}

    def value(self, phone, record, field):
        return story.field(self.phones[phone], record, field).value.text

    def verify(self):
        return self.server.run("verify")

    def end(self):
        for phone in self.phones.values():
            phone.phone = None
        self.server.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="binhyen-browser-") as directory:
        world = World(directory)
        try:
            for line in sys.stdin:
                asked = json.loads(line)
                try:
                    answer = {"ok": getattr(world, asked["do"])(*asked["with"])}
                except Exception:
                    answer = {"error": traceback.format_exc()}
                print(json.dumps(answer), flush=True)
        finally:
            world.end()


if __name__ == "__main__":
    main()
