import SluiceWire

extension JSONValue {
    /// A count. Others than could be are unknown, so that sums of any number of rows cannot overflow.
    package var counted: Int? {
        guard let number = self.int, (0...(1 << 48)).contains(number) else { return nil }
        return number
    }

    /// A span or a time that could be; else unknown.
    package var measured: Double? {
        guard let number = self.double, abs(number) < 1e15 else { return nil }
        return number
    }
}
