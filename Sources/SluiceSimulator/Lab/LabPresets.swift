import SluiceBasics
import SluiceCore

/// Scenarios under names, each of which shows one thing.
package struct LabPreset: Sendable {
    package var id: String
    package var title: String
    /// What to look at.
    package var about: String
    package var scenario: LabScenario

    private init(_ id: String, _ title: String, _ about: String, _ change: (inout LabScenario) -> Void) {
        self.id = id
        self.title = title
        self.about = about
        var scenario = LabScenario()
        change(&scenario)
        self.scenario = scenario
    }

    package static let all: [LabPreset] = [
        LabPreset("calm", "A calm day", "Two tenants, chats, room to spare: most start at once.") { lab in
            lab.rate = 1.2
        },
        LabPreset("minute", "60 requests a minute", "The limit, not the slots, decides: watch the buckets.") { lab in
            lab.limit.requestsPerMinute = 60
            lab.limit.tokensPerMinute = 40_000
            lab.limit.burstRequests = 10
            lab.rate = 1.1
        },
        LabPreset("rush", "Rush hour", "Bursts beyond what the slots take: who is served first, and who waits?") {
            lab in
            lab.pattern = .bursty
            lab.rate = 2.4
            lab.tenants = [LabScenario.Tenant("web"), LabScenario.Tenant("app"), LabScenario.Tenant("batch")]
        },
        LabPreset("flood", "A noisy neighbour", "One tenant asks for ten times its share; turns keep the others whole.")
        {
            lab in
            lab.rate = 4
            lab.tenants = [
                LabScenario.Tenant("honest-1", share: 0.5), LabScenario.Tenant("honest-2", share: 0.5),
                LabScenario.Tenant("flood", share: 10),
            ]
        },
        LabPreset("weights", "Shares of one, two and four", "All ask for more than there is; weights divide it.") {
            lab in
            lab.rate = 5
            lab.tenants = [
                LabScenario.Tenant("bronze", weight: 1), LabScenario.Tenant("silver", weight: 2),
                LabScenario.Tenant("gold", weight: 4),
            ]
        },
        LabPreset("documents", "Chats beside documents", "Short work behind long: how long do chats wait?") { lab in
            lab.lengths.longShare = 0.2
            lab.lengths.prompt = 250
            lab.lengths.completion = 80
            lab.slots = 12
            lab.rate = 0.95
        },
        LabPreset("urgent", "An urgent few", "Overload, and one in ten is urgent: raise the weight of priority.") {
            lab in
            lab.policy = LabScenario.customPolicy
            lab.weights = .fair
            lab.priorities = [1, 0, 6, 3]
            lab.rate = 2.6
            lab.maximumWait = 3_600
        },
        LabPreset("trouble", "A backend in trouble", "One call in ten fails and is repeated after a pause.") { lab in
            lab.failureRate = 0.1
            lab.rate = 1.6
        },
    ]
}
