import SluiceBasics
import SluiceCore
import Testing

@testable import SluiceTelemetry

@Suite struct TraceIdentityTests {
    private func identity(_ traceparent: String?, low: UInt64 = 7) -> TraceIdentity {
        TraceIdentity(
            Submission(
                id: RequestID(high: 0x0192, low: low),
                pool: "default",
                tenant: "t",
                model: "m",
                operation: "chat/completions",
                deadline: .distantFuture,
                traceparent: traceparent
            )
        )
    }

    @Test func `the caller's trace goes on, and its span is the parent`() {
        let identity = self.identity("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        #expect(identity.traceText == "0af7651916cd43dd8448eb211c80319c")
        #expect(identity.parent == 0xb7ad_6b71_6920_3331 && identity.isSampled)
        let next = identity.traceparent(span: identity.attempt(1))
        #expect(
            next.hasPrefix("00-0af7651916cd43dd8448eb211c80319c-") && next.hasSuffix("-01") && next.utf8.count == 55
        )
        #expect(self.identity("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").isSampled == false)
    }

    @Test(arguments: [
        nil, "", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
    ])
    func `without a valid parent the trace is the request's own`(traceparent: String?) {
        let identity = self.identity(traceparent)
        #expect(identity.traceText == "00000000000001920000000000000007")
        #expect(identity.parent == nil && identity.isSampled)
    }

    @Test func `requests and attempts have spans of their own`() {
        var seen: Set<UInt64> = []
        for low in 1...1_000 as ClosedRange<UInt64> {
            let identity = self.identity(nil, low: low)
            seen.insert(identity.span)
            for number in 1...3 { seen.insert(identity.attempt(number)) }
        }
        #expect(seen.count == 4_000 && !seen.contains(0))
    }
}
