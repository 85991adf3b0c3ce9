import SluiceBasics
import SluiceCore
import SluiceTelemetry
import Testing

@testable import SluiceStores

@Suite struct StoreQueueTests {
    private func execution(_ number: UInt64) -> Execution {
        let submission = Submission(
            id: RequestID(high: 1, low: number),
            pool: "default",
            tenant: "t",
            model: "m",
            operation: "o",
            deadline: .zero
        )
        return Execution(record: RequestRecord(submission: submission, submittedAt: .zero), submittedAt: 0)
    }

    @Test func `what ends while a question is answered is written before the next one`() {
        let queue = StoreQueue<Int>(maximumWaiting: 1, linger: .zero)
        let answered = Lock<[Int]>([])
        for number in 0..<3 { #expect(queue.ask { _ in answered.withLock { $0.append(number) } }) }
        for number in 0..<3 {
            // There is room for one only: had the thread not come back in between, it would be lost.
            queue.append(self.execution(UInt64(number)))
            let work = queue.next(waits: true)
            #expect(work?.executions.count == 1)
            work?.question?(0)
            #expect(answered.withLock { $0 } == Array(0...number))
        }
        #expect(queue.lost == 0)
        queue.stop()
        #expect(queue.next(waits: true) == nil)
    }

    @Test func `at the end every question is still answered`() {
        let queue = StoreQueue<Int>(maximumWaiting: 1, linger: .zero)
        for _ in 0..<3 { _ = queue.ask { _ in } }
        queue.stop()
        var answered = 0
        while let work = queue.next(waits: true) { answered += work.question == nil ? 0 : 1 }
        #expect(answered == 3)
    }
}
