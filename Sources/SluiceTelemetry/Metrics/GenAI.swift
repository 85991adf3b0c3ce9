/// Words and bounds of OpenTelemetry's semantic conventions for generative AI.
package enum GenAI {
    /// `gen_ai.operation.name`.
    package enum Operation: String, Sendable, CaseIterable {
        case chat
        case textCompletion = "text_completion"
        case embeddings
        /// The convention's word for what it has none for.
        case other = "_OTHER"

        /// - Parameter path: what was asked for, e.g. `chat/completions`.
        package init(path: String) {
            switch path {
            case "chat/completions", "responses", "messages": self = .chat
            case "completions": self = .textCompletion
            case "embeddings": self = .embeddings
            default: self = .other
            }
        }
    }

    /// `gen_ai.provider.name` of a server of one's own: the conventions' word for the format that it speaks.
    package static let otherProvider = "openai"

    /// `gen_ai.provider.name`: the convention's name where it has one, else ours.
    ///
    /// - Parameter name: the registry's.
    package static func provider(_ name: String?) -> String {
        switch name {
        case nil, "openai_compatible": Self.otherProvider
        case "azure": "azure.ai.openai"
        case "gemini": "gcp.gemini"
        case "vertex": "gcp.vertex_ai"
        case "bedrock": "aws.bedrock"
        case "mistral": "mistral_ai"
        case "xai": "x_ai"
        case "watsonx": "ibm.watsonx.ai"
        case .some(let name): name
        }
    }

    static let durationBounds = BucketBounds(
        [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
        scale: 1e9
    )
    static let tokenBounds = BucketBounds(
        [
            1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
        ],
        scale: 1
    )
    static let firstTokenBounds = BucketBounds(
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
        scale: 1e9
    )
    static let perTokenBounds = BucketBounds(
        [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
        scale: 1e9
    )
}
