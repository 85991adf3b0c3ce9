import SluiceBasics
import SluiceCore

/// What a subscriber is told.
package enum FeedItem: Sendable {
    case request(RequestEvent)
    case pool(PoolEvent)
    /// So many items were dropped because the subscriber was too slow: its view is stale until it reads everything
    /// anew.
    case missed(Int)
}

/// Hands steps of requests to whoever watches. Costs one short lock while nobody does.
package final class EventFeed: Sendable {
    /// One watcher.
    package final class Subscription: Sendable {
        private struct State {
            /// A ring once it is full: the oldest item is at `oldest`.
            var items: [FeedItem] = []
            var oldest = 0
            var missed = 0
            var waiter: CheckedContinuation<Void, Never>?
            var isCancelled = false

            var hasNews: Bool { !self.items.isEmpty || self.isCancelled }

            mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
                defer { self.waiter = nil }
                return self.waiter
            }

            mutating func takeItems() -> [FeedItem] {
                var taken: [FeedItem] = []
                taken.reserveCapacity(self.items.count + 1)
                if self.missed > 0 { taken.append(.missed(self.missed)) }
                taken += self.items[self.oldest...]
                taken += self.items[..<self.oldest]
                self.items.removeAll(keepingCapacity: true)
                self.oldest = 0
                self.missed = 0
                return taken
            }
        }

        private let state = Lock(State())
        private let capacity: Int

        init(capacity: Int) { self.capacity = max(1, capacity) }

        /// When there is no room the oldest item goes, because what a watcher shows must end with what is true now.
        func offer(_ item: FeedItem) {
            let waiter = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
                if state.items.count < self.capacity {
                    state.items.append(item)
                } else {
                    state.items[state.oldest] = item
                    state.oldest = (state.oldest + 1) % self.capacity
                    state.missed += 1
                }
                return state.takeWaiter()
            }
            waiter?.resume()
        }

        /// Waits for news; empty after a nudge; `nil` when the subscription or the task was cancelled. What was missed
        /// comes first, in the order in which it happened.
        ///
        /// One caller at a time: a second one sends the first away with nothing.
        package func next() async -> [FeedItem]? {
            await withTaskCancellationHandler {
                await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                    let ready = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
                        if state.hasNews { return continuation }
                        let earlier = state.takeWaiter()
                        state.waiter = continuation
                        return earlier
                    }
                    ready?.resume()
                }
            } onCancel: {
                self.cancel()
            }
            return self.state.withLock { state -> [FeedItem]? in state.isCancelled ? nil : state.takeItems() }
        }

        /// Whether somebody is in `next` with nothing to take.
        package var isWaiting: Bool { self.state.withLock { $0.waiter != nil } }

        /// Wakes the waiter with nothing, e.g. for a heartbeat.
        package func nudge() {
            self.state.withLock { $0.takeWaiter() }?.resume()
        }

        package func cancel() {
            self.state.withLock { $0.isCancelled = true }
            self.nudge()
        }
    }

    private let subscriptions = Lock<[Subscription]>([])
    private let capacity: Int
    private let maximumSubscriptions: Int

    package init(capacity: Int, maximumSubscriptions: Int) {
        self.capacity = capacity
        self.maximumSubscriptions = maximumSubscriptions
    }

    package var hasSubscribers: Bool { self.subscriptions.withLock { !$0.isEmpty } }

    /// `nil` when there are as many watchers as are allowed.
    package func subscribe() -> Subscription? {
        let subscription = Subscription(capacity: self.capacity)
        return self.subscriptions.withLock { subscriptions -> Subscription? in
            guard subscriptions.count < self.maximumSubscriptions else { return nil }
            subscriptions.append(subscription)
            return subscription
        }
    }

    package func unsubscribe(_ subscription: Subscription) {
        subscription.cancel()
        self.subscriptions.withLock { $0.removeAll { $0 === subscription } }
    }

    func publish(_ item: FeedItem) {
        for subscription in self.subscriptions.withLock({ $0 }) { subscription.offer(item) }
    }
}
