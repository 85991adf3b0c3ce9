import SluiceCore
import SluiceProviders
import Testing

struct RequestEstimateTests {
    private func estimate(
        _ members: String,
        _ operation: OpenAIOperation = .chatCompletions,
        model: String = "gpt-4o"
    ) throws -> TokenEstimate {
        try OpenAIRequestHead.read(Array(#"{"model":"\#(model)",\#(members)}"#.utf8), operation: operation).estimate
    }

    private func message(_ content: String) -> String { #""messages":[{"role":"user","content":\#(content)}]"# }

    /// True counts of o200k, with seven tokens of frame.
    @Test(arguments: [
        ("The harbour was quiet when we arrived, and nobody knew whether the ferry would leave.", 17),
        ("私たちが着いたとき、港は静かだった。何隻かの船が壁のそばでゆっくりと動いていた。", 36),
        ("Когда мы приехали, в порту было тихо, и никто не знал, уйдёт ли паром.", 25),
    ])
    func `texts of a chat cost about what they cost`(text: String, truth: Int) throws {
        let prompt = try self.estimate(self.message("\"\(text)\"")).prompt - 7
        #expect(abs(prompt - truth) <= truth / 3, "\(prompt) for \(truth)")
    }

    @Test func `the expected completion is what the client allows, else a usual one, for each choice`() throws {
        let text = self.message("\"hi\"")
        #expect(try self.estimate(text).completion == TokenEstimate.defaultCompletion)
        #expect(try !self.estimate(text).isCompletionLimited)
        for name in ["max_tokens", "max_completion_tokens", "max_output_tokens"] {
            let estimate = try self.estimate(#"\#(text),"\#(name)":70"#)
            #expect(estimate.completion == 70 && estimate.isCompletionLimited)
        }
        #expect(try self.estimate(text + #","max_tokens":70,"n":3"#).completion == 210)
        for wild in ["-1", "0", "1e300", "9223372036854775807", "\"3\"", "null", "[]"] {
            let completion = try self.estimate(text + #","max_tokens":70,"n":\#(wild)"#).completion
            #expect((70...70 * 128).contains(completion), "\(wild): \(completion)")
        }
    }

    @Test func `embeddings have no completion`() throws {
        let estimate = try self.estimate(#""input":["one two","three four"]"#, .embeddings)
        #expect(estimate.completion == 0)
        #expect((3...8).contains(estimate.prompt))
        #expect(try self.estimate(#""input":[1,2,3,4]"#, .embeddings).prompt == 4)
        #expect(try self.estimate(#""input":[[1,2,3],[4,5]]"#, .embeddings).prompt == 5)
    }

    @Test func `images cost by size and detail`() throws {
        // The head of a PNG of 1,024 x 600.
        let png = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAABAAAAAJYCAYA"
        func prompt(_ url: String, _ detail: String, model: String = "gpt-4o") throws -> Int {
            let part = #"[{"type":"image_url","image_url":{"url":"\#(url)"\#(detail)}}]"#
            return try self.estimate(self.message(part), model: model).prompt - 7
        }
        #expect(try prompt(png, "") == 85 + 4 * 170)
        #expect(try prompt(png, #","detail":"high""#) == 85 + 4 * 170)
        #expect(try prompt(png, #","detail":"low""#) == 85)
        #expect(try prompt(png, "", model: "gpt-4.1-mini") == (32 * 19 * 162 + 99) / 100)
        #expect(try prompt("https://example.com/a.png", "") == 765)
        let input =
            #""input":[{"role":"user","content":[{"type":"input_image","image_url":"\#(png)","detail":"low"}]}]"#
        #expect(try self.estimate(input, .responses).prompt - 7 == 85)
    }

    @Test func `audio and files cost by their size`() throws {
        let data = String(repeating: "AAAA", count: 16_000)
        let audio = self.message(#"[{"type":"input_audio","input_audio":{"data":"\#(data)","format":"mp3"}}]"#)
        #expect((30...38).contains(try self.estimate(audio).prompt))
        let file = self.message(#"[{"type":"file","file":{"file_data":"data:text/plain;base64,\#(data)"}}]"#)
        #expect((11_900...12_100).contains(try self.estimate(file).prompt))
        #expect(try self.estimate(self.message(#"[{"type":"file","file":{"file_id":"f"}}]"#)).prompt == 1_507)
    }

    @Test func `tools cost by their words and their properties`() throws {
        let text = self.message("\"hi\"")
        let bare = try self.estimate(text).prompt
        let tool =
            #"{"type":"function","function":{"name":"get_weather","description":"Get the current weather in a city","#
            + #""parameters":{"type":"object","properties":{"city":{"type":"string","description":"The city"},"#
            + #""unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["city"]}}}"#
        let one = try self.estimate(#"\#(text),"tools":[\#(tool)]"#).prompt - bare
        #expect((35...80).contains(one), "\(one)")
        let two = try self.estimate(#"\#(text),"tools":[\#(tool),\#(tool)]"#).prompt - bare
        #expect(abs(two - 2 * one) <= 2)
    }

    @Test func `a schema without an end is not followed to it`() throws {
        let deep = String(repeating: #"{"properties":{"a":"#, count: 150) + "1" + String(repeating: "}}", count: 150)
        #expect(try self.estimate(#"\#(self.message("\"hi\"")),"tools":[\#(deep)]"#).prompt < 200)
        let wide = (0..<20_000).map { #"{"name":"t\#($0)"}"# }.joined(separator: ",")
        #expect(try self.estimate(#"\#(self.message("\"hi\"")),"tools":[\#(wide)]"#).prompt > 20_000)
    }

    @Test func `large bodies are sampled and still estimated`() throws {
        let sentence = "The harbour was quiet when we arrived, and nobody knew whether the ferry would leave. "
        let short = try self.estimate(self.message("\"\(String(repeating: sentence, count: 100))\"")).prompt
        let long = try self.estimate(self.message("\"\(String(repeating: sentence, count: 20_000))\"")).prompt
        #expect(abs(long - short * 200) < short * 200 / 20)
        let many = (0..<2_000).map { _ in #"{"role":"user","content":"\#(String(repeating: sentence, count: 10))"}"# }
        let all = try self.estimate(#""messages":[\#(many.joined(separator: ","))]"#).prompt
        #expect(abs(all - short * 200 - 8_000) < short * 200 / 20)
    }

    @Test(arguments: [
        "null", "1", "{}", "[null]", "[1]", "[{}]", #"[{"type":"image_url","image_url":null}]"#,
        #"[{"type":"image_url","image_url":{"url":{}}}]"#, #"[{"type":"input_audio","input_audio":3}]"#,
        #"[{"type":"file","file":[]}]"#, #"[{"source":{"data":[]}}]"#, #"[{"text":{"a":1}}]"#, #"["plain"]"#,
    ])
    func `strange content is estimated somehow`(content: String) throws {
        #expect((7...2_000).contains(try self.estimate(self.message(content)).prompt))
    }
}
