import SluiceBasics
import SluiceWire
import Testing

struct JSONTests {
    private func text(_ build: (inout JSONWriter) -> Void) -> String {
        var json = JSONWriter()
        build(&json)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    @Test func `writes compact JSON in the order of the calls`() {
        let text = self.text { json in
            json.object { json in
                json.field("a", 1)
                json.field("b", "x\"\\\n\u{1}")
                json.array("c") { json in
                    json.value(true)
                    json.object { $0.nullField("d") }
                }
                json.field("e", Double.nan)
                json.field("f", 2.5)
            }
        }
        #expect(text == #"{"a":1,"b":"x\"\\\n\u0001","c":[true,{"d":null}],"e":null,"f":2.5}"#)
    }

    @Test func `reads what it wrote, whatever the strings`() throws {
        var random = SeededRandom(seed: 11)
        for _ in 0..<200 {
            let scalars = (0..<Int.random(in: 0..<40, using: &random)).compactMap { _ in
                Unicode.Scalar(UInt32.random(in: 0..<0x11_0000, using: &random))
            }
            let string = String(String.UnicodeScalarView(scalars))
            let number = Int.random(in: -1_000_000...1_000_000, using: &random)
            var json = JSONWriter()
            json.object { json in
                json.field("s", string)
                json.field("n", number)
            }
            let (readString, readNumber) = try JSON.read(json.bytes) { ($0["s"]?.string, $0["n"]?.int) }
            #expect(readString.map { Array($0.utf8) } == Array(string.utf8))
            #expect(readNumber == number)
        }
    }

    private func kind(_ bytes: [UInt8]) -> JSONError.Kind? {
        do {
            try JSON.read(bytes) { _ in }
            return nil
        } catch let error as JSONError {
            return error.kind
        } catch {
            Issue.record("an unexpected error: \(error)")
            return nil
        }
    }

    @Test func `says what is wrong with a document`() {
        #expect(self.kind([]) == .empty)
        #expect(self.kind(Array("{".utf8)) != nil)
        #expect(self.kind(Array("[1e999]".utf8)) == .number)
        #expect(self.kind([0x22, 0xFF, 0x22]) == .utf8)
        #expect(self.kind(Array("[NaN]".utf8)) != nil)
        let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
        #expect(self.kind(Array(deep.utf8)) == .depth)
    }

    @Test func `survives random bytes and every truncation`() {
        var random = SeededRandom(seed: 5)
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0..<200, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = self.kind(bytes)
        }
        let whole = Array(#"{"a":[1,2,{"b":"cé"}],"d":null}"#.utf8)
        for length in 0..<whole.count { #expect(self.kind(Array(whole[..<length])) != nil) }
        #expect(self.kind(whole) == nil)
    }

    @Test func `finds the values of a top-level member and nothing else`() {
        let body = Array(
            #"{"x":{"model":"no"},"model" : "yes","s":"model","model":[1,{"a":2}],"y":"\"model\":1"}"#.utf8
        )
        let values = JSONTopLevelScanner.ranges(of: "model", in: body).map {
            String(decoding: body[$0], as: UTF8.self)
        }
        #expect(values == [#""yes""#, #"[1,{"a":2}]"#])
    }
}
