import SluiceWire
import Testing

@testable import SluiceProviders

struct BedrockRequestTests {
    static let model = "anthropic.claude-sonnet-4-5-20250929-v1:0"

    /// A case of a golden file.
    struct Case: Sendable {
        var name: String
        var request: ChatRequest
        var settings: [String: String] = [:]
        var policy = UnsupportedParameterPolicy.drop
        var body: JSONText?
        var error: String?
        var dropped: [String] = []
        var toolNames: [String: String] = [:]
        var formatTool: String?
    }

    static func cases(_ file: String) throws -> [Case] {
        let bytes = BedrockGolden.read("request-\(file).json")
        let elements = JSONMembers.elements(bytes[...])
        return try elements.map { element in
            let members = JSONMembers.scan(element)
            func member(_ name: String) -> ArraySlice<UInt8>? { members.first { $0.name == name }?.value }
            func strings(_ name: String) -> [String: String] {
                let pairs = JSONMembers.scan(member(name) ?? []).map { ($0.name, JSONMembers.string($0.value) ?? "") }
                return Dictionary(uniqueKeysWithValues: pairs)
            }
            let model = member("model").flatMap { JSONMembers.string($0) } ?? Self.model
            let request = Array("{\"model\":\"\(model)\",".utf8) + (member("request") ?? []).dropFirst()
            var found = Case(
                name: member("name").flatMap { JSONMembers.string($0) } ?? "",
                request: try ChatRequest(openAI: request)
            )
            found.settings = strings("settings")
            found.toolNames = strings("toolNames")
            found.policy =
                member("policy").flatMap { JSONMembers.string($0) }
                .flatMap { UnsupportedParameterPolicy(rawValue: $0) } ?? .drop
            found.body = member("body").flatMap { JSONText(parsing: Array($0)) }
            found.error = member("error").flatMap { JSONMembers.string($0) }
            found.dropped = JSONMembers.elements(member("dropped") ?? []).compactMap { JSONMembers.string($0) }
            found.formatTool = member("formatTool").flatMap { JSONMembers.string($0) }
            return found
        }
    }

    static func call(_ request: ChatRequest) -> ProviderCall {
        let endpoint = ProviderEndpoint(
            baseURL: "https://bedrock-runtime.us-east-1.amazonaws.com",
            credential: .aws(accessKey: "AKID", secretKey: "hush", sessionToken: "quiet")
        )
        return ProviderCall(request: request, endpoint: endpoint, now: 1_440_938_160, requestID: "req_1")
    }

    @Test(arguments: ["messages", "media", "tools", "parameters", "reasoning", "format"])
    func `golden requests`(file: String) throws {
        let cases = try Self.cases(file)
        #expect(cases.count > 4)
        for golden in cases {
            var call = Self.call(golden.request)
            call.endpoint.settings = golden.settings
            call.endpoint.unsupported = golden.policy
            do throws(ProviderError) {
                let prepared = try BedrockHandler().prepare(call)
                #expect(String(decoding: prepared.body, as: UTF8.self) == golden.body?.text, "\(golden.name)")
                #expect(golden.error == nil, "\(golden.name)")
                #expect(prepared.dropped == golden.dropped, "\(golden.name)")
                #expect(prepared.toolNames == golden.toolNames, "\(golden.name)")
                #expect(prepared.formatTool == golden.formatTool, "\(golden.name)")
            } catch {
                #expect(error.message == golden.error, "\(golden.name)")
                #expect(error.kind == (golden.policy == .error ? .unsupportedParameter : .badRequest))
                #expect(error.provider == "bedrock")
            }
        }
    }

    private func prepare(
        _ model: String,
        isStream: Bool = false,
        _ change: (inout ProviderEndpoint) -> Void = { _ in }
    ) throws -> PreparedCall {
        var request = ChatRequest(model: model, messages: [.user("Hi")])
        request.isStream = isStream
        var call = Self.call(request)
        change(&call.endpoint)
        return try BedrockHandler().prepare(call)
    }

    @Test func `a model's name is one segment of the path, an ARN's too`() throws {
        let base = "https://bedrock-runtime.us-east-1.amazonaws.com/model"
        #expect(try self.prepare("anthropic.claude-v2:1").url == "\(base)/anthropic.claude-v2%3A1/converse")
        let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.meta.llama3-1-8b-instruct-v1:0"
        let path =
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.meta.llama3-1-8b-instruct-v1%3A0"
        #expect(try self.prepare(arn, isStream: true).url == "\(base)/\(path)/converse-stream")
        #expect(try self.prepare("../../x?y#z").url == "\(base)/..%2F..%2Fx%3Fy%23z/converse")
    }

    @Test func `a call is signed for its region with the token of temporary keys`() throws {
        let prepared = try self.prepare("anthropic.claude-v2:1") { endpoint in
            endpoint.baseURL = "https://gate.example.org"
            endpoint.settings["region"] = "eu-west-3"
        }
        let authorization = prepared.headers["authorization"] ?? ""
        #expect(authorization.contains("Credential=AKID/20150830/eu-west-3/bedrock/aws4_request"))
        #expect(authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,"))
        #expect(prepared.headers["x-amz-security-token"] == "quiet")
        #expect(prepared.headers["content-type"] == "application/json")
        #expect(!prepared.headers.pairs.contains { $0.value.contains("hush") })
    }

