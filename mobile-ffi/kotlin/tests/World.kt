package vn.binhyen.tests

import java.io.ByteArrayInputStream
import java.io.File
import java.net.URI
import java.net.URLEncoder
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.security.KeyStore
import java.security.SecureRandom
import java.security.cert.CertificateFactory
import java.util.concurrent.TimeUnit
import javax.net.ssl.SSLContext
import javax.net.ssl.TrustManagerFactory
import vn.binhyen.Clocks
import vn.binhyen.HighWaterFile
import vn.binhyen.HighWaterMark
import vn.binhyen.HttpsTransport
import vn.binhyen.PhoneClient
import vn.binhyen.Synced
import vn.binhyen.Transport
import vn.binhyen.ffi.DayInput
import vn.binhyen.ffi.EnrolStep
import vn.binhyen.ffi.FieldInput
import vn.binhyen.ffi.InputValue
import vn.binhyen.ffi.PageField
import vn.binhyen.ffi.TimeInput

const val PASSWORD = "mật khẩu của cán bộ mẫu"
const val GROUP_NAME = "Tổ an ninh ấp Giữa"
private const val COMMUNE = "10525" // any commune of the built-in table
private const val RUN_SECONDS_MAX = 120L
private const val STOP_SECONDS_MAX = 20L
private const val CONSOLE_STATUS_MOVED = 303

/** The real server, behind a relay, and what an operator types. */
class Server(private val data: File) {
    private val binary = checkNotNull(System.getenv("BINHYEN")) { "BINHYEN names the server" }
    private var process: Process? = null
    private var listen = "127.0.0.1:0"
    val relay = Relay()
    var group = ""
    var member: UShort = 0u
    var leader: UShort = 0u

    fun start() {
        val words =
            listOf(binary, "--data", data.path, "serve", "--listen", listen, "--public-url", relay.url)
        val started = ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.INHERIT).start()
        process = started
        val line = started.inputStream.bufferedReader().readLine()
        val found = Regex("""https://([0-9.]+:(\d+))""").find(line ?: "")
        checkNotNull(found) { "the server did not start: $line" }
        listen = found.groupValues[1] // the same port after a new start
        relay.port = found.groupValues[2].toInt()
    }

    fun stop() {
        val running = process ?: return
        running.destroy()
        if (!running.waitFor(STOP_SECONDS_MAX, TimeUnit.SECONDS)) kill()
        process = null
    }

    fun kill() {
        process?.destroyForcibly()?.waitFor()
        process = null
    }

    fun run(vararg words: String, input: String = ""): String {
        val started = ProcessBuilder(listOf(binary, "--data", data.path, *words))
            .redirectErrorStream(true).start()
        started.outputStream.use { it.write(input.toByteArray()) }
        val printed = started.inputStream.bufferedReader().readText()
        check(started.waitFor(RUN_SECONDS_MAX, TimeUnit.SECONDS)) { "${words.toList()} has no end" }
        check(started.exitValue() == 0) { "${words.toList()}: $printed" }
        return printed.trim()
    }

    fun found() {
        group = run("group", "add", GROUP_NAME, "--area", COMMUNE)
        member = run("member", "add", "Trần Thị Mẫu", "--group", group).toUShort()
        val leads = arrayOf("member", "add", "Nguyễn Văn Mẫu", "--group", group, "--role", "leader")
        leader = run(*leads).toUShort()
        val officer =
            arrayOf("officer", "add", "can-bo", "--role", "commune_officer", "--area", COMMUNE)
        run(*officer, "--password-stdin", input = PASSWORD + "\n")
    }

    fun code(): String =
        run("enrol", "--group", group).lines().first { it.startsWith("BINHYEN1:") }

    /** The name of the device that shows these digits. */
    fun deviceOf(digits: String): String =
        run("device", "list").lines().first { digits in it }.trim().split(Regex("\\s+"))[0]

    /** Confirms it, and gives its name. */
    fun confirm(digits: String): String =
        deviceOf(digits).also { run("device", "confirm", it, digits) }
}

/** An officer's browser: cookies, forms and nothing else. */
class Console(private val address: String, caDer: ByteArray) {
    private val cookies = mutableMapOf<String, String>()
    private val client = HttpClient.newBuilder().sslContext(trusting(caDer)).build()

    private fun ask(path: String, form: Map<String, String>? = null): Pair<Int, String> {
        val request = HttpRequest.newBuilder(URI(address + path))
            .header("cookie", cookies.entries.joinToString("; ") { "${it.key}=${it.value}" })
        if (form != null) {
            val body = form.entries.joinToString("&") { "${it.key}=${encoded(it.value)}" }
            request.header("content-type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(body))
        }
        val answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString())
        for (line in answer.headers().allValues("set-cookie")) {
            cookies[line.substringBefore('=')] = line.substringAfter('=').substringBefore(';')
        }
        return answer.statusCode() to answer.body()
    }

    private fun encoded(text: String) = URLEncoder.encode(text, Charsets.UTF_8)

