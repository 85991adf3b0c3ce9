import SluiceWire

/// Asks for a stream's usage where the client does not: `stream_options.include_usage`.
enum StreamUsage {
    private static let member = Array(#""include_usage":true"#.utf8)
    private static let options = Array(#"{"include_usage":true}"#.utf8)
    private static let whole = Array(#""stream_options":{"include_usage":true}"#.utf8)

    /// The body that asks for it; byte for byte the same otherwise.
    ///
    /// - Returns: `nil` where nothing is put in: the client asks itself, or says what is for the backend to judge.
    static func asking(_ body: [UInt8]) -> [UInt8]? {
        let places = JSONTopLevelScanner.ranges(of: "stream_options", in: body)
        guard let place = places.first else { return Self.adding(Self.whole, to: body, at: 0) }
        // Which of several members counts is for the backend to say.
        guard places.count == 1 else { return nil }
        if Self.says("null", body[place]) { return Self.replacing(place, in: body, by: Self.options) }
        return Self.asking(within: place, of: body)
    }

    private static func asking(within place: Range<Int>, of body: [UInt8]) -> [UInt8]? {
        let flags = JSONTopLevelScanner.ranges(of: "include_usage", in: Array(body[place]))
        guard let flag = flags.first else { return Self.adding(Self.member, to: body, at: place.lowerBound) }
        let range = (place.lowerBound + flag.lowerBound)..<(place.lowerBound + flag.upperBound)
        guard flags.count == 1, Self.says("false", body[range]) || Self.says("null", body[range]) else { return nil }
        return Self.replacing(range, in: body, by: Array("true".utf8))
    }

    private static func says(_ word: StaticString, _ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.elementsEqual("\(word)".utf8)
    }

    /// A member as the first one of the object that begins there; `nil` if none does.
    private static func adding(_ member: [UInt8], to body: [UInt8], at start: Int) -> [UInt8]? {
        let open = ByteSearch.skipSpace(body, from: start)
        guard open < body.count, body[open] == UInt8(ascii: "{") else { return nil }
        let next = ByteSearch.skipSpace(body, from: open + 1)
        guard next < body.count else { return nil }
        let isOnly = body[next] == UInt8(ascii: "}")
        return Self.replacing((open + 1)..<(open + 1), in: body, by: isOnly ? member : member + [UInt8(ascii: ",")])
    }

    private static func replacing(_ range: Range<Int>, in body: [UInt8], by bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(body.count + bytes.count)
        result.append(contentsOf: body[..<range.lowerBound])
        result.append(contentsOf: bytes)
        result.append(contentsOf: body[range.upperBound...])
        return result
    }
}
