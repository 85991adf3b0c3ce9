import SluiceBasics
import SluiceCore
import SluiceFabric
import SluiceTestKit
import SluiceWire

/// Dispatchers that share a budget, in virtual time: their clocks run apart, calls are late or lost, and they die.
struct BudgetWorld {
    struct Plan {
        var limit: RateLimit
        var holders = 3
        var seconds = 60
        var seed: UInt64 = 0
        /// Requests that run at once at each.
        var slots = 400
        /// Mean pause between two requests of one dispatcher; `nil`: there is always more.
        var pause: Duration?
        /// Share of calls that get lost, half of them after they were executed.
        var loss = 0.0
        /// Mean life of a dispatcher; another takes its place.
        var life: Duration?
        /// Clocks run faster or slower by up to this part.
        var drift = 0.005
        var smallest = 50
        var largest = 4_000
        /// What is used of what was reserved: a part between these.
        var accuracy = 0.5...1.0
        /// Mean pause between two requests of the first dispatcher, whatever the others have to do.
        var firstPause: Duration?
        /// Mean span between two outages of a dispatcher, in which no call of its gets through for 3 to 15 s.
        var outage: Duration?
        /// When the server's clock is set, and by how much, in seconds.
        var jumps: [(at: Int, by: Int)] = []
    }

    enum Event {
        case look(Int, generation: Int)
        case execute(Int, number: Int, isLost: Bool)
        case answer(Int, number: Int, BudgetAnswer)
        case again(Int, number: Int)
        case finish(Int, ThrottleReservation, admission: Int, actual: Int)
        case arrive(Int)
        case die(Int)
        case lose(Int)
    }

    struct Member {
        var name: String
        var share: BudgetShare
        var isAlive = true
        var drift: Double
        var born: Instant
        var next: Int
        var isWaiting: Bool
        var waitingSince: Instant?
        var running = 0
        var generation = 0
        var question: BudgetQuestion?
        /// Until then no call gets through.
        var cutUntil = Instant.zero

        /// The time by this dispatcher's clock.
        func clock(_ now: Instant) -> Instant {
            Instant(nanoseconds: 7_000_000 + Int64((now - self.born).inSeconds * 1e9 * (1 + self.drift)))
        }
    }

    let plan: Plan
    var random: SeededRandom
    var times = IndexedHeap()
    var events: [Event] = []
    var now = Instant.zero
    var ledger = BudgetLedger()
    var members: [Member] = []
    var audit: BudgetAudit
    var calls = 0
    var deaths = 0
    var outages = 0
    var waits: [Duration] = []

    init(_ plan: Plan) {
        self.plan = plan
        self.random = SeededRandom(seed: plan.seed)
        self.audit = BudgetAudit(plan.limit)
    }

    // MARK: Running

    mutating func run() {
        for _ in 0..<self.plan.holders { self.join() }
        let end = Instant.zero + .seconds(self.plan.seconds)
        while let first = self.times.first, first.at < end {
            self.times.remove(first.item)
            self.now = first.at
            self.handle(self.events[Int(first.item)])
        }
        self.now = end
    }

    private mutating func add(_ event: Event, after span: Duration) {
        self.events.append(event)
        self.times.set(UInt32(self.events.count - 1), at: self.now + max(.zero, span))
    }

    private mutating func span(mean: Duration) -> Duration {
        let ceiling = min(50 * mean.inSeconds, 1e6)
        return .nanoseconds(Int64(min(ceiling, mean.inSeconds * -logOf(1 - self.random.unit())) * 1e9))
    }

    private mutating func join() {
        let index = self.members.count
        let drift = (self.random.unit() * 2 - 1) * self.plan.drift
        var member = Member(
            name: "d\(index)",
            share: BudgetShare(self.plan.limit, now: .zero),
            drift: drift,
            born: self.now,
            next: 0,
            isWaiting: self.pause(index) == nil
        )
        member.next = self.size()
        self.members.append(member)
        if let life = self.plan.life { self.add(.die(index), after: self.span(mean: life)) }
        if let pause = self.pause(index) { self.add(.arrive(index), after: self.span(mean: pause)) }
        if let outage = self.plan.outage { self.add(.lose(index), after: self.span(mean: outage)) }
        self.pump(index)
    }

    private func pause(_ index: Int) -> Duration? {
        index == 0 ? self.plan.firstPause ?? self.plan.pause : self.plan.pause
    }

