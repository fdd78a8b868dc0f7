package vn.binhyen

import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.nio.file.Files
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardCopyOption.REPLACE_EXISTING

/**
 * The number by which a phone notices that its store was taken back from a backup or copied. It
 * must lie where no backup reaches, or it would come back together with the store.
 */
public interface HighWaterMark {
    /** The number, or null when there is none or it cannot be read. */
    public fun read(): ULong?

    /**
     * Keeps [mark] in place of the one before, also when it is lower.
     *
     * @throws IOException when it could not be kept; the one before is still there.
     */
    @Throws(IOException::class)
    public fun write(mark: ULong)
}

/**
 * The mark in a file of its own. On Android give a [file] in `context.noBackupFilesDir`; its
 * directory must exist.
 */
public class HighWaterFile(private val file: File) : HighWaterMark {
    override fun read(): ULong? = try {
        file.readText().trim().toULongOrNull()
    } catch (_: IOException) {
        // its absence and a fault of the disk mean the same to the phone: nothing is known
        null
    }

    override fun write(mark: ULong) {
        val beside = File(file.path + ".new")
        FileOutputStream(beside).use {
            it.write("$mark\n".toByteArray())
            // without it the name could reach the disk before the number, and an empty file is no mark
            it.fd.sync()
        }
        Files.move(beside.toPath(), file.toPath(), ATOMIC_MOVE, REPLACE_EXISTING)
    }
}
