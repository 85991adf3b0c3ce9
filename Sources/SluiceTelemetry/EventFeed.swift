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

/// Hands steps of requests to whoever watches. Costs one atomic-sized read while nobody does.
package final class EventFeed: Sendable {
    /// One watcher.
    package final class Subscription: Sendable {
        struct State {
            var items: [FeedItem] = []
            var missed = 0
            var waiter: CheckedContinuation<Void, Never>?
            var isCancelled = false
        }

        let state = Lock(State())
        private let capacity: Int

        init(capacity: Int) { self.capacity = capacity }

        func offer(_ item: FeedItem) {
            let waiter = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
                if state.items.count < self.capacity { state.items.append(item) } else { state.missed += 1 }
                let waiter = state.waiter
                state.waiter = nil
                return waiter
            }
            waiter?.resume()
        }

        /// Waits for news; `nil` when the subscription or the task was cancelled.
        package func next() async -> [FeedItem]? {
            await withTaskCancellationHandler {
                await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                    let isReady = self.state.withLock { state -> Bool in
                        if !state.items.isEmpty || state.missed > 0 || state.isCancelled { return true }
                        state.waiter = continuation
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                self.cancel()
            }
            return self.state.withLock { state -> [FeedItem]? in
                guard !state.isCancelled else { return nil }
                var items = state.items
                state.items.removeAll(keepingCapacity: true)
                if state.missed > 0 {
                    items.append(.missed(state.missed))
                    state.missed = 0
                }
                return items
            }
        }

        /// Wakes the waiter with nothing, e.g. for a heartbeat.
        package func nudge() {
            let waiter = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
                let waiter = state.waiter
                state.waiter = nil
                return waiter
            }
            waiter?.resume()
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
