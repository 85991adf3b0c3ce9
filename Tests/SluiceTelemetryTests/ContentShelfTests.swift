import Testing

@testable import SluiceTelemetry

@Suite struct ContentShelfTests {
    private static let content = CapturedContent(input: Array("prompt".utf8), output: Array("answer".utf8))

    @Test func `what is fetched leaves nothing behind, though the oldest never is`() {
        let shelf = ContentShelf(maximumBytes: 1 << 20, maximumCount: 100)
        shelf.put("stuck", Self.content)
        for number in 0..<10_000 {
            shelf.put("\(number)", Self.content)
            #expect(shelf.take("\(number)") != nil)
        }
        #expect(shelf.nameCount <= 100)
        #expect(shelf.take("stuck") == nil)
    }

    @Test func `without room the oldest go`() {
        let count = Self.content.byteCount
        let shelf = ContentShelf(maximumBytes: count * 3, maximumCount: 100)
        for number in 0..<5 { shelf.put("\(number)", Self.content) }
        #expect((0..<5).map { shelf.take("\($0)") != nil } == [false, false, true, true, true])
    }
}
