import BinhYenCore
import Foundation

/// The host's clocks.
public struct Clocks: Sendable {
    /// The wall clock, in seconds since 1970. It may be wrong.
    public let wallS: @Sendable () -> Int64
    /// Seconds on a counter that only runs forward, also while the phone sleeps.
    public let monoS: @Sendable () -> UInt32

    /// Those of the system, when none are given.
    public init(
        wallS: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) },
        monoS: @escaping @Sendable () -> UInt32 = {
            UInt32(truncatingIfNeeded: clock_gettime_nsec_np(CLOCK_MONOTONIC) / 1_000_000_000)
        }
    ) {
        self.wallS = wallS
        self.monoS = monoS
    }

    var now: BinhYenCore.Clock { BinhYenCore.Clock(wallS: wallS(), monoS: monoS()) }
}

/// A call came after `PhoneClient.close`.
public struct PhoneClosed: Error {}

/// The phone for an app: the calls of `Phone` off the main thread, the visits to the server, the
/// high-water mark, and a stream of what changed.
///
/// Calls run one after another. What a call says was saved is on the disk. A call that fails throws
/// a `PhoneError`, whose `wordsVi()` is the sentence for the person, and nothing was changed.
public actor PhoneClient {
    private static let enrolPath = "/v1/enrol"
    private static let syncPath = "/v1/sync"
    /// Bytes of one request, about: four seconds on a slow 2G link.
    private static let upBytes: UInt32 = 16_000
    /// The server's own measure.
    private static let answerKib: UInt16 = 0

    private var phone: Phone?
    private let mark: HighWaterMark
    private let transport: Transport
    private let clocks: Clocks
    private var markWritten: UInt64?
    private var inboxes: [WeakInbox] = []
    private var watchers: [UUID: AsyncStream<Standing>.Continuation] = [:]
    private var visiting = false
    private var turns: [CheckedContinuation<Void, Never>] = []

    /// What the screen shows beside the records, as it is now.
    public private(set) var standing: Standing

    private init(phone: Phone, mark: HighWaterMark, transport: Transport, clocks: Clocks) {
        self.phone = phone
        self.mark = mark
        self.transport = transport
        self.clocks = clocks
        let now = phone.highWater()
        let kept = Self.keep(now, in: mark)
        markWritten = kept ? now : nil
        standing = Standing(status: phone.status(), problem: phone.lastProblem(), markKept: kept)
    }

    /// Opens the store at `storePath`, or makes it. `storeKey` are 32 bytes from the keychain. A
    /// process opens a store once.
    ///
    /// A store whose `mark` is missing or cannot be read counts as restored from a backup: what the
    /// phone writes goes on a new chain, which costs nothing and can't be wrong.
    ///
    /// - Throws: a `PhoneError`: what is wrong with the store; nothing in it was touched.
    public static func `open`(
        storePath: String,
        storeKey: Data,
        mark: HighWaterMark,
        transport: Transport,
        clocks: Clocks = Clocks()
    ) async throws -> PhoneClient {
        let unknown: UInt64 = FileManager.default.fileExists(atPath: storePath) ? .max : 0
        let phone = try Phone.open(
            path: storePath,
            storeKey: storeKey,
            highWater: mark.read() ?? unknown,
            nowS: clocks.wallS()
        )
        return PhoneClient(phone: phone, mark: mark, transport: transport, clocks: clocks)
    }

    /// After `StoreDamaged`: puts the store aside, never deletes it, and opens a new one. The phone
    /// must be enrolled again.
    ///
    /// - Throws: a `PhoneError`: what is wrong with the file system.
    public static func startAnew(
        storePath: String,
        storeKey: Data,
        mark: HighWaterMark,
        transport: Transport,
        clocks: Clocks = Clocks()
    ) async throws -> PhoneClient {
        let phone = try Phone.startAnew(path: storePath, storeKey: storeKey, nowS: clocks.wallS())
        return PhoneClient(phone: phone, mark: mark, transport: transport, clocks: clocks)
    }

    // MARK: - What changed

    /// What changes from now on: each save and each visit that brought something, in order. A slow
    /// reader gets several at once, and a record that changed twice once; nothing is lost and
    /// nothing told twice. One task reads it. It ends with `close`.
    public func changes() -> AsyncStream<Change> {
        let inbox = Inbox()
        if phone == nil { inbox.end() }
        inboxes.removeAll { $0.inbox == nil }
        inboxes.append(WeakInbox(inbox: inbox))
        return AsyncStream(unfolding: { await inbox.next() }, onCancel: { inbox.end() })
    }

    /// What the screen shows beside the records: as it is now, and then whenever it differs.
    public func standings() -> AsyncStream<Standing> {
        let id = UUID()
        return AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            continuation.yield(standing)
            guard phone != nil else {
                continuation.finish()
                return
            }
            watchers[id] = continuation
            continuation.onTermination = { [weak self] _ in
                Task { await self?.forget(id) }
            }
        }
    }

    private func forget(_ id: UUID) {
        watchers[id] = nil
    }

    // MARK: - Enrol

    /// Reads the text of a QR code: whose group it is, and the digits; nothing is sent yet.
    public func enrolBegin(qrText: String) throws -> EnrolStep {
        try opened().enrolBegin(qrText: qrText)
    }

    /// Sends what `enrolBegin` gave; from here on the phone may write. After a fault of the network
    /// the same code goes on with the same key.
    ///
    /// - Throws: `TransportError` when no answer came.
    public func enrol(_ step: EnrolStep) async throws {
        let server = Server(url: step.url, caDer: step.caDer)
        let answer = try await transport.post(server: server, path: Self.enrolPath, body: step.body)
        try opened().enrolFinish(status: answer.status, body: answer.body)
        try settle(.nothing)
    }

    /// The six digits that an officer compares; nil before a code was read.
    public func digits() throws -> String? { try opened().digits() }

    /// Where it sends, once a code was read.
    public func server() throws -> Server? { try opened().server() }

    // MARK: - Write

    /// The groups of this phone.
    public func groups() throws -> [BinhYenCore.Group] { try opened().groups() }

    /// Who may write in a group on this phone.
    public func members(group: String) throws -> [Member] { try opened().members(group: group) }

    /// What a member may write.
    public func typesFor(group: String, member: UInt16) throws -> [WritableType] {
        try opened().typesFor(group: group, member: member)
    }

    /// The form of a type, as data.
    public func form(typeId: String, kind: String? = nil) throws -> BinhYenCore.Form {
        try opened().form(typeId: typeId, kind: kind)
    }

    /// A number for a new item of a family.
    public func newItem() throws -> UInt32 { try opened().newItem() }

    /// Saves a new record of the type.
    public func save(
        group: String,
        member: UInt16,
        typeId: String,
        values: [FieldInput]
    ) throws -> SavedRecord {
        let saved = try opened().save(
            group: group,
            member: member,
            record: nil,
            typeId: typeId,
            values: values,
            clock: clocks.now
        )
        return try told(saved)
    }

    /// Edits a record; an officer's remark is answered by an edit like any other.
    public func edit(record: String, member: UInt16, values: [FieldInput]) throws -> SavedRecord {
        try told(
            opened().answer(record: record, member: member, values: values, clock: clocks.now)
        )
    }

    /// Chooses among values that were said without knowing of each other; `change` names it.
    public func choose(
        record: String,
        member: UInt16,
        field: String,
        item: UInt32,
        change: String
    ) throws -> SavedRecord {
        let saved = try opened().choose(
            record: record,
            member: member,
            field: field,
            item: item,
            change: change,
            clock: clocks.now
        )
        return try told(saved)
    }

    /// Withdraws a record for a reason of the form; it stays, and is shown as withdrawn.
    public func withdraw(record: String, member: UInt16, reason: String) throws -> SavedRecord {
        try told(
            opened().withdraw(record: record, member: member, reason: reason, clock: clocks.now)
        )
    }

    /// Says a record anew in another type, lane or group, and withdraws the old one.
    public func reissue(
        record: String,
        member: UInt16,
        toGroup: String,
        toMember: UInt16,
        toType: String,
        kind: String?,
        reason: String
    ) throws -> Reissued {
        let new = try opened().reissue(
            record: record,
            member: member,
            toGroup: toGroup,
            toMember: toMember,
            toType: toType,
            kind: kind,
            reason: reason,
            clock: clocks.now
        )
        try settle(Change(saved: [record, new.record], brought: []))
        return new
    }

    // MARK: - Read

    /// Records, newest first in the log's order, a page at a time.
    public func list(filter: ListFilter = ListFilter()) throws -> [Row] {
        try opened().list(filter: filter)
    }

    /// Records of the open lane with these words: two or more, and nobody is looked up.
    public func search(text: String, limit: UInt32 = 0) throws -> [Row] {
        try opened().search(text: text, limit: limit)
    }

    /// The page of a record.
    public func read(record: String) throws -> RecordPage { try opened().read(record: record) }

    /// What is not in the log yet, with why, in words.
    public func waiting() throws -> [Waiting] { try opened().waiting() }

    /// What was done at the desk about a group, newest first, below an index if one is given.
    public func groupActs(
        group: String,
        before: UInt64? = nil,
        limit: UInt32 = 0
    ) throws -> [GroupAct] {
        try opened().groupActs(group: group, before: before, limit: limit)
    }

    // MARK: - Visit

    /// When to call `sync` next, in seconds since 1970; nil before enrolment.
    public func wakeAt() throws -> Int64? { try opened().wakeAt(nowS: clocks.wallS()) }

    /// Sends what waits and fetches what is new, until nothing more waits. A fault on the way is no
    /// error but `Synced.problem`: what was taken before it stays taken, the rest stays queued.
    ///
    /// Cancelling the task ends the visit on its way; nothing is lost, and the next one begins
    /// afresh. A second caller waits for the first.
    ///
    /// - Throws: a `PhoneError`, or `CancellationError`.
    public func sync() async throws -> Synced {
        await takeTurn()
        defer { passTurn() }
        var so = Synced()
        while true {
            try Task.checkCancellation()
            guard let visited = try await visit() else {
                so.problem = standing.problem
                return so
            }
            so.received += visited.receivedNow
            so.refused += visited.refusedNow
            so.saidAgain += visited.saidAgain
            so.problem = standing.problem
            if !visited.again { return so }
        }
    }

    /// Closes the store, after a visit on its way. Every later call throws `PhoneClosed`.
    public func close() async {
        await takeTurn()
        defer { passTurn() }
        phone = nil
        for box in inboxes { box.inbox?.end() }
        inboxes.removeAll()
        for watcher in watchers.values { watcher.finish() }
        watchers.removeAll()
    }

    /// One visit; nil when it failed, and `standing` tells the problem.
    private func visit() async throws -> Visited? {
        let phone = try opened()
        let visit = try phone.request(budgetBytes: Self.upBytes, answerKib: Self.answerKib)
        let answer: Answer
        do {
            guard let server = phone.server() else { throw PhoneError.NotEnrolled }
            answer = try await transport.post(server: server, path: Self.syncPath, body: visit.body)
        } catch let error as TransportError {
            try failed(visit.id, error.failure)
            return nil
        } catch {
            try failed(visit.id, .givenUp)
            throw error
        }
        do {
            let visited = try phone.response(
                visit: visit.id,
                status: answer.status,
                body: answer.body,
                nowS: clocks.wallS()
            )
            try settle(Change(saved: [], brought: Set(visited.touched)))
            return visited
        } catch {
            try settle(.nothing)
            // what the phone tells as a problem of the way is one; the rest is the host's
            if standing.problem == nil { throw error }
            return nil
        }
    }

    private func failed(_ visit: UInt64, _ failure: VisitFailure) throws {
        try opened().visitFailed(visit: visit, failure: failure, nowS: clocks.wallS())
        try settle(.nothing)
    }

    /// An actor takes other calls while a visit waits for its answer, but no second visit.
    private func takeTurn() async {
        guard visiting else {
            visiting = true
            return
        }
        await withCheckedContinuation { turns.append($0) }
    }

    private func passTurn() {
        if turns.isEmpty {
            visiting = false
        } else {
            turns.removeFirst().resume()
        }
    }

    // MARK: - One after another

    private func opened() throws -> Phone {
        guard let phone else { throw PhoneClosed() }
        return phone
    }

    private func told(_ saved: SavedRecord) throws -> SavedRecord {
        try settle(Change(saved: [saved.record], brought: []))
        return saved
    }

    /// What a call changed is kept and told in the same turn.
    private func settle(_ change: Change) throws {
        let phone = try opened()
        let now = phone.highWater()
        // a save that is on the disk is one, also when its mark is not: the next call tries again
        if now != markWritten { markWritten = Self.keep(now, in: mark) ? now : nil }
        let stands = Standing(
            status: phone.status(),
            problem: phone.lastProblem(),
            markKept: markWritten == now
        )
        if stands != standing {
            standing = stands
            for watcher in watchers.values { watcher.yield(stands) }
        }
        if change.records.isEmpty { return }
        inboxes.removeAll { $0.inbox == nil }
        for box in inboxes { box.inbox?.put(change) }
    }

    private static func keep(_ mark: UInt64, in place: HighWaterMark) -> Bool {
        do {
            try place.write(mark)
            return true
        } catch {
            return false
        }
    }
}
