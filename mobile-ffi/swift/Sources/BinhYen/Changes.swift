import BinhYenCore
import Foundation

/// Records to read again, by name. What changed several times before a reader looked is told once.
public struct Change: Equatable, Sendable {
    /// Saved on this phone.
    public internal(set) var saved: Set<String>
    /// Changed by what a visit brought.
    public internal(set) var brought: Set<String>

    /// All of them.
    public var records: Set<String> { saved.union(brought) }

    static let nothing = Change(saved: [], brought: [])

    mutating func add(_ later: Change) {
        saved.formUnion(later.saved)
        brought.formUnion(later.brought)
    }
}

/// What the screen shows beside the records.
public struct Standing: Equatable, Sendable {
    /// How the phone stands.
    public let status: Status
    /// What went wrong on the way, until a visit goes well.
    public let problem: Problem?
    /// False when the high-water mark could not be kept. Nothing is lost, but until it is kept only
    /// the server would notice that this phone was restored from a backup.
    public let markKept: Bool
}

/// What `PhoneClient.sync` did, in changes of this phone.
public struct Synced: Equatable, Sendable {
    /// In the log, on the server's disk.
    public internal(set) var received: UInt32 = 0
    /// Set aside: `PhoneClient.waiting` says why.
    public internal(set) var refused: UInt32 = 0
    /// Said again on a new chain, because a copy of this phone was faster.
    public internal(set) var saidAgain: UInt32 = 0
    /// Why it ended early; nil when nothing more waits, here or there.
    public internal(set) var problem: Problem?
}

/// What one reader of the changes has not taken yet: no more than the records there are.
final class Inbox: @unchecked Sendable {
    private let lock = NSLock()
    private var pending: Change?
    private var reader: CheckedContinuation<Change?, Never>?
    private var ended = false

    func put(_ change: Change) {
        lock.lock()
        defer { lock.unlock() }
        if let reader {
            self.reader = nil
            reader.resume(returning: change)
        } else if pending == nil {
            pending = change
        } else {
            pending?.add(change)
        }
    }

    func end() {
        lock.lock()
        defer { lock.unlock() }
        ended = true
        reader?.resume(returning: nil)
        reader = nil
    }

    func next() async -> Change? {
        await withCheckedContinuation { continuation in
            lock.lock()
            defer { lock.unlock() }
            if let change = pending {
                pending = nil
                continuation.resume(returning: change)
            } else if ended {
                continuation.resume(returning: nil)
            } else {
                reader = continuation
            }
        }
    }
}

/// Does not keep an inbox alive whose reader has gone.
struct WeakInbox {
    weak var inbox: Inbox?
}
