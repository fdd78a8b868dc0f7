import BinhYenCore
import Foundation

/// Carries one request to the server. `HttpsTransport` is the one to use.
public protocol Transport: Sendable {
    /// Sends `POST {server.url}{path}` with `body` and gives what came back, whatever its status:
    /// the server's own problems are bodies too. It trusts `server.caDer` and nobody else; when that
    /// is empty, the authorities of the system. Cancelling the task must end it.
    ///
    /// - Throws: `TransportError` when no answer came, `CancellationError` when it was cancelled.
    func post(server: Server, path: String, body: Data) async throws -> Answer
}

/// What came back.
public struct Answer: Sendable {
    /// The status of HTTP.
    public let status: UInt16
    /// The body.
    public let body: Data

    /// What came back.
    public init(status: UInt16, body: Data) {
        self.status = status
        self.body = body
    }
}

/// No answer came; `failure` says in one word what the screen needs to know.
public struct TransportError: Error {
    /// What it is for the screen.
    public let failure: VisitFailure
    /// The system's own error, for a log.
    public let cause: Error?

    /// No answer came.
    public init(_ failure: VisitFailure, cause: Error? = nil) {
        self.failure = failure
        self.cause = cause
    }
}
