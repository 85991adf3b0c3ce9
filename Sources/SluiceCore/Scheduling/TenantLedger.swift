import SluiceBasics

/// Who has had how much: a virtual token counter for each tenant, and whose turn it is.
///
/// Virtual token counters (Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024): of the tenants that
/// wait, the one with the least service is next. Service is tokens over the tenant's weight: charged as estimated when
/// a request is claimed, corrected by what was used. A tenant that comes back is lifted to the virtual time, so that
/// being idle earns nothing; one that has had more than that keeps what it owes. Of two tenants that always wait,
/// neither is ahead by more than what the largest batch in flight of one of them is charged.
///
/// DESIGN. `turns` orders tenants that wait and may start something, of equals the one that has been there longest.
/// `floor` is the virtual time: the counter of whoever is next, and at least what all have had over the weights of
/// those who are here (Parekh and Gallager, 1993). So it grows with any service, and newcomers, however many, are
/// lifted past whoever waits. A tenant without live requests is kept while its counter is beyond the floor: before
/// that it would be lifted anyway.
package struct TenantLedger: Sendable {
    struct Account: Sendable {
        var name = ""
        var weight: UInt64 = TenantLedger.unit
        /// Virtual service, in tokens · `unit` / weight.
        var counter: UInt64 = 0
        /// Live requests: who has none is forgotten sooner or later.
        var live = 0
        var waiting = 0
        var inFlight = 0
        /// Whether it is in `turns`.
        var hasTurn = false
        /// Orders equals in `turns` and `idle`; changes only while it is in neither.
        var arrival: UInt64 = 0
        /// Whether it is in `idle`.
        var isIdle = false
        /// Nobody's at present.
        var isFree = true
    }

    /// Resolution of weights and counters.
    static let unit: UInt64 = 1_024
    /// Most tenants that are remembered though they have nothing here.
    static let maximumIdle = 65_536

    private(set) var policy: TenantPolicy
    private var numbers: [String: UInt32] = [:]
    private(set) var accounts: [Account] = []
    private var free: [UInt32] = []
    /// Tenants that wait and are below their cap, by counter.
    private(set) var turns = CountedTree()
    /// Tenants without live requests, by counter.
    private var idle = CountedTree()
    private var floor: UInt64 = 0
    /// Of tenants with live requests.
    private var totalWeight: UInt64 = 0
    private var arrivals: UInt64 = 0
    /// Of tenants that wait, whether or not they are at their cap.
    private(set) var waitingWeight: UInt64 = 0

    package init(policy: TenantPolicy) {
        self.policy = policy
    }

    package var tenants: Int { self.numbers.count - self.idle.count }

    /// Those that have requests here, and those that owe something.
    package var remembered: Int { self.numbers.count }

    /// Over all tenants, counted. O(tenants), for audits.
    package var inFlight: Int { self.accounts.reduce(0) { $0 + $1.inFlight } }

    package func number(of name: String) -> UInt32? { self.numbers[name] }

    package func name(_ number: UInt32) -> String { self.accounts[Int(number)].name }

    package func live(_ name: String) -> Int { self.numbers[name].map { self.accounts[Int($0)].live } ?? 0 }

    // MARK: Lives

    /// A request of the tenant has come in.
    package mutating func enter(_ name: String) -> UInt32 {
        if let number = self.numbers[name] {
            self.wake(number)
            self.accounts[Int(number)].live += 1
            if self.accounts[Int(number)].live == 1 { self.totalWeight += self.accounts[Int(number)].weight }
            return number
        }
        let number: UInt32
        if let reused = self.free.popLast() {
            number = reused
        } else {
            number = UInt32(self.accounts.count)
            self.accounts.append(Account())
        }
        var account = Account()
        account.name = name
        account.isFree = false
        account.weight = Self.scaled(self.policy.weights[name] ?? self.policy.defaultWeight)
        account.counter = self.floor
        account.live = 1
        self.accounts[Int(number)] = account
        self.totalWeight += account.weight
        self.numbers[name] = number
        return number
    }

    private mutating func wake(_ number: UInt32) {
        guard self.accounts[Int(number)].isIdle else { return }
        self.accounts[Int(number)].isIdle = false
        self.idle.remove(self.key(number))
    }

    /// A request of the tenant has ended.
    package mutating func leave(_ number: UInt32) {
        self.accounts[Int(number)].live -= 1
        guard self.accounts[Int(number)].live <= 0 else { return }
        self.totalWeight -= min(self.totalWeight, self.accounts[Int(number)].weight)
        guard self.accounts[Int(number)].counter > self.floor else { return self.forget(number) }
        self.accounts[Int(number)].isIdle = true
        self.arrive(number)
        self.idle.insert(self.key(number), number)
        if self.idle.count > Self.maximumIdle { self.forgetFirstIdle() }
    }

    private mutating func forgetFirstIdle() {
        guard let first = self.idle.first else { return }
        self.idle.remove(first.key)
        self.forget(first.value)
    }

    private mutating func forget(_ number: UInt32) {
        self.numbers[self.accounts[Int(number)].name] = nil
        self.accounts[Int(number)] = Account()
        self.free.append(number)
    }

    // MARK: Turns

    @inline(always)
    private func key(_ number: UInt32) -> OrderKey {
        OrderKey(rank: self.accounts[Int(number)].counter, sequence: self.accounts[Int(number)].arrival)
    }

    private mutating func arrive(_ number: UInt32) {
        self.arrivals += 1
        self.accounts[Int(number)].arrival = self.arrivals
    }

    /// One more of its requests waits.
    package mutating func wait(_ number: UInt32) {
        self.accounts[Int(number)].waiting += 1
        guard self.accounts[Int(number)].waiting == 1 else { return }
        self.waitingWeight += self.accounts[Int(number)].weight
        self.accounts[Int(number)].counter = max(self.accounts[Int(number)].counter, self.floor)
        self.setTurn(number)
    }

    /// One fewer waits: it has been claimed, or has ended.
    package mutating func unwait(_ number: UInt32) {
        self.accounts[Int(number)].waiting -= 1
        if self.accounts[Int(number)].waiting == 0 {
            self.waitingWeight -= min(self.waitingWeight, self.accounts[Int(number)].weight)
        }
        self.setTurn(number)
    }

    private func deservesTurn(_ number: UInt32) -> Bool {
        self.accounts[Int(number)].waiting > 0
            && self.accounts[Int(number)].inFlight < (self.policy.maximumInFlight ?? .max)
    }

    private mutating func setTurn(_ number: UInt32) {
        let deserves = self.deservesTurn(number)
        guard deserves != self.accounts[Int(number)].hasTurn else { return }
        self.accounts[Int(number)].hasTurn = deserves
        guard deserves else {
            self.turns.remove(self.key(number))
            return
        }
        self.arrive(number)
        self.turns.insert(self.key(number), number)
    }

    // MARK: Service

    /// A request has been claimed: `cost` is what it will probably take.
    package mutating func claim(_ number: UInt32, cost: Int) {
        if let least = self.turns.first?.key.rank { self.raiseFloor(to: least) }
        self.accounts[Int(number)].inFlight += 1
        self.charge(number, cost)
    }

    /// A claimed request is not under way any more.
    ///
    /// - Parameters:
    ///   - correction: what it took beyond what it was charged.
    ///   - served: what its tenant has had of it.
    package mutating func settle(_ number: UInt32, correction: Int, served: Int) {
        self.accounts[Int(number)].inFlight -= 1
        self.charge(number, correction)
        self.raiseFloor(to: min(UInt64.max / 2, self.floor + Self.service(max(0, served), self.totalWeight)))
    }

    private mutating func raiseFloor(to level: UInt64) {
        guard level > self.floor else { return }
        self.floor = level
        while let first = self.idle.first, first.key.rank <= self.floor { self.forgetFirstIdle() }
    }

    /// Tokens · `unit` / weight, bounded so that sums do not overflow.
    private static func service(_ cost: Int, _ weight: UInt64) -> UInt64 {
        let (product, overflow) = cost.magnitude.multipliedReportingOverflow(by: UInt(Self.unit * Self.unit))
        return overflow ? UInt64.max / 4 : min(UInt64.max / 4, UInt64(product) / max(1, weight))
    }

    private mutating func charge(_ number: UInt32, _ cost: Int) {
        let hadTurn = self.accounts[Int(number)].hasTurn
        if hadTurn { self.turns.remove(self.key(number)) }
        let service = Self.service(cost, self.accounts[Int(number)].weight)
        let counter = self.accounts[Int(number)].counter
        self.accounts[Int(number)].counter =
            cost >= 0 ? min(UInt64.max / 2, counter + service) : counter - min(counter, service)
        let deserves = self.deservesTurn(number)
        self.accounts[Int(number)].hasTurn = deserves
        if deserves && !hadTurn { self.arrive(number) }
        if deserves { self.turns.insert(self.key(number), number) }
    }

    /// Whether the tenant has as many in flight as one may have.
    package func isAtCap(_ number: UInt32) -> Bool {
        self.accounts[Int(number)].inFlight >= self.policy.maximumInFlight ?? .max
    }

    /// Virtual service of a tenant in tokens over its weight.
    package func service(_ number: UInt32) -> Double {
        Double(self.accounts[Int(number)].counter) / Double(Self.unit)
    }

    /// The least service of those whose turn may come.
    package var leastService: Double? { self.turns.first.map { Double($0.key.rank) / Double(Self.unit) } }

    // MARK: Rules

    /// O(tenants · log tenants).
    package mutating func configure(_ policy: TenantPolicy) {
        guard policy != self.policy else { return }
        self.policy = policy
        // In order of number: who gets a turn now stands behind whoever got it before.
        for index in self.accounts.indices where !self.accounts[index].isFree {
            let name = self.accounts[index].name
            self.accounts[index].weight = Self.scaled(policy.weights[name] ?? policy.defaultWeight)
            self.setTurn(UInt32(index))
        }
        self.totalWeight = self.accounts.reduce(0) { $1.live > 0 ? $0 + $1.weight : $0 }
        self.waitingWeight = self.accounts.reduce(0) { $1.waiting > 0 ? $0 + $1.weight : $0 }
    }

    /// As it is, or would be, in units of `unit`.
    func weight(of name: String) -> UInt64 {
        self.numbers[name].map { self.accounts[Int($0)].weight }
            ?? Self.scaled(self.policy.weights[name] ?? self.policy.defaultWeight)
    }

    /// At least 1/1024, at most a million.
    private static func scaled(_ weight: Double) -> UInt64 {
        guard weight.isFinite, weight > 0 else { return Self.unit }
        return UInt64(max(1, min(1e6, weight) * Double(Self.unit)))
    }
}
