#!/usr/bin/env python3
"""The full story: two phones, through the Python binding, against the real server over TLS.

    BINHYEN=target/sim/binhyen mobile-ffi/python/story.py

One line for each step; at the end the counts. Nothing is left behind.
"""

import http.client
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import traceback
import urllib.parse
from pathlib import Path

import host

BINHYEN = os.environ.get("BINHYEN", str(host.REPO / "target" / "sim" / "binhyen"))
COMMUNE = "10525"  # any commune of the built-in table
PASSWORD = "mật khẩu của cán bộ mẫu"
ffi = host.load_binding()
Value = ffi.InputValue


# --- the server ------------------------------------------------------------------------------


class Server:
    def __init__(self, data):
        self.data = str(data)
        self.process = None
        self.listen = "127.0.0.1:0"

    def start(self):
        self.process = subprocess.Popen(
            [BINHYEN, "--data", self.data, "serve", "--listen", self.listen],
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        found = re.search(r"https://([0-9.]+:\d+)", line)
        assert found, f"the server did not start: {line!r}"
        self.listen = found.group(1)  # the same port after a new start

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process = None

    def run(self, *words, stdin=""):
        done = subprocess.run(
            [BINHYEN, "--data", self.data, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{words}: {done.stdout} {done.stderr}"
        return done.stdout.strip()


class Console:
    """An officer's browser: cookies, forms and nothing else."""

    def __init__(self, server, context):
        where = urllib.parse.urlsplit(server.url)
        self.address = (where.hostname, where.port)
        self.context = context
        self.cookies = {}

    def ask(self, method, path, form=None):
        connection = http.client.HTTPSConnection(*self.address, timeout=20, context=self.context)
        headers = {"cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form)
            headers["content-type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            for line in answer.headers.get_all("set-cookie") or []:
                name, _, rest = line.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    @staticmethod
    def hidden(page, name):
        found = re.search(rf'name="{name}" value="([^"]*)"', page)
        assert found, f"no field {name} in the page"
        return found.group(1)

    def sign_in(self, name, password):
        _, page = self.ask("GET", "/console/sign-in")
        form = {"token": self.hidden(page, "token"), "name": name, "password": password}
        status, page = self.ask("POST", "/console/sign-in", form)
        assert status == 303, f"signing in: {status} {page[:400]}"

    def record(self, record):
        status, page = self.ask("GET", f"/console/record/{record}")
        assert status == 200, f"the record's page: {status}"
        return page

    def review(self, record, form):
        page = self.record(record)
        form = {"token": self.hidden(page, "token"), "heads": self.hidden(page, "heads"), **form}
        status, answer = self.ask("POST", f"/console/record/{record}/review", form)
        assert status == 303, f"the review: {status} {answer[:400]}"


# --- what people type ------------------------------------------------------------------------


def put(field, value, item=0):
    return ffi.FieldInput(field=field, item=item, value=value)


def words(field, text):
    return put(field, Value.TEXT(text=text))


def at(hour):
    day = ffi.DayInput(year=2026, month=11, day=20)
    return ffi.TimeInput(day=day, hour=hour, minute=30, offset_minutes=420)


def patrol(phone, summary):
    return [
        put("area_id", Value.AREA(id=phone.groups()[0].area)),
        put("occurred", Value.INTERVAL(start=at(20), end=at(22))),
        put("members_present", Value.NUMBER(text="៣")),
        put("mode", Value.CHOICE(id="boat")),
        put("findings", Value.CHOICES(ids=["noise", "light_out"])),
        words("summary", summary),
    ]


def field(host_, record, name):
    page = host_.phone.read(record)
    return next(row for row in page.fields if row.id == name)


# --- the steps -------------------------------------------------------------------------------


class Story:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.server = Server(self.directory / "server")
        self.console = None

    def the_server_starts_with_a_group_two_members_and_an_officer(self):
        self.server.start()
        run = self.server.run
        self.group = run("group", "add", "Tổ an ninh ấp Giữa", "--area", COMMUNE)
        self.member = int(run("member", "add", "Trần Thị Mẫu", "--group", self.group))
        self.leader = int(
            run("member", "add", "Nguyễn Văn Mẫu", "--group", self.group, "--role", "leader")
        )
        add = ["officer", "add", "can-bo", "--role", "commune_officer", "--area", COMMUNE]
        run(*add, "--password-stdin", stdin=PASSWORD + "\n")
        assert (self.member, self.leader) == (1, 2)

    def code(self):
        printed = self.server.run("enrol", "--group", self.group)
        return next(line for line in printed.splitlines() if line.startswith("BINHYEN1:"))

    def two_phones_ask_to_be_enrolled_and_the_digits_agree(self):
        self.ana = host.Host(ffi, self.directory / "ana.store")
        self.bo = host.Host(ffi, self.directory / "bo.store")
        self.waiting = {}
        for phone in (self.ana, self.bo):
            step = phone.enrol(self.code())
            listed = self.server.run("device", "list")
            line = next(line for line in listed.splitlines() if step.digits in line)
            self.waiting[line.split()[0]] = step.digits
            assert phone.phone.digits() == step.digits
            assert step.group_name == "Tổ an ninh ấp Giữa"
            assert phone.phone.status().enrolled and not phone.phone.status().confirmed

    def a_used_or_damaged_code_enrols_nobody(self):
        other = host.Host(ffi, self.directory / "other.store")
        code = self.code()
        for bad in ("", "https://example.org", code[:-7], code.replace("BINHYEN1", "BINHYEN2")):
            try:
                other.phone.enrol_begin(bad)
                raise AssertionError(f"taken: {bad!r}")
            except (ffi.PhoneError.BadCode, ffi.PhoneError.UpdateApp) as error:
                assert error.words_vi()
        other.enrol(code)
        late = host.Host(ffi, self.directory / "late.store")
        try:
            late.enrol(code)
            raise AssertionError("one code let two phones in")
        except ffi.PhoneError.CodeRefused as error:
            assert "used" in error.detail, error.detail
        try:
            self.ana.phone.enrol_begin(code)
            raise AssertionError("an enrolled phone took another code")
        except ffi.PhoneError.AlreadyEnrolled:
            pass

    def what_is_written_before_the_confirmation_waits_on_the_server(self):
        values = [words("summary", "Ghi khi chưa được xác nhận"), put("mode", Value.CHOICE(id="walk"))]
        self.early = self.ana.save(self.member, "patrol", values)
        assert self.ana.sync() == 0
        (row,) = self.ana.phone.waiting()
        assert row.why == ffi.WaitingWhy.NOT_CONFIRMED and row.words

    def an_officer_confirms_both_by_their_digits(self):
        for device, digits in self.waiting.items():
            self.server.run("device", "confirm", device, digits)
        assert self.ana.sync() == 1
        self.bo.sync()
        for phone in (self.ana, self.bo):
            assert phone.phone.status().confirmed
            names = [row.name for row in phone.phone.members(self.group)]
            assert names == ["Trần Thị Mẫu", "Nguyễn Văn Mẫu"], names
        assert field(self.bo, self.early, "summary").value.text == "Ghi khi chưa được xác nhận"

    def the_form_is_drawn_from_data(self):
        types = {row.id for row in self.ana.phone.types_for(self.group, self.member)}
        assert "patrol" in types and "nil_return" not in types
        form = self.ana.phone.form("patrol", None)
        mode = next(row for row in form.fields if row.id == "mode")
        assert mode.required and mode.kind == "choice"
        assert "boat" in [row.id for row in mode.choices]

    def records_are_written_while_the_server_is_away(self):
        self.server.stop()
        phone = self.ana.phone
        self.records = [
            self.ana.save(self.member, "patrol", patrol(phone, f"Tuần tra chợ nổi lần {n}"))
            for n in range(20)
        ]
        assert self.ana.visit() is None
        assert phone.last_problem().kind == ffi.ProblemKind.NO_NETWORK
        assert len(phone.waiting()) == 20
        now = self.ana.now()
        assert 0 < phone.wake_at(now) - now <= 30
        page = phone.read(self.records[0])
        assert page.badge.phase == ffi.Phase.QUEUED and not page.missing, page.missing
        assert field(self.ana, self.records[0], "mode").value.text == "ghe, vỏ lãi"

    def a_phone_that_was_switched_off_still_has_them(self):
        self.ana.open()
        assert len(self.ana.phone.waiting()) == 20
        assert self.ana.phone.high_water() == self.ana.high_water == 21

    def they_arrive_when_the_server_is_back(self):
        self.server.start()
        up, down = self.ana.bytes_up, self.ana.bytes_down
        assert self.ana.sync() == 20
        up, down = self.ana.bytes_up - up, self.ana.bytes_down - down
        print(f"    20 records: {up} bytes up, {down} down")
        assert not self.ana.phone.waiting()
        assert self.ana.phone.read(self.records[0]).badge.phase == ffi.Phase.RECEIVED
        self.bo.sync()
        assert self.bo.phone.status().records == 21
        first = self.bo.phone.list(ffi.ListFilter(limit=3))
        assert len(first) == 3 and first[0].headline == "Tuần tra chợ nổi lần 19"

    def a_visit_with_nothing_new_is_small(self):
        self.ana.sync()
        up, down = self.ana.bytes_up, self.ana.bytes_down
        self.ana.sync()
        size = self.ana.bytes_up - up + self.ana.bytes_down - down
        print(f"    nothing new: {size} bytes both ways")
        assert size < 300, size

    def both_edit_one_record_and_both_values_stay(self):
        record = self.records[5]
        self.ana.edit(self.member, record, [words("summary", "Hai đèn hư ở bến đò")])
        self.bo.edit(self.leader, record, [words("summary", "Ba đèn hư ở bến đò")])
        self.ana.sync()
        self.bo.sync()
        self.ana.sync()
        for phone in (self.ana, self.bo):
            said = field(phone, record, "summary")
            both = {said.value.text} | {row.text for row in said.rivals}
            assert both == {"Hai đèn hư ở bến đò", "Ba đèn hư ở bến đò"}, both
            assert len(said.history) == 3
            assert phone.phone.read(record).badge.rivals

    def somebody_chooses_and_it_stands_alone(self):
        record = self.records[5]
        said = field(self.bo, record, "summary")
        ours = next(row for row in [said.value, *said.rivals] if row.member == "Trần Thị Mẫu")
        self.bo.phone.choose(record, self.leader, "summary", 0, ours.change, self.bo.clock())
        self.bo.sync()
        self.ana.sync()
        for phone in (self.ana, self.bo):
            said = field(phone, record, "summary")
            assert said.value.text == "Hai đèn hư ở bến đò" and not said.rivals
            assert len(said.history) == 4

    def an_officer_returns_a_record_at_the_console(self):
        server = self.ana.phone.server()
        self.console = Console(server, host.trust(server.ca_der))
        self.console.sign_in("can-bo", PASSWORD)
        record = self.records[7]
        page = self.console.record(record)
        assert "Tuần tra chợ nổi lần 7" in page
        self.console.review(record, {"act": "return", "reason": "4", "text": "Ồn ở đâu?"})
        number = re.search(r'<option value="(\d+)" lang="vi">nội dung', page).group(1)
        remark = {"act": "remark", "field": number, "text": "Xin ghi rõ quán nào."}
        self.console.review(record, remark)

    def the_remark_reaches_both_phones_at_its_field(self):
        for phone in (self.ana, self.bo):
            phone.sync()
            page = phone.phone.read(self.records[7])
            back, remark = page.remarks
            assert back.state == "trả lại" and back.reason == "nội dung chưa rõ"
            assert back.words == "Ồn ở đâu?" and back.asks
            assert remark.field == "summary" and remark.words == "Xin ghi rõ quán nào."
            assert page.badge.unanswered and page.badge.state == "trả lại"
            rows = phone.phone.list(ffi.ListFilter(unanswered_only=True))
            assert [row.record for row in rows] == [self.records[7]]

    def the_answer_comes_back_to_the_console(self):
        record = self.records[7]
        self.ana.edit(self.member, record, [words("summary", "Quán đầu chợ mở loa tới 23 giờ")])
        assert not self.ana.phone.read(record).badge.unanswered
        assert self.ana.sync() == 1
        page = self.console.record(record)
        assert "Quán đầu chợ mở loa tới 23 giờ" in page
        self.bo.sync()
        assert not self.bo.phone.read(record).badge.unanswered

    def a_wrong_clock_is_shown_and_refuses_nothing(self):
        self.bo.ahead_s = -56 * 365 * 86_400  # a phone whose battery was out
        record = self.bo.save(self.leader, "patrol", patrol(self.bo.phone, "Đồng hồ sai"))
        assert self.bo.sync() == 1
        self.bo.ahead_s = 0
        self.ana.sync()
        page = self.ana.phone.read(record)
        assert page.written_s < 400_000_000 < page.received_s
        rows = self.ana.phone.list(ffi.ListFilter(limit=1))
        assert rows[0].record == record, "the list is in the log's order, not in that of clocks"

    def a_certificate_that_the_clock_refuses_is_told_in_words(self):
        expired = ssl.SSLCertVerificationError("certificate is not yet valid")
        expired.verify_code = 9
        visit = self.bo.phone.request(4_000, 0)
        self.bo.phone.visit_failed(visit.id, host.failure_of(expired, ffi), self.bo.now())
        problem = self.bo.phone.last_problem()
        assert problem.kind == ffi.ProblemKind.TLS_CLOCK
        assert problem.words.startswith("Giờ trên máy có thể sai"), problem.words

    def another_server_is_not_believed(self):
        assert self.bo.visit(host.trust(b"")) is None
        assert self.bo.phone.last_problem().kind == ffi.ProblemKind.TLS_OTHER
        self.bo.sync()
        assert self.bo.phone.last_problem() is None

    def the_same_answer_twice_is_taken_once(self):
        phone = self.ana.phone
        self.ana.save(self.member, "patrol", patrol(phone, "Trả lời hai lần"))
        visit = phone.request(16_000, 0)
        status, body = host.post(phone.server(), "/v1/sync", visit.body)
        again = host.post(phone.server(), "/v1/sync", visit.body)
        assert again[0] == status == 200
        assert phone.response(visit.id, status, body, self.ana.now()).received_now == 1
        records = phone.status().records
        for answer in (body, again[1]):
            try:
                phone.response(visit.id, status, answer, self.ana.now())
                raise AssertionError("an answer was taken twice")
            except ffi.PhoneError.VisitOver:
                pass
        assert phone.status().records == records and not phone.waiting()

    def a_cut_or_damaged_answer_changes_nothing(self):
        phone = self.ana.phone
        record = self.ana.save(self.member, "patrol", patrol(phone, "Trả lời bị đứt"))
        # few enough visits for the server's measure of one phone
        tries = 10
        for tried in range(tries + 1):
            visit = phone.request(16_000, 0)
            status, body = host.post(phone.server(), "/v1/sync", visit.body)
            if tried == tries:
                break
            end = tried * len(body) // tries
            damaged = body[:end] if tried % 2 else body[:end] + bytes([body[end] ^ 1]) + body[end + 1 :]
            try:
                phone.response(visit.id, status, damaged, self.ana.now())
                raise AssertionError(f"a damaged answer was taken, at {end}")
            except (ffi.PhoneError.BadAnswer, ffi.PhoneError.Forged) as error:
                assert error.words_vi()
            assert len(phone.waiting()) == 1
        phone.response(visit.id, status, body, self.ana.now())
        assert not phone.waiting() and phone.read(record).badge.phase == ffi.Phase.RECEIVED

    def a_record_is_withdrawn_for_a_reason(self):
        self.ana.phone.withdraw(self.records[9], self.member, "mistaken", self.ana.clock())
        self.ana.sync()
        self.bo.sync()
        assert self.bo.phone.read(self.records[9]).withdrawn == "ghi nhầm"
        assert "ghi nhầm" in self.console.record(self.records[9])

    def a_record_in_the_wrong_type_is_said_anew(self):
        old = self.records[11]
        new = self.ana.phone.reissue(
            old, self.member, self.group, self.member, "duty_shift", None, "wrong_type", self.ana.clock()
        )
        self.ana.high_water = new.high_water
        assert new.old_withdrawn and "cách đi" in new.dropped
        self.ana.sync()
        self.bo.sync()
        assert field(self.bo, old, "links.corrected_by").value.text == new.record
        assert field(self.bo, new.record, "links.corrects").value.text == old

    def a_member_may_not_correct_another_and_hears_it_before_saving(self):
        record = self.bo.save(self.leader, "patrol", patrol(self.bo.phone, "Của tổ trưởng"))
        self.bo.sync()
        self.ana.sync()
        try:
            self.ana.edit(self.member, record, [words("summary", "Sửa của người khác")])
            raise AssertionError("a member corrected the leader")
        except ffi.PhoneError.NoRight as error:
            assert error.words_vi()
        assert not self.ana.phone.waiting()

    def who_lost_the_right_meanwhile_reads_why_and_holds_up_nobody(self):
        run = self.server.run
        guest = int(run("member", "add", "Lê Văn Mẫu", "--group", self.group))
        self.ana.sync()
        self.ana.save(guest, "patrol", patrol(self.ana.phone, "Ghi lúc không còn quyền"))
        good = self.ana.save(self.member, "patrol", patrol(self.ana.phone, "Không bị chặn"))
        run("member", "end", str(guest), "--group", self.group)
        self.ana.sync()
        (row,) = self.ana.phone.waiting()
        assert row.why == ffi.WaitingWhy.HELD and row.words
        said = [value.text for value in row.said]
        assert "Ghi lúc không còn quyền" in said, said
        assert self.ana.phone.read(good).badge.phase == ffi.Phase.RECEIVED

    def a_restored_phone_writes_on_a_new_chain(self):
        copy = self.directory / "copy.store"
        self.bo.phone = None
        for suffix in ("", "-wal"):
            if Path(self.bo.path + suffix).exists():
                shutil.copyfile(self.bo.path + suffix, f"{copy}{suffix}")
        self.bo.open()
        later = self.bo.save(self.leader, "patrol", patrol(self.bo.phone, "Sau bản sao"))
        self.bo.sync()
        self.bo.phone = None
        self.bo.path = str(copy)
        self.bo.open()
        newest = self.bo.save(self.leader, "patrol", patrol(self.bo.phone, "Sau khi khôi phục"))
        self.bo.sync()
        assert field(self.bo, later, "summary").value.text == "Sau bản sao"
        assert self.bo.phone.read(newest).badge.phase == ffi.Phase.RECEIVED
        assert not self.bo.phone.waiting()

    def a_search_finds_words_and_refuses_people(self):
        rows = self.ana.phone.search("cho noi", 0)
        assert len(rows) > 10
        for text in ("tuần", "0901 234 567", "anh Tèo"):
            try:
                self.ana.phone.search(text, 0)
                raise AssertionError(f"answered: {text}")
            except ffi.PhoneError.SearchRefused as error:
                assert error.words

    def a_revoked_phone_keeps_its_words_and_is_told(self):
        listed = self.server.run("device", "list").splitlines()
        device = list(self.waiting)[0]
        assert any(line.startswith(device) and "enrolled" in line for line in listed)
        self.server.run("device", "revoke", device)
        self.ana.sync()
        assert self.ana.phone.status().closed

    def what_the_desk_did_is_read_on_the_phone(self):
        self.server.run("member", "end", str(self.leader), "--group", self.group)
        self.bo.sync()
        acts = self.bo.phone.group_acts(self.group)
        told = [act.what for act in acts]
        assert told[0] == "Thôi tham gia: Nguyễn Văn Mẫu", told
        assert any(what.startswith("Thu hồi máy ") for what in told), told
        assert "Thêm thành viên: Nguyễn Văn Mẫu, tổ trưởng" in told, told
        assert any("Tổ an ninh ấp Giữa" in what for what in told), told
        assert told[-1] == "Dùng danh mục bản 1", told
        assert [act.index for act in acts] == sorted((a.index for a in acts), reverse=True)
        (own,) = [act for act in acts if act.own]
        assert own.what.startswith("Cấp máy ") and own.by == "quản trị hệ thống", own
        older = self.bo.phone.group_acts(self.group, acts[0].index, 1)
        assert older == [acts[1]], older

    def the_log_verifies(self):
        for _ in range(2):
            printed = self.server.run("verify")
            self.server.stop()  # and once more without a running server
        print("    " + printed.splitlines()[0])

    def end(self):
        self.server.stop()
        for phone in ("ana", "bo"):
            if hasattr(self, phone):
                getattr(self, phone).phone = None


def main():
    passed = failed = 0
    steps = [name for name in vars(Story) if name.split("_")[0] in STEP_WORDS]
    with tempfile.TemporaryDirectory(prefix="binhyen-story-") as directory:
        story = Story(directory)
        try:
            for name in steps:
                try:
                    getattr(story, name)()
                    passed += 1
                    print(f"ok    {name.replace('_', ' ')}", flush=True)
                except Exception:
                    failed += 1
                    print(f"FAIL  {name.replace('_', ' ')}\n{traceback.format_exc()}", flush=True)
        finally:
            story.end()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


STEP_WORDS = {
    "a", "an", "another", "both", "records", "somebody", "the", "they", "two", "what", "who",
}

if __name__ == "__main__":
    raise SystemExit(main())
