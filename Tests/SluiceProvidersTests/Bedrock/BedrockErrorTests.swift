import SluiceWire
import Testing

@testable import SluiceProviders

struct BedrockErrorTests {
    private func failure(_ status: Int, _ body: String, _ headers: [(String, String)] = []) -> ProviderError {
        let response = HTTPClientResponse(status: status, headers: HTTPFields(headers), body: Array(body.utf8))
        return BedrockHandler().failure(response, now: 0)
    }

    @Test(arguments: [
        (403, "AccessDeniedException", ProviderError.Kind.permission, false),
        (404, "ResourceNotFoundException", .notFound, false), (408, "ModelTimeoutException", .timeout, true),
        (424, "ModelErrorException", .badGateway, true), (429, "ThrottlingException", .rateLimit, true),
        (429, "ModelNotReadyException", .rateLimit, true), (400, "ValidationException", .badRequest, false),
        (400, "ServiceQuotaExceededException", .budget, false), (400, "ConflictException", .badRequest, false),
        (500, "InternalServerException", .internalError, true),
        (503, "ServiceUnavailableException", .serviceUnavailable, true),
        (403, "UnrecognizedClientException", .authentication, false),
        (403, "ExpiredTokenException", .authentication, false), (401, "X", .authentication, false),
        (413, "X", .payloadTooLarge, false), (502, "X", .badGateway, true), (504, "X", .timeout, true),
    ])
    func `statuses and the names of exceptions`(
        status: Int,
        type: String,
        kind: ProviderError.Kind,
        isRetryable: Bool
    ) {
        let forms: [(String, [(String, String)])] = [
            (#"{"message":"m"}"#, [("x-amzn-ErrorType", "\(type):http://internal.amazon.com/coral/com.amazon/")]),
            (#"{"__type":"com.amazon.coral.service#\#(type)","Message":"m"}"#, []),
            (#"{"__type":"\#(type)","message":"m"}"#, [("x-amzn-RequestId", "aws-1")]),
        ]
        for (body, headers) in forms {
            let error = self.failure(status, body, headers)
            #expect(error.kind == kind)
            #expect(error.status == status)
            #expect(error.code == type)
            #expect(error.message == "m")
            #expect(error.isRetryable == isRetryable)
            #expect(error.requestID == headers.first { $0.0 == "x-amzn-RequestId" }?.1)
        }
    }

    @Test func `the status decides before any word in the body`() {
        let words = "rate limit exceeded, input is too long, ThrottlingException"
        #expect(self.failure(500, #"{"message":"\#(words)"}"#).kind == .internalError)
        #expect(self.failure(403, #"{"message":"\#(words)"}"#).kind == .permission)
        #expect(self.failure(404, #"{"message":"\#(words)","__type":"ThrottlingException"}"#).kind == .notFound)
        #expect(self.failure(400, #"{"message":"the tool rate limit is odd"}"#).kind == .badRequest)
    }

    @Test func `a 500 stays a 500`() {
        #expect(self.failure(500, "").status == 500)
        #expect(self.failure(500, "").kind == .internalError)
        #expect(self.failure(500, "<html>").message == "Bedrock answered with status 500.")
    }

    @Test(arguments: [
        ("Input is too long for requested model.", ProviderError.Kind.contextWindowExceeded),
        ("prompt is too long: 210000 tokens > 200000 maximum", .contextWindowExceeded),
        ("Output blocked by content filtering policy", .contentPolicy),
        ("messages.0.content: field required", .badRequest),
    ])
    func `within a refused request words tell what it is about`(message: String, kind: ProviderError.Kind) {
        let error = self.failure(400, #"{"message":"\#(message)"}"#, [("x-amzn-errortype", "ValidationException")])
        #expect(error.kind == kind)
    }

    @Test func `what was signed is not repeated, and no key`() {
        let message =
            "The request signature we calculated does not match the signature you provided.\\n\\n"
            + "The Canonical String for this request should have been\\n'POST\\nx-amz-security-token:quiet'"
        let error = self.failure(403, #"{"message":"\#(message)","__type":"InvalidSignatureException"}"#)
        #expect(error.kind == .authentication)
        #expect(error.message == "The request signature we calculated does not match the signature you provided.")
        let key = self.failure(403, #"{"message":"The key AKIAIOSFODNN7EXAMPLE is unknown"}"#)
        #expect(!key.message.contains("AKIA"))
    }

    @Test func `how long to wait`() {
        let error = self.failure(429, #"{"message":"slow"}"#, [("Retry-After", "3")])
        #expect(error.retryAfter == .seconds(3))
    }
}
