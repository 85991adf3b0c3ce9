import SluiceCore
import SluiceWire

// Requests that are refused for what is in them, and that another model may take.
extension OpenAIClassifier {
    /// Larger bodies of error answers are not looked into.
    private static let maximumBytes = 64 << 10

    /// What an answer refuses that is known to be about the request.
    static func refusal(_ response: HTTPClientResponse) -> FallbackClass? {
        guard response.body.count <= Self.maximumBytes else { return nil }
        let kind = try? JSON.read(response.body) { root -> ProviderError.Kind in
            let error = root["error"]
            let words = [error?["code"]?.string, error?["type"]?.string].compactMap { $0 }
            let message = error?["message"]?.string ?? error?.string ?? root["message"]?.string ?? ""
            return ErrorTable.kind(status: response.status, words: words, message: message)
        }
        return kind.flatMap { FallbackClass($0) }
    }
}

extension FallbackClass {
    init?(_ kind: ProviderError.Kind) {
        switch kind {
        case .contextWindowExceeded: self = .contextWindow
        case .contentPolicy: self = .contentPolicy
        default: return nil
        }
    }
}
