import SluiceWire

// `sluice try`: real work through the whole path.
extension ClientCommand {
    func attempt() throws {
        let model = try self.invocation.value("model") ?? self.firstModel()
        let style = self.terminal.style
        let whole = try self.client.call(
            .post,
            "/v1/chat/completions",
            body: Self.body(model, "Say hello in one sentence.", stream: false)
        )
        _ = try Self.good(whole)
        let text = try JSON.read(whole.body) { root in
            var text: String?
            root["choices"]?.forEachElement { choice in
                text = choice["message"]?["content"]?.string
                return false
            }
            return text ?? ""
        }
        self.terminal.line(style.bold("chat completion") + "  \(model)")
        self.terminal.line("  \(Self.excerpt(text))")
        try self.printTimeline(whole)
        let stream = try self.client.stream(
            "/v1/chat/completions",
            body: Self.body(model, "Count to ten.", stream: true)
        )
        _ = try Self.good(stream)
        let (streamed, chunks) = Self.content(of: stream.body)
        self.terminal.line(style.bold("stream") + "           \(model), \(chunks) events")
        self.terminal.line("  \(Self.excerpt(streamed))")
        try self.printTimeline(stream)
        self.terminal.line(style.bold("console") + "          " + style.cyan("\(self.client.url)/"))
    }

    private func firstModel() throws -> String {
        let body = try self.get(.get, "/v1/models")
        let found = try JSON.read(body) { root in
            var model: String?
            root["data"]?.forEachElement { entry in
                model = entry["id"]?.string
                return false
            }
            return model
        }
        guard let found else {
            throw Failure(code: ExitCode.failure, message: "the backend lists no models; name one with --model")
        }
        return found
    }

    private static func body(_ model: String, _ prompt: String, stream: Bool) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.field("model", model)
            json.field("stream", stream)
            json.array("messages") { json in
                json.object { json in
                    json.field("role", "user")
                    json.field("content", prompt)
                }
            }
        }
        return json.bytes
    }

    private static func excerpt(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.count > 160 ? line.prefix(157) + "..." : line
    }

    private static func content(of stream: [UInt8]) -> (text: String, events: Int) {
        var parser = SSEParser()
        var text = ""
        var events = 0
        try? parser.feed(stream) { event in
            events += 1
            try? JSON.read(event.data) { root in
                root["choices"]?.forEachElement { choice in
                    text += choice["delta"]?["content"]?.string ?? ""
                    return true
                }
            }
        }
        return (text, events)
    }

    private func printTimeline(_ response: HTTPClientResponse) throws {
        guard let id = response.headers["x-sluice-request-id"] else { return }
        let body = try self.get(.get, "/api/requests/\(Self.escaped(id))")
        try JSON.read(body) { root in
            self.terminal.line("  " + self.terminal.style.dim(RequestReport.timeline(root)))
            self.terminal.line("  " + self.terminal.style.dim(id))
        }
    }
}
