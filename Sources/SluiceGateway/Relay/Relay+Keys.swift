import SluiceCore
import SluiceProviders

extension Relay {
    /// Larger refusals pass unread.
    private static let maximumScrubbedBytes = 256 << 10

    /// A refusal byte for byte, unless it repeats a key: servers quote a key that they do not take.
    static func withoutKeys(_ body: [UInt8], _ call: Call, _ record: RequestRecord) -> [UInt8] {
        guard body.count <= Self.maximumScrubbedBytes else { return body }
        let backend = record.attempts.last.flatMap { call.targets[$0.backend] } ?? call.backend
        let text = String(decoding: body, as: UTF8.self)
        let scrubbed = KeyScrubber.scrub(text, secrets: backend.secrets)
        return scrubbed == text ? body : Array(scrubbed.utf8)
    }
}
