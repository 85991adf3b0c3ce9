import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceWire

/// What a client asked for, so that it can be shown or asked again. Never in logs, spans or lists.
struct KeptCall: Sendable {
    let submission: Submission
    let operation: OpenAIOperation
    let body: [UInt8]
    /// Those that change what is asked; none that says who asks.
    let headers: HTTPFields

    init(_ call: Call) {
        self.submission = call.submission
        self.operation = call.operation
        self.body = call.body
        var headers = HTTPFields()
        for name in Self.kept { if let value = call.headers[name] { headers.append(name, value) } }
        self.headers = headers
    }

    private static let kept = ["content-type", "anthropic-version", "anthropic-beta"]
}

/// Who keeps what calls were about, as far as that is switched on.
struct CallKeeper: Sendable {
    let shelf: PayloadShelf
    let dead: DeadBox

    func began(_ call: Call) { self.shelf.keep(call) }

    func ended(_ call: Call, _ record: RequestRecord, answer: [UInt8]?) {
        self.shelf.ended(record, answer: answer)
        self.dead.keep(call, of: record)
    }
}
