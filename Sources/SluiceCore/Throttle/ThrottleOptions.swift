/// How much a limiter remembers, and for how long.
public struct ThrottleOptions: Sendable, Hashable {
    /// How long a reservation waits to be settled. Afterwards its estimate stands as what was used. At most one year.
    public var reservationTimeToLive: Duration
    /// Reservations that wait at the same time. One more, and the oldest counts as expired.
    public var maximumReservations: Int
    /// How long a request stays in the history that the metrics describe.
    public var historyRetention: Duration
    /// Records that the history holds; beyond, the oldest go early.
    public var maximumHistoryRecords: Int
    /// How many of the newest records `ThrottleMetrics.efficiency` looks at.
    public var efficiencyWindow: Int

    public init(
        reservationTimeToLive: Duration = .seconds(3600),
        maximumReservations: Int = 65_536,
        historyRetention: Duration = .seconds(60),
        maximumHistoryRecords: Int = 10_000,
        efficiencyWindow: Int = 50
    ) {
        self.reservationTimeToLive = reservationTimeToLive
        self.maximumReservations = maximumReservations
        self.historyRetention = historyRetention
        self.maximumHistoryRecords = maximumHistoryRecords
        self.efficiencyWindow = efficiencyWindow
    }
}
