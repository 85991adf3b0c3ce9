import SluiceProviders
import SluiceWire
import Testing

struct RetryAfterTests {
    /// Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example.
    private static let example = 784_111_777

    @Test(arguments: ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])
    func `reads all three forms of a date`(text: String) {
        #expect(HTTPDate.seconds(text, now: Self.example) == Self.example)
        let headers = HTTPFields([("Retry-After", text)])
        #expect(RetryAfter.read(headers, now: Self.example - 30) == .seconds(30))
        #expect(RetryAfter.read(headers, now: Self.example + 30) == .zero)
    }

    @Test(arguments: [
        "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 00:00:00 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 08:49:37: GMT", "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT", "", "GMT",
    ])
    func `takes nothing else for a date`(text: String) {
        #expect(HTTPDate.seconds(text, now: Self.example) == nil)
    }

    @Test func `knows leap days and centuries`() {
        #expect(HTTPDate.seconds("Tue, 29 Feb 2000 00:00:00 GMT", now: 0) == 951_782_400)
        #expect(HTTPDate.seconds("Fri, 31 Dec 2100 23:59:60 GMT", now: 0) == 4_133_980_800)
        // In 2026, 77 is more than 50 years ahead and 70 is not.
        let now = 1_790_000_000
        #expect(HTTPDate.seconds("Friday, 01-Jan-77 00:00:00 GMT", now: now) == 220_924_800)
        #expect(HTTPDate.seconds("Wednesday, 01-Jan-70 00:00:00 GMT", now: now) == 3_155_760_000)
    }

    @Test(arguments: ["-1", "nan", "inf", "0x10", "1e3", "soon", "", ".", "1.2.3", "99999999999999999999"])
    func `takes no number that is not one`(text: String) {
        #expect(RetryAfter.read(HTTPFields([("Retry-After", text)]), now: 0) == nil)
        #expect(RetryAfter.read(HTTPFields([("retry-after-ms", text)]), now: 0) == nil)
    }

    @Test func `takes fractions, and milliseconds first`() {
        #expect(RetryAfter.read(HTTPFields([("Retry-After", "1.5")]), now: 0) == .milliseconds(1500))
        let both = HTTPFields([("Retry-After", "9"), ("Retry-After-Ms", "120")])
        #expect(RetryAfter.read(both, now: 0) == .milliseconds(120))
        #expect(RetryAfter.read(HTTPFields([("Retry-After", "9"), ("retry-after-ms", "x")]), now: 0) == .seconds(9))
    }
}
