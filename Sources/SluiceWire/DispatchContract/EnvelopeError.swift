/// Why an element of a list is not an envelope, or not one that we take. Names fields, never shows their values,
/// because those may be prompts.
package enum EnvelopeError: Error, Sendable, Equatable {
    case tooLarge(bytes: Int, limit: Int)
    case notJSON(JSONError.Kind)
    case notAnObject
    /// `contract_version` is something else than `"v2"`; `nil` when it is missing or not a string.
    case unsupportedVersion(String?)
    case missing(field: String)
    /// `expected` in words: "a string", "a number or null".
    case wrongType(field: String, expected: String)
    /// The right type with a value that is not allowed; `rule` says what is.
    case notAllowed(field: String, rule: String)

    /// A sentence for whoever wrote the envelope.
    package var message: String {
        switch self {
        case .tooLarge(let bytes, let limit):
            "The envelope has \(bytes) bytes; at most \(limit) are read."
        case .notJSON(let kind): "The envelope is not valid JSON (\(kind))."
        case .notAnObject: "The envelope must be a JSON object."
        case .unsupportedVersion(let version?):
            "The contract_version is '\(version)'; this dispatcher speaks '\(DispatchContract.version)'."
        case .unsupportedVersion(nil):
            "The contract_version is missing or not a string; it must be '\(DispatchContract.version)'."
        case .missing(let field): "The field '\(field)' is missing."
        case .wrongType(let field, let expected): "The field '\(field)' must be \(expected)."
        case .notAllowed(let field, let rule): "The field '\(field)' \(rule)."
        }
    }

    /// One word for counters.
    package var label: String {
        switch self {
        case .tooLarge: "too_large"
        case .notJSON: "not_json"
        case .notAnObject: "not_an_object"
        case .unsupportedVersion: "unsupported_version"
        case .missing: "missing_field"
        case .wrongType: "wrong_type"
        case .notAllowed: "not_allowed"
        }
    }
}

/// What can be told of an envelope that could not be read: enough, with luck, to answer its producer.
package struct UnreadableEnvelope: Error, Sendable, Equatable {
    package var error: EnvelopeError
    package var identity: EnvelopeIdentity

    package init(_ error: EnvelopeError, identity: EnvelopeIdentity = EnvelopeIdentity()) {
        self.error = error
        self.identity = identity
    }
}

/// The ids that stand in an element, whatever else is wrong with it.
package struct EnvelopeIdentity: Sendable, Equatable {
    package var requestID: String?
    package var producerID: String?
    package var poolID: String?

    package init(requestID: String? = nil, producerID: String? = nil, poolID: String? = nil) {
        self.requestID = requestID
        self.producerID = producerID
        self.poolID = poolID
    }

    /// Looks for the ids without asking for valid JSON around them. Ids that break the rules count as absent.
    package static func find(in element: ArraySlice<UInt8>) -> EnvelopeIdentity {
        Self.find(among: JSONMembers.scan(element))
    }

    static func find(among members: [RawMember]) -> EnvelopeIdentity {
        var identity = EnvelopeIdentity()
        for member in members {
            switch member.name {
            case "request_id": identity.requestID = identity.requestID ?? Self.identifier(member.value)
            case "producer_id": identity.producerID = identity.producerID ?? Self.identifier(member.value)
            case "pool_id": identity.poolID = identity.poolID ?? Self.identifier(member.value)
            default: break
            }
        }
        return identity
    }

    private static func identifier(_ value: ArraySlice<UInt8>) -> String? {
        // Escapes make a string at most six times as long.
        guard value.count <= EnvelopeLimits.identifierBytes * 6 + 2, let text = JSONMembers.string(value) else {
            return nil
        }
        return EnvelopeLimits.isIdentifier(text) ? text : nil
    }
}

/// How large the parts of an envelope may be. All in bytes of UTF-8 unless said otherwise.
package struct EnvelopeLimits: Sendable, Equatable {
    /// A whole element of a list. Twice what a producer of the contract may push, because it counts otherwise than
    /// some clients do.
    package var elementBytes: Int

    package init(elementBytes: Int = 2 * DispatchContract.defaultMaximumPayloadBytes) {
        self.elementBytes = elementBytes
    }

    package static let identifierBytes = 512
    package static let modelBytes = 256
    package static let traceBytes = 1_024
    /// Names or members of one object that is taken apart.
    package static let members = 512
    package static let errorTypeBytes = 256
    package static let errorMessageBytes = 16_384
    package static let addressBytes = 2_048
    /// Events of one stream frame.
    package static let frameEvents = 4_096

    /// Ids become parts of keys and of log lines: no control characters, and not without end.
    package static func isIdentifier(_ text: String) -> Bool {
        (1...Self.identifierBytes).contains(text.utf8.count) && !text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
    }
}
