/// What the program's end means.
enum ExitCode {
    static let success: Int32 = 0
    static let failure: Int32 = 1
    static let usage: Int32 = 2
    static let notFound: Int32 = 3
    static let unreachable: Int32 = 4
    static let interrupted: Int32 = 130
}

enum Version {
    static let text = "0.1.0"
}
