package vn.binhyen.tests

import java.io.File
import java.io.IOException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import vn.binhyen.Change
import vn.binhyen.HighWaterFile
import vn.binhyen.HighWaterMark
import vn.binhyen.ffi.ListFilter
import vn.binhyen.ffi.Phase
import vn.binhyen.ffi.PhoneException
import vn.binhyen.ffi.WaitingWhy

private const val SLOW_MS = 300L
private const val PATIENCE_MS = 20_000L

/** What people do with one another's records, and what befalls phones; after the first day. */
class Together(private val story: Story, private val scope: CoroutineScope) {
    private val server = story.server
    private val ana = story.ana
    private val bo = story.bo
    private val record get() = story.records[7]

    suspend fun all(steps: Steps) {
        rivals(steps)
        officer(steps)
        erasure(steps)
        corrections(steps)
        restores(steps)
        ends(steps)
    }

    private suspend fun bothSync() {
        ana.sync()
        bo.sync()
        ana.sync()
    }

    private suspend fun rivals(steps: Steps) {
        val record = story.records[5]
        val values = setOf("Hai đèn hư ở bến đò", "Ba đèn hư ở bến đò")
        steps.step("both edit one record, and both values stay on both phones") {
            ana.client.edit(record, server.member, listOf(words("summary", "Hai đèn hư ở bến đò")))
            bo.client.edit(record, server.leader, listOf(words("summary", "Ba đèn hư ở bến đò")))
            bothSync()
            for (phone in listOf(ana, bo)) {
                val said = phone.field(record, "summary")
                equal(said.rivals.map { it.text }.toSet() + said.value.text, values)
                equal(said.history.size, 3)
                holds(phone.client.read(record).badge.rivals) { "no badge" }
            }
        }
        steps.step("somebody chooses, and it stands alone") {
            val said = bo.field(record, "summary")
            val ours = (said.rivals + said.value).first { it.member == "Trần Thị Mẫu" }
            bo.client.choose(record, server.leader, "summary", 0u, ours.change)
            bo.sync()
            ana.sync()
            for (phone in listOf(ana, bo)) {
                val chosen = phone.field(record, "summary")
                equal(chosen.value.text to chosen.rivals.size, "Hai đèn hư ở bến đò" to 0)
            }
        }
    }

    private suspend fun officer(steps: Steps) {
        steps.step("an officer's remark arrives at its field, and the flow tells the record") {
            val at = checkNotNull(ana.client.server())
            story.console = Console(at.url, at.caDer)
            story.console.signIn("can-bo", PASSWORD)
            val back = mapOf("act" to "return", "reason" to "4", "text" to "Ồn ở đâu?")
            story.console.review(record, back)
            val page = story.console.record(record)
            val number = Regex("""<option value="(\d+)" lang="vi">nội dung""").find(page)
            val field = checkNotNull(number) { "no field in the page" }.groupValues[1]
            val remark = mapOf("act" to "remark", "field" to field, "text" to "Xin ghi rõ quán nào.")
            story.console.review(record, remark)
            for (phone in listOf(ana, bo)) {
                val heard = scope.hear(phone)
                phone.sync()
                equal(heard.stop(), listOf(Change(emptySet(), setOf(record))))
                val read = phone.client.read(record)
                val (returned, asked) = read.remarks
                equal(returned.state to returned.words, "trả lại" to "Ồn ở đâu?")
                equal(asked.field to asked.words, "summary" to "Xin ghi rõ quán nào.")
                holds(read.badge.unanswered) { "nobody waits" }
                val rows = phone.client.list(ListFilter(unansweredOnly = true))
                equal(rows.map { it.record }, listOf(record))
            }
        }
        steps.step("the answer comes back to the console") {
            val words = "Quán đầu chợ mở loa tới 23 giờ"
            ana.client.edit(record, server.member, listOf(words("summary", words)))
            holds(!ana.client.read(record).badge.unanswered) { "not answered" }
            equal(ana.sync(), 1)
            holds(words in story.console.record(record)) { "not on the console" }
            bo.sync()
            holds(!bo.client.read(record).badge.unanswered) { "not answered there" }
        }
    }

