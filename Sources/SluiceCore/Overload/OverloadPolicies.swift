/// Sheds the lowest class when requests wait too long for too long (CoDel: Nichols and Jacobson, 2012).
package struct SheddingPolicy: Sendable, Equatable {
    /// The least age of the queue's oldest request during `interval` that counts as overload; `nil`: never shed.
    package var target: Duration?
    /// How long the age has to stay above `target` before the first request is shed.
    package var interval: Duration

    package init(target: Duration? = nil, interval: Duration = .seconds(10)) {
        self.target = target
        self.interval = interval
    }
}

/// How a backend's concurrency follows its latency.
package struct AdaptiveConcurrencyPolicy: Sendable, Equatable {
    /// Never below.
    package var minimum: Int
    /// Never above; the slots of the pools bound it too.
    package var maximum: Int

    package init(minimum: Int = 1, maximum: Int = 1_000) {
        self.minimum = minimum
        self.maximum = maximum
    }
}
