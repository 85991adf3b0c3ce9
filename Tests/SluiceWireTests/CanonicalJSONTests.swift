import SluiceBasics
import SluiceWire
import Testing

@Suite struct CanonicalJSONTests {
    private func canonical(_ text: String, omitting: [StaticString] = []) throws -> [UInt8] {
        var writer = CanonicalJSON(omitting: omitting)
        try writer.append(document: Array(text.utf8))
        return writer.bytes
    }

    private func agree(_ left: String, _ right: String, omitting: [StaticString] = []) throws -> Bool {
        try self.canonical(left, omitting: omitting) == self.canonical(right, omitting: omitting)
    }

    @Test(arguments: [
        (#"{"a":1,"b":2}"#, #"{"b":2,"a":1}"#), ("[1,1.0,1e0,10E-1,1.000]", "[1,1,1,1,1]"), ("[0]", "[-0.0]"),
        ("[0]", "[0e7]"), ("[1e18]", "[1000000000000000000]"), ("[18446744073709549568]", "[1.8446744073709549568e19]"),
        (#"["\u0061\/\n"]"#, "[\"a/\\u000a\"]"), (#"{"\u0061":1}"#, #"{"a":1}"#), (" [ 1 , 2 ] ", "[1,2]"),
        (#"{"a":null}"#, "{}"), (#"{"messages":[{"role":"user","name":null}]}"#, #"{"messages":[{"role":"user"}]}"#),
        (#"{"o":{"z":{"b":1,"a":[{"d":1,"c":2}]},"y":1}}"#, #"{"o":{"y":1,"z":{"a":[{"c":2,"d":1}],"b":1}}}"#),
    ])
    func `what means the same is the same`(left: String, right: String) throws {
        #expect(try self.agree(left, right))
    }

    @Test(arguments: [
        ("[1]", #"["1"]"#), ("[1]", "[1,1]"), ("[[1],2]", "[1,[2]]"), (#"["ab","c"]"#, #"["a","bc"]"#),
        (#"{"a":"b"}"#, #"["a","b"]"#), ("[true]", "[1]"), ("[null]", "[]"), ("[null]", "[false]"), ("[]", "{}"),
        ("[9007199254740993]", "[9007199254740992]"), ("[9007199254740993]", "[9007199254740992.0]"),
        ("[18446744073709551615]", "[18446744073709551614]"), ("[-1]", "[18446744073709551615]"),
        ("[0.1]", "[0.2]"), ("[1.5]", "[4609434218613702656]"), (#"["é"]"#, "[\"e\u{301}\"]"),
        (#"{"schema":{"const":null}}"#, #"{"schema":{}}"#), (#"{"a":1,"a":2}"#, #"{"a":2,"a":1}"#),
        (#"{"messages":[{"content":[{"x":null}]}]}"#, #"{"messages":[{"content":[{}]}]}"#),
        (#"{"tools":[{"x":null}]}"#, #"{"tools":[{}]}"#), ("{\"a\":\"b\\u0000c\"}", #"{"a":"bc"}"#),
    ])
    func `what means something else is something else`(left: String, right: String) throws {
        #expect(try !self.agree(left, right))
    }

    @Test func `omitted members are those of the root alone`() throws {
        let omitted: [StaticString] = ["stream", "user"]
        #expect(try self.agree(#"{"a":1,"stream":true,"user":"x"}"#, #"{"a":1}"#, omitting: omitted))
        #expect(try !self.agree(#"{"a":{"user":"x"}}"#, #"{"a":{}}"#, omitting: omitted))
        #expect(try self.agree(#"{"a":1,"\u0075ser":"x"}"#, #"{"a":1}"#, omitting: omitted))
    }

    @Test func `parts beside a document cannot be shifted into one another`() throws {
        func bytes(_ parts: [String]) throws -> [UInt8] {
            var writer = CanonicalJSON()
            for part in parts { writer.append(part: part) }
            try writer.append(document: Array("{}".utf8))
            return writer.bytes
        }
        #expect(try bytes(["ab", "c"]) != bytes(["a", "bc"]))
        #expect(try bytes(["", "abc"]) != bytes(["abc", ""]))
        #expect(try bytes(["abc"]) != bytes(["abc", ""]))
    }

    @Test func `many members are sorted too`() throws {
        let names = (0..<60).map { "k\($0 * 7 % 60)" }
        let left = "{" + names.map { "\"\($0)\":\"\($0)\"" }.joined(separator: ",") + "}"
        let right = "{" + names.sorted().map { "\"\($0)\":\"\($0)\"" }.joined(separator: ",") + "}"
        #expect(try self.agree(left, right))
    }

    @Test func `a document that is none is an error`() {
        #expect(throws: JSONError.self) { try self.canonical("{") }
    }

    @Test(arguments: 0..<200)
    func `shuffled and respelt it is the same, changed in one place it is not`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let document = Document.random(&random, depth: 4)
        let plain = try self.canonical(document.text(nil))
        for _ in 0..<5 {
            var writing = SeededRandom(seed: random.next())
            #expect(try self.canonical(document.shuffled(&writing).text(writing)) == plain, "\(document.text(nil))")
        }
        let changed = document.changed(&random)
        #expect(try self.canonical(changed.text(nil)) != plain, "\(document.text(nil)) \(changed.text(nil))")
    }
}

/// A document that can be written in several ways.
private indirect enum Document {
    case number(Int)
    case text(String)
    case list([Document])
    case object([(String, Document)])

    static func random(_ random: inout SeededRandom, depth: Int) -> Document {
        switch depth == 0 ? random.next() % 2 : random.next() % 4 {
        case 0: return .number(Int(random.next() % 2_000) - 1_000)
        case 1: return .text(String("a\"b\\cé/\n".shuffled(using: &random).prefix(Int(random.next() % 8))))
        case 2: return .list((0..<random.next() % 5).map { _ in .random(&random, depth: depth - 1) })
        default:
            let names = ["a", "b", "ab", "ba", "é", "", "a\"", "long name"].shuffled(using: &random)
            return .object(names.prefix(Int(random.next() % 6)).map { ($0, .random(&random, depth: depth - 1)) })
        }
    }

    func shuffled(_ random: inout SeededRandom) -> Document {
        switch self {
        case .object(let members):
            var inner: [(String, Document)] = []
            for (name, value) in members { inner.append((name, value.shuffled(&random))) }
            return .object(inner.shuffled(using: &random))
        case .list(let elements):
            var inner: [Document] = []
            for element in elements { inner.append(element.shuffled(&random)) }
            return .list(inner)
        default: return self
        }
    }

    /// One thing more, or another number.
    func changed(_ random: inout SeededRandom) -> Document {
        switch self {
        case .number(let number): return .number(number + 1)
        case .text(let text): return .text(text + "x")
        case .list(var elements):
            guard !elements.isEmpty, random.next() % 2 == 0 else { return .list(elements + [.number(0)]) }
            elements[0] = elements[0].changed(&random)
            return .list(elements)
        case .object(var members):
            guard !members.isEmpty, random.next() % 2 == 0 else { return .object(members + [("new", .number(0))]) }
            members[0].1 = members[0].1.changed(&random)
            return .object(members)
        }
    }

    /// - Parameter writing: chooses among spellings; `nil` takes the plain ones.
    func text(_ writing: SeededRandom?) -> String {
        guard var random = writing else { return self.plain }
        return self.spelt(&random)
    }

    private static func quoted(_ text: String) -> String {
        var json = JSONWriter()
        json.value(text)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    private var plain: String {
        switch self {
        case .number(let number): "\(number)"
        case .text(let text): Self.quoted(text)
        case .list(let elements): "[" + elements.map(\.plain).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { "\(Self.quoted($0.0)):\($0.1.plain)" }.joined(separator: ",") + "}"
        }
    }

    private func spelt(_ random: inout SeededRandom) -> String {
        let space = ["", " ", "\n\t"][Int(random.next() % 3)]
        switch self {
        case .number(let number): return "\(number)" + ["", ".0", "e0", ".00E+0"][Int(random.next() % 4)]
        case .text(let text):
            guard random.next() % 2 == 0 else { return Self.quoted(text) }
            let units = text.utf16.map { unit in
                let digits = String(unit, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
            return "\"" + units.joined() + "\""
        case .list(let elements):
            var inner: [String] = []
            for element in elements { inner.append(element.spelt(&random)) }
            return "[" + space + inner.joined(separator: "," + space) + "]"
        case .object(let members):
            var inner: [String] = []
            for (name, value) in members { inner.append(Self.quoted(name) + space + ":" + value.spelt(&random)) }
            return "{" + inner.joined(separator: space + ",") + space + "}"
        }
    }
}