    private suspend fun erasure(steps: Steps) {
        val secret = "Tên một người không liên quan"
        lateinit var erased: String
        steps.step("erased words vanish from both phones, and the flow tells where") {
            erased = ana.save(server.member, secret)
            ana.sync()
            bo.sync()
            val change = bo.field(erased, "summary").value.change
            server.run("erase", change.replace('/', ':'), "summary")
            for (phone in listOf(ana, bo)) {
                val heard = scope.hear(phone)
                phone.sync()
                equal(heard.stop().flatMap { it.brought }, listOf(erased))
                val said = phone.field(erased, "summary")
                holds(said.value.erased && secret !in said.value.text) { "$said" }
                holds(phone.client.search(secret).isEmpty()) { "still found" }
            }
        }
        steps.step("nor do they come back when the phones start anew") {
            for (phone in listOf(ana, bo)) {
                phone.reopen()
                val page = phone.client.read(erased)
                holds(secret !in page.toString()) { "$page" }
            }
            // the control: what was not erased is still said after a restart
            equal(ana.field(story.records[3], "summary").value.text, "Tuần tra chợ nổi lần 3")
        }
    }

    private suspend fun corrections(steps: Steps) {
        steps.step("a record is withdrawn for a reason") {
            ana.client.withdraw(story.records[9], server.member, "mistaken")
            ana.sync()
            bo.sync()
            equal(bo.client.read(story.records[9]).withdrawn, "ghi nhầm")
            refused<PhoneException.AlreadyWithdrawn>("withdrawn twice") {
                ana.client.withdraw(story.records[9], server.member, "mistaken")
            }
        }
        steps.step("a record in the wrong type is said anew, and one change tells both") {
            val old = story.records[11]
            val heard = scope.hear(ana)
            val new = ana.client.reissue(
                old, server.member, server.group, server.member, "duty_shift", null, "wrong_type",
            )
            holds(new.oldWithdrawn && "cách đi" in new.dropped) { "$new" }
            equal(heard.stop(), listOf(Change(setOf(old, new.record), emptySet())))
            ana.sync()
            bo.sync()
            equal(bo.field(new.record, "links.corrects").value.text, old)
        }
        steps.step("a member may not correct another, and hears it before saving") {
            val leads = bo.save(server.leader, "Của tổ trưởng")
            bo.sync()
            ana.sync()
            val heard = scope.hear(ana)
            val error = refused<PhoneException.NoRight>("corrected the leader") {
                ana.client.edit(leads, server.member, listOf(words("summary", "Sửa của người khác")))
            }
            holds(error.wordsVi().isNotEmpty()) { "no words" }
            equal(heard.stop(), emptyList(), "told of what was not saved")
            equal(ana.client.waiting(), emptyList())
        }
        steps.step("who lost the right meanwhile reads why, and holds up nobody") {
            val named = server.run("member", "add", "Lê Văn Mẫu", "--group", server.group)
            ana.sync()
            ana.save(named.toUShort(), "Ghi lúc không còn quyền")
            val good = ana.save(server.member, "Không bị chặn")
            server.run("member", "end", named, "--group", server.group)
            equal(ana.synced().refused, 1u)
            val (row) = ana.client.waiting()
            equal(row.why, WaitingWhy.HELD)
            holds("Ghi lúc không còn quyền" in row.said.map { it.text }) { "${row.said}" }
            equal(ana.client.read(good).badge.phase, Phase.RECEIVED)
        }
        steps.step("a search finds words and refuses people") {
            holds(ana.client.search("cho noi").size > 10) { "nothing found" }
            for (text in listOf("tuần", "0901 234 567", "anh Tèo")) {
                refused<PhoneException.SearchRefused>(text) { ana.client.search(text) }
            }
        }
        steps.step("a slow collector is told everything, and nothing twice") {
            val slow = mutableListOf<Change>()
            val flow = bo.client.changes
            val job = scope.launch(Dispatchers.Unconfined) {
                flow.collect {
                    slow.add(it)
                    delay(SLOW_MS)
                }
            }
            val saved = List(10) { bo.save(server.leader, "Ghi nhanh lần $it") }
            val again = words("summary", "Sửa ngay")
            bo.client.edit(saved.last(), server.leader, listOf(again))
            withTimeout(PATIENCE_MS) { while (slow.flatMap { it.saved }.size < saved.size) delay(10) }
            delay(SLOW_MS * 2)
            job.cancel()
            equal(slow.flatMap { it.saved }, saved)
            holds(slow.size < saved.size) { "this collector was not slow" }
        }
    }

