package vn.binhyen

import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.EOFException
import java.io.IOException
import java.io.InputStream
import java.net.InetAddress
import java.net.Socket
import java.net.SocketException
import java.net.SocketTimeoutException
import java.net.URL
import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.NoSuchAlgorithmException
import java.security.Provider
import java.security.cert.CertificateExpiredException
import java.security.cert.CertificateFactory
import java.security.cert.CertificateNotYetValidException
import javax.net.ssl.HttpsURLConnection
import javax.net.ssl.SSLContext
import javax.net.ssl.SSLException
import javax.net.ssl.SSLSocket
import javax.net.ssl.SSLSocketFactory
import javax.net.ssl.TrustManagerFactory
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asExecutor
import kotlinx.coroutines.suspendCancellableCoroutine
import vn.binhyen.ffi.Server
import vn.binhyen.ffi.VisitFailure

/**
 * HTTP/1.1 over TLS 1.3 with what every JVM and Android has. A connection is kept for the next
 * request, and a TLS session is taken up again, as long as this object lives: keep one.
 *
 * Android has TLS 1.3 from version 10 on. On Android 8 and 9 give Conscrypt's provider as
 * [tlsProvider]; without it the constructor fails there, and not first at the first visit.
 *
 * @param dispatcher where it may block; never the main thread.
 */
public class HttpsTransport(
    private val tlsProvider: Provider? = null,
    private val dispatcher: CoroutineDispatcher = Dispatchers.IO,
) : Transport {
    private class Pinned(val caDer: ByteArray, val sockets: SSLSocketFactory)

    private var pinned: Pinned? = null

    init {
        context()
    }

    override suspend fun post(server: Server, path: String, body: ByteArray): Answer =
        suspendCancellableCoroutine { waiting ->
            val executor = dispatcher.asExecutor()
            executor.execute {
                if (waiting.isActive) exchange(waiting, server, path, body)
            }
        }

    private fun exchange(
        waiting: CancellableContinuation<Answer>,
        server: Server,
        path: String,
        body: ByteArray,
    ) {
        try {
            val connection = URL(server.url + path).openConnection() as? HttpsURLConnection
                ?: throw IOException("the server's address is not one of https")
            connection.sslSocketFactory = socketsFor(server.caDer)
            // ended elsewhere than in the caller's thread: closing a socket may take a while
            waiting.invokeOnCancellation { dispatcher.asExecutor().execute(connection::disconnect) }
            waiting.resume(ask(connection, body))
        } catch (error: IOException) {
            waiting.resumeWithException(TransportException(failureOf(error), error))
        } catch (error: GeneralSecurityException) {
            // such as a certificate of the code that is none: nobody can be trusted with it
            waiting.resumeWithException(TransportException(VisitFailure.TLS_OTHER, error))
        } catch (error: RuntimeException) {
            waiting.resumeWithException(error)
        }
    }

    private fun ask(connection: HttpsURLConnection, body: ByteArray): Answer {
        connection.connectTimeout = CONNECT_TIMEOUT_MS
        connection.readTimeout = READ_TIMEOUT_MS
        connection.instanceFollowRedirects = false
        connection.useCaches = false
        connection.requestMethod = "POST"
        // short ones in place of those that the platform would send: each byte is paid for
        connection.setRequestProperty("Content-Type", "application/octet-stream")
        connection.setRequestProperty("Accept", "*/*")
        connection.setRequestProperty("User-Agent", "binhyen")
        connection.doOutput = true
        connection.outputStream.use { it.write(body) }
        val status = connection.responseCode
        // the first line was cut off
        if (status < STATUS_MIN) throw TransportException(VisitFailure.NO_NETWORK)
        val stream = if (status < 400) connection.inputStream else connection.errorStream
        val whole = stream?.use(::readWhole) ?: ByteArray(0)
        // a body that was cut ends like a whole one here
        if (connection.contentLength > whole.size) throw TransportException(VisitFailure.NO_NETWORK)
        return Answer(status.toUShort(), whole)
    }

    private fun readWhole(stream: InputStream): ByteArray {
        val whole = ByteArrayOutputStream()
        val piece = ByteArray(PIECE_BYTES)
        while (true) {
            val read = stream.read(piece)
            if (read < 0) return whole.toByteArray()
            if (whole.size() + read > BODY_BYTES_MAX) {
                throw TransportException(VisitFailure.HTTP_STATUS)
            }
            whole.write(piece, 0, read)
        }
    }

    /** One factory for each authority: connections and sessions are kept by it. */
    @Synchronized
    private fun socketsFor(caDer: ByteArray): SSLSocketFactory {
        pinned?.takeIf { it.caDer.contentEquals(caDer) }?.let { return it.sockets }
        val trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
        trust.init(if (caDer.isEmpty()) null else only(caDer))
        val context = context()
        context.init(null, trust.trustManagers, null)
        val sockets = OnlyTls13(context.socketFactory)
        pinned = Pinned(caDer, sockets)
        return sockets
    }

    private fun only(caDer: ByteArray): KeyStore {
        val authority = ByteArrayInputStream(caDer).use {
            CertificateFactory.getInstance("X.509").generateCertificate(it)
        }
        return KeyStore.getInstance(KeyStore.getDefaultType()).apply {
            load(null, null)
            setCertificateEntry("authority of the code", authority)
        }
    }

    private fun context(): SSLContext = try {
        if (tlsProvider == null) {
            SSLContext.getInstance(TLS_1_3)
        } else {
            SSLContext.getInstance(TLS_1_3, tlsProvider)
        }
    } catch (error: NoSuchAlgorithmException) {
        throw IllegalStateException(
            "this system has no TLS 1.3: give HttpsTransport the provider of Conscrypt", error,
        )
    }

    public companion object {
        /** Longest wait for a connection. */
        public const val CONNECT_TIMEOUT_MS: Int = 20_000

        /** Longest silence of the server: on 2G an answer of 64 KiB takes half a minute. */
        public const val READ_TIMEOUT_MS: Int = 60_000

        /** Most bytes of an answer: sync-core takes no longer one. */
        public const val BODY_BYTES_MAX: Int = 1024 * 1024

        private const val PIECE_BYTES = 8 * 1024
        private const val STATUS_MIN = 100

        /** What a failure on the way is for the screen. */
        public fun failureOf(error: IOException): VisitFailure {
            if (error is TransportException) return error.failure
            val causes = generateSequence<Throwable>(error) { it.cause }.take(CAUSES_MAX).toList()
            return when {
                causes.any { it is CertificateExpiredException } -> VisitFailure.TLS_CLOCK
                causes.any { it is CertificateNotYetValidException } -> VisitFailure.TLS_CLOCK
                causes.any { it is SocketTimeoutException } -> VisitFailure.TIMEOUT
                // a link that was cut while they greeted each other is no fault of TLS
                causes.any { it is EOFException || it is SocketException } ->
                    VisitFailure.NO_NETWORK
                error is SSLException -> VisitFailure.TLS_OTHER
                else -> VisitFailure.NO_NETWORK
            }
        }

        private const val CAUSES_MAX = 16
    }
}

