import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceWire

/// Reads what a client says about its request in headers.
enum Ingress {
    private static let maximumIdentifierBytes = 128

    /// `[A-Za-z0-9._:-]{1,128}`: safe in keys, labels and logs.
    static func isIdentifier(_ bytes: some Collection<UInt8>) -> Bool {
        guard (1...Self.maximumIdentifierBytes).contains(bytes.count) else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }

    static func identifier(_ headers: HTTPFields, _ name: String) throws(GatewayError) -> String? {
        guard let bytes = headers.bytes(of: name) else { return nil }
        guard Self.isIdentifier(bytes) else {
            throw .invalid(
                "The header '\(name)' must have 1 to \(Self.maximumIdentifierBytes) of the characters "
                    + "A-Z a-z 0-9 . _ : -",
                param: name
            )
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func priority(_ headers: HTTPFields, caller: Caller) throws(GatewayError) -> Priority {
        guard let text = headers["x-sluice-priority"] else { return max(.normal, caller.highestPriority) }
        guard let priority = Priority(name: text) else {
            let known = Priority.allCases.map(\.name).joined(separator: ", ")
            throw .invalid("The header 'x-sluice-priority' must be one of: \(known).", param: "x-sluice-priority")
        }
        guard priority >= caller.highestPriority else {
            throw .forbidden(
                "This key may ask for priority '\(caller.highestPriority.name)' at most, not '\(priority.name)'.",
                code: "priority_not_allowed"
            )
        }
        return priority
    }

    static func timeout(_ headers: HTTPFields, _ configuration: GatewayConfiguration) throws(GatewayError) -> Duration {
        guard let text = headers["x-sluice-timeout-ms"] else { return configuration.defaultTimeout }
        let maximum = configuration.maximumTimeout.wholeNanoseconds / 1_000_000
        guard let milliseconds = Int64(text), (1...maximum).contains(milliseconds) else {
            throw .invalid(
                "The header 'x-sluice-timeout-ms' must be a whole number from 1 to \(maximum) "
                    + "(max_request_timeout).",
                param: "x-sluice-timeout-ms"
            )
        }
        return .milliseconds(milliseconds)
    }

    /// One that is not in the W3C's shape is left out, as its section 3.2 asks, rather than refused.
    static func traceparent(_ headers: HTTPFields) -> String? {
        guard let bytes = headers.bytes(of: "traceparent"), bytes.count == 55, Self.isIdentifier(bytes) else {
            return nil
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Of no more than 512 bytes, which everybody must be able to pass on (Trace Context, 3.3.1.5); a longer one, or
    /// one that no header may hold, is left out.
    static func tracestate(_ headers: HTTPFields) -> String? {
        guard let bytes = headers.bytes(of: "tracestate"), (1...512).contains(bytes.count),
            bytes.allSatisfy({ (0x20...0x7E).contains($0) })
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func wantsAsync(_ headers: HTTPFields) -> Bool {
        guard let prefer = headers["prefer"] else { return false }
        return prefer.split(separator: ",").contains { part in
            // Parameters may follow (RFC 7240, 2).
            part.prefix { $0 != ";" }.trimmingSpaces().lowercased() == "respond-async"
        }
    }

    /// Whether a stream that has to wait is to say how long.
    static func wantsQueueUpdates(_ headers: HTTPFields) -> Bool {
        headers["x-sluice-queue-updates"].map { ["1", "true"].contains($0.lowercased()) } ?? false
    }

    /// What the request names, what its key does, what its model's rule does, what its metadata hints at, the default.
    static func pool(
        _ headers: HTTPFields,
        caller: Caller,
        _ head: OpenAIRequestHead?,
        _ configuration: GatewayConfiguration
    ) throws(GatewayError) -> String {
        let asked = try Self.identifier(headers, "x-sluice-pool")
        let named = asked ?? caller.defaultPool ?? head.flatMap { configuration.pool(forModel: $0.model) }
        // Metadata is the client's own: what does not name a pool means something else.
        let hint = head?.poolHint.flatMap { configuration.backends[$0] == nil ? nil : $0 }
        let pool = named ?? hint ?? configuration.defaultPool
        guard configuration.backends[pool] != nil else {
            let known = configuration.backends.keys.sorted().joined(separator: ", ")
            throw .notFound(
                "There is no pool '\(pool)'. Known pools: \(known).",
                param: "x-sluice-pool",
                code: "pool_not_found"
            )
        }
        if let allowed = caller.allowedPools, !allowed.contains(pool) {
            throw .forbidden(
                "This key may not use pool '\(pool)'. It may use: \(allowed.joined(separator: ", ")).",
                code: "pool_not_allowed"
            )
        }
        return pool
    }
}

extension Substring {
    func trimmingSpaces() -> Substring {
        var result = self
        while result.first == " " { result.removeFirst() }
        while result.last == " " { result.removeLast() }
        return result
    }
}
