package vn.binhyen

import java.io.File
import java.io.IOException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext
import vn.binhyen.ffi.Clock
import vn.binhyen.ffi.EnrolStep
import vn.binhyen.ffi.FieldInput
import vn.binhyen.ffi.Form
import vn.binhyen.ffi.Group
import vn.binhyen.ffi.GroupAct
import vn.binhyen.ffi.ListFilter
import vn.binhyen.ffi.Member
import vn.binhyen.ffi.Phone
import vn.binhyen.ffi.PhoneException
import vn.binhyen.ffi.RecordPage
import vn.binhyen.ffi.Reissued
import vn.binhyen.ffi.Row
import vn.binhyen.ffi.SavedRecord
import vn.binhyen.ffi.Server
import vn.binhyen.ffi.VisitFailure
import vn.binhyen.ffi.Visited
import vn.binhyen.ffi.Waiting
import vn.binhyen.ffi.WritableType

/**
 * The host's clocks, in milliseconds. On Android let [monoMs] be
 * `SystemClock::elapsedRealtime`: the JVM's own stands still while the phone sleeps.
 */
public class Clocks(
    /** The wall clock, since 1970. It may be wrong. */
    public val wallMs: () -> Long = System::currentTimeMillis,
    /** A counter that only runs forward. */
    public val monoMs: () -> Long = { System.nanoTime() / 1_000_000 },
) {
    internal val nowS: Long get() = Math.floorDiv(wallMs(), 1_000L)
    internal val now: Clock get() = Clock(nowS, (monoMs() / 1_000).toUInt())
}

/**
 * The phone for an app: the calls of [Phone] as suspend functions that never block their caller,
 * the visits to the server, the high-water mark, and a flow of what changed.
 *
 * Calls run one after another, off the main thread. What a call says was saved is on the disk. A
 * call that fails throws a [PhoneException], whose `wordsVi()` is the sentence for the person, and
 * nothing was changed.
 *
 * A coroutine that is cancelled while it saves may leave without the answer; the save then either
 * happened whole, and [changes] tells it, or not at all.
 */
