import Foundation

/// The number by which a phone notices that its store was taken back from a backup or copied. It
/// must lie where no backup reaches, or it would come back together with the store.
public protocol HighWaterMark: Sendable {
    /// The number, or nil when there is none or it cannot be read.
    func read() -> UInt64?

    /// Keeps `mark` in place of the one before, also when it is lower.
    ///
    /// - Throws: when it could not be kept; the one before is still there.
    func write(_ mark: UInt64) throws
}

/// The mark in a directory of its own that is left out of backups.
public struct HighWaterFile: HighWaterMark {
    private let file: URL

    /// Makes `directory`, which must hold nothing else, and takes it out of backups.
    ///
    /// - Throws: what is wrong with the file system.
    public init(directory: URL) throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        // a file that is replaced would lose this; its directory keeps it
        var excluded = directory
        try excluded.setResourceValues(values)
        file = directory.appendingPathComponent("mark")
    }

    public func read() -> UInt64? {
        // its absence and a fault of the disk mean the same to the phone: nothing is known
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return nil }
        return UInt64(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    public func write(_ mark: UInt64) throws {
        // the background job runs while the screen is locked
        let options: Data.WritingOptions = [
            .atomic, .completeFileProtectionUntilFirstUserAuthentication,
        ]
        try Data("\(mark)\n".utf8).write(to: file, options: options)
    }
}
