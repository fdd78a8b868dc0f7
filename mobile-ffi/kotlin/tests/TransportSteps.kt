package vn.binhyen.tests

import java.io.Closeable
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.net.InetAddress
import java.net.ServerSocket
import java.security.KeyStore
import java.security.cert.Certificate
import java.security.cert.CertificateFactory
import java.util.concurrent.TimeUnit
import javax.net.ssl.KeyManagerFactory
import javax.net.ssl.SSLContext
import javax.net.ssl.SSLServerSocket
import kotlin.concurrent.thread
import vn.binhyen.Answer
import vn.binhyen.HttpsTransport
import vn.binhyen.Transport
import vn.binhyen.TransportException
import vn.binhyen.ffi.Server
import vn.binhyen.ffi.VisitFailure

private const val SECRET = "no secret"
private const val KEYTOOL_SECONDS_MAX = 60L

/** An authority that no code names, with servers of its own. */
class Forged(private val directory: File) {
    private val keys = File.createTempFile("forged", ".p12", directory).also { it.delete() }
    private val root: Certificate

    /** Its certificate, DER. */
    val authority: ByteArray get() = root.encoded

    init {
        generate("authority", "-ext", "bc:c")
        root = read().getCertificate("authority")
    }

    /** Carries everything as [right] does, and trusts this authority only. */
    fun instead(right: Transport) = object : Transport {
        override suspend fun post(server: Server, path: String, body: ByteArray): Answer =
            right.post(server.copy(caDer = authority), path, body)
    }

    /** What a server shows whose certificate this authority made. */
    fun context(name: String, from: String = "-1d", days: Int = 30): SSLContext {
        generate("server")
        val asked = keytool("-certreq", "-alias", "server")
        val made = keytool(
            "-gencert", "-alias", "authority", "-ext", "san=$name", "-startdate", from,
            "-validity", "$days", input = asked,
        )
        val own = CertificateFactory.getInstance("X.509").generateCertificate(made.inputStream())
        val shown = KeyStore.getInstance("PKCS12").apply { load(null, null) }
        val key = read().getKey("server", SECRET.toCharArray())
        shown.setKeyEntry("server", key, SECRET.toCharArray(), arrayOf(own, root))
        keytool("-delete", "-alias", "server")
        val managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm())
        managers.init(shown, SECRET.toCharArray())
        return SSLContext.getInstance("TLS").apply { init(managers.keyManagers, null, null) }
    }

    private fun read() =
        KeyStore.getInstance("PKCS12").apply { keys.inputStream().use { load(it, SECRET.toCharArray()) } }

    private fun generate(alias: String, vararg more: String) {
        keytool("-genkeypair", "-alias", alias, "-dname", "CN=$alias", "-keyalg", "EC", *more)
    }

    private fun keytool(vararg words: String, input: ByteArray = ByteArray(0)): ByteArray {
        val path = File(System.getProperty("java.home"), "bin/keytool").path
        val fixed = listOf("-keystore", keys.path, "-storepass", SECRET, "-storetype", "PKCS12")
        val process = ProcessBuilder(listOf(path, *words) + fixed)
            .redirectError(File(directory, "keytool.err")).start()
        process.outputStream.use { it.write(input) }
        val printed = process.inputStream.readBytes()
        check(process.waitFor(KEYTOOL_SECONDS_MAX, TimeUnit.SECONDS) && process.exitValue() == 0) {
            "keytool ${words.toList()}: ${File(directory, "keytool.err").readText()}"
        }
        return printed
    }
}

/** Answers every request with the same bytes; with none, it hangs up at once. */
class Answering(context: SSLContext?, answer: ByteArray, protocol: String = "TLSv1.3") : Closeable {
    private val here = InetAddress.getLoopbackAddress()
    private val door = if (context == null) {
        ServerSocket(0, 1, here)
    } else {
        (context.serverSocketFactory.createServerSocket(0, 1, here) as SSLServerSocket)
            .apply { enabledProtocols = arrayOf(protocol) }
    }
    val url = "https://127.0.0.1:${door.localPort}"