public class PhoneClient private constructor(
    private val phone: Phone,
    private val mark: HighWaterMark,
    private val transport: Transport,
    private val clocks: Clocks,
    private val serial: CoroutineDispatcher,
) {
    private val visiting = Mutex()
    private val told = Changes()
    private var markWritten: ULong? = null
    private val stands: MutableStateFlow<Standing>

    init {
        keepMark(phone.highWater())
        stands = MutableStateFlow(standingNow())
    }

    /**
     * What changed since the collector began: each save and each visit that brought something, in
     * order. A slow collector gets several at once, and a record that changed twice once; nothing
     * is lost and nothing told twice. It ends with [close].
     */
    public val changes: Flow<Change> get() = told.flow

    /** What the screen shows beside the records, as it is now. */
    public val standing: StateFlow<Standing> get() = stands.asStateFlow()

    // --- enrol -------------------------------------------------------------------------------

    /** Reads the text of a QR code: whose group it is, and the digits; nothing is sent yet. */
    public suspend fun enrolBegin(qrText: String): EnrolStep = ask { it.enrolBegin(qrText) }

    /**
     * Sends what [enrolBegin] gave; from here on the phone may write. After a fault of the network
     * the same code goes on with the same key.
     *
     * @throws TransportException when no answer came.
     */
    public suspend fun enrol(step: EnrolStep) {
        val answer = transport.post(Server(step.url, step.caDer), ENROL_PATH, step.body)
        change {
            it.enrolFinish(answer.status, answer.body)
            NOTHING
        }
    }

    /** The six digits that an officer compares; null before a code was read. */
    public suspend fun digits(): String? = ask { it.digits() }

    /** Where it sends, once a code was read. */
    public suspend fun server(): Server? = ask { it.server() }

    // --- write -------------------------------------------------------------------------------

    /** The groups of this phone. */
    public suspend fun groups(): List<Group> = ask { it.groups() }

    /** Who may write in a group on this phone. */
    public suspend fun members(group: String): List<Member> = ask { it.members(group) }

    /** What a member may write. */
    public suspend fun typesFor(group: String, member: UShort): List<WritableType> =
        ask { it.typesFor(group, member) }

    /** The form of a type, as data. */
    public suspend fun form(typeId: String, kind: String? = null): Form =
        ask { it.form(typeId, kind) }

    /** A number for a new item of a family. */
    public suspend fun newItem(): UInt = ask { it.newItem() }

    /** Saves a new record of the type. */
    public suspend fun save(
        group: String,
        member: UShort,
        typeId: String,
        values: List<FieldInput>,
    ): SavedRecord = saved { it.save(group, member, null, typeId, values, clocks.now) }

    /** Edits a record; an officer's remark is answered by an edit like any other. */
    public suspend fun edit(
        record: String,
        member: UShort,
        values: List<FieldInput>,
    ): SavedRecord = saved { it.answer(record, member, values, clocks.now) }

    /** Chooses among values that were said without knowing of each other; [change] names it. */
    public suspend fun choose(
        record: String,
        member: UShort,
        field: String,
        item: UInt,
        change: String,
    ): SavedRecord = saved { it.choose(record, member, field, item, change, clocks.now) }

    /** Withdraws a record for a reason of the form; it stays, and is shown as withdrawn. */
    public suspend fun withdraw(record: String, member: UShort, reason: String): SavedRecord =
        saved { it.withdraw(record, member, reason, clocks.now) }

    /** Says a record anew in another type, lane or group, and withdraws the old one. */
    public suspend fun reissue(
        record: String,
        member: UShort,
        toGroup: String,
        toMember: UShort,
        toType: String,
        kind: String?,
        reason: String,
    ): Reissued {
        var done: Reissued? = null
        change {
            val new =
                it.reissue(record, member, toGroup, toMember, toType, kind, reason, clocks.now)
            done = new
            Change(setOf(record, new.record), emptySet())
        }
        return checkNotNull(done)
    }

    // --- read --------------------------------------------------------------------------------

    /** Records, newest first in the log's order, a page at a time. */
    public suspend fun list(filter: ListFilter = ListFilter()): List<Row> =
        ask { it.list(filter) }

    /** Records of the open lane with these words: two or more, and nobody is looked up. */
    public suspend fun search(text: String, limit: UInt = 0u): List<Row> =
        ask { it.search(text, limit) }

    /** The page of a record. */
    public suspend fun read(record: String): RecordPage = ask { it.read(record) }

    /** What is not in the log yet, with why, in words. */
    public suspend fun waiting(): List<Waiting> = ask { it.waiting() }

    /** What was done at the desk about a group, newest first, below an index if one is given. */
    public suspend fun groupActs(
        group: String,
        before: ULong? = null,
        limit: UInt = 0u,
    ): List<GroupAct> = ask { it.groupActs(group, before, limit) }

    // --- visit -------------------------------------------------------------------------------

    /** When to call [sync] next, in seconds since 1970; null before enrolment. */
    public suspend fun wakeAt(): Long? = ask { it.wakeAt(clocks.nowS) }

    /**
     * Sends what waits and fetches what is new, until nothing more waits. A fault on the way is no
     * exception but [Synced.problem]: what was taken before it stays taken, the rest stays queued.
     *
     * Cancelling it ends the visit on its way; nothing is lost, and the next one begins afresh. A
     * second caller waits for the first.
     */
    public suspend fun sync(): Synced = visiting.withLock {
        var so = Synced(0u, 0u, 0u, null)
        do {
            val visited = visit() ?: return@withLock so.copy(problem = standing.value.problem)
            so = Synced(
                so.received + visited.receivedNow,
                so.refused + visited.refusedNow,
                so.saidAgain + visited.saidAgain,
                standing.value.problem,
            )
        } while (visited.again)
        so
    }

    /** Closes the store, after a visit on its way. Every later call fails. */
    public suspend fun close(): Unit = visiting.withLock {
        wholly { phone.close() }
        told.end()
    }

    /** One visit; null when it failed, and [standing] tells the problem. */
    private suspend fun visit(): Visited? {
        // from the request on somebody must say how the visit ended, so nothing may come between
        val visit = wholly { phone.request(UP_BYTES, ANSWER_KIB) }
        val answer = try {
            val server = checkNotNull(server()) { "an enrolled phone knows its server" }
            transport.post(server, SYNC_PATH, visit.body)
        } catch (error: TransportException) {
            failed(visit.id, error.failure)
            return null
        } catch (error: Throwable) {
            failed(visit.id, VisitFailure.GIVEN_UP)
            throw error
        }
        return wholly {
            try {
                val visited = phone.response(visit.id, answer.status, answer.body, clocks.nowS)
                settle(Change(emptySet(), visited.touched.toSet()))
                visited
            } catch (error: PhoneException) {
                settle(NOTHING)
                // what the phone tells as a problem of the way is one; the rest is the host's
                if (stands.value.problem == null) throw error
                null
            }
        }
    }

    private suspend fun failed(visit: ULong, failure: VisitFailure) = wholly {
        phone.visitFailed(visit, failure, clocks.nowS)
        settle(NOTHING)
    }

    // --- one after another ---------------------------------------------------------------------

    private suspend fun <T> ask(work: (Phone) -> T): T = withContext(serial) { work(phone) }

    /** Work that a cancelled caller must not leave halfway. */
    private suspend fun <T> wholly(work: () -> T): T =
        withContext(NonCancellable + serial) { work() }

    /** What the work changed is kept and told in the same turn, whether the caller waits or not. */
    private suspend fun change(work: (Phone) -> Change) = withContext(serial) {
        settle(work(phone))
    }

    private suspend fun saved(work: (Phone) -> SavedRecord): SavedRecord = withContext(serial) {
        val saved = work(phone)
        settle(Change(setOf(saved.record), emptySet()))
        saved
    }

    private fun settle(change: Change) {
        keepMark(phone.highWater())
        stands.value = standingNow()
        told.tell(change)
    }

    private fun standingNow() =
        Standing(phone.status(), phone.lastProblem(), markWritten == phone.highWater())

    /** A save that is on the disk is one, also when its mark is not: the next call tries again. */
    private fun keepMark(now: ULong) {
        if (now == markWritten) return
        try {
            mark.write(now)
            markWritten = now
        } catch (_: IOException) {
            markWritten = null
        }
    }

    public companion object {
        private const val ENROL_PATH = "/v1/enrol"
        private const val SYNC_PATH = "/v1/sync"

        /** Bytes of one request, about: four seconds on a slow 2G link. */
        private const val UP_BYTES = 16_000u

        /** The server's own measure. */
        private const val ANSWER_KIB: UShort = 0u

        private val NOTHING = Change(emptySet(), emptySet())

        /**
         * Opens the store at [storePath], or makes it. [storeKey] are 32 bytes from the keystore;
         * they may be wiped afterwards. A process opens a store once.
         *
         * A store whose [mark] is missing or cannot be read counts as restored from a backup: what
         * the phone writes goes on a new chain, which costs nothing and can't be wrong.
         *
         * @throws PhoneException what is wrong with the store; nothing in it was touched.
         */
        @Throws(PhoneException::class)
        public suspend fun open(
            storePath: String,
            storeKey: ByteArray,
            mark: HighWaterMark,
            transport: Transport,
            clocks: Clocks = Clocks(),
        ): PhoneClient = opened(mark, transport, clocks) {
            val unknown = if (File(storePath).exists()) ULong.MAX_VALUE else 0u
            Phone.open(storePath, storeKey, mark.read() ?: unknown, clocks.nowS)
        }

        /**
         * After `StoreDamaged`: puts the store aside, never deletes it, and opens a new one. The
         * phone must be enrolled again.
         *
         * @throws PhoneException what is wrong with the file system.
         */
        @Throws(PhoneException::class)
        public suspend fun startAnew(
            storePath: String,
            storeKey: ByteArray,
            mark: HighWaterMark,
            transport: Transport,
            clocks: Clocks = Clocks(),
        ): PhoneClient = opened(mark, transport, clocks) {
            Phone.startAnew(storePath, storeKey, clocks.nowS)
        }

        private suspend fun opened(
            mark: HighWaterMark,
            transport: Transport,
            clocks: Clocks,
            open: () -> Phone,
        ): PhoneClient {
            val serial = Dispatchers.IO.limitedParallelism(1)
            // a store that nobody holds would stay locked for the life of the process
            return withContext(NonCancellable + serial) {
                PhoneClient(open(), mark, transport, clocks, serial)
            }
        }
    }
}
