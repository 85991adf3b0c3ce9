/// Width and height of an image in pixels.
public struct ImageSize: Sendable, Hashable {
    public var width: Int
    public var height: Int

    /// Sides are brought into 1 … 65,535.
    public init(width: Int, height: Int) {
        self.width = min(max(1, width), 65_535)
        self.height = min(max(1, height), 65_535)
    }

    /// The size that the head of a PNG, JPEG, GIF or WebP says; `nil` for anything else. Only the few bytes that say it
    /// are decoded, however large the image is.
    /// - Parameter base64: the image's data, with the alphabet of base64 or base64url.
    package init?(base64: Span<UInt8>) {
        guard let found = Self.png(base64) ?? Self.gif(base64) ?? Self.webP(base64) ?? Self.jpeg(base64) else {
            return nil
        }
        self = found
    }

    /// The size of what a `data:` address holds; `nil` for other addresses.
    package init?(dataURL address: Span<UInt8>) {
        guard let start = address.startOfDataURL else { return nil }
        self.init(base64: address.extracting(start..<address.count))
    }

    private init?(_ width: Int?, _ height: Int?) {
        guard let width, let height, width > 0, height > 0 else { return nil }
        self.init(width: width, height: height)
    }

    private static func png(_ data: Span<UInt8>) -> Self? {
        guard data.base64Big(0, 4) == 0x8950_4E47, data.base64Big(12, 4) == 0x4948_4452 else { return nil }
        return Self(data.base64Big(16, 4), data.base64Big(20, 4))
    }

    private static func gif(_ data: Span<UInt8>) -> Self? {
        guard data.base64Big(0, 4) == 0x4749_4638 else { return nil }
        return Self(data.base64Little(6, 2), data.base64Little(8, 2))
    }

    private static func webP(_ data: Span<UInt8>) -> Self? {
        guard data.base64Big(0, 4) == 0x5249_4646, data.base64Big(8, 4) == 0x5745_4250 else { return nil }
        switch data.base64Big(12, 4) {
        case 0x5650_3820:
            return Self(data.base64Little(26, 2).map { $0 & 0x3FFF }, data.base64Little(28, 2).map { $0 & 0x3FFF })
        case 0x5650_384C:
            guard let bits = data.base64Little(21, 4) else { return nil }
            return Self((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case 0x5650_3858:
            return Self(data.base64Little(24, 3).map { $0 + 1 }, data.base64Little(27, 3).map { $0 + 1 })
        default: return nil
        }
    }

    /// Goes from marker to marker, at most 256, up to the one that begins a frame.
    private static func jpeg(_ data: Span<UInt8>) -> Self? {
        guard data.base64Big(0, 2) == 0xFFD8 else { return nil }
        var place = 2
        for _ in 0..<256 {
            guard let mark = data.base64Big(place, 2), mark & 0xFF00 == 0xFF00 else { return nil }
            switch mark & 0xFF {
            case 0xFF: place += 1
            case 0x01, 0xD0...0xD8: place += 2
            case 0xC0...0xC3, 0xC5...0xC7, 0xC9...0xCB, 0xCD...0xCF:
                return Self(data.base64Big(place + 7, 2), data.base64Big(place + 5, 2))
            case 0xD9, 0xDA: return nil
            default:
                guard let length = data.base64Big(place + 2, 2), length >= 2 else { return nil }
                place += 2 + length
            }
        }
        return nil
    }
}
