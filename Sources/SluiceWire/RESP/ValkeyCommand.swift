/// One argument of a command.
package enum ValkeyArgument: Sendable, Equatable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    case text(String)
    case integer(Int)
    case bytes([UInt8])

    package init(stringLiteral value: String) { self = .text(value) }
    package init(integerLiteral value: Int) { self = .integer(value) }

    package var wireBytes: [UInt8] {
        switch self {
        case .text(let text): Array(text.utf8)
        case .integer(let number): Array(String(number).utf8)
        case .bytes(let bytes): bytes
        }
    }
}

/// A command with its arguments, as it goes over the wire.
package struct ValkeyCommand: Sendable, Equatable {
    package let arguments: [[UInt8]]

    package init(_ name: StaticString, _ arguments: [ValkeyArgument] = []) {
        self.arguments = [Array("\(name)".utf8)] + arguments.map(\.wireBytes)
    }
}
