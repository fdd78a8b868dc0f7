package vn.binhyen

import java.io.IOException
import vn.binhyen.ffi.Server
import vn.binhyen.ffi.VisitFailure

/** Carries one request to the server. [HttpsTransport] is the one to use. */
public interface Transport {
    /**
     * Sends `POST {server.url}{path}` with [body] and gives what came back, whatever its status:
     * the server's own problems are bodies too. It trusts `server.caDer` and nobody else; when that
     * is empty, the authorities of the system. Cancelling it must end it.
     *
     * @throws TransportException when no answer came.
     */
    @Throws(TransportException::class)
    public suspend fun post(server: Server, path: String, body: ByteArray): Answer
}

/** What came back: the [status] of HTTP and the [body]. */
public class Answer(public val status: UShort, public val body: ByteArray)

/** No answer came; [failure] says in one word what the screen needs to know. */
public class TransportException(
    public val failure: VisitFailure,
    cause: Throwable? = null,
) : IOException("no answer: $failure", cause)
