import SluiceProviders
import SluiceWire
import Testing

@Suite("Parameters that a provider cannot express")
struct ParameterScreenTests {
    private static let supported: ChatParameters = [.temperature, .tools]

    private static func request() -> ChatRequest {
        var request = ChatRequest(model: "m", messages: [.user("x")])
        request.temperature = 0.5
        request.seed = 7
        request.topLogprobs = 2
        request.frequencyPenalty = 0
        request.user = "u"
        request.choiceCount = 1
        request.additional = [JSONField("safetySettings", [1]), JSONField("odd", true)]
        return request
    }

    private static func screen(_ policy: UnsupportedParameterPolicy) -> (ParameterScreen, ChatRequest) {
        var request = Self.request()
        var screen = ParameterScreen(provider: "p", policy: policy)
        screen.screen(&request, supports: Self.supported, members: ["safetySettings"])
        return (screen, request)
    }

    @Test("dropped ones are named, defaults are not")
    func drop() throws {
        let (screen, request) = Self.screen(.drop)
        try screen.check()
        #expect(screen.dropped == ["seed", "top_logprobs", "odd"])
        #expect(screen.passed.isEmpty)
        var expected = ChatRequest(model: "m", messages: [.user("x")])
        expected.temperature = 0.5
        expected.additional = [JSONField("safetySettings", [1])]
        #expect(request == expected)
    }

    @Test("an error names all of them at once, and the first as its parameter")
    func error() {
        let (screen, _) = Self.screen(.error)
        #expect(screen.dropped.isEmpty)
        #expect {
            try screen.check()
        } throws: { error in
            guard let error = error as? ProviderError else { return false }
            return error.kind == .unsupportedParameter && error.parameter == "seed"
                && ["'seed'", "'top_logprobs'", "'odd'"].allSatisfy(error.message.contains)
        }
    }

    @Test("passed ones are at hand as they came")
    func pass() throws {
        let (screen, request) = Self.screen(.pass)
        try screen.check()
        #expect(screen.dropped.isEmpty)
        #expect(screen.passed == [JSONField("seed", 7), JSONField("top_logprobs", 2), JSONField("odd", true)])
        #expect(request.seed == nil)
    }

    @Test("every parameter can be taken out", arguments: ChatParameter.allCases)
    func each(parameter: ChatParameter) throws {
        var request = try ChatRequest(openAI: GoldenFiles.read("openai/request-every-parameter.json"))
        let before = request.openAIBody()
        var screen = ParameterScreen(provider: "p", policy: .pass)
        screen.screen(&request, supports: ChatParameters.all.subtracting([parameter]), members: nil)
        #expect(JSONTopLevelScanner.ranges(of: parameter.rawValue, in: before).count == 1)
        #expect(JSONTopLevelScanner.ranges(of: parameter.rawValue, in: request.openAIBody()).isEmpty)
        let isSilent = parameter == .user || parameter == .safetyIdentifier
        #expect(screen.passed.map(\.name) == (isSilent ? [] : [parameter.rawValue]))
    }
}
