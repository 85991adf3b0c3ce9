import SluiceBasics
import SluiceCore

/// One request as it arrives.
package struct Arrival: Sendable, Equatable {
    /// Where nothing else says what is short: so many tokens, prompt and completion.
    package static let shortUpTo = 1_000

    /// Since the start. In a closed loop it is drawn by the run instead.
    package var at: Duration
    /// Index in the workload's tenants.
    package var tenant: Int
    package var priority: Priority
    package var promptTokens: Int
    package var completionTokens: Int
    /// What the runtime takes it for, prompt and completion together.
    package var tokenEstimate: Int
    /// Index in the workload's models.
    package var model: Int
    /// Time that its client waits in all; `nil`: for ever.
    package var deadline: Duration?
    package var isShort: Bool
    /// How long the backend took, where that was recorded.
    package var service: Duration?

    package init(
        at: Duration,
        tenant: Int = 0,
        priority: Priority = .normal,
        promptTokens: Int,
        completionTokens: Int,
        tokenEstimate: Int,
        model: Int = 0,
        deadline: Duration? = nil,
        isShort: Bool? = nil,
        service: Duration? = nil
    ) {
        self.at = at
        self.tenant = tenant
        self.priority = priority
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.tokenEstimate = tokenEstimate
        self.model = model
        self.deadline = deadline
        self.isShort = isShort ?? (promptTokens <= Self.shortUpTo - min(completionTokens, Self.shortUpTo))
        self.service = service
    }

    /// The completion's part of the estimate: prompts are counted well.
    package var completionEstimate: Int { max(0, self.tokenEstimate - min(self.promptTokens, self.tokenEstimate)) }

    /// Prompt and completion, saturating.
    package var tokens: Int {
        let (sum, overflow) = self.promptTokens.addingReportingOverflow(self.completionTokens)
        return overflow ? .max : sum
    }
}

/// Requests in the order of their arrival: the same for every policy that is compared.
package struct Workload: Sendable, Equatable {
    package var tenants: [String]
    package var models: [String]
    /// By time; in a closed loop by user and turn.
    package var arrivals: [Arrival]
    /// `nil`: requests arrive when they arrive. Else so many users of each tenant ask again a while after an answer.
    package var loop: ClosedLoop?

    package init(tenants: [String], models: [String] = ["model"], arrivals: [Arrival], loop: ClosedLoop? = nil) {
        self.tenants = tenants
        self.models = models
        self.arrivals = arrivals
        self.loop = loop
    }

    /// The same without the requests of all other tenants: how one would fare by itself.
    package func only(tenant name: String) -> Workload? {
        guard let number = self.tenants.firstIndex(of: name) else { return nil }
        var alone = self
        alone.arrivals = self.arrivals.filter { $0.tenant == number }
        return alone
    }
}

/// Users who wait for each answer.
package struct ClosedLoop: Sendable, Equatable {
    /// In all. User u makes the requests u, u + users, u + 2 · users, … of the workload.
    package var users: Int
    /// Mean of the exponential pause between an answer and the next request.
    package var think: Duration

    package init(users: Int, think: Duration) {
        self.users = users
        self.think = think
    }
}
