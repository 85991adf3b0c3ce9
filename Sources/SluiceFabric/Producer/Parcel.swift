import SluiceBasics
import SluiceWire

/// A batch on its way: checked, sized and registered, not yet pushed.
struct Parcel: Sendable {
    struct Item: Sendable {
        var id: String
        var pool: String
        var element: [UInt8]
        var deadline: Instant
        var serial = 0
    }

    var items: [Item]
    var pause: Pause

    var bytes: Int { self.items.reduce(0) { $0 + $1.element.count } }

    /// Pools in the order of their first items.
    var pools: [String] {
        self.items.reduce(into: []) { pools, item in
            if !pools.contains(item.pool) { pools.append(item.pool) }
        }
    }

    /// The part that goes to one pool.
    func part(for pool: String) -> Parcel {
        Parcel(items: self.items.filter { $0.pool == pool }, pause: self.pause)
    }
}

extension Producer {
    /// Builds and checks all envelopes of a batch, before anything is pushed.
    func pack(_ batch: [FabricRequest], timeout: Duration) throws(ProducerError) -> Parcel {
        let now = self.clock.now()
        let wall = self.clock.wallClockNanoseconds()
        var ids: Set<String> = []
        var items: [Parcel.Item] = []
        for request in batch {
            guard ids.insert(request.id).inserted else { throw .duplicate(requestID: request.id) }
            items.append(try self.pack(request, timeout, now, wall))
        }
        return Parcel(items: items, pause: Pause(self.alarms))
    }

    private func pack(
        _ request: FabricRequest,
        _ timeout: Duration,
        _ now: Instant,
        _ wall: Int64
    ) throws(ProducerError) -> Parcel.Item {
        let pool = request.pool ?? request.metadata.poolID ?? self.configuration.defaultPool
        var extras = request.metadata.extras ?? DispatchExtras()
        var span = max(.zero, min(timeout, .seconds(315_360_000)))
        if let milliseconds = extras.deadlineMilliseconds {
            let (ahead, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
            span = min(span, .nanoseconds(overflow ? .max : max(0, ahead - wall)))
        }
        extras.deadlineMilliseconds = (wall + span.wholeNanoseconds) / 1_000_000
        let envelope = RequestEnvelope(
            requestID: request.id,
            producerID: self.configuration.producerID,
            poolID: pool,
            submittedAt: Double(wall) / 1e9,
            timeoutSeconds: span.inSeconds,
            traceparent: request.traceparent,
            tracestate: request.tracestate,
            metadata: EnvelopeMetadata(members: request.metadata.members, extras: extras),
            dispatchProfileKey: request.call.model,
            estimatedCostUnits: request.estimatedCostUnits ?? request.metadata.hint("estimated_cost_units"),
            call: request.call
        )
        do throws(EnvelopeError) { try envelope.check() } catch { throw .invalid(error) }
        let element = envelope.write()
        let limit = self.configuration.maximumPayloadBytes
        guard element.count <= limit else {
            self.count { $0.oversize += 1 }
            throw .oversize(requestID: request.id, bytes: element.count, limit: limit)
        }
        return Parcel.Item(id: request.id, pool: pool, element: element, deadline: now + span)
    }

    /// Registers who waits, all or none, before the push: a reply may be quicker than the push's own answer.
    func register(
        _ parcel: inout Parcel,
        _ destination: (Int) -> Waiter.Destination
    ) throws(ProducerError) {
        let limits = self.configuration
        let bytes = parcel.bytes
        var items = parcel.items
        let pause = parcel.pause
        let refusal = self.state.withLock { state -> ProducerError? in
            guard state.phase == .idle || state.phase == .running else { return .closed }
            if let known = items.first(where: { state.waiters[$0.id] != nil }) {
                return .duplicate(requestID: known.id)
            }
            guard state.waiters.count + items.count <= limits.maximumWaiting else {
                state.counts.overloaded += 1
                return .overloaded(limit: limits.maximumWaiting)
            }
            guard state.pushingBytes + bytes <= limits.maximumPushingBytes else {
                state.counts.overloaded += 1
                return .overloaded(limit: limits.maximumPushingBytes)
            }
            state.pushingBytes += bytes
            for index in items.indices {
                state.nextSerial += 1
                items[index].serial = state.nextSerial
                state.waiters[items[index].id] = Waiter(
                    destination: destination(index),
                    serial: state.nextSerial,
                    pool: items[index].pool,
                    pause: pause
                )
            }
            return nil
        }
        if let refusal { throw refusal }
        parcel.items = items
        for item in items { self.setAlarm(item) }
    }

    private func setAlarm(_ item: Parcel.Item) {
        let alarm = self.alarms.set(at: item.deadline) { [weak self] in
            self?.forget(item.id, serial: item.serial, .timedOut)
        }
        let isStored = self.state.withLock { state in
            guard state.waiters[item.id]?.serial == item.serial else { return false }
            state.waiters[item.id]?.alarm = alarm
            return true
        }
        if !isStored { self.alarms.cancel(alarm) }
    }
}