    init {
        thread(isDaemon = true) {
            while (!door.isClosed) {
                try {
                    door.accept().use {
                        if (context != null) {
                            skipRequest(it.getInputStream())
                            it.getOutputStream().write(answer)
                        }
                    }
                } catch (_: IOException) {
                    // refused by the other side, or closed
                }
            }
        }
    }

    private fun skipRequest(input: InputStream) {
        val head = StringBuilder()
        while (!head.endsWith("\r\n\r\n")) head.append(input.read().also { if (it < 0) return }.toChar())
        val length = Regex("(?i)content-length: *([0-9]+)").find(head)?.groupValues?.get(1)?.toInt() ?: 0
        repeat(length) { input.read() }
    }

    override fun close() = door.close()
}

private fun http(status: Int, body: ByteArray, length: Int = body.size, more: String = "") =
    "HTTP/1.1 $status it\r\n${more}content-length: $length\r\n\r\n".toByteArray() + body

/** What the transport takes and what it refuses, each from a server that does just that. */
suspend fun transportSteps(directory: File, steps: Steps) {
    val forged = Forged(directory)
    val good = forged.context("ip:127.0.0.1")
    val body = "trả lời".toByteArray()

    suspend fun ask(server: Answering, authority: ByteArray = forged.authority): Answer =
        server.use { HttpsTransport().post(Server(it.url, authority), "/v1/sync", byteArrayOf(1)) }

    suspend fun fails(wanted: VisitFailure, server: Answering, authority: ByteArray = forged.authority) {
        val error = refused<TransportException>("$wanted") { ask(server, authority) }
        equal(error.failure, wanted, "$error ${error.cause}")
    }

    steps.step("transport: an answer comes whole, whatever its status") {
        for (status in listOf(200, 400, 429, 503)) {
            val answer = ask(Answering(good, http(status, body)))
            equal(answer.status.toInt(), status)
            holds(answer.body.contentEquals(body)) { "${answer.body.size} bytes" }
        }
    }
    steps.step("transport: nobody is followed to another place") {
        val elsewhere = http(302, ByteArray(0), more = "location: https://127.0.0.1:1/\r\n")
        equal(ask(Answering(good, elsewhere)).status.toInt(), 302)
    }
    steps.step("transport: a certificate that the clock refuses is told apart") {
        val past = forged.context("ip:127.0.0.1", from = "-9d", days = 2)
        fails(VisitFailure.TLS_CLOCK, Answering(past, http(200, body)))
        val future = forged.context("ip:127.0.0.1", from = "+2d")
        fails(VisitFailure.TLS_CLOCK, Answering(future, http(200, body)))
    }
    steps.step("transport: another name, another authority and none are refused") {
        val named = forged.context("dns:example.org")
        fails(VisitFailure.TLS_OTHER, Answering(named, http(200, body)))
        val other = Forged(directory).authority
        fails(VisitFailure.TLS_OTHER, Answering(good, http(200, body)), other)
        fails(VisitFailure.TLS_OTHER, Answering(good, http(200, body)), byteArrayOf(1, 2, 3))
        // nothing to pin means the authorities of the system, which do not know this one
        fails(VisitFailure.TLS_OTHER, Answering(good, http(200, body)), ByteArray(0))
    }
    steps.step("transport: TLS 1.2 is not spoken") {
        fails(VisitFailure.TLS_OTHER, Answering(good, http(200, body), "TLSv1.2"))
    }
    steps.step("transport: a link that is cut is no network") {
        fails(VisitFailure.NO_NETWORK, Answering(null, ByteArray(0)))
        fails(VisitFailure.NO_NETWORK, Answering(good, "HTTP/1.1 2".toByteArray()))
        fails(VisitFailure.NO_NETWORK, Answering(good, http(200, body, length = body.size + 5)))
        fails(VisitFailure.NO_NETWORK, Answering(good, http(200, body)).also { it.close() })
    }
    steps.step("transport: an answer without an end is not kept") {
        val most = HttpsTransport.BODY_BYTES_MAX
        equal(ask(Answering(good, http(200, ByteArray(most)))).body.size, most)
        fails(VisitFailure.HTTP_STATUS, Answering(good, http(200, ByteArray(most + 1))))
    }
}
