import SluiceStores
import Testing

@Suite struct StoreErrorTests {
    @Test func `an error says whose words it repeats`() {
        #expect(StoreError.database("disk is full").message == "The history's database says: disk is full")
        #expect(StoreError.unavailable("refused").message == "The history cannot be reached: refused")
    }
}