    private suspend fun restores(steps: Steps) {
        val copy = File(story.directory, "copy")
        steps.step("a phone whose store was taken back writes on a new chain") {
            bo.client.close()
            for (suffix in listOf("", "-wal")) {
                val file = File(bo.store.path + suffix)
                if (file.exists()) file.copyTo(File(copy.path + suffix))
            }
            bo.open()
            val later = bo.save(server.leader, "Sau bản sao")
            bo.sync()
            bo.client.close()
            takeBack(copy)
            bo.open()
            val newest = bo.save(server.leader, "Sau khi khôi phục")
            equal(bo.sync() > 0, true)
            equal(bo.field(later, "summary").value.text, "Sau bản sao")
            equal(bo.client.read(newest).badge.phase, Phase.RECEIVED)
            equal(bo.client.waiting(), emptyList())
        }
        steps.step("a store that came without its mark counts as restored") {
            val chainOf = suspend { text: String ->
                val record = bo.save(server.leader, text)
                bo.field(record, "summary").value.change.substringBefore('/')
            }
            val before = chainOf("Máy cũ")
            bo.reopen()
            equal(chainOf("Vẫn máy cũ"), before, "the mark was there")
            for (damage in listOf<(File) -> Unit>({ it.delete() }, { it.writeText("") })) {
                bo.client.close()
                damage(bo.markFile)
                bo.open()
                holds(chainOf("Máy mới") != before) { "the same chain without its mark" }
                holds(bo.markFile.readText().isNotBlank()) { "no mark was made" }
            }
            bo.sync()
            equal(bo.client.waiting(), emptyList())
        }
        steps.step("a mark that cannot be kept is told, and the save counts") {
            val file = HighWaterFile(bo.markFile)
            var full = false
            bo.mark = object : HighWaterMark by file {
                override fun write(mark: ULong) {
                    if (full) throw IOException("no room")
                    file.write(mark)
                }
            }
            bo.reopen()
            full = true
            val record = bo.save(server.leader, "Hết chỗ cho số mốc")
            holds(!bo.client.standing.value.markKept) { "not told" }
            equal(bo.client.read(record).badge.phase, Phase.QUEUED)
            full = false
            bo.sync()
            holds(bo.client.standing.value.markKept) { "not kept later" }
        }
        steps.step("a damaged store is put aside, never deleted") {
            val phone = Handset(story.directory, "hurt").also { it.open() }
            phone.enrol(server.code())
            phone.client.close()
            val bytes = phone.store.readBytes()
            phone.store.writeBytes(ByteArray(bytes.size) { if (it < 100) 0 else bytes[it] })
            try {
                phone.open()
            } catch (_: PhoneException.StoreDamaged) {
                phone.startAnew()
            }
            val status = phone.client.standing.value.status
            holds(!status.enrolled) { "still enrolled" }
            holds(File(checkNotNull(status.putAside)).exists()) { "not there" }
            phone.client.close()
        }
    }

    private fun takeBack(copy: File) {
        for (suffix in listOf("", "-wal", "-shm")) {
            File(bo.store.path + suffix).delete()
            val file = File(copy.path + suffix)
            if (file.exists()) file.copyTo(File(bo.store.path + suffix))
        }
    }

    private suspend fun ends(steps: Steps) {
        steps.step("what the desk did is read on the phone, page by page") {
            bo.sync()
            val acts = bo.client.groupActs(server.group)
            equal(acts.last().what, "Dùng danh mục bản 1")
            holds(acts.any { it.what.startsWith("Thêm thành viên: Nguyễn Văn Mẫu") }) { "$acts" }
            equal(bo.client.groupActs(server.group, acts[0].index, 1u), listOf(acts[1]))
        }
        steps.step("a revoked phone keeps its words and is told") {
            server.run("device", "revoke", ana.device)
            ana.client.sync()
            holds(ana.client.standing.value.status.closed) { "not told" }
            holds(ana.client.list().isNotEmpty()) { "its words are gone" }
        }
        steps.step("closing ends the flows, and no call is taken after it") {
            val all = mutableListOf<Change>()
            val flow = bo.client.changes
            val job = scope.launch(Dispatchers.Unconfined) { flow.collect(all::add) }
            bo.client.close()
            withTimeout(PATIENCE_MS) { job.join() }
            flow.collect { all.add(it) }
            equal(all, emptyList())
            refused<IllegalStateException>("a call after the end") { bo.client.groups() }
        }
        steps.step("the log verifies, with its server and without") {
            println("      ${server.run("verify").lines()[0]}")
            server.stop()
            server.run("verify")
        }
    }
}
