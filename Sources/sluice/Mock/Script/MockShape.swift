/// What a part of a provider's request may look like.
indirect enum MockShape: Sendable {
    case any
    case string
    case bool
    case whole(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case words([String])
    case array(MockShape, ClosedRange<Int> = 0...100_000)
    /// Names that end in `!` must be there.
    case object([String: MockShape])
    /// An object whose member of this name says which of the shapes it has; `""`: when there is no such member.
    case tagged(String, [String: MockShape])
    /// An object with exactly one of these members, and any of the others.
    case union([String: MockShape], others: [String: MockShape] = [:])
    /// The shape of the first that has the value's kind.
    case either([MockShape])
    /// An object with names of the client's own.
    case map(MockShape)

    static let positive = MockShape.whole(1...1_000_000_000)
    static let natural = MockShape.whole(0...1_000_000_000)
    static let anyNumber = MockShape.number(-1e300...1e300)
    static let anyObject = MockShape.map(.any)
}

/// What is wrong with a request, and where.
struct MockFinding: Error, Equatable {
    enum Kind: Equatable, Sendable {
        case unknown
        case missing
        case wrongType(String)
        case outOfRange(String)
        case notOneOf([String])
        case notExactlyOne([String])
    }

    /// Names and indexes from the root to the offending member.
    var path: [String]
    var kind: Kind

    var dotted: String { self.path.joined(separator: ".") }
    var parent: ArraySlice<String> { self.path.dropLast() }
    var name: String { self.path.last ?? "" }

    /// Plain words for providers that have none of their own worth copying.
    var words: String {
        switch self.kind {
        case .unknown: "unknown field"
        case .missing: "required field is missing"
        case .wrongType(let wanted): "must be \(wanted)"
        case .outOfRange(let range): "must be \(range)"
        case .notOneOf(let words): "must be one of \(words.joined(separator: ", "))"
        case .notExactlyOne(let words): "exactly one of \(words.sorted().joined(separator: ", ")) must be set"
        }
    }
}

/// Compares a request with a shape.
struct MockChecker: Sendable {
    /// Whether optional members may be `null`.
    var allowsNull = false
    /// Whether `snake_case` names stand for `camelCase` ones, as in protocol buffers' JSON.
    var foldsNames = false

    /// The value with its names as the shape writes them.
    func check(_ value: MockJSON, _ shape: MockShape, _ path: [String] = []) throws(MockFinding) -> MockJSON {
        switch shape {
        case .any: return value
        case .string:
            guard value.string != nil else { throw MockFinding(path: path, kind: .wrongType("a string")) }
        case .bool:
            guard value.bool != nil else { throw MockFinding(path: path, kind: .wrongType("a boolean")) }
        case .whole(let range):
            guard let number = value.int else { throw MockFinding(path: path, kind: .wrongType("an integer")) }
            guard range.contains(number) else {
                throw MockFinding(path: path, kind: .outOfRange("from \(range.lowerBound) to \(range.upperBound)"))
            }
        case .number(let range):
            guard let number = value.number else { throw MockFinding(path: path, kind: .wrongType("a number")) }
            guard range.contains(number) else {
                throw MockFinding(path: path, kind: .outOfRange("from \(range.lowerBound) to \(range.upperBound)"))
            }
        case .words(let words):
            guard let word = value.string else { throw MockFinding(path: path, kind: .wrongType("a string")) }
            guard words.contains(word) else { throw MockFinding(path: path, kind: .notOneOf(words)) }
        case .array(let element, let count): return try self.array(value, element, count, path)
        case .object(let members): return try self.object(value, members, path)
        case .tagged(let tag, let shapes): return try self.tagged(value, tag, shapes, path)
        case .union(let choices, let others): return try self.union(value, choices, others, path)
        case .either(let shapes):
            let fitting = shapes.first { Self.hasKind(value, $0) }
            guard let fitting else { throw MockFinding(path: path, kind: .wrongType("of another type")) }
            return try self.check(value, fitting, path)
        case .map(let element):
            guard value.isObject else { throw MockFinding(path: path, kind: .wrongType("an object")) }
            for member in value.members { _ = try self.check(member.value, element, path + [member.name]) }
        }
        return value
    }

    private static func hasKind(_ value: MockJSON, _ shape: MockShape) -> Bool {
        switch (shape, value) {
        case (.any, _), (.string, .string), (.words, .string), (.bool, .bool), (.whole, .number), (.number, .number):
            true
        case (.array, .array), (.object, .object), (.tagged, .object), (.union, .object), (.map, .object): true
        default: false
        }
    }

    private func array(
        _ value: MockJSON,
        _ element: MockShape,
        _ count: ClosedRange<Int>,
        _ path: [String]
    ) throws(MockFinding) -> MockJSON {
        guard case .array(let elements) = value else { throw MockFinding(path: path, kind: .wrongType("an array")) }
        guard count.contains(elements.count) else {
            let range = "a list of \(count.lowerBound) to \(count.upperBound) elements"
            throw MockFinding(path: path, kind: .outOfRange(range))
        }
        var checked: [MockJSON] = []
        for (index, value) in elements.enumerated() {
            checked.append(try self.check(value, element, path + [String(index)]))
        }
        return .array(checked)
    }

    private func object(
        _ value: MockJSON,
        _ shapes: [String: MockShape],
        _ path: [String]
    ) throws(MockFinding) -> MockJSON {
        guard case .object(let members) = value else { throw MockFinding(path: path, kind: .wrongType("an object")) }
        var checked: [MockJSON.Member] = []
        for member in members {
            let name = self.foldsNames && shapes[member.name] == nil ? Self.camel(member.name) : member.name
            let isRequired = shapes[name + "!"] != nil
            guard let shape = shapes[name + "!"] ?? shapes[name] else {
                throw MockFinding(path: path + [member.name], kind: .unknown)
            }
            if member.value == .null && self.allowsNull && !isRequired { continue }
            checked.append(.init(name: name, value: try self.check(member.value, shape, path + [name])))
        }
        let missing = shapes.keys.sorted().first { required in
            required.hasSuffix("!") && !checked.contains { $0.name == required.dropLast() }
        }
        if let missing { throw MockFinding(path: path + [String(missing.dropLast())], kind: .missing) }
        return .object(checked)
    }

    private func tagged(
        _ value: MockJSON,
        _ tag: String,
        _ shapes: [String: MockShape],
        _ path: [String]
    ) throws(MockFinding) -> MockJSON {
        guard value.isObject else { throw MockFinding(path: path, kind: .wrongType("an object")) }
        guard value[tag] != nil || shapes[""] != nil else { throw MockFinding(path: path + [tag], kind: .missing) }
        guard let shape = shapes[value[tag]?.string ?? ""] else {
            throw MockFinding(path: path + [tag], kind: .notOneOf(shapes.keys.sorted()))
        }
        guard case .object(var members) = shape else { return value }
        members[tag] = .string
        return try self.object(value, members, path)
    }

    private func union(
        _ value: MockJSON,
        _ choices: [String: MockShape],
        _ others: [String: MockShape],
        _ path: [String]
    ) throws(MockFinding) -> MockJSON {
        let checked = try self.object(value, choices.merging(others) { choice, _ in choice }, path)
        guard checked.members.filter({ choices[$0.name] != nil }).count == 1 else {
            throw MockFinding(path: path, kind: .notExactlyOne(Array(choices.keys)))
        }
        return checked
    }

    private static func camel(_ name: String) -> String {
        let words = name.split(separator: "_", omittingEmptySubsequences: true)
        guard words.count > 1, let first = words.first else { return name }
        return String(first) + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }
}
