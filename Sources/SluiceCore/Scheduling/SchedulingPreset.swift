/// Policies by the names under which users know them.
package enum SchedulingPreset: String, Sendable, CaseIterable {
    case standard = "default"
    case fifo
    case priority
    case simplePriority = "simple-priority"
    case throughputOptimized = "throughput-optimized"
    case fair

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

    package var order: SchedulingPolicy.Order {
        switch self {
        case .fifo: .fifo
        case .priority: .priority
        default: .scored(self.weights ?? .balanced)
        }
    }

    /// Filling the budget well takes a wider choice.
    package var candidates: Int { self == .throughputOptimized ? 50 : 20 }
}

extension SchedulingPolicy {
    /// The preset whose order this is; `nil`: weights of somebody's own.
    package var preset: SchedulingPreset? { SchedulingPreset.allCases.first { $0.order == self.order } }

    /// What decides between equal scores.
    package var queueOrder: QueueOrder { self.order == .fifo ? .fifo : .priority }
}

extension ScoringWeights {
    /// Names in configuration and API, in the order of the formula.
    package static let names = ["priority", "efficiency", "wait_time", "retry", "token_fit", "processing_time"]

    /// What a weight may be; larger ones say nothing more and could overflow a sum.
    package static let range = 0.0...1_000_000

    /// By its name; `nil` for a name that is none.
    package subscript(named name: String) -> Double? {
        get {
            switch name {
            case "priority": self.priority
            case "efficiency": self.efficiency
            case "wait_time": self.waitTime
            case "retry": self.retry
            case "token_fit": self.tokenFit
            case "processing_time": self.processingTime
            default: nil
            }
        }
        set {
            guard let newValue else { return }
            switch name {
            case "priority": self.priority = newValue
            case "efficiency": self.efficiency = newValue
            case "wait_time": self.waitTime = newValue
            case "retry": self.retry = newValue
            case "token_fit": self.tokenFit = newValue
            case "processing_time": self.processingTime = newValue
            default: break
            }
        }
    }
}
