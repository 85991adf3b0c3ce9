import SluiceBasics

/// The calls under way that can be shared, by the name of their answer.
package final class FlightTable: Sendable {
    /// How a request gets its answer.
    package enum Boarding: Sendable {
        /// Make the call: others may follow.
        case lead(Flight, Flight.Passenger)
        /// Somebody makes it already.
        case follow(Flight, Flight.Passenger)
        /// Too many follow, or this is more urgent than what is under way: make a call that nobody shares.
        case alone
    }

    private let flights = Lock<[CacheKey: Flight]>([:])
    private let maximumPassengers: Int
    private let maximumBytes: Int
    private static let maximumFlights = 65_536

    /// - Parameters:
    ///   - maximumPassengers: of one call.
    ///   - maximumBytes: of one answer that is kept while it comes.
    package init(maximumPassengers: Int, maximumBytes: Int) {
        self.maximumPassengers = maximumPassengers
        self.maximumBytes = maximumBytes
    }

    package var count: Int { self.flights.withLock { $0.count } }

    /// Calls `body` with every call under way.
    package func forEach(_ body: (Flight) -> Void) {
        for flight in self.flights.withLock({ Array($0.values) }) { body(flight) }
    }

    /// - Parameters:
    ///   - rank: less is more urgent.
    ///   - mayFollow: whether an answer that somebody else waits for will do.
    package func board(_ key: CacheKey, rank: Int, form: Flight.Form, mayFollow: Bool = true) -> Boarding {
        while true {
            let found = self.flights.withLock { flights -> (flight: Flight, isNew: Bool)? in
                if let flight = flights[key] { return (flight, false) }
                guard flights.count < Self.maximumFlights else { return nil }
                let flight = Flight(
                    key: key,
                    rank: rank,
                    form: form,
                    maximumPassengers: self.maximumPassengers,
                    maximumBytes: self.maximumBytes
                )
                flights[key] = flight
                return (flight, true)
            }
            guard let (flight, isNew) = found, isNew || mayFollow && rank >= flight.rank else { return .alone }
            switch flight.board(isLeader: isNew, form: form) {
            case .aboard(let passenger): return isNew ? .lead(flight, passenger) : .follow(flight, passenger)
            case .full: return .alone
            case .closed: self.land(flight)
            }
        }
    }

    /// The call is over, or nobody can follow any more. Harmless when another has taken its place.
    package func land(_ flight: Flight) {
        self.flights.withLock { flights in
            if flights[flight.key] === flight { flights[flight.key] = nil }
        }
    }
}