    private fun hidden(page: String, name: String): String =
        checkNotNull(Regex("""name="$name" value="([^"]*)"""").find(page)) { "no field $name" }
            .groupValues[1]

    fun signIn(name: String, password: String) {
        val (_, page) = ask("/console/sign-in")
        val form = mapOf("token" to hidden(page, "token"), "name" to name, "password" to password)
        equal(ask("/console/sign-in", form).first, CONSOLE_STATUS_MOVED, "signing in")
    }

    fun record(record: String): String {
        val (status, page) = ask("/console/record/$record")
        equal(status, 200, "the page of a record")
        return page
    }

    fun review(record: String, form: Map<String, String>) {
        val page = record(record)
        val hidden = mapOf("token" to hidden(page, "token"), "heads" to hidden(page, "heads"))
        val (status, _) = ask("/console/record/$record/review", hidden + form)
        equal(status, CONSOLE_STATUS_MOVED, "the review")
    }
}

fun trusting(caDer: ByteArray): SSLContext {
    val authority =
        CertificateFactory.getInstance("X.509").generateCertificate(ByteArrayInputStream(caDer))
    val only = KeyStore.getInstance(KeyStore.getDefaultType())
    only.load(null, null)
    only.setCertificateEntry("authority", authority)
    val trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
    trust.init(only)
    return SSLContext.getInstance("TLS").apply { init(null, trust.trustManagers, null) }
}

/** One phone: its files, its key from a keystore, and the app on it. */
class Handset(directory: File, name: String) {
    val store = File(directory, "$name.store")
    val markFile = File(directory, "$name.mark")
    var mark: HighWaterMark = HighWaterFile(markFile)
    var key = ByteArray(32).also(SecureRandom()::nextBytes)
    var transport: Transport = HttpsTransport()

    /** Seconds that this phone's clock is ahead. */
    var aheadS = 0L

    /** The thread that last asked for the time: the one that does the work. */
    @Volatile var worker: Thread? = null
    lateinit var client: PhoneClient

    /** Its name at the desk, once it is confirmed. */
    var device = ""

    private val clocks = Clocks(wallMs = {
        worker = Thread.currentThread()
        System.currentTimeMillis() + aheadS * 1_000
    })

    suspend fun open(): PhoneClient {
        client = PhoneClient.open(store.path, key, mark, transport, clocks)
        return client
    }

    suspend fun startAnew() {
        client = PhoneClient.startAnew(store.path, key, mark, transport, clocks)
    }

    suspend fun reopen() {
        client.close()
        open()
    }

    suspend fun enrol(code: String): EnrolStep = client.enrolBegin(code).also { client.enrol(it) }

    suspend fun group() = client.groups().first()

    suspend fun save(member: UShort, summary: String): String =
        client.save(group().id, member, "patrol", patrol(group().area, summary)).record

    /** A sync that must go well; how many changes were received. */
    suspend fun sync(): Int = synced().received.toInt()

    suspend fun synced(): Synced = client.sync().also { equal(it.problem, null, "the sync") }

    suspend fun field(record: String, name: String): PageField =
        client.read(record).fields.first { it.id == name }
}

// --- what people type ------------------------------------------------------------------------

fun words(field: String, text: String) = FieldInput(field, 0u, InputValue.Text(text))

private fun at(hour: Int) = TimeInput(DayInput(2026, 11u, 20u), hour.toUByte(), 30u, 420)

fun patrol(area: String?, summary: String) = listOf(
    FieldInput("area_id", 0u, InputValue.Area(checkNotNull(area))),
    FieldInput("occurred", 0u, InputValue.Interval(at(20), at(22))),
    FieldInput("members_present", 0u, InputValue.Number("៣")),
    FieldInput("mode", 0u, InputValue.Choice("boat")),
    FieldInput("findings", 0u, InputValue.Choices(listOf("noise", "light_out"))),
    words("summary", summary),
)

// --- checks ----------------------------------------------------------------------------------

fun holds(so: Boolean, what: () -> String) {
    if (!so) throw AssertionError(what())
}

fun <T> equal(found: T, wanted: T, what: String = "") =
    holds(found == wanted) { "$what: $found instead of $wanted" }

/** Runs what must be refused in this way, and gives the refusal. */
inline fun <reified E : Throwable> refused(what: String, work: () -> Unit): E {
    try {
        work()
    } catch (error: Throwable) {
        if (error is E) return error
        throw error
    }
    throw AssertionError("taken: $what")
}

/** Steps in order, each with its name; one that fails does not hide the others. */
class Steps {
    var passed = 0
        private set
    var failed = 0
        private set

    suspend fun step(name: String, work: suspend () -> Unit) {
        val began = System.nanoTime()
        try {
            work()
            passed += 1
            println("ok    $name (${(System.nanoTime() - began) / 1_000_000} ms)")
        } catch (error: Throwable) {
            failed += 1
            println("FAIL  $name\n${error.stackTraceToString()}")
        }
    }
}
