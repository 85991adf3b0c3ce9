import SluiceBasics
import SluiceWire

// Providers other than OpenAI: a dialect each, and one way through all of them.
extension MockBackend {
    /// The dialect that is spoken at a path.
    static func dialect(_ request: HTTPRequest) -> (any MockDialect)? {
        guard request.method == .post else { return nil }
        let path = request.path
        if path == "/v1/messages" { return MockAnthropic() }
        if path == "/v2/chat" { return MockCohere() }
        if let call = MockGeminiCall(path: path, query: request.query) { return MockGemini(call: call) }
        if let call = MockBedrockCall(path: path) { return MockBedrock(call: call) }
        return MockAzureCall(path: path).map { MockAzure(call: $0) }
    }

    /// What needs no script: lists, counts and embeddings.
    func plainAnswer(_ request: HTTPRequest) -> HTTPResponse? {
        let style = self.currentBehaviour.style
        return MockAnthropicLists.answer(request, style) ?? MockGeminiLists.answer(request, style)
            ?? MockCohereEmbed.answer(request, style)
    }

    func perform(_ request: HTTPRequest, _ dialect: any MockDialect, number: Int) async -> HTTPResponse {
        var behaviour = self.currentBehaviour
        let ask: MockAsk
        let epoch = self.clock.wallClockNanoseconds() / 1_000_000_000
        do {
            try dialect.authenticate(request, behaviour.style, epoch: epoch)
            ask = try dialect.read(request)
            try behaviour.apply(request.headers)
            try behaviour.apply(ask)
        } catch let refusal as MockRefusal {
            return dialect.refuse(refusal, number: number, retryAfter: behaviour.retryAfterSeconds)
        } catch {
            return dialect.refuse(.invalid("\(error)"), number: number, retryAfter: behaviour.retryAfterSeconds)
        }
        let id = request.headers["x-request-id"] ?? "anonymous"
        let count = self.executions.began(id, at: self.clock.now())
        if let times = behaviour.times, count > times {
            behaviour.errors = [:]
            behaviour.faults = [:]
        }
        let play = Play(
            id: id,
            behaviour: behaviour,
            fault: self.draw(behaviour),
            script: MockScript(ask, behaviour, number: number, created: Int(epoch)),
            dialect: dialect
        )
        var response = await self.played(play)
        self.tellLimits(
            behaviour,
            in: &response.headers,
            at: self.clock.now(),
            epoch: self.clock.wallClockNanoseconds()
        )
        return response
    }

    struct Play: Sendable {
        var id: String
        var behaviour: MockBehaviour
        var fault: Draw
        var script: MockScript
        var dialect: any MockDialect
    }

    private func played(_ play: Play) async -> HTTPResponse {
        let tokens = play.script.promptTokens + play.script.textTokens
        guard self.executions.admits(play.behaviour, tokens: tokens, at: self.clock.now()) else {
            return self.refused(play, MockRefusal(429, play.behaviour.style.errorMessage ?? "rate limit reached"))
        }
        do {
            if case .fault(.hang) = play.fault { try await self.sleep(.seconds(3600)) }
            try await self.wait(play.behaviour.latency, play.behaviour)
        } catch {
            self.executions.ended(play.id, abandoned: true, at: self.clock.now())
            return .disconnect
        }
        if let refusal = self.refusal(play) { return self.refused(play, refusal) }
        if play.script.ask.isStream, let response = self.streamed(play) { return response }
        self.executions.ended(play.id, abandoned: false, at: self.clock.now())
        return self.whole(play)
    }

    private func refused(_ play: Play, _ refusal: MockRefusal) -> HTTPResponse {
        self.executions.ended(play.id, abandoned: false, at: self.clock.now())
        let wait = play.behaviour.retryAfterSeconds
        return play.dialect.refuse(refusal, number: play.script.number, retryAfter: wait)
    }

    private func refusal(_ play: Play) -> MockRefusal? {
        let style = play.behaviour.style
        if case .status(let status) = play.fault {
            return MockRefusal(status, style.errorMessage ?? "simulated error \(status)")
        }
        if style.contextExceeded { return play.dialect.contextExceeded(play.script.ask) }
        guard style.blocked else { return nil }
        do {
            try play.dialect.block(play.script.ask)
            return nil
        } catch {
            return error
        }
    }

    private func whole(_ play: Play) -> HTTPResponse {
        let headers = play.dialect.headers(number: play.script.number)
        let body = play.dialect.whole(play.script)
        switch play.fault {
        case .fault(.disconnect): return .disconnect
        case .fault(.garbage): return self.response(Array("\u{1}{]garbage".utf8), headers, "application/json")
        case .fault(.wrongType): return self.response(Array("<html>hello</html>".utf8), headers, "text/html")
        case .fault(.halfBody), .fault(.disconnectMidBody):
            let bytes = body.bytes
            var headers = headers
            headers.append("Content-Type", "application/json")
            headers.append("Content-Length", String(bytes.count))
            return HTTPResponse(
                headers: headers,
                body: .stream { writer in
                    try await writer.write(Array(bytes.prefix(bytes.count / 2)))
                    throw HTTPWriteError.clientGone
                }
            )
        default: return self.response(body.bytes, headers, "application/json")
        }
    }

