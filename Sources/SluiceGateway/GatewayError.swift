import SluiceCore
import SluiceProviders
import SluiceWire

/// A request that ends in an error, in the shape that OpenAI's clients read.
package struct GatewayError: Error, Sendable {
    var status: Int
    var message: String
    var type: String
    var param: String?
    var code: String?
    var headers: [(String, String)] = []
    /// Refused here, before dispatch could write its own line about it.
    var isRefusalOfWork: Bool {
        (400..<500).contains(self.status) && !self.isRejection && (self.status != 404 || self.code == "pool_not_found")
    }
    private var isRejection = false

    static func unauthorized(_ message: String) -> GatewayError {
        GatewayError(
            status: 401,
            message: message,
            type: "authentication_error",
            code: "invalid_api_key",
            headers: [("WWW-Authenticate", "Bearer")]
        )
    }

    static func forbidden(_ message: String, code: String) -> GatewayError {
        GatewayError(status: 403, message: message, type: "permission_error", code: code)
    }

    static func invalid(_ message: String, param: String? = nil, code: String = "invalid_value") -> GatewayError {
        GatewayError(status: 400, message: message, type: "invalid_request_error", param: param, code: code)
    }

    static func notFound(_ message: String, param: String? = nil, code: String) -> GatewayError {
        GatewayError(status: 404, message: message, type: "invalid_request_error", param: param, code: code)
    }

    static func unavailable(_ message: String, code: String, retryAfter: Int? = nil) -> GatewayError {
        GatewayError(
            status: 503,
            message: message,
            type: "server_error",
            code: code,
            headers: retryAfter.map { [("Retry-After", String($0))] } ?? []
        )
    }

    static func methodNotAllowed(_ allowed: String) -> GatewayError {
        GatewayError(
            status: 405,
            message: "This path takes \(allowed) only.",
            type: "invalid_request_error",
            code: "method_not_allowed",
            headers: [("Allow", allowed)]
        )
    }

    init(
        status: Int,
        message: String,
        type: String,
        param: String? = nil,
        code: String? = nil,
        headers: [(String, String)] = []
    ) {
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.headers = headers
    }

    init(_ error: InvalidRequest) {
        self.init(
            status: 400,
            message: error.message,
            type: "invalid_request_error",
            param: error.param,
            code: error.code
        )
    }

    init(_ rejection: Rejection) {
        let status =
            switch rejection.reason {
            case .tenantFull: 429
            case .oversize: 413
            case .malformed: 400
            case .duplicateConflict: 409
            case .notCached: 504
            default: 503
            }
        let type =
            switch status {
            case 429: "rate_limit_error"
            case 503: "server_error"
            default: "invalid_request_error"
            }
        self.init(status: status, message: rejection.message, type: type, code: rejection.reason.rawValue)
        self.isRejection = true
        if let wait = rejection.retryAfter ?? (status == 503 || status == 429 ? .seconds(1) : nil) {
            self.headers.append(("Retry-After", String(Self.wholeSeconds(wait))))
        }
    }

    /// Rounded up: who comes back sooner is refused again.
    static func wholeSeconds(_ span: Duration) -> Int64 {
        let (seconds, fraction) = span.components
        return max(1, fraction > 0 ? seconds + 1 : seconds)
    }

    /// With the request's name, by which history knows it.
    func naming(_ id: RequestID) -> GatewayError {
        var error = self
        error.headers.append(("x-sluice-request-id", id.description))
        return error
    }

    var body: [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.object("error") { json in
                json.field("message", self.message)
                json.field("type", self.type)
                json.field("param", self.param)
                json.field("code", self.code)
            }
        }
        return json.bytes
    }

    func response(_ more: HTTPFields = HTTPFields()) -> HTTPResponse {
        var fields = more
        fields.append("Content-Type", "application/json")
        for (name, value) in self.headers { fields.append(name, value) }
        return HTTPResponse(status: self.status, headers: fields, body: .bytes(self.body))
    }
}
