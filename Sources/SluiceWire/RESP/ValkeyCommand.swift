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

/// A command with its arguments. They become bytes when it is written, not before.
package struct ValkeyCommand: Sendable, Equatable {
    private let name: StaticString
    private let rest: [ValkeyArgument]

    package init(_ name: StaticString, _ arguments: [ValkeyArgument] = []) {
        self.name = name
        self.rest = arguments
    }

    /// With its name first, as the server sees it.
    package var arguments: [[UInt8]] {
        [self.name.withUTF8Buffer { Array($0) }] + self.rest.map(\.wireBytes)
    }

    package static func == (left: ValkeyCommand, right: ValkeyCommand) -> Bool { left.arguments == right.arguments }

    /// What it takes on the wire, or a few bytes more.
    package var wireSize: Int {
        self.rest.reduce(32 + self.name.utf8CodeUnitCount) { sum, argument in
            switch argument {
            case .text(let text): sum + 24 + text.utf8.count
            case .integer: sum + 32
            case .bytes(let bytes): sum + 24 + bytes.count
            }
        }
    }

    /// Appends an array of length-prefixed strings: straight into the bytes that are written, because hiredis' own
    /// formatter would make one allocation and one copy of every payload more.
    package func encode(into bytes: inout [UInt8]) {
        Self.append(UInt8(ascii: "*"), self.rest.count + 1, to: &bytes)
        self.name.withUTF8Buffer { name in
            Self.append(UInt8(ascii: "$"), name.count, to: &bytes)
            bytes.append(contentsOf: name)
        }
        Self.endLine(&bytes)
        for argument in self.rest {
            switch argument {
            case .text(let text):
                Self.append(UInt8(ascii: "$"), text.utf8.count, to: &bytes)
                bytes.append(contentsOf: text.utf8)
            case .integer(let number):
                let digits = String(number).utf8
                Self.append(UInt8(ascii: "$"), digits.count, to: &bytes)
                bytes.append(contentsOf: digits)
            case .bytes(let value):
                Self.append(UInt8(ascii: "$"), value.count, to: &bytes)
                bytes.append(contentsOf: value)
            }
            Self.endLine(&bytes)
        }
    }

    private static func append(_ kind: UInt8, _ count: Int, to bytes: inout [UInt8]) {
        bytes.append(kind)
        var power = 1
        while power <= count / 10 { power *= 10 }
        while power > 0 {
            bytes.append(UInt8(truncatingIfNeeded: 48 + count / power % 10))
            power /= 10
        }
        Self.endLine(&bytes)
    }

    private static func endLine(_ bytes: inout [UInt8]) {
        bytes.append(13)
        bytes.append(10)
    }
}
