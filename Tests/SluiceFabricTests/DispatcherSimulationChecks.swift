import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTestKit
import SluiceWire

extension DispatcherSimulation {
    func check() -> [String] { self.checkRequests() + self.checkNodes() + self.checkStore() + self.checkStreams() }

    /// What each request came to, by everybody's books and its producer's list.
    private var ends: [String: [End]] {
        let state = self.state.withLock { $0 }
        var ends: [String: [End]] = [:]
        for (id, replies) in state.replies {
            ends[id, default: []].append(replies.contains { $0.isOK } ? .answered : .refusedAnswer)
        }
        for member in state.members {
            let records = member.node.observer.ended.prefix(member.recordsAtDeath ?? .max)
            for record in records {
                guard let id = record.submission.remote?.requestID, let outcome = record.reason?.outcome,
                    let end = End(rawValue: outcome.rawValue)
                else { continue }
                ends[id, default: []].append(end)
            }
            let refused = member.node.observer.refused
            let seen = member.recordsAtDeath == nil ? refused.count : member.refusalsAtDeath
            for submission in refused.prefix(seen) {
                ends[submission.remote?.requestID ?? "", default: []].append(.rejected)
            }
        }
        for id in self.world.queued { ends[id, default: []].append(.queued) }
        return ends
    }

    /// For a test of the simulation itself.
    var seen: Set<End> { Set(self.ends.values.joined()) }

    private func checkRequests() -> [String] {
        let state = self.state.withLock { $0 }
        let ends = self.ends
        // Popped without a private list: what is lost with a connection or a process is lost without a trace.
        let isUntraceable = self.popMode == .blpop
        var problems: [String] = []
        for id in state.requests.keys.sorted() {
            let found = ends[id] ?? []
            // A dispatcher that ended between dropping it and knowing that has told nobody.
            let isMortal = state.requests[id].map { state.mortals.contains($0) } ?? false
            let mayVanish = isUntraceable || (isMortal && state.members.contains { !$0.isLiving })
            if found.isEmpty && !mayVanish { problems.append("\(id) vanished") }
            if found.contains(.queued) { problems.append("\(id) is still queued: \(found)") }
            let books = found.filter { ![.answered, .refusedAnswer, .queued].contains($0) }
            // A rejection may be repeated if its dispatcher dies with it.
            let final = books.filter { $0 != .rejected }
            if final.count > 1 && !state.hadZombies { problems.append("\(id) ended more than once: \(found)") }
            if final.contains(.lost) && found.contains(.answered) && !state.hadZombies {
                problems.append("\(id) was booked as lost and answered")
            }
            let runs = state.runs[id]?.count ?? 0
            if runs > 1 && self.orphans == .drop { problems.append("\(id) ran \(runs) times") }
            if runs > 1 && state.kills == 0 && !state.hadZombies {
                problems.append("\(id) ran \(runs) times, nobody died")
            }
            if state.malformed.contains(id) && runs > 0 { problems.append("\(id) is malformed and ran") }
            for reply in state.replies[id] ?? [] where reply.producerID != state.requests[id] {
                problems.append("\(id) was answered to \(reply.producerID)")
            }
        }
        return problems
    }

    private func checkNodes() -> [String] {
        var problems: [String] = []
        for member in self.state.withLock({ $0.members }) {
            let node = member.node
            if let complaint = node.engine.checkBooks() { problems.append("\(node.id): \(complaint)") }
            if node.dispatcher.heldCount > 0 { problems.append("\(node.id) holds \(node.dispatcher.heldCount)") }
            if node.engine.liveCount > 0 { problems.append("\(node.id): \(node.engine.liveCount) requests are live") }
            if let drained = member.drained, !drained.isSet { problems.append("\(node.id) does not end") }
            let left = self.world.valkey.list(node.privateList).count
            if left > 0 { problems.append("\(node.id): \(left) elements are left in its private list") }
            guard member.isLiving else { continue }
            if !node.dispatcher.isKnown { problems.append("\(node.id) is not known") }
        }
        return problems
    }

    private func checkStore() -> [String] {
        var problems: [String] = []
        let index = self.world.valkey.hash(DispatcherWorld.index)
        if !index.isEmpty { problems.append("the index holds \(index.keys.sorted())") }
        let living = self.state.withLock { $0.members.filter(\.isLiving).map(\.node.id) }
        let listed = self.world.valkey.hash(DispatcherWorld.dispatchers).keys.sorted()
        if listed != living.sorted() { problems.append("listed are \(listed), living \(living)") }
        for key in self.world.valkey.keys where key != DispatcherWorld.dispatchers && key != DispatcherWorld.queue {
            if self.world.valkey.timeToLive(key) == nil { problems.append("\(key) lives for ever") }
        }
        return problems
    }

    private func checkStreams() -> [String] {
        let state = self.state.withLock { $0 }
        guard !state.hadZombies && self.orphans == .drop else { return [] }
        var problems = state.afterReply.map { "\($0): a frame after the reply" }
        for (id, frames) in state.frames.sorted(by: { $0.key < $1.key }) {
            var next = 0
            var texts: [String] = []
            for frame in frames where frame.sequence >= next {
                if frame.sequence > next { problems.append("\(id): a gap before frame \(frame.sequence)") }
                next = frame.sequence + 1
                texts += frame.events.map { String(decoding: $0.data, as: UTF8.self) }
            }
            if texts != texts.indices.map({ "\(id) \($0)" }) { problems.append("\(id): \(texts)") }
            let finals = Set(frames.filter(\.isFinal).map(\.sequence))
            if finals.count > 1 || (finals.first.map { $0 != next - 1 } ?? false) {
                problems.append("\(id): \(finals)")
            }
            let isWhole = state.replies[id]?.contains { $0.outcome == .streamed } ?? false
            if isWhole && finals.isEmpty { problems.append("\(id) has no final frame") }
        }
        return problems
    }
}
