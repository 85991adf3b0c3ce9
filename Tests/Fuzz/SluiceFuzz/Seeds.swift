/// Inputs that no golden file holds.
enum Seeds {
    static let addresses: [[UInt8]] = [
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-v2%3A1/converse-stream",
        "http://user:word@[::1]:8080/a/./b/../c//d?x=1&y=%25a&x=%zz&=&z#f", "https://h:443", "h", "//", "://?&=#@",
        "https://example.org/é/日?q=🏳️‍🌈",
    ].map { Array($0.utf8) }
}
