import Testing

@testable import sluice

/// Durations, sizes and addresses as people write them.
@Suite struct QuantityTests {
    @Test(arguments: [
        ("250ms", Duration.milliseconds(250)), ("10s", .seconds(10)), ("1h30m", .seconds(5400)),
        ("1.5s", .milliseconds(1500)),
        ("0", .zero), ("0s", .zero), ("2d", .seconds(172_800)), ("5us", .microseconds(5)),
    ])
    func `a duration is read`(text: String, span: Duration) {
        #expect(DurationText.parse(text) == span)
    }

    @Test(arguments: [
        "", "10", "s", "10 s", "-1s", "1x", "1s2", "9999999999999999d", "1e3s", "..s", "nan", "inf", "1.s.", "ms10",
    ])
    func `what is no duration is refused`(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(arguments: [("1m30s", 90_000), ("250ms", 250), ("0s", 0), ("24h", 86_400_000), ("1s1ms", 1001)])
    func `a duration is written so that it can be read again`(text: String, milliseconds: Int) {
        #expect(DurationText.format(.milliseconds(milliseconds)) == text)
        #expect(DurationText.parse(text) == .milliseconds(milliseconds))
    }

    @Test(arguments: [("512", 512), ("64KiB", 65_536), ("16MiB", 16 << 20), ("1GB", 1_000_000_000), ("0", 0)])
    func `a size is read`(text: String, bytes: Int) {
        #expect(SizeText.parse(text) == bytes)
    }

    @Test(arguments: ["", "MiB", "-1", "1.5MiB", "1 MiB", "1mib", "99999999999999999GiB"])
    func `what is no size is refused`(text: String) {
        #expect(SizeText.parse(text) == nil)
    }

    @Test func `a size is written in the largest unit that says it exactly`() {
        #expect(SizeText.format(16 << 20) == "16MiB")
        #expect(SizeText.format((16 << 20) + (64 << 10)) == "16448KiB")
        #expect(SizeText.format(1000) == "1000")
    }

    @Test(arguments: [
        ("127.0.0.1:8400", "127.0.0.1", 8400), ("[::1]:80", "::1", 80), ("8400", "127.0.0.1", 8400),
        (":8400", "0.0.0.0", 8400), ("localhost:0", "localhost", 0),
    ])
    func `an address is read`(text: String, host: String, port: Int) {
        #expect(ListenAddress(text) == ListenAddress(host: host, port: port))
    }

    @Test(arguments: ["", "localhost", "127.0.0.1:70000", "::1:80", "[::1]", "a b:1", "[]:1", "1:2:3"])
    func `what is no address is refused`(text: String) {
        #expect(ListenAddress(text) == nil)
    }

    @Test func `only loopback is loopback`() {
        #expect(ListenAddress("127.0.0.1:1")?.isLoopback == true)
        #expect(ListenAddress("[::1]:1")?.isLoopback == true)
        #expect(ListenAddress(":1")?.isLoopback == false)
        #expect(ListenAddress("10.0.0.1:1")?.isLoopback == false)
    }
}
