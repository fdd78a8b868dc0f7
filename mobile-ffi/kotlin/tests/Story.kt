package vn.binhyen.tests

import java.io.File
import java.util.Collections
import kotlin.system.exitProcess
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import vn.binhyen.Change
import vn.binhyen.HttpsTransport
import vn.binhyen.TransportException
import vn.binhyen.ffi.EnrolStep
import vn.binhyen.ffi.InputValue
import vn.binhyen.ffi.ListFilter
import vn.binhyen.ffi.FieldInput
import vn.binhyen.ffi.Phase
import vn.binhyen.ffi.PhoneException
import vn.binhyen.ffi.ProblemKind
import vn.binhyen.ffi.VisitFailure
import vn.binhyen.ffi.WaitingWhy

/** Time for a flow to bring what it has to. */
private const val FLOW_MS = 400L
private const val PATIENCE_MS = 20_000L
const val OFFLINE_RECORDS = 20

/** What a collector of a phone's changes was told. */
class Heard(private val job: Job, val all: MutableList<Change>) {
    suspend fun stop(): List<Change> {
        delay(FLOW_MS)
        job.cancelAndJoin()
        return all
    }
}

fun CoroutineScope.hear(phone: Handset): Heard {
    val all = Collections.synchronizedList(mutableListOf<Change>())
    val flow = phone.client.changes
    // undispatched: it listens before this returns
    val job = launch(Dispatchers.Unconfined) { flow.collect(all::add) }
    return Heard(job, all)
}

/** Two phones and an officer, against the real server over TLS, from the first code on. */
class Story(val directory: File, private val scope: CoroutineScope) {
    val server = Server(File(directory, "server"))
    val ana = Handset(directory, "ana")
    val bo = Handset(directory, "bo")
    lateinit var console: Console
    lateinit var step: EnrolStep
    lateinit var records: List<String>

    // --- enrolment ---------------------------------------------------------------------------

    suspend fun enrolment(steps: Steps) {
        steps.step("the server starts with a group, two members and an officer") {
            server.start()
            server.found()
            equal(server.member to server.leader, 1.toUShort() to 2.toUShort())
            ana.open()
            bo.open()
        }
        steps.step("a phone that was never enrolled says so") {
            refused<PhoneException.NotEnrolled>("a list") { ana.client.groups() }
            refused<PhoneException.NotEnrolled>("a visit") { ana.client.sync() }
            equal(ana.client.wakeAt(), null)
            equal(ana.client.standing.value.status.enrolled, false)
        }
        steps.step("a damaged code enrols nobody") {
            val code = server.code()
            for (bad in listOf("", "https://example.org", code.dropLast(7))) {
                val error = refused<PhoneException.BadCode>(bad) { ana.client.enrolBegin(bad) }
                holds(error.wordsVi().isNotEmpty()) { "no words" }
            }
            val newer = code.replace("BINHYEN1", "BINHYEN2")
            refused<PhoneException.UpdateApp>(newer) { ana.client.enrolBegin(newer) }
        }
        steps.step("a code tells whose group it is before anything is sent") {
            val before = server.relay.connections.get()
            step = ana.client.enrolBegin(server.code())
            equal(step.groupName, GROUP_NAME)
            holds(Regex("[0-9]{6}").matches(step.digits)) { step.digits }
            equal(ana.client.digits(), step.digits)
            equal(server.relay.connections.get(), before, "connections")
        }
        steps.step("another authority than that of the code is not sent to") {
            val other = Forged(directory).authority
            val wrong = step.copy(caDer = other)
            val error = refused<TransportException>("enrolled elsewhere") { ana.client.enrol(wrong) }
            equal(error.failure, VisitFailure.TLS_OTHER)
            equal(ana.client.standing.value.status.enrolled, false)
        }
        steps.step("two phones are enrolled over TLS and the digits agree") {
            ana.client.enrol(step)
            val second = bo.enrol(server.code())
            for (digits in listOf(step.digits, second.digits)) server.deviceOf(digits)
            holds(step.digits != second.digits) { "one code for two phones" }
            holds(ana.client.standing.value.status.enrolled) { "not enrolled" }
        }
        steps.step("a used code lets nobody in, and an enrolled phone takes no other") {
            val code = server.code()
            val other = Handset(directory, "other").also { it.open() }
            other.enrol(code)
            val late = Handset(directory, "late").also { it.open() }
            val error = refused<PhoneException.CodeRefused>("used twice") { late.enrol(code) }
            holds("used" in error.detail) { error.detail }
            refused<PhoneException.AlreadyEnrolled>("twice") { ana.client.enrolBegin(code) }
            other.client.close()
            late.client.close()
        }
        steps.step("what is written before the confirmation waits on the server") {
            val values = listOf(
                words("summary", "Ghi khi chưa được xác nhận"),
                FieldInput("mode", 0u, InputValue.Choice("walk")),
            )
            ana.client.save(ana.group().id, server.member, "patrol", values)
            equal(ana.sync(), 0)
            val (row) = ana.client.waiting()
            equal(row.why, WaitingWhy.NOT_CONFIRMED)
            equal(ana.client.standing.value.status.waiting, 1u)
        }
        steps.step("an officer confirms both by their digits") {
            for (phone in listOf(ana, bo)) {
                phone.device = server.confirm(checkNotNull(phone.client.digits()))
            }
            equal(ana.sync(), 1)
            bo.sync()
            for (phone in listOf(ana, bo)) {
                holds(phone.client.standing.value.status.confirmed) { "not confirmed" }
                val names = phone.client.members(server.group).map { it.name }
                equal(names, listOf("Trần Thị Mẫu", "Nguyễn Văn Mẫu"))
            }
        }
    }

