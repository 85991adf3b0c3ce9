import SluiceCore
import SluiceProviders
import SluiceWire

// The table. Each part has its own lines; a test lists all of them with the least role of each.
extension OperatorRoutes {
    static let all: [OperatorRoute] =
        health + models + requests + live + pools + dead + audit + runtime + executions + lab

    private static let health: [OperatorRoute] = [
        .init(.get, "/healthz", .nothing) { gateway, _ in gateway.healthz() },
        .init(.get, "/readyz", .nothing) { gateway, _ in gateway.readyz() },
        .init(.get, "/metrics", .role(.viewer)) { gateway, request in await gateway.metrics(request.http) },
    ]

    private static let models: [OperatorRoute] =
        [
            .init(.get, "/v1/models", .key) { gateway, request throws(GatewayError) in
                try await gateway.models(for: request.caller, request.http)
            },
            .init(.post, "/v1/messages/count_tokens", .key) { gateway, request throws(GatewayError) in
                try gateway.countTokens(request.http)
            },
        ]
        // Only reached where no work is taken.
        + OpenAIOperation.allCases.filter { $0 != .models }.map { operation in
            .init(.post, "/v1/\(operation.rawValue)", .nothing) { _, _ throws(GatewayError) in
                throw .notFound(
                    "This is a dispatcher: its work comes from Valkey's lists. Send requests to a gateway.",
                    code: "not_a_gateway"
                )
            }
        }

    private static let requests: [OperatorRoute] = [
        .init(.get, "/api/requests", .role(.viewer)) { gateway, request throws(GatewayError) in
            try await gateway.listRequests(request.http)
        },
        .init(.get, "/api/requests/*", .key) { gateway, request throws(GatewayError) in
            try await gateway.showRequest(request)
        },
        .init(.get, "/api/requests/*/explain", .key) { gateway, request throws(GatewayError) in
            try await gateway.explainRequest(request)
        },
        .init(.post, "/api/requests/*/cancel", .key, isAction: true) { gateway, request throws(GatewayError) in
            try gateway.cancelRequest(request)
        },
        .init(.post, "/api/requests/*/retry", .role(.operator), isAction: true) {
            gateway,
            request throws(GatewayError) in
            try gateway.retryRequest(request)
        },
        .init(.post, "/api/requests/*/reveal", .role(.admin), isAction: true) { gateway, request throws(GatewayError) in
            try gateway.reveal(request)
        },
    ]

    private static let live: [OperatorRoute] = [
        .init(.get, "/api/live", .role(.viewer)) { gateway, request throws(GatewayError) in
            try await gateway.listLive(request)
        },
        .init(.get, "/api/live/stream", .role(.viewer)) { gateway, request throws(GatewayError) in
            try gateway.liveStream(request)
        },
        .init(.post, "/api/live/cancel", .role(.operator), isAction: true) { gateway, request throws(GatewayError) in
            try await gateway.cancelLive(request)
        },
    ]

    private static let pools: [OperatorRoute] = [
        .init(.get, "/api/pools", .role(.viewer)) { gateway, _ in await gateway.listPools() },
        .init(.get, "/api/pools/*", .role(.viewer)) { gateway, request throws(GatewayError) in
            try await gateway.showPool(request)
        },
        .init(.get, "/api/pools/*/series", .role(.viewer)) { gateway, request throws(GatewayError) in
            try gateway.poolSeries(request)
        },
        .init(.get, "/api/pools/*/tenants", .role(.viewer)) { gateway, request throws(GatewayError) in
            try gateway.poolTenants(request)
        },
        .init(.patch, "/api/pools/*", .role(.operator), isAction: true) { gateway, request throws(GatewayError) in
            try gateway.changePool(request)
        },
        .init(.post, "/api/pools/*/pause", .role(.operator), isAction: true) { gateway, request throws(GatewayError) in
            try gateway.setMode(.paused, request)
        },
        .init(.post, "/api/pools/*/resume", .role(.operator), isAction: true) { gateway, request throws(GatewayError) in
            try gateway.setMode(.running, request)
        },
        .init(.post, "/api/pools/*/drain", .role(.operator), isAction: true) { gateway, request throws(GatewayError) in
            try gateway.setMode(.draining, request)
        },
        .init(.get, "/api/budgets", .role(.viewer)) { gateway, _ in gateway.listBudgets() },
    ]

    private static let dead: [OperatorRoute] = [
        .init(.get, "/api/dead", .role(.viewer)) { gateway, request throws(GatewayError) in
            try gateway.listDead(request)
        },
        .init(.post, "/api/dead/redrive", .role(.operator), isAction: true) { gateway, request throws(GatewayError) in
            try gateway.redrive(request)
        },
        .init(.post, "/api/dead/purge", .role(.admin), isAction: true) { gateway, request throws(GatewayError) in
            try gateway.purge(request)
        },
    ]

    private static let audit: [OperatorRoute] = [
        .init(.get, "/api/audit", .role(.viewer)) { gateway, request throws(GatewayError) in
            try gateway.listAudit(request)
        },
        .init(.post, "/api/audit/*/undo", .role(.operator), isAction: true) { gateway, request throws(GatewayError) in
            try gateway.undo(request)
        },
    ]

    private static let runtime: [OperatorRoute] = [
        .init(.get, "/api/fleet", .role(.viewer)) { gateway, _ in await gateway.fleet() },
        .init(.get, "/api/fabrics", .role(.viewer)) { gateway, _ in gateway.fabrics() },
        .init(.get, "/api/overview", .role(.viewer)) { gateway, _ in await gateway.overview() },
        .init(.get, "/api/me", .role(.viewer)) { gateway, request in gateway.me(request.caller) },
        .init(.get, "/api/log", .role(.viewer)) { gateway, _ throws(GatewayError) in try gateway.showLog() },
        .init(.patch, "/api/log", .role(.operator), isAction: true) { gateway, request throws(GatewayError) in
            try gateway.changeLog(request)
        },
        .init(.get, "/api/events", .role(.viewer)) { gateway, request throws(GatewayError) in
            try gateway.events(request.http)
        },
        .init(.get, "/api/llm-dispatch/runtime", .role(.viewer)) { gateway, request throws(GatewayError) in
            try await gateway.runtime(request.http)
        },
        .init(.get, "/api/version", .role(.viewer)) { gateway, _ in gateway.versionPage() },
    ]
}