    private func response(_ bytes: [UInt8], _ headers: HTTPFields, _ type: String) -> HTTPResponse {
        var headers = headers
        headers.append("Content-Type", type)
        return HTTPResponse(headers: headers, body: .bytes(bytes))
    }

    // MARK: Streams

    /// `nil` when the fault leaves no stream.
    private func streamed(_ play: Play) -> HTTPResponse? {
        switch play.fault {
        case .fault(.disconnect), .fault(.wrongType): return nil
        default: break
        }
        let frames = play.dialect.frames(play.script)
        var headers = play.dialect.headers(number: play.script.number)
        headers.append("Content-Type", frames.contentType)
        return HTTPResponse(
            headers: headers,
            body: .stream { writer in
                do {
                    try await self.write(play, frames, to: writer)
                    self.executions.ended(play.id, abandoned: false, at: self.clock.now())
                } catch let cut as MockCut {
                    self.executions.ended(play.id, abandoned: false, at: self.clock.now())
                    throw cut
                } catch {
                    self.executions.ended(play.id, abandoned: true, at: self.clock.now())
                    throw error
                }
            }
        )
    }

    private func write(_ play: Play, _ frames: MockFrames, to writer: any HTTPBodyWriter) async throws {
        let behaviour = play.behaviour
        try await self.wait(behaviour.firstToken, behaviour)
        let output = MockOutput(writer: writer, partBytes: behaviour.style.splitBytes)
        switch play.fault {
        case .fault(.garbage): return try await output.write(Array("data: {]garbage\n\n".utf8))
        case .fault(.errorInStream): return try await output.write(play.dialect.brokenOff)
        default: break
        }
        let pause = behaviour.tokensPerSecond > 0 ? Duration.seconds(1 / behaviour.tokensPerSecond) : .zero
        let middle = (frames.pieces.count + 1) / 2
        for (index, piece) in frames.pieces.enumerated() {
            if index > 0 && pause > .zero { try await self.work(pause, behaviour) }
            if index == middle, try await self.breaksOff(play, output) { return }
            try await output.write(piece)
            let pings = behaviour.style.pings
            if pings > 0, (index + 1).isMultiple(of: pings) { try await output.write(play.dialect.ping) }
        }
        // A stream of one piece has its middle behind it.
        if middle >= frames.pieces.count, try await self.breaksOff(play, output) { return }
        if case .fault(.noEnd) = play.fault { return }
        for piece in frames.end { try await output.write(piece) }
    }

    /// Whether the stream is over in the middle.
    private func breaksOff(_ play: Play, _ output: MockOutput) async throws -> Bool {
        switch play.fault {
        case .fault(.truncated): return true
        case .fault(.hangMidStream): try await self.sleep(.seconds(3600))
        case .fault(.disconnectMidBody), .fault(.halfBody): throw MockCut()
        case .fault(.errorMidStream):
            try await output.write(play.dialect.brokenOff)
            return true
        default: break
        }
        return false
    }
}

/// The simulated backend itself breaks off.
struct MockCut: Error {}

/// Writes in parts of a given size.
struct MockOutput: Sendable {
    let writer: any HTTPBodyWriter
    /// 0: as it comes.
    let partBytes: Int

    func write(_ bytes: [UInt8]) async throws {
        guard self.partBytes > 0 else { return try await self.writer.write(bytes) }
        for start in stride(from: 0, to: bytes.count, by: self.partBytes) {
            try await self.writer.write(Array(bytes[start..<min(start + self.partBytes, bytes.count)]))
        }
    }
}

extension MockBehaviour {
    private static let headerPrefix = Array("x-mock-".utf8)

    /// Takes over what `x-mock-NAME: VALUE` headers say, e.g. `x-mock-first-token: uniform(10,50)`.
    mutating func apply(_ headers: HTTPFields) throws {
        var json = JSONWriter(reserving: 0)
        var isEmpty = true
        json.object { json in
            headers.forEach { name, value in
                guard name.count > Self.headerPrefix.count,
                    zip(name, Self.headerPrefix).allSatisfy({ $0 | 0x20 == $1 | 0x20 })
                else { return }
                isEmpty = false
                let word = name.dropFirst(Self.headerPrefix.count).map { $0 == 45 ? 95 : $0 | 0x20 }
                let text = String(decoding: value, as: UTF8.self)
                let field = String(decoding: word, as: UTF8.self)
                switch (Double(text), text) {
                case (let number?, _): json.field(field, number)
                case (nil, "true"), (nil, "false"): json.field(field, text == "true")
                default: json.field(field, text)
                }
            }
        }
        guard !isEmpty else { return }
        try JSON.read(json.bytes) { root throws(MockBehaviour.Problem) in try self.apply(root) }
    }

    /// Takes over what the model's name and a last text that begins with `mock:` say.
    mutating func apply(_ ask: MockAsk) throws {
        self.style.apply(model: ask.model)
        let words = ask.model.split { $0 == "-" || $0 == "." || $0 == ":" }
        if words.contains("mock"), let place = words.firstIndex(of: "status"), place + 1 < words.count,
            let status = Int(words[place + 1]), (300...599).contains(status)
        {
            self.errors = [status: 1]
        }
        guard ask.lastText.hasPrefix("mock:") else { return }
        try JSON.read(Array(ask.lastText.dropFirst(5).utf8)) { root throws(MockBehaviour.Problem) in
            try self.apply(root)
        }
    }
}
