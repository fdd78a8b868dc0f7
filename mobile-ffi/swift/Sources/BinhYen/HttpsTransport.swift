import BinhYenCore
import Foundation
import Security

/// HTTP over TLS 1.3 with the system's `URLSession`. A connection is kept for the next request, and
/// a TLS session is taken up again, as long as this object lives: keep one.
public final class HttpsTransport: Transport {
    /// Longest silence of the server: on 2G an answer of 64 KiB takes half a minute.
    public static let readTimeoutS: TimeInterval = 60
    /// Longest time for one request and its answer.
    public static let wholeTimeoutS: TimeInterval = 600
    /// Most bytes of an answer: sync-core takes no longer one.
    public static let bodyBytesMax = 1024 * 1024

    private let session: URLSession

    /// A transport with connections of its own; nothing of them is written to the disk.
    public init() {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.tlsMinimumSupportedProtocolVersion = .TLSv13
        configuration.timeoutIntervalForRequest = Self.readTimeoutS
        configuration.timeoutIntervalForResource = Self.wholeTimeoutS
        configuration.waitsForConnectivity = false
        configuration.httpShouldSetCookies = false
        configuration.urlCache = nil
        session = URLSession(configuration: configuration)
    }

    deinit {
        session.finishTasksAndInvalidate()
    }

    public func post(server: Server, path: String, body: Data) async throws -> Answer {
        guard let url = URL(string: server.url + path), url.scheme == "https" else {
            throw TransportError(.noNetwork)
        }
        var request = URLRequest(url: url)
        request.httpMethod = "POST"
        request.httpBody = body
        // short ones in place of those that the system would send: each byte is paid for
        request.setValue("application/octet-stream", forHTTPHeaderField: "Content-Type")
        request.setValue("*/*", forHTTPHeaderField: "Accept")
        request.setValue("binhyen", forHTTPHeaderField: "User-Agent")
        let pinned = Pinned(caDer: server.caDer)
        do {
            let (bytes, response) = try await session.bytes(for: request, delegate: pinned)
            guard let http = response as? HTTPURLResponse else {
                throw TransportError(.httpStatus)
            }
            var whole = Data()
            for try await byte in bytes {
                if whole.count == Self.bodyBytesMax { throw TransportError(.httpStatus) }
                whole.append(byte)
            }
            if http.expectedContentLength > Int64(whole.count) { throw TransportError(.noNetwork) }
            return Answer(status: UInt16(clamping: http.statusCode), body: whole)
        } catch let error as URLError {
            // a refused certificate is reported as a cancelled request too, so it is asked first
            if let refusal = pinned.refusal { throw TransportError(refusal, cause: error) }
            if error.code == .cancelled { throw CancellationError() }
            throw TransportError(Self.failure(of: error), cause: error)
        }
    }

    /// What a failure on the way is for the screen.
    public static func failure(of error: URLError) -> VisitFailure {
        switch error.code {
        case .timedOut:
            return .timeout
        case .serverCertificateHasBadDate, .serverCertificateNotYetValid:
            return .tlsClock
        case .secureConnectionFailed, .serverCertificateUntrusted,
             .serverCertificateHasUnknownRoot, .clientCertificateRejected,
             .clientCertificateRequired, .appTransportSecurityRequiresSecureConnection:
            return .tlsOther
        default:
            return .noNetwork
        }
    }
}

/// Asked once for each new connection of one request: trusts the authority of the code only, and
/// follows nobody to another place.
private final class Pinned: NSObject, URLSessionTaskDelegate, @unchecked Sendable {
    private let caDer: Data
    private let lock = NSLock()
    private var refused: VisitFailure?

    /// Why the server was refused, if it was.
    var refusal: VisitFailure? {
        lock.lock()
        defer { lock.unlock() }
        return refused
    }

    init(caDer: Data) {
        self.caDer = caDer
    }

    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        didReceive challenge: URLAuthenticationChallenge,
        completionHandler: @escaping (URLSession.AuthChallengeDisposition, URLCredential?) -> Void
    ) {
        let space = challenge.protectionSpace
        guard space.authenticationMethod == NSURLAuthenticationMethodServerTrust, !caDer.isEmpty else {
            completionHandler(.performDefaultHandling, nil)
            return
        }
        guard let trust = space.serverTrust else {
            refuse(.tlsOther, completionHandler)
            return
        }
        if let fault = fault(of: trust) {
            refuse(fault, completionHandler)
        } else {
            completionHandler(.useCredential, URLCredential(trust: trust))
        }
    }

    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest,
        completionHandler: @escaping (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }

    private func refuse(
        _ fault: VisitFailure,
        _ completionHandler: (URLSession.AuthChallengeDisposition, URLCredential?) -> Void
    ) {
        lock.lock()
        refused = fault
        lock.unlock()
        completionHandler(.cancelAuthenticationChallenge, nil)
    }

    /// Nil when the server is the one: its chain ends at the pinned authority, and its name fits.
    private func fault(of trust: SecTrust) -> VisitFailure? {
        guard let authority = SecCertificateCreateWithData(nil, caDer as CFData) else {
            return .tlsOther
        }
        SecTrustSetAnchorCertificates(trust, [authority] as CFArray)
        SecTrustSetAnchorCertificatesOnly(trust, true)
        var error: CFError?
        if SecTrustEvaluateWithError(trust, &error) { return nil }
        let code = error.map { OSStatus(truncatingIfNeeded: CFErrorGetCode($0)) }
        let clock: [OSStatus] = [errSecCertificateExpired, errSecCertificateNotValidYet]
        return code.map(clock.contains) == true ? .tlsClock : .tlsOther
    }
}
