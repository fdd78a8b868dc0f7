package vn.binhyen

import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import vn.binhyen.ffi.Problem
import vn.binhyen.ffi.Status

/**
 * Records to read again, by name: [saved] were saved on this phone, [brought] were changed by what
 * a visit brought. What changed several times before a collector looked is told once.
 */
public data class Change(val saved: Set<String>, val brought: Set<String>) {
    /** All of them. */
    public val records: Set<String> get() = saved + brought

    internal operator fun plus(later: Change) =
        Change(saved + later.saved, brought + later.brought)
}

/** What the screen shows beside the records. */
public data class Standing(
    /** How the phone stands. */
    val status: Status,
    /** What went wrong on the way, until a visit goes well. */
    val problem: Problem?,
    /**
     * False when the high-water mark could not be kept. Nothing is lost, but until it is kept only
     * the server would notice that this phone was restored from a backup.
     */
    val markKept: Boolean,
)

/** What [PhoneClient.sync] did, in changes of this phone. */
public data class Synced(
    /** In the log, on the server's disk. */
    val received: UInt,
    /** Set aside: [PhoneClient.waiting] says why. */
    val refused: UInt,
    /** Said again on a new chain, because a copy of this phone was faster. */
    val saidAgain: UInt,
    /** Why it ended early; null when nothing more waits, here or there. */
    val problem: Problem?,
)

/** Tells each collector what changed since it began to collect: nothing is lost, nothing twice. */
internal class Changes {
    /** What one collector has not taken yet: no more than the records there are. */
    private class Inbox {
        var pending: Change? = null
        val bell = Channel<Unit>(Channel.CONFLATED)
    }

    private val inboxes = mutableSetOf<Inbox>()
    private var ended = false

    fun tell(change: Change) {
        if (change.records.isEmpty()) return
        synchronized(this) {
            for (inbox in inboxes) {
                inbox.pending = inbox.pending?.plus(change) ?: change
                inbox.bell.trySend(Unit)
            }
        }
    }

    fun end() {
        synchronized(this) {
            ended = true
            inboxes.forEach { it.bell.close() }
        }
    }

    val flow: Flow<Change> = flow {
        val inbox = Inbox()
        synchronized(this@Changes) {
            if (ended) return@flow
            inboxes.add(inbox)
        }
        try {
            for (ring in inbox.bell) take(inbox)?.let { emit(it) }
        } finally {
            synchronized(this@Changes) { inboxes.remove(inbox) }
        }
    }

    private fun take(inbox: Inbox): Change? = synchronized(this) {
        inbox.pending.also { inbox.pending = null }
    }
}
