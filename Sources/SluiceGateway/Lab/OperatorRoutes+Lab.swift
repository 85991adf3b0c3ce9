import SluiceWire

// The lab's lines: whoever sees the runtime may play, for nothing of it changes.
extension OperatorRoutes {
    static let lab: [OperatorRoute] = [
        .init(.get, "/api/lab/presets", .role(.viewer), Self.laboratory),
        .init(.post, "/api/lab/traces", .role(.viewer), Self.laboratory),
        .init(.post, "/api/lab/runs", .role(.viewer), Self.laboratory),
        .init(.post, "/api/lab/sessions", .role(.viewer), Self.laboratory),
        .init(.get, "/api/lab/sessions/*", .role(.viewer), Self.laboratory),
        .init(.patch, "/api/lab/sessions/*", .role(.viewer), Self.laboratory),
        .init(.delete, "/api/lab/sessions/*", .role(.viewer), Self.laboratory),
        .init(.get, "/api/lab/sessions/*/frame", .role(.viewer), Self.laboratory),
        .init(.get, "/api/lab/sessions/*/stream", .role(.viewer), Self.laboratory),
        .init(.get, "/api/lab/sessions/*/messages/*", .role(.viewer), Self.laboratory),
        .init(.post, "/api/lab/sessions/*/step", .role(.viewer), Self.laboratory),
        .init(.post, "/api/lab/sessions/*/reset", .role(.viewer), Self.laboratory),
        .init(.post, "/api/lab/sessions/*/add", .role(.viewer), Self.laboratory),
    ]

    private static let laboratory: OperatorRoute.Answer = { gateway, request throws(GatewayError) in
        guard let laboratory = gateway.laboratory else {
            throw .notFound("The lab is switched off here (lab.enabled).", code: "lab_disabled")
        }
        return try await laboratory.answer(request.http)
    }
}
