import SluiceCore

// Several backends behind one pool. Off unless targets are named: where a gateway further on does the routing, it stays
// so.
extension ConfigurationSchema {
    static let routing: [ConfigurationKey] = targets + fallbacks + patience

    private static let targets: [ConfigurationKey] = [
        .init(
            path: "pools.*.route.targets",
            kind: .list,
            help: "Backends instead of the one, each as backend, backend/model or backend/model=weight, with `order=1` "
                + "behind it for a spare. Off when not set."
        ),
        .init(
            path: "pools.*.route.strategy",
            kind: .choice(RoutePlan.Strategy.allCases.map(\.rawValue)),
            fallback: RoutePlan.Strategy.weighted.rawValue,
            help: "By weight, to the less busy of two, or to whoever answers soonest."
        ),
        .init(
            path: "pools.*.route.cool_down",
            kind: .duration(.milliseconds(10) ... .seconds(3600)),
            fallback: "5s",
            help:
                "How long a target is left alone that failed, unless it says by Retry-After; up to eight times as long "
                + "while it goes on failing."
        ),
        .init(
            path: "pools.*.route.cool_down_after",
            kind: .integer(1...1000),
            fallback: "3",
            help:
                "Server errors or timeouts in a row before that; a refused connection, a 401 or a 429 does it at once."
        ),
    ]

    private static let fallbacks: [ConfigurationKey] = [
        .init(
            path: "pools.*.route.fallbacks.context_window",
            kind: .list,
            help: "Where a request goes whose prompt is too long, in order: backend or backend/model."
        ),
        .init(
            path: "pools.*.route.fallbacks.content_policy",
            kind: .list,
            help: "Where a request goes that a content policy refused."
        ),
        .init(
            path: "pools.*.route.fallbacks.rate_limit",
            kind: .list,
            help: "Where a request goes when all targets refuse the rate; as for errors when not set."
        ),
        .init(
            path: "pools.*.route.fallbacks.error",
            kind: .list,
            help: "Where a request goes when all targets fail."
        ),
    ]

    private static let patience: [ConfigurationKey] = [
        .init(
            path: "pools.*.route.attempt_timeout",
            kind: .duration(.milliseconds(1) ... .seconds(86_400)),
            help: "The longest that one call may take, a stream to its first content. Off when not set."
        ),
        .init(
            path: "pools.*.route.first_token_timeout",
            kind: .text,
            fallback: "learned",
            help: "How long the first content of a stream may take: learned, off or a duration."
        ),
        .init(
            path: "pools.*.route.first_token_factor",
            kind: .ratio(1...100),
            fallback: "3",
            help: "What is learned is the 99th percentile of target and model, times this ..."
        ),
        .init(
            path: "pools.*.route.first_token_floor",
            kind: .duration(.milliseconds(1) ... .seconds(3600)),
            fallback: "5s",
            help: "... and at least this ..."
        ),
        .init(
            path: "pools.*.route.first_token_ceiling",
            kind: .duration(.milliseconds(1) ... .seconds(3600)),
            fallback: "2m",
            help: "... and at most this."
        ),
        .init(
            path: "pools.*.route.hedge",
            kind: .ratio(0...1),
            fallback: "0",
            help: "Second calls over requests at most, each made when the first one is later than 19 of 20; 0 is none."
        ),
    ]
}
