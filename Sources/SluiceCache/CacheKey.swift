import SluiceBasics
import SluiceWire

/// Whose answers may be given to whom, and from where: everything that decides about an answer beside the request's
/// body.
package struct CacheScope: Sendable {
    /// Whose requests share answers.
    package var tenant: String
    package var pool: String
    /// Says which server answers, by which rules and with which credential: a digest of its configuration.
    package var backend: [UInt8]
    /// What is called, e.g. `chat/completions`.
    package var operation: String
    /// Headers of the client that change the answer, in a fixed order; `nil` for those that it did not send.
    package var headers: [ArraySlice<UInt8>?]

    package init(
        tenant: String,
        pool: String,
        backend: [UInt8],
        operation: String,
        headers: [ArraySlice<UInt8>?] = []
    ) {
        self.tenant = tenant
        self.pool = pool
        self.backend = backend
        self.operation = operation
        self.headers = headers
    }
}

/// The name of a request's answer: equal for two requests exactly when one's answer is the other's.
///
/// SHA-256 over the scope and the canonical form of the body, every part with its length before it. Whether a stream is
/// asked for, and on whose behalf, changes nothing about the answer and does not count.
package struct CacheKey: Hashable, Sendable {
    package let digest: [UInt8]

    /// Counts from 1; raised whenever the same request would be named otherwise, because other processes may share a
    /// store.
    private static let version = "sluice-cache-1"
    /// Members of the body that say how to answer or for whom, not what.
    private static let omitted: [StaticString] = ["stream", "stream_options", "user", "metadata"]
    private static let roomBeside = 256

    /// - Throws: `JSONError` when the body is not valid JSON.
    package init(body: [UInt8], scope: CacheScope) throws {
        var writer = CanonicalJSON(reserving: body.count + Self.roomBeside, omitting: Self.omitted)
        writer.append(part: Self.version)
        writer.append(part: scope.tenant)
        writer.append(part: scope.pool)
        writer.append(part: scope.backend)
        writer.append(part: scope.operation)
        for header in scope.headers {
            // One that is empty is not one that is absent.
            writer.append(part: header == nil ? [0] : [1])
            writer.append(part: header ?? [])
        }
        try writer.append(document: body)
        self.digest = Hashing.sha256(writer.bytes)
    }

    package init(digest: [UInt8]) { self.digest = digest }

    /// Half of a good digest spreads as well as all of it.
    package func hash(into hasher: inout Hasher) {
        var word: UInt64 = 0
        for byte in self.digest.prefix(8) { word = word << 8 | UInt64(byte) }
        hasher.combine(word)
    }

    /// In hexadecimal.
    package var text: String { Hashing.hexadecimal(self.digest) }
}
