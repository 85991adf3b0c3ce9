extension CompletionCall {
    /// What a dispatcher adds to a call to have its answer streamed.
    package struct Streaming: Sendable, Equatable {
        /// The object that the client gave as `stream_options`, as raw JSON.
        package var options: ArraySlice<UInt8>?

        package init(options: ArraySlice<UInt8>? = nil) { self.options = options }
    }

    /// A call read from an OpenAI-shaped body, and whether its client wants a stream.
    package struct Ingested: Sendable, Equatable {
        package var call: CompletionCall
        /// `nil` unless `stream` is true.
        package var streaming: Streaming?
    }

    /// The body for the backend.
    ///
    /// Later ones win: parameters, `extra_create_kwargs` (which may hold another `extra_body`), `extra_body`. Nulls are
    /// dropped except in `extra_body`, which goes out as it is. Whether the answer is streamed is the dispatcher's to
    /// say, whatever the call holds: a reply on a list is whole.
    ///
    /// - Parameter isChat: other operations have no messages, and all of their parameters in `extra_body`.
    package func body(streaming: Streaming? = nil, isChat: Bool = true) -> [UInt8] {
        var members = self.parameters.filter { isChat || $0.name == "model" }
        var extraBody = self.extraBody
        for member in self.extraCreate where !JSONMembers.isNull(member.value) {
            if member.name == "extra_body" {
                extraBody = JSONMembers.unique(JSONMembers.scan(member.value))
            } else {
                Self.merge(member, into: &members)
            }
        }
        for member in extraBody { Self.merge(member, into: &members) }

        var json = JSONWriter(reserving: self.byteCount + 512)
        json.object { json in
            for member in members { json.rawField(member.name, member.value) }
            guard let streaming else { return }
            json.field("stream", true)
            if let options = streaming.options { json.rawField("stream_options", options) }
        }
        return json.bytes
    }

    private static func merge(_ member: RawMember, into members: inout [RawMember]) {
        guard !Self.reserved.contains(member.name) else { return }
        if let index = members.firstIndex(where: { $0.name == member.name }) {
            members[index].value = member.value
        } else {
            members.append(member)
        }
    }

    /// Takes an OpenAI-shaped body apart: what the contract names becomes a parameter, all else `extra_body`, where
    /// every dispatcher passes it on, whichever version of a client library it uses.
    ///
    /// - Parameter isChat: other operations keep everything but the model in `extra_body`; a foreign dispatcher cannot
    ///   run them.
    /// - Throws: `EnvelopeError` that names the field at fault.
    package static func ingest(
        _ body: [UInt8],
        isChat: Bool = true,
        limit: Int = EnvelopeLimits().elementBytes
    ) throws(EnvelopeError) -> Ingested {
        let head = try EnvelopeFields.read(body, limit: limit) { fields throws(EnvelopeError) in
            try Self.check(fields, isChat: isChat)
            guard fields.memberCount <= EnvelopeLimits.members else {
                throw fields.refuse("body", "may have at most \(EnvelopeLimits.members) members")
            }
            return (
                model: try fields.optionalString("model", maximumBytes: EnvelopeLimits.modelBytes) ?? "",
                messages: isChat ? fields["messages"]?.count ?? 0 : 0,
                isStream: try fields.flag("stream")
            )
        }
        var call = CompletionCall(model: head.model, messageCount: head.messages, parameters: [])
        var streaming = head.isStream ? Streaming() : nil
        for member in JSONMembers.unique(JSONMembers.scan(body)) {
            switch member.name {
            case "stream": break
            case "stream_options":
                if !JSONMembers.isNull(member.value) { streaming?.options = member.value }
            case let name where name == "model" || (isChat && Self.names.contains(name)):
                if !JSONMembers.isNull(member.value) { call.parameters.append(member) }
            default: call.extraBody.append(member)
            }
        }
        if !isChat {
            call.parameters.append(RawMember(name: "messages", value: [UInt8(ascii: "["), UInt8(ascii: "]")]))
        }
        return Ingested(call: call, streaming: streaming)
    }
}
