import SluiceCache
import Testing

@Suite struct CacheControlTests {
    @Test func `directives are read as the RFC has them`() {
        #expect(CacheControl("") == CacheControl())
        #expect(CacheControl("No-Cache").isFresh)
        let both = CacheControl(" no-store ,\tno-cache")
        #expect(both.isFresh && both.isUnstored)
        #expect(CacheControl("max-age=60").maximumAge == 60)
        #expect(CacheControl("max-age=\"60\"").maximumAge == 60)
        #expect(CacheControl("only-if-cached").onlyIfCached)
        #expect(CacheControl("private, stale-if-error=3, x") == CacheControl())
    }

    @Test func `s-maxage comes before max-age, whatever their order`() {
        #expect(CacheControl("max-age=60, s-maxage=5").maximumAge == 5)
        #expect(CacheControl("s-maxage=5, max-age=60").maximumAge == 5)
    }

    @Test(arguments: ["max-age", "max-age=", "max-age=-1", "max-age=x", "max-age=1.5"])
    func `a number that is none allows nothing old`(text: String) {
        #expect(CacheControl(text).allows(age: 0))
        #expect(!CacheControl(text).allows(age: 1))
    }

    @Test func `more digits than fit are for ever`() {
        #expect(CacheControl("max-age=99999999999999999999999").allows(age: .max))
    }
}
