/// A list that holds its first two elements without allocating, because most answers have no more.
@usableFromInline
package struct Few<Element: Sendable>: Sendable {
    @usableFromInline var first: Element?
    @usableFromInline var second: Element?
    @usableFromInline var rest: [Element] = []

    @inlinable
    package init() {}

    @inlinable
    package var isEmpty: Bool { self.first == nil }

    @inlinable
    package var count: Int { (self.first == nil ? 0 : 1) + (self.second == nil ? 0 : 1) + self.rest.count }

    @inlinable
    package mutating func append(_ element: Element) {
        if self.first == nil {
            self.first = element
        } else if self.second == nil {
            self.second = element
        } else {
            self.rest.append(element)
        }
    }

    /// In the order of appending.
    @inlinable
    package func forEach(_ body: (Element) -> Void) {
        if let first = self.first { body(first) }
        if let second = self.second { body(second) }
        for element in self.rest { body(element) }
    }
}
