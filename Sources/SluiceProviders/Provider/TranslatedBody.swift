import SluiceBasics
import SluiceWire

/// A provider's stream, read as the client's dialect.
package final class TranslatedBody: HTTPBodyReader {
    private struct State {
        var decoder: any ChatStreamDecoder
        /// Taken out while it works, so that what it holds is not copied.
        var encoder: DialectEncoder?
        var usage: ChatUsage?
        var hasEnded = false
    }

    private let inner: any HTTPBodyReader
    /// Never to be seen in an error.
    private let secrets: [String]
    private let state: Lock<State>

    init(
        _ inner: any HTTPBodyReader,
        decoder: any ChatStreamDecoder,
        encoder: DialectEncoder,
        secrets: [String] = []
    ) {
        self.inner = inner
        self.secrets = secrets
        self.state = Lock(State(decoder: decoder, encoder: encoder))
    }

    /// What the provider has said so far of its use; clients are told only if they asked.
    package var usage: ChatUsage? { self.state.withLock { $0.usage } }

    package func next() async throws(HTTPClientError) -> [UInt8]? {
        while !self.state.withLock({ $0.hasEnded }) {
            let chunk = try await self.inner.next()
            let bytes = self.state.withLock { self.translate(chunk, &$0) }
            if self.state.withLock({ $0.hasEnded }) && chunk != nil { self.inner.close() }
            if !bytes.isEmpty { return bytes }
        }
        return nil
    }

    package func close() { self.inner.close() }

    private func translate(_ chunk: [UInt8]?, _ state: inout State) -> [UInt8] {
        var bytes: [UInt8] = []
        guard var encoder = state.encoder.take() else { return [] }
        var usage = state.usage
        let emit: (ChatStreamEvent) -> Void = { event in
            if case .usage(let told) = event { usage = told }
            encoder.encode(event, into: &bytes)
        }
        do throws(ProviderError) {
            if let chunk {
                bytes.reserveCapacity(chunk.count + 256)
                try state.decoder.feed(chunk, emit)
            } else {
                state.hasEnded = true
                try state.decoder.finish(emit)
            }
        } catch {
            state.hasEnded = true
            encoder.fail(error.scrubbed(of: self.secrets), into: &bytes)
        }
        state.encoder = encoder
        state.usage = usage
        return bytes
    }
}
