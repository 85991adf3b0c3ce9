import SluiceBasics

// Every refusal says which bound was met, where it is set, what was measured and when trying again makes sense.
extension Rejection {
    /// - Parameter relief: after which there should be room.
    static func full(
        _ bound: QueueBound,
        of submission: Submission,
        _ configuration: PoolConfiguration,
        held: QueueStats,
        relief: Duration
    ) -> Rejection {
        let pool = configuration.name
        let again = "Try again in about \(Self.seconds(relief)) s."
        switch bound {
        case .requests:
            return Rejection(
                .full,
                message: "Pool '\(pool)' is full: it holds \(held.live) requests, waiting and running, and may hold "
                    + "\(configuration.maximumRequests) (pools.\(pool).max_requests). \(again)",
                retryAfter: relief
            )
        case .bytes where submission.payloadBytes > configuration.maximumBytes:
            return Rejection(
                .oversize,
                message: "The payload of \(submission.payloadBytes) bytes is more than pool '\(pool)' may ever hold: "
                    + "\(configuration.maximumBytes) bytes (pools.\(pool).max_bytes). Trying again does not help."
            )
        case .bytes:
            return Rejection(
                .full,
                message: "Pool '\(pool)' is full: it holds payloads of \(held.bytes) bytes, and with this one's "
                    + "\(submission.payloadBytes) they would be more than the \(configuration.maximumBytes) it may "
                    + "hold (pools.\(pool).max_bytes). \(again)",
                retryAfter: relief
            )
        case .tenant:
            let limit = configuration.maximumRequestsPerTenant ?? 0
            return Rejection(
                .tenantFull,
                message: "Tenant '\(submission.tenant)' has \(limit) requests in pool '\(pool)', waiting and running, "
                    + "and may have \(limit) (pools.\(pool).max_requests_per_tenant). Try again when one of them has "
                    + "ended, in about \(Self.seconds(relief)) s.",
                retryAfter: relief
            )
        }
    }

    static func draining(_ pool: String) -> Rejection {
        Rejection(
            .paused,
            message: "Pool '\(pool)' is draining: it finishes what it has and accepts nothing until it is resumed "
                + "(sluice pools resume \(pool)). Try again in 5 s.",
            retryAfter: .seconds(5)
        )
    }

    /// More tokens than the pool's limit ever lets through at once.
    static func tooManyTokens(_ tokens: Int, capacity: Int, _ configuration: PoolConfiguration) -> Rejection {
        let pool = configuration.name
        let hasBurst = configuration.scheduling.limit?.burstTokens != nil
        let knob = "pools.\(pool).\(hasBurst ? "burst_tokens" : "tokens_per_minute")"
        return Rejection(
            .oversize,
            message: "The request is estimated at \(tokens) tokens, prompt and completion, and pool '\(pool)' never "
                + "lets more than \(capacity) through at once (\(knob)). Shorten it or lower max_tokens; trying again "
                + "does not help."
        )
    }

    static let pastDeadline = Rejection(
        .wouldMissDeadline,
        message: "The deadline passed before the request was submitted. Allow more time (x-sluice-timeout-ms)."
    )

    /// - Parameter cause: what takes so long.
    static func wouldMissDeadline(
        _ pool: String,
        wait: Duration,
        remaining: Duration,
        cause: String
    ) -> Rejection {
        let again = max(.seconds(1), wait - remaining)
        return Rejection(
            .wouldMissDeadline,
            message: "The request would miss its deadline: it would start in about \(Self.seconds(wait)) s, and "
                + "\(Self.seconds(remaining)) s remain (pool '\(pool)': \(cause)). Allow more time "
                + "(x-sluice-timeout-ms), or try again in about \(Self.seconds(again)) s.",
            retryAfter: again
        )
    }

    /// With one decimal.
    static func seconds(_ span: Duration) -> String {
        let nanoseconds = span.wholeNanoseconds
        let tenths = nanoseconds / 100_000_000 + (nanoseconds % 100_000_000 >= 50_000_000 ? 1 : 0)
        return "\(tenths / 10).\(abs(tenths % 10))"
    }
}