    /// Heavy-tailed: most are small.
    private mutating func size() -> Int {
        let unit = self.random.unit()
        let span = Double(self.plan.largest - self.plan.smallest)
        return self.plan.smallest + Int(span * unit * unit * unit)
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .look(let index, let generation):
            if self.members[index].isAlive && self.members[index].generation == generation { self.look(index) }
        case .execute(let index, let number, let isLost): self.execute(index, number, isLost: isLost)
        case .answer(let index, let number, let answer):
            guard self.members[index].isAlive, self.members[index].question?.number == number else { return }
            self.members[index].question = nil
            self.members[index].share.accept(answer, at: self.members[index].clock(self.now))
            self.pump(index)
        case .again(let index, let number):
            guard self.members[index].isAlive, self.members[index].question?.number == number else { return }
            self.look(index)
        case .finish(let index, let reservation, let admission, let actual):
            guard self.members[index].isAlive else { return }
            self.audit.settle(admission, actual: actual)
            let clock = self.members[index].clock(self.now)
            self.members[index].share.settle(reservation, actual: actual, at: clock)
            self.members[index].running -= 1
            self.pump(index)
        case .arrive(let index):
            guard self.members[index].isAlive, let pause = self.pause(index) else { return }
            self.members[index].isWaiting = true
            self.pump(index)
            self.add(.arrive(index), after: self.span(mean: pause))
        case .die(let index):
            self.members[index].isAlive = false
            self.deaths += 1
            self.join()
        case .lose(let index):
            guard self.members[index].isAlive, let outage = self.plan.outage else { return }
            let length = Duration.milliseconds(3_000 + Int(self.random.unit() * 12_000))
            self.members[index].cutUntil = self.now + length
            self.outages += 1
            self.add(.lose(index), after: length + self.span(mean: outage))
        }
    }

    // MARK: One dispatcher

    /// Starts what may start, as a dispatcher does whenever something has changed.
    private mutating func pump(_ index: Int) {
        let clock = self.members[index].clock(self.now)
        while self.members[index].isWaiting && self.members[index].running < self.plan.slots {
            let size = self.members[index].next
            guard case .success(let reservation) = self.members[index].share.reserve(size, at: clock) else {
                if self.members[index].waitingSince == nil { self.members[index].waitingSince = self.now }
                break
            }
            self.waits.append(self.members[index].waitingSince.map { self.now - $0 } ?? .zero)
            self.members[index].waitingSince = nil
            self.members[index].running += 1
            self.members[index].next = self.size()
            self.members[index].isWaiting = self.pause(index) == nil
            let admission = self.audit.admit(size, at: self.now)
            let range = self.plan.accuracy
            let part = range.lowerBound + self.random.unit() * (range.upperBound - range.lowerBound)
            let finish = Event.finish(
                index,
                reservation,
                admission: admission,
                actual: Int(Double(size) * part)
            )
            self.add(finish, after: self.span(mean: .seconds(1)))
        }
        self.plant(index)
    }

    /// When the keeper's task will look again.
    private mutating func plant(_ index: Int) {
        guard self.members[index].question == nil else { return }
        let clock = self.members[index].clock(self.now)
        guard let next = self.members[index].share.nextLook(at: clock) else { return }
        self.members[index].generation += 1
        let span = (next - clock).inSeconds / (1 + self.members[index].drift)
        self.add(
            .look(index, generation: self.members[index].generation),
            after: .nanoseconds(Int64((span * 1e9).rounded(.up)))
        )
    }

    private mutating func look(_ index: Int) {
        let clock = self.members[index].clock(self.now)
        guard let question = self.members[index].share.question(at: clock) else { return self.plant(index) }
        self.members[index].question = question
        self.calls += 1
        let number = question.number
        guard self.members[index].cutUntil <= self.now else {
            return self.add(.again(index, number: number), after: self.span(mean: .milliseconds(300)))
        }
        let isLost = self.random.unit() < self.plan.loss
        if isLost { self.add(.again(index, number: number), after: self.span(mean: .milliseconds(300))) }
        // Of the lost ones, half never arrive.
        guard !isLost || self.random.unit() < 0.5 else { return }
        self.add(.execute(index, number: number, isLost: isLost), after: self.span(mean: .milliseconds(2)))
    }

    private mutating func execute(_ index: Int, _ number: Int, isLost: Bool) {
        guard let question = self.members[index].question, question.number == number else { return }
        let numbers = question.arguments.map { Int(String(decoding: $0.wireBytes, as: UTF8.self)) ?? 0 }
        var server = 1_000_000_000_000 + Int(self.now.nanoseconds / 1_000)
        for jump in self.plan.jumps where self.now >= .zero + .seconds(jump.at) { server += jump.by * 1_000_000 }
        let answer = self.ledger.ask(self.members[index].name, numbers, server: server)
        guard !isLost, case .leased(let leased)? = LeaseBudgetAnswer(.array(answer.map { .integer($0) })) else {
            return
        }
        self.add(.answer(index, number: number, leased), after: self.span(mean: .milliseconds(2)))
    }

    private func logOf(_ value: Double) -> Double {
        // ln by the series of artanh; no mathematics library is needed for a random pause.
        guard value > 0 else { return -50 }
        var (mantissa, exponent) = (value, 0.0)
        while mantissa < 0.5 {
            mantissa *= 2
            exponent -= 1
        }
        let ratio = (mantissa - 1) / (mantissa + 1)
        var (term, sum) = (ratio, 0.0)
        for odd in stride(from: 1.0, to: 40, by: 2) {
            sum += term / odd
            term *= ratio * ratio
        }
        return 2 * sum + exponent * 0.693_147_180_559_945_3
    }
}
