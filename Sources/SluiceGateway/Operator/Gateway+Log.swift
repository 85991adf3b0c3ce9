import SluiceBasics
import SluiceWire

/// The log, as far as operators steer it.
package protocol LogSteering: Sendable {
    var level: String { get }
    var format: String { get }
    /// Lines that could not be written.
    var dropped: Int { get }
    /// - Returns: `false` for a level that there is none of.
    func setLevel(_ level: String) -> Bool
}

extension LogSteering {
    /// Unless somebody has set another meanwhile.
    func setLevel(_ level: String, ifIs expected: String) -> Bool {
        self.level == expected && self.setLevel(level)
    }
}

// GET and PATCH /api/log
extension Gateway {
    private static let logLevels = ["debug", "info", "warning", "error"]

    func showLog() throws(GatewayError) -> HTTPResponse {
        guard let log = self.logSteering else {
            throw .notFound("This process has no log that can be steered.", code: "no_log")
        }
        var json = JSONWriter()
        json.object { json in
            json.field("level", log.level)
            json.field("format", log.format)
            json.field("dropped_lines", log.dropped)
        }
        return Self.json(json)
    }

    func changeLog(_ request: OperatorRequest) throws(GatewayError) -> HTTPResponse {
        let level = try? JSON.read(request.http.body) { $0["level"]?.string }
        guard let name = level ?? nil else { throw .invalid("The field 'level' is needed.", param: "level") }
        guard let log = self.logSteering else { return try self.showLog() }
        guard Self.logLevels.contains(name) else {
            throw .invalid("The field 'level' must be debug, info, warning or error.", param: "level")
        }
        let before = log.level
        // Before it is set: the new level may hide the line that tells of it.
        let audit = self.note(
            "log.level",
            "log",
            by: request,
            before: Self.object([("level", before)]),
            after: Self.object([("level", name)]),
            reversal: before == name ? nil : .logLevel(from: before, to: name)
        )
        _ = log.setLevel(name)
        self.log(
            LogEntry(
                .info,
                "log level changed",
                [
                    ("from", before), ("to", name), ("by", request.caller.keyName ?? "anybody"),
                    ("client", request.http.remoteAddress),
                ]
            )
        )
        return try self.showLog().naming(audit: audit)
    }
}
