import SluiceWire

/// One route, whom it is open to, and what answers it.
///
/// DESIGN. Whoever is not let in by the table is not let in: what answers a route is only reachable through its line
/// here, which names what it needs. Work (`POST /v1/...`) takes its own way to its key, because it is hot; its lines
/// stand here for processes that take none.
struct OperatorRoute: Sendable {
    enum Need: Sendable, Equatable {
        /// Tells nothing that is anybody's.
        case nothing
        /// Any key; without a role it sees its own requests only, which the route sees to.
        case key
        case role(OperatorRole)
    }

    typealias Answer = @Sendable (Gateway, OperatorRequest) async throws(GatewayError) -> HTTPResponse

    let method: HTTPMethod
    /// With `*` for a part of any name.
    let pattern: String
    let need: Need
    /// Whether it changes something or shows what is kept from view: refused where the console is read-only.
    let isAction: Bool
    let answer: Answer
    fileprivate let parts: [Substring]

    init(
        _ method: HTTPMethod,
        _ pattern: String,
        _ need: Need,
        isAction: Bool = false,
        _ answer: @escaping Answer
    ) {
        self.method = method
        self.pattern = pattern
        self.need = need
        self.isAction = isAction
        self.answer = answer
        self.parts = pattern.split(separator: "/", omittingEmptySubsequences: false)
    }

    /// Answers HEAD as well where it answers GET.
    func takes(_ method: HTTPMethod) -> Bool { method == self.method || method == .head && self.method == .get }

    /// What stands in the place of each `*`; `nil` when the path is another.
    fileprivate func names(_ path: [Substring]) -> [String]? {
        guard path.count == self.parts.count else { return nil }
        var names: [String] = []
        for (part, wanted) in zip(path, self.parts) {
            if wanted == "*" {
                names.append(String(part))
            } else if part != wanted {
                return nil
            }
        }
        return names
    }
}

/// A request that has been let in.
struct OperatorRequest: Sendable {
    let http: HTTPRequest
    let caller: Caller
    /// What stands in the path in the place of each `*`.
    let names: [String]

    func parameter(_ name: String) -> String? { self.http.parameter(name) }
}

/// All routes; the first that fits counts.
enum OperatorRoutes {
    enum Match {
        case route(OperatorRoute, names: [String])
        /// The path is known, and takes these.
        case otherMethods([HTTPMethod])
        case unknown
    }

    static func find(_ method: HTTPMethod, _ path: String) -> Match {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        var methods: [HTTPMethod] = []
        for route in Self.all {
            guard let names = route.names(parts) else { continue }
            if route.takes(method) { return .route(route, names: names) }
            methods += route.method == .get ? [.get, .head] : [route.method]
        }
        return methods.isEmpty ? .unknown : .otherMethods(methods)
    }
}

extension Gateway {
    /// Everything but inference: finds the route, lets the caller in or not, and answers.
    func route(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        switch OperatorRoutes.find(request.method, request.path) {
        case .route(let route, let names):
            do throws(GatewayError) {
                let caller = try self.admit(request, to: route)
                return try await route.answer(self, OperatorRequest(http: request, caller: caller, names: names))
            } catch {
                if error.status == 403, route.isAction { self.noteRefused(request, route, error.code ?? "") }
                throw error
            }
        case .otherMethods(let methods):
            throw .methodNotAllowed(methods.map(\.rawValue).joined(separator: ", "))
        case .unknown:
            // Who may not look is not told what there is to see.
            if request.path.hasPrefix("/api/") { try self.require(.viewer, of: try self.keys.caller(request.headers)) }
            if let asset = ConsoleAssets.response(request) {
                try Self.require(request, [.get, .head])
                return asset
            }
            throw Self.nothing(at: request.path)
        }
    }

    private func admit(_ request: HTTPRequest, to route: OperatorRoute) throws(GatewayError) -> Caller {
        guard route.need != .nothing else { return .nobody }
        let caller = try self.keys.caller(request.headers)
        if case .role(let role) = route.need { try self.require(role, of: caller) }
        if route.isAction {
            try BrowserGuard.admitAction(request.headers)
            // Its own requests are nobody else's business, and no operator's action.
            if caller.seesAll { try self.requireWritable() }
        }
        return caller
    }

    func require(_ role: OperatorRole, of caller: Caller) throws(GatewayError) {
        guard !caller.may(role) else { return }
        let has = caller.role.map { "its role is \($0.rawValue)" } ?? "it has no role"
        throw .forbidden(
            "This key may not do that: it needs the role \(role.rawValue), and \(has).",
            code: caller.role == nil ? "not_operator" : "role_too_low"
        )
    }

    private func requireWritable() throws(GatewayError) {
        guard self.configuration.console.isReadOnly else { return }
        throw .forbidden(
            "This gateway is read-only for operators (console.read_only): nothing can be changed or revealed here.",
            code: "read_only"
        )
    }

    private static func nothing(at path: String) -> GatewayError {
        .notFound(
            "There is nothing at '\(path.prefix(200))'. See /v1/chat/completions, /v1/completions, /v1/embeddings, "
                + "/v1/responses, /v1/messages, /v1/models, /api/requests, /api/pools, /api/overview, /api/live, "
                + "/metrics, /healthz, /readyz.",
            code: "not_found"
        )
    }
}
