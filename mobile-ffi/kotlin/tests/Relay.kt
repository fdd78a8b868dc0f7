package vn.binhyen.tests

import java.io.Closeable
import java.io.IOException
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicLong
import kotlin.concurrent.thread

/** The link between phones and server: it counts, and can hold answers back or be cut. */
class Relay : Closeable {
    private val door = ServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress())
    private val open: MutableSet<Socket> = ConcurrentHashMap.newKeySet()
    val url = "https://127.0.0.1:${door.localPort}"
    val connections = AtomicInteger()
    val bytesUp = AtomicLong()
    val bytesDown = AtomicLong()

    @Volatile var port = 0

    /** While true, what comes from the server goes nowhere. */
    @Volatile var holdsAnswers = false

    /** Bytes that were held back. */
    val held = AtomicLong()

    init {
        thread(isDaemon = true) {
            while (!door.isClosed) {
                try {
                    serve(door.accept())
                } catch (_: IOException) {
                    // closed, or nobody listens behind it
                }
            }
        }
    }

    private fun serve(near: Socket) {
        connections.incrementAndGet()
        val far = try {
            Socket(InetAddress.getLoopbackAddress(), port)
        } catch (error: IOException) {
            near.close()
            throw error
        }
        open.add(near)
        open.add(far)
        pump(near, far) { count ->
            bytesUp.addAndGet(count.toLong())
            true
        }
        pump(far, near) { count ->
            if (holdsAnswers) {
                held.addAndGet(count.toLong())
            } else {
                bytesDown.addAndGet(count.toLong())
            }
            !holdsAnswers
        }
    }

    private fun pump(from: Socket, to: Socket, passes: (Int) -> Boolean) {
        thread(isDaemon = true) {
            try {
                val input = from.getInputStream()
                val output = to.getOutputStream()
                val piece = ByteArray(PIECE_BYTES)
                while (true) {
                    val count = input.read(piece)
                    if (count < 0) break
                    if (passes(count)) output.write(piece, 0, count)
                }
            } catch (_: IOException) {
                // cut
            } finally {
                for (socket in listOf(from, to)) {
                    open.remove(socket)
                    socket.close()
                }
            }
        }
    }

    fun cut() {
        open.forEach { it.close() }
    }

    override fun close() {
        door.close()
        cut()
    }

    private companion object {
        const val BACKLOG = 50
        const val PIECE_BYTES = 16 * 1024
    }
}
