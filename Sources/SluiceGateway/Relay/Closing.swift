import SluiceProviders
import SluiceWire

extension OpenAIOperation {
    /// The end of a stream that did not succeed, in the words of its dialect.
    func closing(_ error: GatewayError) -> [UInt8] { self.closing(status: error.status, errorBody: error.body) }

    func closing(status: Int, errorBody: [UInt8]) -> [UInt8] {
        SSEWriter.event(data: errorBody) + SSEWriter.event(data: Array("[DONE]".utf8))
    }
}
