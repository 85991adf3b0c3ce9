import SluiceDoctor

// What each section shows, column by column.
extension TopRenderer {
    func table(_ section: TopView.Section, _ model: TopModel, _ view: TopView) -> TopTable {
        switch section {
        case .pools: self.pools(model)
        case .dispatchers: self.dispatchers(model)
        case .requests: self.requests(model, view)
        }
    }

    private func pools(_ model: TopModel) -> TopTable {
        var table = TopTable(columns: [
            .init(title: "POOL", minimum: 8, maximum: 40, rank: 0), .init(title: "STATE", minimum: 8, rank: 1),
            .init(title: "SLOTS", alignsRight: true, minimum: 5, rank: 3),
            .init(title: "IN FLIGHT", alignsRight: true, minimum: 9, rank: 2),
            .init(title: "PENDING", alignsRight: true, minimum: 7, rank: 1),
            .init(title: "OLDEST", alignsRight: true, minimum: 8, rank: 4),
            .init(title: "RATE", alignsRight: true, minimum: 8, rank: 5),
            .init(title: "BREAKER", minimum: 9, rank: 6), .init(title: "WAITING FOR", minimum: 12, rank: 4),
        ])
        for pool in model.pools {
            table.rows.append([
                .init(text: self.word(pool.id), look: .bold),
                .init(text: self.word(Self.state(pool)), look: Self.state(pool) == "running" ? .good : .caution),
                .init(text: self.slots(pool)), .init(text: self.count(pool.inFlight)),
                .init(text: self.count(pool.pending)),
                .init(text: self.span(pool.oldestWait)), .init(text: self.rate(pool.requestsPerSecond)),
                .init(
                    text: self.word(pool.breaker),
                    look: pool.breaker.map { $0 == "closed" ? .good : .bad } ?? .plain
                ),
                .init(text: self.word(pool.waitingReason), look: pool.waitingReason == nil ? .plain : .caution),
            ])
        }
        return table
    }

    private static func state(_ pool: TopModel.Pool) -> String? {
        pool.state == "running" && pool.isShedding == true ? "shedding" : pool.state
    }

    /// `12/64`: of 64 slots the backend's latency allows 12.
    private func slots(_ pool: TopModel.Pool) -> String {
        guard let limit = pool.concurrencyLimit, let slots = pool.slots else { return self.count(pool.slots) }
        return "\(limit)/\(slots)"
    }

    private func dispatchers(_ model: TopModel) -> TopTable {
        var table = TopTable(columns: [
            .init(title: "DISPATCHER", minimum: 10, maximum: 48, rank: 0),
            .init(title: "RUNNING", minimum: 8, rank: 1), .init(title: "POOLS", minimum: 8, maximum: 40, rank: 6),
            .init(title: "IN FLIGHT", alignsRight: true, minimum: 9, rank: 2),
            .init(title: "PROCESSED", alignsRight: true, minimum: 9, rank: 4),
            .init(title: "RATE", alignsRight: true, minimum: 8, rank: 5),
            .init(title: "FAILURES", alignsRight: true, minimum: 8, rank: 3),
            .init(title: "BEAT", alignsRight: true, minimum: 7, rank: 3),
            .init(title: "LAST DONE", alignsRight: true, minimum: 9, rank: 7),
            .init(title: "LAST ERROR", minimum: 12, rank: 4),
        ])
        for row in model.dispatchers {
            let state = row.isDraining == true ? "draining" : row.isRunning.map { $0 ? "yes" : "no" }
            table.rows.append([
                .init(text: self.word(row.id), look: .bold),
                .init(text: self.word(state), look: state == "yes" ? .good : .caution),
                .init(text: self.word(row.pools.joined(separator: ","))), .init(text: self.count(row.inFlight)),
                .init(text: self.count(row.processed)), .init(text: self.rate(row.requestsPerSecond)),
                .init(text: self.count(row.failures), look: (row.failures ?? 0) > 0 ? .caution : .plain),
                .init(text: self.span(row.heartbeatAge)), .init(text: self.span(row.lastProcessedAge)),
                .init(text: self.word(row.lastError), look: row.lastError == nil ? .plain : .bad),
            ])
        }
        return table
    }

    private func requests(_ model: TopModel, _ view: TopView) -> TopTable {
        let rows = view.visible(model.requests)
        var title = "REQUEST"
        if !view.filter.isEmpty {
            title += " (\(rows.count) of \(model.requests.count) with \(self.display.clean(view.filter)))"
        } else if let unseen = model.unseenRequests, unseen > 0 {
            title += " (\(rows.count) of \(rows.count + unseen))"
        }
        var table = TopTable(columns: [
            .init(title: title, minimum: 12, maximum: 64, rank: 0),
            .init(title: "POOL", minimum: 6, maximum: 32, rank: 5),
            .init(title: "MODEL", minimum: 6, maximum: 32, rank: 4), .init(title: "STAGE", minimum: 8, rank: 1),
            .init(title: "AGE", alignsRight: true, minimum: 7, rank: 2),
            .init(title: "WAITED", alignsRight: true, minimum: 7, rank: 6),
            .init(title: "DISPATCHER", minimum: 10, maximum: 40, rank: 7),
            .init(title: "TRY", alignsRight: true, minimum: 3, rank: 8), .init(title: "WHY", minimum: 10, rank: 3),
        ])
        for row in rows {
            let why = row.waitingReason ?? row.error
            table.rows.append([
                .init(text: self.word(row.id)), .init(text: self.word(row.pool)), .init(text: self.word(row.model)),
                .init(text: self.word(row.stage), look: row.isPending ? .caution : .good),
                .init(text: self.span(row.age)), .init(text: self.span(row.waited)),
                .init(text: row.isPending && row.dispatcher == nil ? "" : self.word(row.dispatcher)),
                .init(text: self.count(row.attempt)),
                .init(text: why == nil ? "" : self.word(why), look: row.waitingReason == nil ? .bad : .caution),
            ])
        }
        return table
    }
}

/// Divides the rows of the screen.
enum TopLayout {
    /// - Parameter wanted: lines that each section could use, its header among them.
    /// - Returns: lines that each gets; 0 when there is no room for it.
    static func heights(wanted: [Int], focus: Int, room: Int) -> [Int] {
        var heights = wanted.map { _ in 0 }
        guard wanted.indices.contains(focus), room >= 2 else { return heights }
        // A header and a row for each, the one that is looked at first.
        var left = room
        for index in [focus] + wanted.indices.filter({ $0 != focus }) where left >= 2 {
            heights[index] = 2
            left -= 2
        }
        // Then half of the rest for what is looked at, and what remains one by one, so that none takes all.
        func grow(_ index: Int, _ most: Int) {
            guard heights[index] > 0 else { return }
            let more = min(left, most, max(0, wanted[index] - heights[index]))
            heights[index] += more
            left -= more
        }
        grow(focus, (left + 1) / 2)
        while left > 0 {
            let before = left
            for index in wanted.indices { grow(index, 1) }
            if left == before { break }
        }
        return heights
    }
}
