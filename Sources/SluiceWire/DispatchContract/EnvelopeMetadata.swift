/// The free part of a request: what producers tell each other, and our extras under the one name `sluice`.
package struct EnvelopeMetadata: Sendable, Equatable {
    /// All members but `sluice`, as raw JSON.
    package var members: [RawMember]
    /// Present exactly if the request was written by Sluice, or by somebody who uses what Sluice adds.
    package var extras: DispatchExtras?

    package init(members: [RawMember] = [], extras: DispatchExtras? = nil) {
        self.members = members
        self.extras = extras
    }

    static let extrasName = "sluice"

    /// The pool that the producer's caller asks for; `nil` when missing, no string, or blank.
    package var poolID: String? {
        guard let value = self["pool_id"], let text = JSONMembers.string(value) else { return nil }
        return text.contains { !$0.isWhitespace } && EnvelopeLimits.isIdentifier(text) ? text : nil
    }

    /// A hint such as `estimated_cost_units`, `image_count`, `chunk_page_count` or `page_count`; `nil` when there is
    /// none that makes sense. Hints are free text of others and never make an envelope malformed.
    package func hint(_ name: String) -> Int? {
        guard let value = self[name], let number = JSONMembers.integer(value), number >= 0 else { return nil }
        return number
    }

    package subscript(_ name: String) -> ArraySlice<UInt8>? {
        self.members.first { $0.name == name }?.value
    }

    var isEmpty: Bool { self.members.isEmpty && self.extras == nil }

    /// Our extras first: the members of others may be long, and a live view reads heads.
    func write(_ json: inout JSONWriter) {
        guard !self.isEmpty else { return json.nullField("metadata") }
        json.object("metadata") { json in
            self.extras?.write(&json)
            for member in self.members where member.name != Self.extrasName {
                json.rawField(member.name, member.value)
            }
        }
    }
}

/// What Sluice adds to the contract. Travels in `metadata.sluice`, so that the envelope stays valid elsewhere; whoever
/// does not know it loses nothing but the extra.
package struct DispatchExtras: Sendable, Equatable {
    /// Name of a priority class.
    package var priority: String?
    package var tenant: String?
    /// Milliseconds since 1970; the request is worthless afterwards.
    package var deadlineMilliseconds: Int64?
    package var idempotencyKey: String?
    /// Set when the producer takes stream frames before the reply. A dispatcher that does not know of it answers with
    /// an ordinary reply, which is right, too.
    package var streaming: CompletionCall.Streaming?
    /// What to call, if not `chat/completions`.
    package var operation: String?
    /// Whether the producer tells tracing systems of requests that it gives up itself: past their deadline, or because
    /// nobody waits any more. A dispatcher then does not count them a second time.
    package var tellsEnds: Bool

    package init(
        priority: String? = nil,
        tenant: String? = nil,
        deadlineMilliseconds: Int64? = nil,
        idempotencyKey: String? = nil,
        streaming: CompletionCall.Streaming? = nil,
        operation: String? = nil,
        tellsEnds: Bool = false
    ) {
        self.priority = priority
        self.tenant = tenant
        self.deadlineMilliseconds = deadlineMilliseconds
        self.idempotencyKey = idempotencyKey
        self.streaming = streaming
        self.operation = operation
        self.tellsEnds = tellsEnds
    }

    package static let chatOperation = "chat/completions"

    package var isChat: Bool { self.operation == nil || self.operation == Self.chatOperation }

    /// `stream_options` is raw and filled in by whoever has the document.
    static func read(_ fields: EnvelopeFields) throws(EnvelopeError) -> DispatchExtras {
        try fields.check("stream_options", [.object], "an object or null")
        return DispatchExtras(
            priority: try fields.optionalIdentifier("priority"),
            tenant: try fields.optionalIdentifier("tenant"),
            deadlineMilliseconds: try fields.optionalInteger("deadline_ms", in: 0...253_402_300_799_000).map(
                Int64.init
            ),
            idempotencyKey: try fields.optionalIdentifier("idempotency_key"),
            streaming: try fields.flag("stream") ? CompletionCall.Streaming() : nil,
            operation: try fields.optionalIdentifier("operation"),
            tellsEnds: try fields.flag("tells_ends")
        )
    }

    /// Only what is set.
    func write(_ json: inout JSONWriter) {
        json.object(EnvelopeMetadata.extrasName) { json in
            if let priority = self.priority { json.field("priority", priority) }
            if let tenant = self.tenant { json.field("tenant", tenant) }
            if let deadline = self.deadlineMilliseconds { json.field("deadline_ms", Int(deadline)) }
            if let key = self.idempotencyKey { json.field("idempotency_key", key) }
            if let operation = self.operation { json.field("operation", operation) }
            if self.tellsEnds { json.field("tells_ends", true) }
            guard let streaming = self.streaming else { return }
            json.field("stream", true)
            if let options = streaming.options { json.rawField("stream_options", options) }
        }
    }
}
