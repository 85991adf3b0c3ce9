import SluiceWire

/// The parameters of one request that its provider has no words for, and what becomes of them.
package struct UnsupportedParameters: Sendable {
    package let policy: UnsupportedParameterPolicy
    /// In the order of their discovery, each once.
    package private(set) var names: [String] = []
    /// What is sent as it is.
    private var passed: [JSONField] = []

    package init(_ policy: UnsupportedParameterPolicy) { self.policy = policy }

    /// - Parameter value: sent in the provider's body under the same name where the policy is to pass; `nil`: there is
    ///   no form in which it could be.
    package mutating func note(_ name: String, _ value: @autoclosure () -> JSONText? = nil) {
        guard !self.names.contains(name) else { return }
        self.names.append(name)
        guard self.policy == .pass, let value = value() else { return }
        self.passed.append(JSONField(name, value))
    }

    /// What was left out of the request.
    package var dropped: [String] {
        switch self.policy {
        case .drop: self.names
        case .error: []
        case .pass: self.names.filter { name in !self.passed.contains { $0.name == name } }
        }
    }

    /// - Throws: `unsupportedParameter`, naming all of them, where that is the policy.
    package func check(_ provider: String) throws(ProviderError) {
        guard self.policy == .error, let first = self.names.first else { return }
        throw ProviderError(
            .unsupportedParameter,
            "provider '\(provider)' has no such parameter: \(self.names.joined(separator: ", "))",
            provider: provider,
            code: "unsupported_parameter",
            parameter: first
        )
    }

    package func write(to json: inout JSONWriter) {
        for field in self.passed { json.field(field.name, field.value) }
    }
}
