import CYAML

/// A YAML document as a tree that remembers where everything stood.
struct YAMLNode: Equatable, Sendable {
    struct Position: Equatable, Sendable {
        /// Counted from 1.
        var line: Int
        var column: Int
    }

    struct Member: Equatable, Sendable {
        var name: String
        var position: Position
        var node: YAMLNode
    }

    indirect enum Content: Equatable, Sendable {
        case nothing
        case scalar(String)
        case sequence([YAMLNode])
        case mapping([Member])
    }

    var content: Content
    var position: Position
}

/// Why a text is not the YAML that is read here.
struct YAMLError: Error, Equatable {
    var position: YAMLNode.Position
    var message: String
}

/// Reads one YAML document through libyaml's events.
///
/// Anchors, aliases and tags are refused: configuration needs none of them, and aliases let a small file grow without
/// bound. Depth and number of nodes are limited.
struct YAMLReader {
    static let maximumDepth = 16
    static let maximumNodes = 20_000
    static let maximumBytes = 1 << 20

    // libyaml keeps pointers into the parser itself, so it needs an address that stays.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var nodes = 0

    /// `nil` for an empty document.
    static func read(_ bytes: [UInt8]) throws(YAMLError) -> YAMLNode? {
        guard bytes.count <= Self.maximumBytes else {
            throw YAMLError(
                position: .init(line: 1, column: 1),
                message: "the file has \(bytes.count) bytes; at most \(Self.maximumBytes) are read"
            )
        }
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        defer { parser.deallocate() }
        guard yaml_parser_initialize(parser) == 1 else {
            throw YAMLError(position: .init(line: 1, column: 1), message: "not enough memory to read YAML")
        }
        defer { yaml_parser_delete(parser) }
        let result: Result<YAMLNode?, YAMLError> = bytes.withUnsafeBufferPointer { buffer in
            yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
            var reader = YAMLReader(parser: parser)
            do throws(YAMLError) {
                return .success(try reader.document())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private init(parser: UnsafeMutablePointer<yaml_parser_t>) {
        self.parser = parser
    }

    /// An event, copied out of libyaml's memory.
    private enum Event {
        case documentStart
        case end
        case other
        case scalar(String, isPlain: Bool)
        case sequenceStart
        case sequenceEnd
        case mappingStart
        case mappingEnd
    }

    private mutating func document() throws(YAMLError) -> YAMLNode? {
        var result: YAMLNode?
        while true {
            let (event, position) = try self.next()
            switch event {
            case .end:
                return result
            case .documentStart:
                if result != nil {
                    throw YAMLError(position: position, message: "a second document begins here; one is read")
                }
                let (first, place) = try self.next()
                result = try self.node(first, at: place, depth: 0)
            default:
                continue
            }
        }
    }

    private mutating func node(
        _ event: Event,
        at position: YAMLNode.Position,
        depth: Int
    ) throws(YAMLError) -> YAMLNode {
        self.nodes += 1
        guard self.nodes <= Self.maximumNodes else {
            throw YAMLError(position: position, message: "more than \(Self.maximumNodes) values")
        }
        guard depth < Self.maximumDepth else {
            throw YAMLError(position: position, message: "nested deeper than \(Self.maximumDepth) levels")
        }
        switch event {
        case .scalar(let text, let isPlain):
            let isNothing = isPlain && ["", "~", "null", "Null", "NULL"].contains(text)
            return YAMLNode(content: isNothing ? .nothing : .scalar(text), position: position)
        case .sequenceStart:
            return YAMLNode(content: .sequence(try self.items(depth: depth)), position: position)
        case .mappingStart:
            return YAMLNode(content: .mapping(try self.members(depth: depth)), position: position)
        default:
            throw YAMLError(position: position, message: "a value is missing here")
        }
    }

    private mutating func items(depth: Int) throws(YAMLError) -> [YAMLNode] {
        var items: [YAMLNode] = []
        while true {
            let (event, position) = try self.next()
            if case .sequenceEnd = event { return items }
            items.append(try self.node(event, at: position, depth: depth + 1))
        }
    }

    private mutating func members(depth: Int) throws(YAMLError) -> [YAMLNode.Member] {
        var members: [YAMLNode.Member] = []
        var seen: [String: YAMLNode.Position] = [:]
        while true {
            let (event, position) = try self.next()
            if case .mappingEnd = event { return members }
            guard case .scalar(let name, _) = event else {
                throw YAMLError(position: position, message: "a key must be a plain word")
            }
            if let first = seen.updateValue(position, forKey: name) {
                throw YAMLError(position: position, message: "'\(name)' was already given in line \(first.line)")
            }
            let (value, place) = try self.next()
            let node = try self.node(value, at: place, depth: depth + 1)
            members.append(.init(name: name, position: position, node: node))
        }
    }

    private mutating func next() throws(YAMLError) -> (Event, YAMLNode.Position) {
        var event = yaml_event_t()
        guard yaml_parser_parse(self.parser, &event) == 1 else { throw self.failure() }
        defer { yaml_event_delete(&event) }
        let position = Self.position(event.start_mark)
        switch event.type {
        case YAML_DOCUMENT_START_EVENT: return (.documentStart, position)
        case YAML_STREAM_END_EVENT: return (.end, position)
        case YAML_SEQUENCE_END_EVENT: return (.sequenceEnd, position)
        case YAML_MAPPING_END_EVENT: return (.mappingEnd, position)
        case YAML_ALIAS_EVENT:
            throw YAMLError(position: position, message: "aliases (*name) are not read; write the value out")
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try Self.refuse(anchor: scalar.anchor, tag: scalar.tag, at: position)
            let text = String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length),
                as: UTF8.self
            )
            return (.scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE), position)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            try Self.refuse(anchor: start.anchor, tag: start.tag, at: position)
            return (.sequenceStart, position)
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            try Self.refuse(anchor: start.anchor, tag: start.tag, at: position)
            return (.mappingStart, position)
        default:
            return (.other, position)
        }
    }

    private static func refuse(
        anchor: UnsafeMutablePointer<UInt8>?,
        tag: UnsafeMutablePointer<UInt8>?,
        at position: YAMLNode.Position
    ) throws(YAMLError) {
        if anchor != nil {
            throw YAMLError(position: position, message: "anchors (&name) are not read; write the value out")
        }
        if tag != nil {
            throw YAMLError(position: position, message: "tags (!name) are not read")
        }
    }

    private func failure() -> YAMLError {
        let parser = self.parser.pointee
        let problem = parser.problem.map { String(cString: $0) } ?? "not YAML"
        let context = parser.context.map { " (\(String(cString: $0)))" } ?? ""
        return YAMLError(position: Self.position(parser.problem_mark), message: problem + context)
    }

    private static func position(_ mark: yaml_mark_t) -> YAMLNode.Position {
        .init(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }
}
