import SluiceWire

/// Tells apart the calls of one choice in a stream. OpenAI numbers them; other servers leave the number out, or give
/// all of them the same.
struct OpenAICallStates: Sendable {
    /// More calls than any model makes at once.
    static let maximumCalls = 1024
    /// Of arguments that come before their call's name.
    static let maximumHeldBytes = 1 << 20

    /// Where the calls belong.
    struct Place {
        var choice: Int
        var responseID: String
    }

    private struct Call: Sendable {
        var stated: Int?
        var call: ToolCall
        var hasStarted = false
    }

    private var calls: [Call] = []

    var isEmpty: Bool { self.calls.isEmpty }

    mutating func take(
        _ value: JSONValue,
        _ place: Place,
        provider: String,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        let custom = value["custom"].flatMap { $0.kind == .object ? $0 : nil }
        let body = custom ?? value["function"]
        // Mistral says the word where it has no id.
        let id = value["id"]?.string.flatMap { $0 == "null" ? nil : $0 }
        var piece = ToolCall(
            id: id ?? "",
            name: body?["name"]?.string ?? "",
            arguments: "",
            isCustom: custom != nil
        )
        if !piece.name.isEmpty { Self.takeRest(of: value, &piece) }
        let arguments = body?[custom == nil ? "arguments" : "input"].flatMap(Self.arguments) ?? ""
        return self.take(piece, arguments, stated: value["index"]?.int, place, provider: provider, emit)
    }

    private static func takeRest(of value: JSONValue, _ piece: inout ToolCall) {
        value.forEachMember { name, value in
            guard !value.isNull else { return true }
            switch name {
            case "index", "id", "type", "function", "custom": break
            case "extra_content" where value["google"]?["thought_signature"]?.string != nil:
                piece.signature = value["google"]?["thought_signature"]?.string
            default: piece.additional.append(JSONField(name, value.text))
            }
            return true
        }
    }

    /// OpenAI's predecessor of `tool_calls`.
    mutating func take(
        function value: JSONValue,
        _ place: Place,
        provider: String,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        let id = ToolCall.functionCallID(1)
        let piece = ToolCall(id: id, name: value["name"]?.string ?? "", arguments: "")
        let arguments = value["arguments"].flatMap(Self.arguments) ?? ""
        return self.take(piece, arguments, stated: 0, place, provider: provider, emit)
    }

    private mutating func take(
        _ piece: ToolCall,
        _ arguments: String,
        stated: Int?,
        _ place: Place,
        provider: String,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        let slot = self.slot(of: piece, stated: stated)
        if slot == self.calls.count {
            guard slot < Self.maximumCalls else { return .malformed(provider, "it calls too many tools at once") }
            self.calls.append(Call(stated: stated, call: piece))
        } else {
            if self.calls[slot].call.name.isEmpty { self.calls[slot].call.name = piece.name }
            if self.calls[slot].call.id.isEmpty { self.calls[slot].call.id = piece.id }
        }
        guard self.calls[slot].hasStarted || !self.calls[slot].call.name.isEmpty else {
            self.calls[slot].call.arguments += arguments
            let isTooLong = self.calls[slot].call.arguments.utf8.count > Self.maximumHeldBytes
            return isTooLong ? .malformed(provider, "it calls a tool without a name") : nil
        }
        self.startIfNeeded(slot, place, emit)
        if !arguments.isEmpty { emit(.toolArguments(choice: place.choice, index: slot, arguments)) }
        return nil
    }

    /// The call that a piece belongs to; the number of calls for a new one.
    private func slot(of piece: ToolCall, stated: Int?) -> Int {
        if let stated {
            guard let found = self.calls.lastIndex(where: { $0.stated == stated }) else { return self.calls.count }
            let known = self.calls[found].call
            let isOther = !piece.id.isEmpty && !piece.name.isEmpty && !known.id.isEmpty && piece.id != known.id
            return isOther ? self.calls.count : found
        }
        if !piece.id.isEmpty, let found = self.calls.lastIndex(where: { $0.call.id == piece.id }) { return found }
        guard piece.name.isEmpty, !self.calls.isEmpty else { return self.calls.count }
        return self.calls.count - 1
    }

    private mutating func startIfNeeded(_ slot: Int, _ place: Place, _ emit: (ChatStreamEvent) -> Void) {
        guard !self.calls[slot].hasStarted else { return }
        self.calls[slot].hasStarted = true
        var call = self.calls[slot].call
        if call.id.isEmpty { call.id = ToolCall.generatedID(place.responseID, choice: place.choice, index: slot) }
        let held = call.arguments
        call.arguments = ""
        self.calls[slot].call.arguments = ""
        emit(.toolCall(choice: place.choice, index: slot, call))
        if !held.isEmpty { emit(.toolArguments(choice: place.choice, index: slot, held)) }
    }

    /// Emits the calls that never got a name: the client will see that they cannot be made.
    mutating func end(_ place: Place, _ emit: (ChatStreamEvent) -> Void) {
        for slot in self.calls.indices { self.startIfNeeded(slot, place, emit) }
    }

    /// Text, or, of some servers, the object itself.
    private static func arguments(_ value: JSONValue) -> String? {
        value.string ?? (value.kind == .object ? value.text.text : nil)
    }
}

extension ToolCall {
    /// A name for a call whose provider gave none, no other in the conversation.
    package static func generatedID(_ responseID: String, choice: Int, index: Int) -> String {
        "call_\(responseID)_\(choice)_\(index)"
    }
}
