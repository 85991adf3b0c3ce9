/// Checks a Gemini request as Google does, and reads what it asks for.
struct MockGeminiReader {
    let call: MockGeminiCall

    func read(_ root: MockJSON) throws(MockRefusal) -> MockAsk {
        let root = try Self.checked(root, MockGeminiShape.generate)
        try self.checkConfiguration(root)
        try self.checkContents(root["contents"]?.elements ?? [])
        return self.ask(root)
    }

    static func checked(_ root: MockJSON, _ shape: MockShape) throws(MockRefusal) -> MockJSON {
        do throws(MockFinding) {
            return try MockChecker(foldsNames: true).check(root, shape)
        } catch {
            throw .invalid(Self.words(error))
        }
    }

    private static func place(_ path: some Sequence<String>) -> String {
        path.reduce("") { text, name in
            Int(name) != nil ? "\(text)[\(name)]" : text.isEmpty ? name : "\(text).\(name)"
        }
    }

    private static func words(_ finding: MockFinding) -> String {
        switch finding.kind {
        case .unknown:
            let place = Self.place(finding.parent)
            let at = place.isEmpty ? "" : " at '\(place)'"
            return "Invalid JSON payload received. Unknown name \"\(finding.name)\"\(at): Cannot find field."
        case .missing where finding.path == ["contents"]:
            return "* GenerateContentRequest.contents: contents is not specified\n"
        case .notExactlyOne:
            let place = Self.place(finding.path)
            return "* GenerateContentRequest.\(place).data: required oneof field 'data' must have one initialized field"
        default: return "Invalid value at '\(Self.place(finding.path))': \(finding.words)"
        }
    }

    private func checkConfiguration(_ root: MockJSON) throws(MockRefusal) {
        let configuration = root["generationConfig"] ?? [:]
        let isJSON = configuration["responseMimeType"] == "application/json"
        let hasSchema = configuration["responseSchema"] != nil || configuration["responseJsonSchema"] != nil
        if hasSchema && !isJSON && configuration["responseMimeType"] != "text/x.enum" {
            throw .invalid("response_schema is only supported for response mime type 'application/json'")
        }
        if configuration["responseSchema"] != nil && configuration["responseJsonSchema"] != nil {
            throw .invalid("only one of response_schema and response_json_schema may be set")
        }
        let functions = Self.functions(root)
        if isJSON && !functions.isEmpty && !self.call.model.contains("gemini-3") {
            throw .invalid("Function calling with a response mime type: 'application/json' is unsupported")
        }
        for function in functions {
            let name = function["name"]?.string ?? ""
            guard MockAnthropicReader.isName(name.filter { $0 != "." && $0 != ":" }, upTo: 64),
                name.first.map({ $0.isLetter || $0 == "_" }) ?? false
            else {
                throw .invalid(
                    "Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, "
                        + "A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum "
                        + "length of 64."
                )
            }
            if function["parameters"] != nil && function["parametersJsonSchema"] != nil {
                throw .invalid("only one of parameters and parameters_json_schema may be set")
            }
            if let parameters = function["parameters"], parameters["type"]?.string?.lowercased() == "object",
                parameters["properties"]?.members.isEmpty ?? true
            {
                throw .invalid(
                    "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties: should be "
                        + "non-empty for OBJECT type\n"
                )
            }
        }
        if let calling = root["toolConfig"]?["functionCallingConfig"], calling["allowedFunctionNames"] != nil,
            calling["mode"] != "ANY", calling["mode"] != "VALIDATED"
        {
            throw .invalid("Function calling config: allowed_function_names should only be set when mode is ANY.")
        }
        let thinking = configuration["thinkingConfig"] ?? [:]
        if thinking["thinkingBudget"] != nil && thinking["thinkingLevel"] != nil {
            throw .invalid("You can only set only one of thinking budget and thinking level.")
        }
        if thinking["thinkingLevel"] != nil && !self.call.model.contains("gemini-3") {
            throw .invalid("Thinking level is not supported for this model.")
        }
        if root["labels"] != nil && !self.call.isVertex {
            throw .invalid("Invalid JSON payload received. Unknown name \"labels\": Cannot find field.")
        }
    }

