import SluiceBasics
import SluiceWire

/// The lab by itself: the console with nothing else in it, and no runtime behind it.
package struct LabFace: HTTPHandler {
    private let laboratory: Laboratory
    private let version: String
    /// Whether it listens on a loopback address only.
    private let isLocal: Bool

    package init(_ laboratory: Laboratory, version: String, isLocal: Bool) {
        self.laboratory = laboratory
        self.version = version
        self.isLocal = isLocal
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        do throws(GatewayError) {
            // There are no keys: whoever reaches it may use it, but not pages of other sites.
            try BrowserGuard.admit(request.headers, isLocal: self.isLocal)
            if request.path.hasPrefix("/api/lab/") { return try await self.laboratory.answer(request) }
            try Gateway.require(request, [.get, .head])
            switch request.path {
            case "/api/me": return self.me()
            case "/api/version":
                var json = JSONWriter()
                json.object { $0.field("version", self.version) }
                return Gateway.json(json)
            case "/healthz", "/readyz":
                var json = JSONWriter()
                json.object { $0.field("status", "ok") }
                return Gateway.json(json)
            default:
                if let asset = ConsoleAssets.response(request) { return asset }
                throw .notFound("This is the lab alone: see / and /api/lab/.", code: "not_found")
            }
        } catch {
            return error.response()
        }
    }

    private func me() -> HTTPResponse {
        var json = JSONWriter()
        json.object { json in
            json.field("name", "anybody")
            json.field("role", "viewer")
            json.field("read_only", false)
            json.field("version", self.version)
            json.nullField("fabric_group")
            json.nullField("gateway")
            json.field("history", "memory")
            json.field("lab", true)
            json.field("lab_only", true)
            json.field("fabric", false)
            json.field("payloads_kept", false)
            json.nullField("trace_url")
            json.field("keys", false)
        }
        return Gateway.json(json)
    }
}
