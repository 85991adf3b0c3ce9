import SluiceWire
import Testing

@testable import SluiceTransport

@Suite struct ValkeyReplyReaderTests {
    private enum Fed: Equatable {
        case replies(Int)
        case refused(ValkeyError)
    }

    private func feed(_ reader: ValkeyReplyReader, _ text: some StringProtocol) -> Fed {
        Array(text.utf8).withUnsafeBytes { bytes -> Fed in
            var count = 0
            do throws(ValkeyError) {
                try reader.feed(bytes) { _ in count += 1 }
                return .replies(count)
            } catch {
                return .refused(error)
            }
        }
    }

    @Test func `a reply of many small elements is bounded, too`() throws {
        let reader = try #require(ValkeyReplyReader(maximumBytes: 1_000))
        var last = self.feed(reader, "*1000\r\n")
        var elements = 0
        while last == .replies(0), elements < 1_000 {
            last = self.feed(reader, "$1\r\nx\r\n")
            elements += 1
        }
        #expect(last == .refused(.replyTooLarge(limit: 1_000)) && elements < 200)
    }

    @Test func `many replies that are small each are no large one`() throws {
        let reader = try #require(ValkeyReplyReader(maximumBytes: 100))
        let ten = String(repeating: "*1\r\n$10\r\n0123456789\r\n", count: 10)
        let first = self.feed(reader, ten.prefix(30))
        let rest = self.feed(reader, ten.dropFirst(30))
        #expect(first == .replies(1) && rest == .replies(9))
        #expect(self.feed(reader, ten) == .replies(10))
    }
}