    // --- offline -----------------------------------------------------------------------------

    suspend fun offline(steps: Steps) {
        steps.step("the form is drawn from data") {
            val types = ana.client.typesFor(server.group, server.member).map { it.id }
            holds("patrol" in types && "nil_return" !in types) { "$types" }
            val mode = ana.client.form("patrol").fields.first { it.id == "mode" }
            holds(mode.required && mode.choices.any { it.id == "boat" }) { "$mode" }
        }
        steps.step("records are written while the server is away, and each is told once") {
            server.stop()
            val heard = scope.hear(ana)
            records = List(OFFLINE_RECORDS) {
                ana.save(server.member, "Tuần tra chợ nổi lần $it")
            }
            val done = ana.client.sync()
            equal(done.problem?.kind, ProblemKind.NO_NETWORK)
            equal(done.received, 0u)
            equal(ana.client.waiting().size, OFFLINE_RECORDS)
            val pause = checkNotNull(ana.client.wakeAt()) - System.currentTimeMillis() / 1_000
            holds(pause in 1..30) { "$pause seconds" }
            val page = ana.client.read(records[0])
            equal(page.badge.phase, Phase.QUEUED)
            equal(page.missing, emptyList())
            equal(ana.field(records[0], "mode").value.text, "ghe, vỏ lãi")
            val told = heard.stop()
            equal(told.flatMap { it.saved }, records, "saves told")
            holds(told.all { it.brought.isEmpty() }) { "a visit that failed brought something" }
        }
        steps.step("the screen's line says how the phone stands") {
            val standing = ana.client.standing.value
            equal(standing.status.queued, OFFLINE_RECORDS.toUInt())
            equal(standing.problem?.kind, ProblemKind.NO_NETWORK)
            holds(standing.problem!!.words.isNotEmpty() && standing.markKept) { "$standing" }
        }
        steps.step("no call works in its caller's thread") {
            ana.worker = null
            records = records + ana.save(server.member, "Không chặn màn hình")
            holds(ana.worker != null && ana.worker != Thread.currentThread()) { "${ana.worker}" }
        }
        steps.step("a phone that was switched off still has them") {
            ana.reopen()
            equal(ana.client.waiting().size, records.size)
            equal(ana.markFile.readText().trim(), "${records.size + 1}")
        }
        steps.step("the store opens with no other key, and stays whole") {
            ana.client.close()
            val right = ana.key
            ana.key = ByteArray(right.size) { 7 }
            refused<PhoneException.WrongKey>("another key") { ana.open() }
            ana.key = ByteArray(5)
            refused<PhoneException.WrongKey>("a short key") { ana.open() }
            ana.key = right
            ana.open()
            equal(ana.client.waiting().size, records.size)
        }
        steps.step("a process opens a store once") {
            val first = ana.client
            refused<PhoneException.StoreInUse>("opened twice") { ana.open() }
            equal(first.waiting().size, records.size)
        }
        steps.step("they arrive when the server is back, and each is told once more") {
            server.start()
            val heard = scope.hear(ana)
            val up = server.relay.bytesUp.get()
            equal(ana.sync(), records.size)
            println("      ${records.size} records: ${server.relay.bytesUp.get() - up} bytes up")
            equal(ana.client.waiting(), emptyList())
            equal(ana.client.read(records[0]).badge.phase, Phase.RECEIVED)
            val told = heard.stop()
            equal(told.flatMap { it.brought }.sorted(), records.sorted(), "told by the visit")
            holds(told.all { it.saved.isEmpty() }) { "a visit saved something" }
        }
        steps.step("the second phone pulls them") {
            val heard = scope.hear(bo)
            bo.sync()
            equal(bo.client.standing.value.status.records.toInt(), records.size + 1)
            equal(bo.client.list(ListFilter(limit = 3u)).size, 3)
            val told = heard.stop().flatMap { it.brought }
            equal(told.size, told.toSet().size, "told twice")
            holds(told.containsAll(records)) { "not all were told" }
        }
    }

    // --- the way -----------------------------------------------------------------------------

