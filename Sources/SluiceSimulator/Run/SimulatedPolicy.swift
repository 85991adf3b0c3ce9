import SluiceBasics
import SluiceCore

/// A policy under a name, as it is compared with others.
package struct SimulatedPolicy: Sendable, Equatable {
    package enum Name: String, Sendable, CaseIterable {
        case fifo
        case priority
        case standard = "default"
        case simplePriority = "simple-priority"
        case throughputOptimized = "throughput-optimized"
        case fair

        package var explanation: String {
            switch self {
            case .fifo: "by age alone"
            case .priority: "by priority, then age"
            case .standard: "scores of the default weights; tenants in turn"
            case .simplePriority: "scores, mostly of priority; tenants in turn"
            case .throughputOptimized: "scores that fill the token budget; tenants in turn"
            case .fair: "scores, mostly of waiting; tenants in turn"
            }
        }

        /// `nil`: it scores nothing.
        package var weights: ScoringWeights? {
            switch self {
            case .fifo, .priority: nil
            case .standard: .balanced
            case .simplePriority: .simplePriority
            case .throughputOptimized: .throughputOptimized
            case .fair: .fair
            }
        }
    }

    package var name: String
    package var scheduling: SchedulingConfiguration

    package init(name: String, scheduling: SchedulingConfiguration) {
        self.name = name
        self.scheduling = scheduling
    }

    package init(_ name: Name) {
        self.name = name.rawValue
        switch name {
        case .fifo, .priority:
            let order: SchedulingPolicy.Order = name == .fifo ? .fifo : .priority
            self.scheduling = SchedulingConfiguration(
                policy: SchedulingPolicy(order: order),
                tenants: TenantPolicy(isFair: false)
            )
        case .standard, .simplePriority, .fair:
            self.scheduling = SchedulingConfiguration(
                policy: SchedulingPolicy(order: .scored(name.weights ?? .balanced))
            )
        case .throughputOptimized:
            self.scheduling = SchedulingConfiguration(
                policy: SchedulingPolicy(order: .scored(.throughputOptimized), candidates: 50)
            )
        }
    }

}
