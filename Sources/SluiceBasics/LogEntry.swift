/// One line for the log. Never holds keys; prompts and completions only where somebody has switched that on.
package struct LogEntry: Sendable {
    package enum Level: String, Sendable {
        case info
        case warning
        case error
    }

    package var level: Level
    /// Constant; what varies is in `fields`.
    package var message: String
    package var fields: [(name: String, value: String)]

    package init(_ level: Level, _ message: String, _ fields: [(name: String, value: String)]) {
        self.level = level
        self.message = message
        self.fields = fields
    }
}
