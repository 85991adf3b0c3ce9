/// What an envelope asks a backend to do: the parameters of one completion, as raw JSON. Messages and everything else
/// are passed on byte for byte and never encoded again.
package struct CompletionCall: Sendable, Equatable {
    /// As the producer names it.
    package var model: String
    package var messageCount: Int
    /// Parameters that the contract names, without those that are null, `model` and `messages` included.
    package var parameters: [RawMember]
    /// `extra_body`: goes into the body as it is and overrides everything else.
    package var extraBody: [RawMember]
    /// `extra_create_kwargs`: overrides `parameters`.
    package var extraCreate: [RawMember]

    package init(
        model: String,
        messageCount: Int,
        parameters: [RawMember],
        extraBody: [RawMember] = [],
        extraCreate: [RawMember] = []
    ) {
        self.model = model
        self.messageCount = messageCount
        self.parameters = parameters
        self.extraBody = extraBody
        self.extraCreate = extraCreate
    }

    /// The parameters of the contract in the order in which we write them: what is small first, so that the head of an
    /// envelope tells the model, and the messages last.
    static let names = [
        "model", "temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "n", "stop",
        "tool_choice", "response_format", "tools", "messages",
    ]

    /// What the dispatcher decides, or what is an option of a client library and not a part of the body.
    static let reserved: Set<String> = ["stream", "stream_options", "extra_headers", "extra_query", "timeout"]

    /// Checks the types of all that the contract names. `fields` are those of a call or of an OpenAI body.
    static func check(_ fields: EnvelopeFields, isChat: Bool) throws(EnvelopeError) {
        guard let model = try fields.optionalString("model", maximumBytes: EnvelopeLimits.modelBytes) else {
            throw fields.missing("model")
        }
        guard !model.isEmpty else { throw fields.refuse("model", "must not be empty") }
        guard isChat else { return }
        guard fields["messages"] != nil else { throw fields.missing("messages") }
        try fields.check("messages", [.array], "a list")
        for name: StaticString in ["temperature", "top_p", "frequency_penalty", "presence_penalty"] {
            try fields.check(name, [.number], "a number or null")
        }
        _ = try fields.optionalInteger("max_tokens", in: 0...1_000_000_000)
        _ = try fields.optionalInteger("n", in: 1...1_024)
        try fields.check("stop", [.string, .array], "a string, a list or null")
        try fields.check("response_format", [.object], "an object or null")
        try fields.check("tools", [.array], "a list or null")
        try fields.check("tool_choice", [.string, .object], "a string, an object or null")
        try fields.check("stream", [.bool], "true, false or null")
        try fields.check("stream_options", [.object], "an object or null")
    }

    // MARK: From an envelope

    /// Reads the raw value of the field `call`, which has been checked. Members that the contract does not name, such
    /// as `context` of later versions, are for telemetry and never reach a backend.
    init(checked value: ArraySlice<UInt8>, model: String, messageCount: Int) {
        self.init(model: model, messageCount: messageCount, parameters: [])
        // The first of two members with one name counts, as everywhere.
        for member in JSONMembers.unique(JSONMembers.scan(value)) where !JSONMembers.isNull(member.value) {
            switch member.name {
            case "extra_body": self.extraBody = JSONMembers.unique(JSONMembers.scan(member.value))
            case "extra_create_kwargs": self.extraCreate = JSONMembers.unique(JSONMembers.scan(member.value))
            case let name where Self.names.contains(name): self.parameters.append(member)
            default: break
            }
        }
    }
}

extension CompletionCall {
    /// Writes the value of the field `call`. Every name of the contract is there, null where nothing was asked: readers
    /// that want all fields get them, and nulls are dropped before a backend is called.
    func write(_ json: inout JSONWriter) {
        json.object("call") { json in
            for name in Self.names where name != "messages" { self.write(name, &json) }
            json.field("stream", false)
            json.nullField("stream_options")
            Self.write("extra_body", self.extraBody, &json)
            Self.write("extra_create_kwargs", self.extraCreate, &json)
            self.write("messages", &json)
        }
    }

    private func write(_ name: String, _ json: inout JSONWriter) {
        if let value = self.parameters.first(where: { $0.name == name })?.value {
            json.rawField(name, value)
        } else {
            json.nullField(name)
        }
    }

    private static func write(_ name: String, _ members: [RawMember], _ json: inout JSONWriter) {
        guard !members.isEmpty else { return json.nullField(name) }
        json.object(name) { json in
            for member in members { json.rawField(member.name, member.value) }
        }
    }

    /// Bytes that its values take, without names and punctuation.
    var byteCount: Int {
        [self.parameters, self.extraBody, self.extraCreate].reduce(0) { sum, members in
            members.reduce(sum) { $0 + $1.value.count + $1.name.utf8.count + 4 }
        }
    }
}
