import SluiceWire

/// How the answer is to be made: `generationConfig`.
struct GeminiGeneration {
    let request: ChatRequest
    let model: GeminiModel

    /// Members of requests that belong into `generationConfig` as they are.
    static let ownMembers: [(name: String, own: String)] = [
        ("speech_config", "speechConfig"), ("speechConfig", "speechConfig"),
        ("image_config", "imageConfig"), ("imageConfig", "imageConfig"),
        ("media_resolution", "mediaResolution"), ("mediaResolution", "mediaResolution"),
        ("thinking_config", "thinkingConfig"), ("thinkingConfig", "thinkingConfig"),
    ]

    func write(
        _ screen: inout ParameterScreen,
        _ budget: inout GeminiSchemaBudget,
        to json: inout JSONWriter
    ) {
        json.object("generationConfig") { json in
            self.writeSampling(to: &json)
            self.writeFormat(&screen, &budget, to: &json)
            self.writeThinking(&screen, to: &json)
            if !self.request.modalities.isEmpty, self.request.modalities != ["text"] {
                json.array("responseModalities") { json in
                    for modality in self.request.modalities { json.value(modality.uppercased()) }
                }
            }
            for field in self.request.additional {
                if let own = Self.ownMembers.first(where: { $0.name == field.name })?.own {
                    json.field(own, field.value)
                } else if field.name == "audio" {
                    self.writeVoice(field.value, to: &json)
                }
            }
        }
    }

    private func writeSampling(to json: inout JSONWriter) {
        let request = self.request
        if let value = request.temperature { json.field("temperature", value) }
        if let value = request.topP { json.field("topP", value) }
        if let value = request.topK { json.field("topK", value) }
        if let value = request.tokenLimit { json.field("maxOutputTokens", value) }
        if !request.stop.isEmpty {
            json.array("stopSequences") { json in for text in request.stop { json.value(text) } }
        }
        if let value = request.choiceCount { json.field("candidateCount", value) }
        // Seeds have 32 bits there: a longer one is folded, so that the same seed stays the same.
        if let value = request.seed { json.field("seed", Int(Int32(truncatingIfNeeded: value))) }
        if let value = request.presencePenalty { json.field("presencePenalty", value) }
        if let value = request.frequencyPenalty { json.field("frequencyPenalty", value) }
        guard request.logprobs == true else { return }
        json.field("responseLogprobs", true)
        if let value = request.topLogprobs, value > 0 { json.field("logprobs", value) }
    }

    private func writeFormat(
        _ screen: inout ParameterScreen,
        _ budget: inout GeminiSchemaBudget,
        to json: inout JSONWriter
    ) {
        guard let format = self.request.responseFormat, format != .text else { return }
        guard self.request.tools.isEmpty || self.model.combinesFormatAndTools else {
            return screen.reject("response_format")
        }
        switch format {
        case .text: break
        case .jsonObject: json.field("responseMimeType", "application/json")
        case .jsonSchema(_, _, let schema, _):
            json.field("responseMimeType", "application/json")
            if self.model.takesJSONSchema {
                json.field("responseJsonSchema", schema)
            } else if let reduced = GeminiSchema.reduced(schema, of: "the response format", &budget) {
                json.field("responseSchema", reduced)
            }
        case .other: screen.reject("response_format")
        }
    }

    private func writeThinking(_ screen: inout ParameterScreen, to json: inout JSONWriter) {
        let isStated = self.request.additional.contains { $0.name == "thinking_config" || $0.name == "thinkingConfig" }
        guard !isStated else { return }
        if let thinking = self.request.thinking {
            guard let setting = self.model.thinking.setting(thinking) else {
                if thinking != .disabled { screen.reject("thinking") }
                return
            }
            setting.write(to: &json)
        } else if let effort = self.request.reasoningEffort {
            guard let setting = self.model.thinking.setting(effort: effort) else {
                if effort != "none" { screen.reject("reasoning_effort") }
                return
            }
            setting.write(to: &json)
        }
    }

    /// OpenAI's `audio: {"voice": …, "format": …}`; the format is Google's own.
    private func writeVoice(_ value: JSONText, to json: inout JSONWriter) {
        let voice = (try? JSON.read(value.bytes) { $0["voice"]?.string }) ?? nil
        guard let voice else { return }
        json.object("speechConfig") { json in
            json.object("voiceConfig") { json in
                json.object("prebuiltVoiceConfig") { $0.field("voiceName", voice) }
            }
        }
    }
}