    @Test func `an API key is a bearer token and needs no region`() throws {
        for credential in [ProviderCredential.key("ABSK1"), .bearer("ABSK1")] {
            let prepared = try self.prepare("m") { endpoint in
                endpoint.credential = credential
                endpoint.baseURL = "http://localhost:9/bedrock/"
                endpoint.headers = [("X-Amzn-Trace", "1"), ("accept", "*/*")]
            }
            #expect(prepared.headers["authorization"] == "Bearer ABSK1")
            #expect(prepared.headers["x-amz-date"] == nil)
            #expect(prepared.headers.values("accept") == ["*/*"])
            #expect(prepared.url == "http://localhost:9/bedrock/model/m/converse")
        }
        let stream = try self.prepare("m", isStream: true) { $0.credential = .none }
        #expect(stream.headers["authorization"] == nil)
        #expect(stream.headers["accept"] == "application/vnd.amazon.eventstream")
    }

    @Test func `the region comes from the address, the configuration or the ARN`() throws {
        func credential(_ model: String, _ change: (inout ProviderEndpoint) -> Void) throws -> String {
            try self.prepare(model, change).headers["authorization"] ?? ""
        }
        #expect(try credential("m") { $0.settings["region"] = "ap-south-1" }.contains("/us-east-1/bedrock/"))
        let gate = "https://vpce-1.bedrock-runtime-fips.eu-west-2.vpce.amazonaws.com"
        #expect(try credential("m") { $0.baseURL = gate }.contains("/eu-west-2/bedrock/"))
        let configured = try credential("m") { endpoint in
            endpoint.baseURL = "http://localhost:1"
            endpoint.settings["region"] = "ap-south-1"
        }
        #expect(configured.contains("/ap-south-1/bedrock/"))
        let arn = "arn:aws:bedrock:sa-east-1:1:inference-profile/x"
        #expect(try credential(arn) { $0.baseURL = "http://localhost:1" }.contains("/sa-east-1/bedrock/"))
        // The default, or a region meant for other models, is not where this one is.
        let elsewhere = try self.prepare(arn) { endpoint in
            endpoint.baseURL = ""
            endpoint.settings["region"] = "us-east-1"
        }
        #expect(elsewhere.url.hasPrefix("https://bedrock-runtime.sa-east-1.amazonaws.com/"))
        #expect(throws: ProviderError.self) { try self.prepare("m") { $0.baseURL = "http://localhost:1" } }
        #expect(throws: ProviderError.self) { try self.prepare("m") { $0.baseURL = "" } }
    }

    @Test func `addresses are made from regions, and only from regions`() throws {
        for base in ["", "https://bedrock-runtime.{region}.amazonaws.com"] {
            let prepared = try self.prepare("m") { endpoint in
                endpoint.baseURL = base
                endpoint.settings["region"] = "eu-central-1"
            }
            #expect(prepared.url == "https://bedrock-runtime.eu-central-1.amazonaws.com/model/m/converse")
        }
        let own = try self.prepare("m") { endpoint in
            endpoint.baseURL = "https://gate/{region}/x"
            endpoint.settings["region"] = "eu-central-1"
        }
        #expect(own.url == "https://gate/eu-central-1/x/model/m/converse")
        #expect(
            BedrockRegion.baseURL(region: "cn-north-1") == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
        )
        for evil in ["evil.example/", "us-east-1.evil.example", "us-east-1#", "", "-x", "US-EAST-1", "a@b"] {
            #expect(BedrockRegion.baseURL(region: evil) == nil)
            #expect(throws: ProviderError.self) {
                try self.prepare("m") { endpoint in
                    endpoint.baseURL = ""
                    endpoint.settings["region"] = evil
                }
            }
        }
    }

    @Test func `keys come from AWS's own variables or from the configuration`() throws {
        func resolve(_ environment: [String: String], _ access: ProviderAccess = ProviderAccess()) throws -> String {
            let resolution = ModelResolution { environment[$0] }
            let resolved = try resolution.resolve("bedrock/anthropic.claude-v2:1", access: access)
            var call = Self.call(ChatRequest(model: resolved.model, messages: [.user("Hi")]))
            call.endpoint = resolved.endpoint
            let handler = try #require(ProviderRegistry.handler(for: resolved.entry))
            return try handler.prepare(call).headers["authorization"] ?? ""
        }
        var environment = ["AWS_ACCESS_KEY_ID": "AK1", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-west-1"]
        #expect(try resolve(environment).contains("Credential=AK1/20150830/eu-west-1/bedrock/"))
        environment["AWS_BEARER_TOKEN_BEDROCK"] = "ABSK1"
        #expect(try resolve(environment) == "Bearer ABSK1")
        #expect(try resolve([:], ProviderAccess(key: "ABSK2")) == "Bearer ABSK2")
        var access = ProviderAccess()
        access.aws = SigV4Credentials(accessKeyID: "AK2", secretAccessKey: "x")
        #expect(try resolve(environment, access).contains("Credential=AK2/"))
        let error = #expect(throws: ProviderError.self) { try resolve([:]) }
        #expect(error?.message.contains("AWS_ACCESS_KEY_ID") == true)
    }

    @Test func `a header that would break the head is refused`() {
        #expect(throws: ProviderError.self) { try self.prepare("m") { $0.headers = [("x-a", "1\r\nx-b: 2")] } }
    }

    @Test func `a long id stays within Bedrock's letters and length, and different ones stay different`() {
        let ids = [
            "call_" + String(repeating: "x", count: 90) + "1", "call_" + String(repeating: "x", count: 90) + "2", "é|",
        ]
        let sent = ids.map { BedrockNames.call($0) }
        #expect(Set(sent).count == 3)
        for id in sent { #expect((1...64).contains(id.utf8.count)) }
        #expect(BedrockNames.call("tooluse_A-1.b:c") == "tooluse_A-1.b:c")
        #expect(BedrockNames.call("") != "")
    }
}
