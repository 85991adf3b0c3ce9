import Testing

@testable import SluiceTransport

@Suite struct ValkeyAddressTests {
    private func error(_ url: String) -> ValkeyAddressError? {
        do throws(ValkeyAddressError) {
            _ = try ValkeyAddress(url: url)
            return nil
        } catch {
            return error
        }
    }

    @Test func `an address is read whole`() throws {
        #expect(try ValkeyAddress(url: "redis://h") == ValkeyAddress(place: .host("h", port: 6379)))
        #expect(
            try ValkeyAddress(url: "valkey://u%3A:p%40@h.example:7000/5?x=y")
                == ValkeyAddress(place: .host("h.example", port: 7000), user: "u:", password: "p@", database: 5)
        )
        #expect(
            try ValkeyAddress(url: "REDIS://:p:q@[::1]:7000")
                == ValkeyAddress(place: .host("::1", port: 7000), password: "p:q")
        )
        #expect(
            try ValkeyAddress(url: "unix:///run/v.sock?db=2")
                == ValkeyAddress(place: .socket(path: "/run/v.sock"), database: 2)
        )
    }

    @Test(arguments: ["rediss", "valkeys"])
    func `TLS is asked for by the scheme`(scheme: String) throws {
        #expect(
            try ValkeyAddress(url: "\(scheme)://:p@h:7000/5")
                == ValkeyAddress(place: .host("h", port: 7000), password: "p", database: 5, usesTLS: true)
        )
    }

    @Test func `what is wrong with it is said without its password`() {
        #expect(self.error("redis://user:sec/ret@h")?.message.contains("sec") == false)
        #expect(self.error("http://h") == .scheme("http"))
        #expect(self.error("secret@h") == .noScheme)
        #expect(self.error("user:secret://@h") == .noScheme)
        #expect(self.error("redis://user:sec/ret@h") == .port)
        #expect(self.error("redis://user:12/secret@h") == .database)
        #expect(self.error("redis://:secret@") == .host)
        #expect(self.error("redis://:secret@h:x") == .port)
        #expect(self.error("redis://h:70000") == .port)
        #expect(self.error("redis://h/-1") == .database)
        #expect(self.error("redis://:a%zz@h") == .escape("password"))
        #expect(self.error("unix://relative") == .path)
    }

    @Test func `it is shown without user and password`() throws {
        #expect(try ValkeyAddress(url: "redis://u:secret@[::1]:1/2").description == "[::1]:1/2")
    }
}
