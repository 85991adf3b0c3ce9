/// The server understood and said no.
package struct ValkeyServerError: Error, Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        case oom
        case misconfigured
        case readOnly
        case loading
        case masterDown
        case clusterDown
        case noReplicas
        case busy
        case authentication
        case noScript
        case wrongType
        case unknownCommand
        case other

        /// Whether the server takes no commands now, and another behind the same name may.
        package var isDismissal: Bool {
            switch self {
            case .readOnly, .loading, .masterDown, .clusterDown: true
            default: false
            }
        }
    }

    package let kind: Kind
    package let message: String

    package init(kind: Kind, message: String) {
        self.kind = kind
        self.message = message
    }
}

/// Why a command got no answer, or not the one that was hoped for.
package enum ValkeyError: Error, Sendable, Equatable {
    case unreachable(String)
    /// TLS: we do not trust the server, or it does not trust us.
    case untrusted(String)
    /// `sent`: a byte of the command may have reached the server.
    case connectionLost(sent: Bool)
    case timedOut
    case server(ValkeyServerError)
    case replyTooLarge(limit: Int)
    case overloaded(limit: Int)
    case closed
    case protocolViolation(String)

    /// Whether the same command can succeed later without anybody doing anything to the request.
    package var isRetryable: Bool {
        switch self {
        case .unreachable, .connectionLost, .timedOut, .overloaded, .protocolViolation: true
        case .untrusted, .replyTooLarge, .closed: false
        case .server(let error):
            switch error.kind {
            case .misconfigured, .readOnly, .loading, .masterDown, .clusterDown, .noReplicas, .busy, .noScript: true
            case .oom, .authentication, .wrongType, .unknownCommand, .other: false
            }
        }
    }

    /// Whether the server may have done it although we do not know.
    package var mayHaveExecuted: Bool {
        switch self {
        case .connectionLost(let sent): sent
        case .timedOut, .replyTooLarge, .protocolViolation: true
        case .unreachable, .untrusted, .server, .overloaded, .closed: false
        }
    }

    package var message: String {
        switch self {
        case .unreachable(let why): "Valkey is unreachable: \(why)"
        case .untrusted(let why): "There is no trust between Valkey and us: \(why)."
        case .connectionLost(true): "The connection to Valkey was lost; whether the command was executed is unknown."
        case .connectionLost(false): "The connection to Valkey was lost before the command was sent."
        case .timedOut: "Valkey did not answer in time; whether the command was executed is unknown."
        case .server(let error): "Valkey refused: \(error.message)"
        case .replyTooLarge(let limit): "Valkey's reply is larger than \(limit) bytes."
        case .overloaded(let limit): "More than \(limit) commands wait for Valkey."
        case .closed: "The connection to Valkey has been closed."
        case .protocolViolation(let what): "Valkey answered something that is not its protocol: \(what)"
        }
    }
}
