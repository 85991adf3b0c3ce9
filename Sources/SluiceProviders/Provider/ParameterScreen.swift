import SluiceWire

/// Takes out of a request what its provider cannot express, and does with it what the policy says. Every handler uses
/// it the same way:
///
/// ```swift
/// var request = call.request
/// var screen = ParameterScreen(provider: self.provider, policy: call.endpoint.unsupported)
/// screen.screen(&request, supports: Self.parameters, members: ["safetySettings"])
/// if … { screen.reject("tool_choice.allowed_tools") }
/// try screen.check()
/// // Write the request; then, at the top of the body:
/// for field in screen.passed { json.field(field.name, field.value) }
/// prepared.dropped = screen.dropped
/// ```
package struct ParameterScreen: Sendable {
    private let provider: String
    private let policy: UnsupportedParameterPolicy
    /// Names of what the provider cannot express, in the order in which it was found.
    private var rejected: [String] = []
    private var known: Set<String> = []
    /// More names are not kept: they go into a header or into a message.
    package static let maximumNames = 64
    /// What is to be sent as it is, although the provider does not know it.
    package private(set) var passed: [JSONField] = []

    package init(provider: String, policy: UnsupportedParameterPolicy) {
        self.provider = provider
        self.policy = policy
    }

    /// Names of what was left out, for the header `x-sluice-dropped-params`.
    package var dropped: [String] { self.policy == .drop ? self.rejected : [] }

    /// Takes out of the request all parameters that are not among the supported ones.
    ///
    /// - Parameter members: names in `additional` that the provider knows; `nil`: all of them.
    package mutating func screen(
        _ request: inout ChatRequest,
        supports supported: ChatParameters,
        members: [String]? = []
    ) {
        self.screenParameters(&request, supported)
        guard let members, !request.additional.isEmpty else { return }
        let unknown = request.additional.filter { !members.contains($0.name) }
        guard !unknown.isEmpty else { return }
        request.additional.removeAll { !members.contains($0.name) }
        for field in unknown { self.reject(field.name) }
        if self.policy == .pass { self.passed += unknown }
    }

    private mutating func screenParameters(_ request: inout ChatRequest, _ supported: ChatParameters) {
        var removed = ChatRequest(model: "", messages: [])
        var ignored = ChatRequest(model: "", messages: [])
        var hasAsked = false
        for parameter in supported.absent {
            if parameter.isAsked(in: request) {
                hasAsked = true
                self.reject(parameter.rawValue)
                parameter.swap(&request, &removed)
            } else {
                // A default says nothing that would have to be told; the provider might trip over its name.
                parameter.swap(&request, &ignored)
            }
        }
        if hasAsked && self.policy == .pass { self.passed += Self.fields(of: removed) }
    }

    private static func fields(of request: ChatRequest) -> [JSONField] {
        JSONMembers.scan(request.openAIBody()).filter { $0.name != "model" && $0.name != "messages" }
            .map { JSONField($0.name, JSONText(trusted: Array($0.value))) }
    }

    /// Notes something that the provider cannot express and that the handler leaves out by itself.
    package mutating func reject(_ name: String) {
        guard self.rejected.count < Self.maximumNames, self.known.insert(name).inserted else { return }
        self.rejected.append(name)
    }

    /// - Throws: `unsupportedParameter`, which names all of them, if the policy is `error`.
    package func check() throws(ProviderError) {
        guard self.policy == .error, let first = self.rejected.first else { return }
        let names = self.rejected.map { "'\($0)'" }.joined(separator: ", ")
        throw ProviderError(
            .unsupportedParameter,
            "the provider '\(self.provider)' does not support \(names); leave it out, or have it dropped with "
                + "'x-sluice-unsupported-params: drop'",
            provider: self.provider,
            code: "unsupported_parameter",
            parameter: first
        )
    }
}
