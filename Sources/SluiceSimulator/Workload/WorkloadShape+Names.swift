import SluiceBasics
import SluiceCore

// Workloads under names, for people.
extension WorkloadShape {
    package enum Name: String, Sendable, CaseIterable {
        case poisson
        case bursty
        case diurnal
        case closed
        case mixed
        case flood
        case backlog
        case exponential

        package var explanation: String {
            switch self {
            case .poisson: "chats of all lengths, arriving independently of one another"
            case .bursty: "the same in bursts"
            case .diurnal: "the same by day and night; a day lasts an hour"
            case .closed: "users who wait for each answer, then think for 5 s"
            case .mixed: "four short chats for each long document"
            case .flood: "three tenants who ask for a tenth of what there is, each, and one who asks for twice of it"
            case .backlog: "mixed, and all of it waits from the start"
            case .exponential: "service times and arrivals of queueing theory's textbooks"
            }
        }

        /// Share of the capacity that is asked for, unless it is said.
        package var load: Double {
            switch self {
            case .flood: 2.3
            case .backlog, .closed: 1
            case .poisson, .bursty, .diurnal, .mixed, .exponential: 0.9
            }
        }
    }

    package init(_ name: Name, tenants: [Tenant]? = nil) {
        let four = (1...4).map { Tenant("tenant-\($0)") }
        switch name {
        case .poisson: self.init(process: .poisson, kinds: [Self.chat], tenants: tenants ?? four)
        case .bursty: self.init(process: .bursty(), kinds: [Self.chat], tenants: tenants ?? four)
        case .diurnal: self.init(process: .diurnal(), kinds: [Self.chat], tenants: tenants ?? four)
        case .closed:
            let loop = ClosedLoop(users: 64, think: .seconds(5))
            self.init(process: .atOnce, kinds: [Self.chat], tenants: tenants ?? four, loop: loop)
        case .mixed: self.init(process: .poisson, kinds: Self.chatsAndDocuments, tenants: tenants ?? four)
        case .flood:
            let honest = (1...3).map { Tenant("honest-\($0)", share: 0.1) }
            self.init(kinds: [Self.chat], tenants: tenants ?? honest + [Tenant("flood", share: 2)])
        case .backlog: self.init(process: .atOnce, kinds: Self.chatsAndDocuments, tenants: tenants ?? four)
        case .exponential:
            let kind = RequestKind(prompt: .fixed(0), completion: .exponential(mean: 1_000))
            self.init(kinds: [kind], tenants: tenants ?? [Tenant("tenant-1")], estimateError: 0)
        }
    }

    /// Most are short; one in twenty is of the tail.
    private static let chat = RequestKind(
        prompt: .heavyTailed(median: 400, sigma: 1, tailShare: 0.05, tailFrom: 2_000, tailIndex: 1.6, longest: 60_000),
        completion: .heavyTailed(
            median: 150,
            sigma: 0.8,
            tailShare: 0.05,
            tailFrom: 600,
            tailIndex: 1.8,
            longest: 8_000
        )
    )

    private static let chatsAndDocuments = [
        RequestKind(
            share: 0.8,
            isShort: true,
            prompt: .heavyTailed(median: 250, sigma: 0.8, longest: 4_000),
            completion: .heavyTailed(median: 80, sigma: 0.6, longest: 500)
        ),
        RequestKind(
            share: 0.2,
            isShort: false,
            prompt: .heavyTailed(
                median: 6_000,
                sigma: 0.6,
                tailShare: 0.2,
                tailFrom: 12_000,
                tailIndex: 1.3,
                longest: 120_000
            ),
            completion: .heavyTailed(
                median: 2_000,
                sigma: 0.5,
                tailShare: 0.1,
                tailFrom: 5_000,
                tailIndex: 1.5,
                longest: 16_000
            )
        ),
    ]
}