    suspend fun theWay(steps: Steps) {
        steps.step("a visit with nothing new tells nothing, on the same connection") {
            ana.sync()
            val heard = scope.hear(ana)
            val relay = server.relay
            val before = relay.connections.get()
            val bytes = relay.bytesUp.get() + relay.bytesDown.get()
            ana.sync()
            equal(relay.connections.get(), before, "connections")
            val all = relay.bytesUp.get() + relay.bytesDown.get() - bytes
            println("      nothing new: $all bytes both ways, with those of HTTP and TLS")
            equal(heard.stop(), emptyList())
        }
        steps.step("a cut connection is made again, and the session of TLS taken up") {
            val fresh = bytesOfVisit { ana.transport = HttpsTransport(); ana.reopen() }
            val resumed = bytesOfVisit { }
            println("      a new session: $fresh bytes down; taken up: $resumed")
            holds(resumed < fresh) { "$resumed of $fresh" }
        }
        steps.step("another server is not believed, and nothing is lost by it") {
            val forged = Forged(directory)
            val right = bo.transport
            bo.transport = forged.instead(right)
            bo.reopen()
            val record = bo.save(server.leader, "Máy chủ lạ")
            equal(bo.client.sync().problem?.kind, ProblemKind.TLS_OTHER)
            equal(bo.client.standing.value.problem?.kind, ProblemKind.TLS_OTHER)
            equal(bo.client.waiting().map { it.record }, listOf(record))
            bo.transport = right
            bo.reopen()
            equal(bo.sync(), 1)
            equal(bo.client.standing.value.problem, null)
        }
        steps.step("a sync that is cancelled while the answer is on its way loses nothing") {
            val relay = server.relay
            val record = ana.save(server.member, "Người dùng rời màn hình")
            relay.holdsAnswers = true
            val held = relay.held.get()
            // a kept connection is used, so what is held back is the answer itself: the server has
            // taken the visit by then
            val sync = scope.launch(Dispatchers.Default) { ana.client.sync() }
            withTimeout(PATIENCE_MS) { while (relay.held.get() == held) delay(10) }
            val began = System.nanoTime()
            sync.cancelAndJoin()
            val took = (System.nanoTime() - began) / 1_000_000
            holds(took < FLOW_MS) { "it took $took ms" }
            relay.holdsAnswers = false
            relay.cut()
            equal(ana.client.standing.value.problem, null, "leaving is no problem")
            equal(ana.client.waiting().map { it.record }, listOf(record))
            equal(ana.sync(), 1)
            equal(ana.field(record, "summary").history.size, 1)
            bo.sync()
            equal(bo.field(record, "summary").value.text, "Người dùng rời màn hình")
        }
        steps.step("a sync that is cancelled while it connects loses nothing") {
            val relay = server.relay
            ana.save(server.member, "Bỏ giữa chừng")
            relay.cut()
            relay.holdsAnswers = true
            val sync = scope.launch(Dispatchers.Default) { ana.client.sync() }
            delay(FLOW_MS)
            sync.cancelAndJoin()
            relay.holdsAnswers = false
            relay.cut()
            equal(ana.sync(), 1)
        }
        steps.step("two syncs at once go one after the other") {
            ana.save(server.member, "Hai lần gửi cùng lúc")
            var received = 0
            val both = List(2) {
                scope.launch(Dispatchers.Default) {
                    val done = ana.sync()
                    synchronized(this@Story) { received += done }
                }
            }
            both.forEach { it.join() }
            equal(received, 1)
        }
        steps.step("a server that is killed and started again has lost nothing") {
            val before = ana.save(server.member, "Trước khi máy chủ chết")
            equal(ana.sync(), 1)
            server.kill()
            val after = ana.save(server.member, "Khi máy chủ đã chết")
            holds(ana.client.sync().problem != null) { "no problem" }
            server.start()
            equal(ana.sync(), 1)
            bo.sync()
            for (record in listOf(before, after)) {
                equal(bo.client.read(record).badge.phase, Phase.RECEIVED)
            }
        }
    }

    /** Bytes that came down for one visit on a new connection. */
    private suspend fun bytesOfVisit(prepare: suspend () -> Unit): Long {
        prepare()
        server.relay.cut()
        val before = server.relay.bytesDown.get()
        ana.sync()
        return server.relay.bytesDown.get() - before
    }
}

fun main() {
    val directory = kotlin.io.path.createTempDirectory("binhyen-kotlin-").toFile()
    val steps = Steps()
    try {
        runBlocking {
            val story = Story(directory, this)
            try {
                transportSteps(directory, steps)
                story.enrolment(steps)
                story.offline(steps)
                story.theWay(steps)
                Together(story, this).all(steps)
            } finally {
                story.server.kill()
                story.server.relay.close()
            }
        }
    } finally {
        directory.deleteRecursively()
    }
    println("${steps.passed} passed, ${steps.failed} failed")
    exitProcess(if (steps.failed == 0 && steps.passed > 0) 0 else 1)
}
