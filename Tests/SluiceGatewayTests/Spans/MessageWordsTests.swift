import SluiceWire
import Testing

@testable import SluiceGateway

@Suite struct MessageWordsTests {
    private let words = MessageWords(operation: "chat/completions", maximumBytes: 200)

    private func input(_ body: String) -> String? {
        self.words.input(Array(body.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    private func output(_ body: String, isStream: Bool = false) -> String? {
        self.words.output(Array(body.utf8), isStream: isStream).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func `messages keep their roles and parts`() {
        let body =
            #"{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","#
            + #""text":"what?"},{"type":"image_url","image_url":{"url":"https://e.org/a.png"}}]}]}"#
        #expect(
            self.input(body)
                == #"[{"role":"system","parts":[{"type":"text","content":"be brief"}]},{"role":"user","parts":"#
                + #"[{"type":"text","content":"what?"},{"type":"uri","uri":"https://e.org/a.png","#
                + #""source_type":"image_url"}]}]"#
        )
        let prompt = #"[{"role":"user","parts":[{"type":"text","content":"hi"}]}]"#
        #expect(self.input(#"{"prompt":"hi"}"#) == prompt && self.input(#"{"input":["hi"]}"#) == prompt)
        #expect(self.input("no json") == nil)
    }

    @Test(arguments: [
        #"{"type":"image_url","image_url":{"url":"DATA:image/png;base64,SECRET"}}"#,
        #"{"type":"input_audio","input_audio":{"data":"SECRET","format":"wav"}}"#,
        #"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"SECRET"}}"#,
        #"{"type":"file","file":{"file_data":"data:application/pdf;base64,SECRET"}}"#,
        #"{"type":"text","text":"see data:image/png;base64,SECRET and (data:text/plain,SECRET)"}"#,
    ])
    func `what is embedded never appears`(part: String) {
        let told = self.input(#"{"messages":[{"role":"user","content":["# + part + "]}]}")
        #expect(told?.contains("SECRET") == false && told?.contains(MessageWords.dataMarker) == true)
    }

    @Test func `texts that only look like data stay`() {
        for text in ["data: 7, 8", "metadata:x", "my data:", "time 10:30"] {
            #expect(MessageWords.withoutData(text) == text)
        }
        #expect(MessageWords.withoutData("a data:;base64,QUJD b") == "a [data removed] b")
    }

    @Test func `what is too long is cut`() {
        let told = self.input(#"{"prompt":""# + String(repeating: "x", count: 5_000) + #""}"#)
        #expect(told.map { $0.utf8.count < 300 && $0.contains("…") } == true)
    }

    @Test func `answers, whole and in events`() {
        let whole = #"{"choices":[{"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}"#
        let expected = #"[{"role":"assistant","parts":[{"type":"text","content":"yes"}],"finish_reason":"stop"}]"#
        #expect(self.output(whole) == expected)
        let events =
            "data: {\"choices\":[{\"delta\":{\"content\":\"ye\"}}]}\n\n"
            + "data: {\"choices\":[{\"delta\":{\"content\":\"s\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
        #expect(self.output(events, isStream: true) == expected)
        let call =
            #"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"c1","function":{"name":"f","#
            + #""arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#
        #expect(self.output(call)?.contains(#"{"type":"tool_call","id":"c1","name":"f","arguments":"{}"}"#) == true)
    }
}