    private func checkContents(_ contents: [MockJSON]) throws(MockRefusal) {
        guard !contents.isEmpty else {
            throw .invalid("* GenerateContentRequest.contents: contents is not specified\n")
        }
        guard contents.first?["role"] != "model" || contents.count == 1 else {
            throw .invalid("Please ensure that multiturn requests begin with a user role.")
        }
        var called: [String] = []
        for (index, content) in contents.enumerated() {
            if index > 0, (contents[index - 1]["role"] ?? "user") == (content["role"] ?? "user") {
                throw .invalid("Please ensure that multiturn requests alternate between user and model.")
            }
            let parts = content["parts"]?.elements ?? []
            let answered = parts.compactMap { $0["functionResponse"]?["name"]?.string }
            guard answered.sorted() == called.sorted() else {
                throw .invalid(
                    "Please ensure that the number of function response parts is equal to the number of function call "
                        + "parts of the function call turn."
                )
            }
            let calls = parts.filter { $0["functionCall"] != nil }
            called = calls.compactMap { $0["functionCall"]?["name"]?.string }
            if !calls.isEmpty && content["role"] != "model" {
                throw .invalid("Please ensure that function call turns are of the model.")
            }
            try self.checkSignature(calls, index)
            for part in parts { try Self.checkMedia(part) }
        }
        if !called.isEmpty {
            throw .invalid("Please ensure that function call turn comes immediately before a function response turn.")
        }
    }

    /// Gemini 3 wants the signature of a step's first call back.
    private func checkSignature(_ calls: [MockJSON], _ index: Int) throws(MockRefusal) {
        guard let first = calls.first, let name = first["functionCall"]?["name"]?.string else { return }
        let signature = first["thoughtSignature"]?.string
        guard let signature else {
            guard self.call.model.contains("gemini-3") else { return }
            throw .invalid(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools "
                    + "to work correctly. Additional data, function call `default_api:\(name)`, position \(index + 1)."
            )
        }
        let isBypass = [
            "context_engineering_is_the_way_to_go", "skip_thought_signature_validator",
        ].contains { signature == $0 || signature == Base64.text(Array($0.utf8)) }
        guard isBypass || signature == MockGemini.signature(name) else {
            throw .invalid("Thought signature is not valid.")
        }
    }

    private static func checkMedia(_ part: MockJSON) throws(MockRefusal) {
        guard let blob = part["inlineData"] else { return }
        guard let data = blob["data"]?.string, MockMedia.isBase64(data, isURLSafe: true) else {
            throw .invalid("Invalid value at 'contents.parts.inline_data.data' (TYPE_BYTES), Base64 decoding failed")
        }
        guard let type = blob["mimeType"]?.string, type.contains("/") else {
            throw .invalid("Unsupported MIME type: \(blob["mimeType"]?.string ?? "")")
        }
        if let actual = MockMedia.type(ofBase64: data), actual != type {
            throw .invalid("Unable to process input image. The data is not of MIME type \(type).")
        }
    }

    // MARK: Ask

    private static func functions(_ root: MockJSON) -> [MockJSON] {
        (root["tools"]?.elements ?? []).flatMap { $0["functionDeclarations"]?.elements ?? [] }
    }

    private func ask(_ root: MockJSON) -> MockAsk {
        var ask = MockAsk()
        ask.model = self.call.model
        ask.isStream = self.call.isStream
        let configuration = root["generationConfig"] ?? [:]
        ask.maximumTokens = configuration["maxOutputTokens"]?.int
        ask.stops = configuration["stopSequences"]?.elements.compactMap(\.string) ?? []
        ask.choices = configuration["candidateCount"]?.int ?? 1
        ask.schema = configuration["responseJsonSchema"] ?? configuration["responseSchema"]
        ask.wantsJSON = configuration["responseMimeType"] == "application/json"
        ask.wantsReasoning = configuration["thinkingConfig"]?["includeThoughts"] == true
        ask.tools = Self.functions(root).map { function in
            let parameters = function["parametersJsonSchema"] ?? function["parameters"] ?? [:]
            return MockAsk.Tool(name: function["name"]?.string ?? "", parameters: parameters)
        }
        let calling = root["toolConfig"]?["functionCallingConfig"]
        switch calling?["mode"]?.string {
        case "ANY": ask.demand = calling?["allowedFunctionNames"]?.elements.first?.string.map { .named($0) } ?? .any
        case "NONE": ask.demand = .none
        default: break
        }
        for part in root["systemInstruction"]?["parts"]?.elements ?? [] {
            ask.read(part["text"]?.string ?? "", isUser: false)
        }
        for content in root["contents"]?.elements ?? [] {
            ask.endsWithToolResult = false
            for part in content["parts"]?.elements ?? [] {
                if part["functionResponse"] != nil { ask.endsWithToolResult = true }
                if let text = part["text"]?.string { ask.read(text, isUser: content["role"] != "model") }
            }
        }
        return ask
    }
}
