import CLibUV
import SluiceBasics

/// A timer on a reactor. All its methods are for the reactor's own thread.
final class ReactorTimer {
    private let handle: UnsafeMutablePointer<uv_timer_t>
    private var action: (() -> Void)?
    private var isClosed = false

    init(_ reactor: Reactor) {
        self.handle = .allocate(capacity: 1)
        uv_timer_init(reactor.loop, self.handle)
        self.handle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit { self.close() }

    /// Fires once after `delay`, at the next whole millisecond, never sooner. Replaces what was set before.
    func start(after delay: Duration, repeating: Duration? = nil, _ action: @escaping () -> Void) {
        guard !self.isClosed else { return }
        self.action = action
        let interval = repeating.map { Self.milliseconds($0) } ?? 0
        // The loop's idea of now may be as old as this turn.
        uv_update_time(self.handle.pointee.loop)
        uv_timer_start(
            self.handle,
            { handle in
                guard let context = handle?.pointee.data else { return }
                Unmanaged<ReactorTimer>.fromOpaque(context).takeUnretainedValue().action?()
            },
            self.timeout(delay),
            interval
        )
    }

    /// What makes the loop's clock, which knows whole milliseconds and cuts off the rest, pass the end of `delay`. From
    /// a clock that stands up to a millisecond behind, a mere rounding up of the delay would end before it.
    private func timeout(_ delay: Duration) -> UInt64 {
        guard delay > .zero else { return 0 }
        let end = uv_hrtime().addingReportingOverflow(UInt64(delay.wholeNanoseconds))
        guard !end.overflow else { return .max / 2 }
        let due = end.partialValue / 1_000_000 + (end.partialValue % 1_000_000 == 0 ? 0 : 1)
        let now = uv_now(self.handle.pointee.loop)
        return due > now ? due - now : 0
    }

    func stop() {
        guard !self.isClosed else { return }
        uv_timer_stop(self.handle)
        self.action = nil
    }

    /// Frees the handle once the loop has let go of it.
    func close() {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.action = nil
        self.handle.pointee.data = nil
        uv_close(sluice_uv_handle(self.handle)) { handle in
            UnsafeMutableRawPointer(handle)?.deallocate()
        }
    }

    private static func milliseconds(_ span: Duration) -> UInt64 {
        let nanoseconds = max(0, span.wholeNanoseconds)
        return UInt64(nanoseconds / 1_000_000) + (nanoseconds % 1_000_000 == 0 ? 0 : 1)
    }
}
