/// What a producer finds on its list: a reply, or a piece of a stream that comes before one.
package enum ReplyElement: Sendable, Equatable {
    case reply(ReplyEnvelope)
    case frame(StreamFrame)

    package var requestID: String {
        switch self {
        case .reply(let reply): reply.requestID
        case .frame(let frame): frame.requestID
        }
    }

    /// Reads an element of a reply list. Unknown fields are ignored; of two members with one name the first counts.
    package static func read(
        _ element: [UInt8],
        limits: EnvelopeLimits = EnvelopeLimits()
    ) throws(UnreadableEnvelope) -> ReplyElement {
        do throws(EnvelopeError) {
            let read = try EnvelopeFields.read(element, limit: limits.elementBytes) { fields throws(EnvelopeError) in
                try fields.checkVersion()
                if let frame = try fields.optionalObject("frame") {
                    return ReplyElement.frame(try StreamFrame.read(fields, frame))
                }
                return ReplyElement.reply(try ReplyEnvelope.read(fields))
            }
            guard case .reply(var reply) = read else { return read }
            reply.takeRawParts(of: element)
            return .reply(reply)
        } catch {
            throw UnreadableEnvelope(error, identity: EnvelopeIdentity.find(in: element[...]))
        }
    }
}

extension ReplyEnvelope {
    fileprivate static func read(_ fields: EnvelopeFields) throws(EnvelopeError) -> ReplyEnvelope {
        let status = try fields.optionalString("status", maximumBytes: 16)
        guard let status else { throw fields.missing("status") }
        guard status == "ok" || status == "error" else { throw fields.refuse("status", "must be 'ok' or 'error'") }
        var outcome = Outcome.streamed
        if status == "error" {
            outcome = .failure(
                ReplyFailure(
                    type: try Self.text(fields, "error_type", EnvelopeLimits.errorTypeBytes) ?? "Error",
                    message: try Self.text(fields, "error_message", EnvelopeLimits.errorMessageBytes) ?? "",
                    source: try Self.text(fields, "error_source", EnvelopeLimits.errorTypeBytes)
                        ?? DispatchContract.errorSource
                )
            )
        } else {
            try fields.check("completion", [.object], "an object or null")
            if fields["completion"] != nil { outcome = .completion([]) }
        }
        return ReplyEnvelope(
            requestID: try fields.identifier("request_id"),
            producerID: try fields.identifier("producer_id"),
            poolID: try fields.identifier("pool_id"),
            completedAt: try fields.number("completed_at", in: EnvelopeFields.epochSeconds),
            dispatcherID: try fields.optionalIdentifier("dispatcher_id"),
            backendAddress: try Self.text(fields, "execution_backend_address", EnvelopeLimits.addressBytes),
            outcome: outcome,
            extras: try fields.optionalObject("sluice").map(ReplyExtras.read)
        )
    }

    /// Texts of foreign dispatchers are cut rather than refused: an error with a long message is still an answer.
    private static func text(
        _ fields: EnvelopeFields,
        _ name: StaticString,
        _ limit: Int
    ) throws(EnvelopeError) -> String? {
        try fields.optionalString(name, maximumBytes: .max)?.cut(toBytes: limit)
    }

    fileprivate mutating func takeRawParts(of element: [UInt8]) {
        var isComplete = false
        if case .completion = self.outcome { isComplete = true }
        guard isComplete || self.extras != nil else { return }
        let values = JSONMembers.values(of: ["completion", "sluice"], in: element[...])
        if isComplete, let completion = values[0] { self.outcome = .completion(completion) }
        guard self.extras != nil, let extras = values[1] else { return }
        let body = JSONMembers.values(of: ["error_body"], in: extras)[0]
        if let body, !JSONMembers.isNull(body) { self.extras?.errorBody = body }
    }
}
