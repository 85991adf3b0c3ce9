import SluiceWire

// Streams, and how they break.
extension MockBackend {
    func stream(_ run: Run) -> HTTPResponse {
        switch run.fault {
        case .status, .fault(.disconnect), .fault(.wrongType):
            self.ended(run)
            return self.whole(run)
        default: break
        }
        return HTTPResponse(
            headers: HTTPFields([("Content-Type", "text/event-stream")]),
            body: .stream { writer in
                do {
                    try await self.write(run, to: writer)
                    self.ended(run)
                } catch is Cut {
                    self.ended(run)
                    throw Cut()
                } catch {
                    self.ended(run, abandoned: true)
                    throw error
                }
            }
        )
    }

    /// The backend itself breaks off.
    private struct Cut: Error {}

    private func write(_ run: Run, to writer: any HTTPBodyWriter) async throws {
        try await self.wait(run.behaviour.firstToken, run.behaviour)
        let error = SSEWriter.event(
            data: Array(#"{"error":{"message":"simulated","type":"server_error","code":500}}"#.utf8)
        )
        var opening = run.answer.opening()
        switch run.fault {
        case .fault(.errorInStream): return try await writer.write(opening + error)
        case .fault(.garbage): return try await writer.write(Array("data: {]garbage\n\n".utf8))
        default: break
        }
        let count = run.answer.chunkCount
        let pause = run.behaviour.tokensPerSecond > 0 ? Duration.seconds(1 / run.behaviour.tokensPerSecond) : .zero
        for index in 0..<count {
            if index > 0 && pause > .zero { try await self.work(pause, run.behaviour) }
            if index == count / 2 {
                if case .fault(.truncated) = run.fault { return try await writer.write(opening) }
                try await self.misbehave(run, error, writer, &opening)
            }
            try await writer.write(opening + run.answer.piece(index))
            opening = []
        }
        if case .fault(.noEnd) = run.fault { return try await writer.write(opening) }
        try await writer.write(opening + run.answer.closing())
    }

    private func misbehave(
        _ run: Run,
        _ error: [UInt8],
        _ writer: any HTTPBodyWriter,
        _ opening: inout [UInt8]
    ) async throws {
        switch run.fault {
        case .fault(.hangMidStream): try await self.sleep(.seconds(3600))
        case .fault(.disconnectMidBody), .fault(.halfBody): throw Cut()
        case .fault(.errorMidStream):
            try await writer.write(opening + error)
            opening = []
            throw Cut()
        default: break
        }
    }
}
