import SluiceProviders
import SluiceWire
import Testing

@Suite("JSON kept as text")
struct JSONTextTests {
    @Test("literals make the JSON they look like")
    func literals() {
        let schema: JSONText = [
            "type": "object", "properties": ["city": ["type": "string"]], "maximum": 1.5, "list": [1, true, nil],
        ]
        #expect(
            schema.text
                == #"{"type":"object","properties":{"city":{"type":"string"}},"maximum":1.5,"list":[1,true,null]}"#
        )
    }

    @Test("what is not JSON is refused, white space goes")
    func validation() {
        #expect(JSONText(parsing: "{nope") == nil)
        #expect(JSONText(parsing: #" { "a" : [ 1 , "x y" ] } "#)?.text == #"{"a":[1,"x y"]}"#)
    }

    @Test("a part of a document outlives it")
    func subtree() throws {
        let text = try #require(JSON.read(Array(#"{"a":{"b":[1.0,2e3,"\u00e9\n"]}}"#.utf8)) { $0["a"]?.text })
        #expect(JSONText(parsing: text.text) == text)
        #expect(text.text.contains("é\\n"))
    }

    @Test("texts are escaped wherever their special bytes stand")
    func escapes() throws {
        for text in ["", "\"", "a\"b\\c", "\n\r\t\u{1}\u{1f}", "plain", "é\"", "\"\"\"", "end\\"] {
            var json = JSONWriter()
            json.value(text)
            #expect(try JSON.read(json.bytes) { $0.string } == text)
        }
    }
}