private const val TLS_1_3 = "TLSv1.3"

/** The platform would also offer TLS 1.2; a server that took it would not be ours. */
private class OnlyTls13(private val inner: SSLSocketFactory) : SSLSocketFactory() {
    private fun narrowed(socket: Socket): Socket {
        (socket as SSLSocket).enabledProtocols = arrayOf(TLS_1_3)
        return socket
    }

    override fun getDefaultCipherSuites(): Array<String> = inner.defaultCipherSuites

    override fun getSupportedCipherSuites(): Array<String> = inner.supportedCipherSuites

    override fun createSocket(): Socket = narrowed(inner.createSocket())

    override fun createSocket(socket: Socket, host: String, port: Int, autoClose: Boolean): Socket =
        narrowed(inner.createSocket(socket, host, port, autoClose))

    override fun createSocket(host: String, port: Int): Socket =
        narrowed(inner.createSocket(host, port))

    override fun createSocket(host: String, port: Int, from: InetAddress, fromPort: Int): Socket =
        narrowed(inner.createSocket(host, port, from, fromPort))

    override fun createSocket(host: InetAddress, port: Int): Socket =
        narrowed(inner.createSocket(host, port))

    override fun createSocket(
        host: InetAddress,
        port: Int,
        from: InetAddress,
        fromPort: Int,
    ): Socket = narrowed(inner.createSocket(host, port, from, fromPort))
}
