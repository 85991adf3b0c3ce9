/// Why a history could not be read or written.
package enum StoreError: Error, Sendable, Equatable {
    /// The database's own words; nothing of what was stored.
    case database(String)
    /// It cannot be reached, or does not answer in time.
    case unavailable(String)

    package var message: String {
        switch self {
        case .database(let words): "The history's database says: \(words)"
        case .unavailable(let words): "The history cannot be reached: \(words)"
        }
    }
}
